"""The decoder side of candidate search: per row, a few scored labels that contain all that can matter."""

from __future__ import annotations

import math
from typing import Any

import torch
from fairseq.sequence_generator import EnsembleModelWithAlignment
from torch import Tensor

from mhe_nmt import CascadeHead, OutputHead, ProductHead


def supports_candidates(head: Any) -> bool:
    """Whether the head finds its best labels without scoring them all."""
    return isinstance(head, CascadeHead) or (isinstance(head, ProductHead) and head.form != "joint")


class CandidateEnsemble(EnsembleModelWithAlignment):
    """fairseq's ensemble, with candidates in the place of the vocabulary.

    ``forward_decoder`` returns ``(rows, C)`` log-probabilities whose columns mean, in this order:

    * ``0 … R - 1``: the labels of the same numbers. ``R`` is chosen so that fairseq's special symbols are
      among them; the generator's ``lprobs[:, self.eos]`` and the like keep their meaning.
    * the rest: the row's best other labels, at least ``needed + extra`` of them (fewer only if there are no
      more); their ids are in :attr:`ids`, ``(rows, C)``.

    Where that would cover the vocabulary anyway, all ``V`` labels are columns and ``ids`` is the identity.

    Args:
        models: fairseq models whose decoders have heads for which :func:`supports_candidates` holds.
        num_special: ``R``.
        needed: how many labels the search reads from a row: twice the beam, or the k of top-k sampling.
    """

    ids: Tensor

    def __init__(self, models: list[Any], num_special: int, needed: int) -> None:
        super().__init__(models)
        self.heads: list[OutputHead] = [model.decoder.head for model in models]
        self.num_special = num_special
        self.needed = needed
        self.num_labels = self.heads[0].num_labels
        #: Labels that are never generated, but for forced prefixes.
        self.suppressed: Tensor | None = None
        self.no_repeat_ngram_size = 0

    def forward_decoder(
        self,
        tokens: Tensor,
        encoder_outs: list[Any],
        incremental_states: list[Any],
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor | None]:
        """As fairseq's, on candidate columns. The temperature must be 1: another needs all labels."""
        assert temperature == 1.0
        attention: Tensor | None = None
        self.features: list[Tensor] = []
        for i, model in enumerate(self.models):
            features, extra = model.decoder(
                tokens,
                encoder_out=encoder_outs[i] if self.has_encoder() else None,
                incremental_state=incremental_states[i] if self.has_incremental_states() else None,
                features_only=True,
            )
            self.features.append(features[:, -1])
            layer_attention = extra["attn"][0] if extra.get("attn") else None
            if layer_attention is not None:
                last = layer_attention[:, -1]
                attention = last if attention is None else attention + last
        if attention is not None:
            attention = attention / self.models_size
        columns = self._columns(self._extra(tokens.size(1) - 1))
        if self.suppressed is not None:
            self.struck = torch.isin(self.ids, self.suppressed.to(self.ids.device))
            self.before_striking = columns
            columns = columns.masked_fill(self.struck, -math.inf)
        return columns, attention

    def score(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Log-probabilities of ``labels`` ``(n, K)`` at the current step, for ``rows`` ``(n,)``."""
        scores = [
            head.score(features[rows], labels)
            for head, features in zip(self.heads, self.features, strict=True)
        ]
        return self._average(scores)

    def _average(self, scores: list[Tensor]) -> Tensor:
        """Log of the mean probability, as fairseq averages an ensemble."""
        if self.models_size == 1:
            return scores[0]
        return torch.logsumexp(torch.stack(scores), dim=0) - math.log(self.models_size)

    def _extra(self, step: int) -> int:
        """How many of a row's labels later steps of the generator can strike out."""
        banned = max(0, step + 2 - self.no_repeat_ngram_size) if self.no_repeat_ngram_size else 0
        return banned + (0 if self.suppressed is None else len(self.suppressed))

    def _columns(self, extra: int) -> Tensor:
        device = self.features[0].device
        num_rows = len(self.features[0])
        special = torch.arange(self.num_special, device=device).expand(num_rows, -1)
        count = self.needed + extra + self.num_special
        if count + self.num_special >= self.num_labels:
            self.ids = torch.arange(self.num_labels, device=device).expand(num_rows, -1)
            return self._average(
                [head.log_prob(features) for head, features in zip(self.heads, self.features, strict=True)]
            )
        values, labels = self._best(count)
        self.ids = torch.cat([special, labels], dim=-1)
        values = values.masked_fill(labels < self.num_special, -math.inf)
        every_row = torch.arange(num_rows, device=device)
        return torch.cat([self.score(every_row, special), values], dim=-1)

    def _best(self, count: int) -> tuple[Tensor, Tensor]:
        """At least the ``count`` best labels of every row, with their scores."""
        if self.models_size == 1:
            return self.heads[0].topk(self.features[0], count)
        every_row = torch.arange(len(self.features[0]), device=self.features[0].device)
        fetched = count
        while True:
            found = [
                head.topk(features, min(fetched, self.num_labels))
                for head, features in zip(self.heads, self.features, strict=True)
            ]
            # Each model's candidates, each label once, scored by all models.
            labels = torch.cat([labels for _, labels in found], dim=-1).sort(dim=-1).values
            repeated = torch.nn.functional.pad(labels[:, 1:] == labels[:, :-1], (1, 0))
            values = self.score(every_row, labels).masked_fill(repeated, -math.inf)
            values, index = values.topk(count, dim=-1)
            # A label outside every model's list scores at most its last entry under each of them.
            bound = self._average([values[:, -1] for values, _ in found])
            if fetched >= self.num_labels or bool((values[:, -1] >= bound).all()):
                return values, labels.gather(-1, index)
            fetched = min(2 * fetched, self.num_labels)
