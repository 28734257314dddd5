"""The decoder side of candidate search: features of a step, and labels found and scored through the heads."""

from __future__ import annotations

import math
from typing import Any

import torch
from fairseq.sequence_generator import EnsembleModelWithAlignment
from torch import Tensor

from mhe_nmt import CascadeHead, OutputHead, ProductHead
from mhe_nmt.topk import repeats


def supports_candidates(head: Any) -> bool:
    """Whether the head finds its best labels without scoring them all."""
    return isinstance(head, CascadeHead) or (isinstance(head, ProductHead) and head.form != "joint")


class CandidateEnsemble(EnsembleModelWithAlignment):
    """fairseq's ensemble, whose step leaves the choice of labels to the search.

    ``forward_decoder`` returns ``R + 1`` columns a row in the place of ``V``:

    * ``0 … R - 1``: log-probabilities of the labels of the same numbers. ``R`` is chosen so that fairseq's
      special symbols are among them; the generator's ``lprobs[:, self.eos]`` and the like keep their meaning.
    * ``R``, the *gate*: 0. What the generator does to all words, such as closing a row that has reached its
      last step, it does to the gate too, and the search, which finds the other labels, sees it there.

    Where the search reads about as many labels as there are, all ``V`` are columns instead
    (:attr:`identity`).

    Args:
        models: fairseq models whose decoders have heads for which :func:`supports_candidates` holds.
        num_special: ``R``.
        needed: how many labels the search reads from a row.
    """

    def __init__(self, models: list[Any], num_special: int, needed: int) -> None:
        super().__init__(models)
        self.heads: list[OutputHead] = [model.decoder.head for model in models]
        self.num_labels = self.heads[0].num_labels
        self.num_special = num_special
        self.identity = 2 * num_special + needed >= self.num_labels
        #: How many leading columns are the labels of the same numbers, and how many columns there are.
        self.own_columns = self.num_labels if self.identity else num_special
        self.width = self.num_labels if self.identity else num_special + 1
        #: Labels that are never generated, but for forced prefixes; and whether that holds in this step.
        self.suppressed: Tensor | None = None
        self.suppressing = True
        #: ``(rows, n)``: labels that n-gram blocking strikes out in this step, -1 for none.
        self.banned: Tensor | None = None
        #: ``(rows,)``: labels that have taken the gate's column in this step, -1 for none.
        self.forced: Tensor | None = None

    def forward_decoder(
        self,
        tokens: Tensor,
        encoder_outs: list[Any],
        incremental_states: list[Any],
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor | None]:
        """As fairseq's, on the columns above. The temperature must be 1: another needs all labels."""
        assert temperature == 1.0
        self.suppressing, self.banned, self.forced = True, None, None
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
        return self.columns(), attention

    def columns(self) -> Tensor:
        """The output layer's part of a step: the columns of the class's description, ``(rows, width)``."""
        pairs = list(zip(self.heads, self.features, strict=True))
        if self.identity:
            return self._average([head.log_prob(features) for head, features in pairs])
        special = torch.arange(self.num_special, device=self.features[0].device)
        special = special.expand(len(self.features[0]), -1)
        self._shared = [head.precompute(features) for head, features in pairs]
        scores = [
            head.score(features, special, shared)
            for (head, features), shared in zip(pairs, self._shared, strict=True)
        ]
        return torch.nn.functional.pad(self._average(scores), (0, 1))

    def score(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Log-probabilities of ``labels`` ``(n, K)`` at the current step, for ``rows`` ``(n,)``."""
        scores = [
            head.score(features.index_select(0, rows), labels)
            for head, features in zip(self.heads, self.features, strict=True)
        ]
        return self._average(scores)

    def best(
        self, scores: Tensor, count: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The best continuations of the first ``B`` hypotheses of each sentence.

        Args:
            scores: ``(S, B)``, see :meth:`mhe_nmt.OutputHead.beam_topk`.
            count: at most ``B·V``.
            exclude: ``(V,)`` bool or ``None``.

        Returns:
            log-probabilities, beams and labels, each ``(S, count)``, best sum first.
        """
        num_sentences, beam = scores.shape
        features = [rows.view(num_sentences, -1, rows.size(-1))[:, :beam] for rows in self.features]
        shared = self._shared if scores.numel() == len(self.features[0]) else [None] * self.models_size
        if self.models_size == 1:
            return self.heads[0].beam_topk(features[0], scores, count, exclude, shared[0])
        first_rows = torch.arange(num_sentences, device=scores.device) * (
            len(self.features[0]) // num_sentences
        )
        fetched = count
        while True:
            found = [
                head.beam_topk(rows, scores, fetched, exclude, precomputed)
                for head, rows, precomputed in zip(self.heads, features, shared, strict=True)
            ]
            # Each model's continuations, each once, scored by all models.
            ids = torch.cat(
                [
                    (beams * self.num_labels + labels).where(~log_probs.isneginf(), -1)
                    for log_probs, beams, labels in found
                ],
                dim=-1,
            )
            ids = ids.sort(dim=-1).values
            spare = repeats(ids) | (ids < 0)
            ids = ids.clamp(min=0)
            beams = ids.div(self.num_labels, rounding_mode="floor")
            labels = ids - beams * self.num_labels
            rows = (first_rows.unsqueeze(-1) + beams).flatten()
            log_probs = self.score(rows, labels.view(-1, 1)).view(labels.shape).masked_fill(spare, -math.inf)
            sums, index = (scores.gather(-1, beams) + log_probs).topk(count, dim=-1)
            # A continuation outside every model's list has at most its last sum under each of them; a model
            # that has run out of continuations has listed them all.
            last = [
                (scores.gather(-1, beams) + found_log_probs)[:, -1] for found_log_probs, beams, _ in found
            ]
            complete = (sums[:, -1] >= self._average(last)) | torch.stack(last).isneginf().any(0)
            if bool(complete.all()):
                return log_probs.gather(-1, index), beams.gather(-1, index), labels.gather(-1, index)
            fetched = min(2 * fetched, beam * self.num_labels)

    def _average(self, scores: list[Tensor]) -> Tensor:
        """Log of the mean probability, as fairseq averages an ensemble."""
        if self.models_size == 1:
            return scores[0]
        return torch.logsumexp(torch.stack(scores), dim=0) - math.log(self.models_size)
