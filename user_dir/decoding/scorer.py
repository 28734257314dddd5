"""``--score-reference`` through the heads: scores of given targets without a V-wide tensor."""

from __future__ import annotations

import math
from typing import Any

import torch
from fairseq import utils
from fairseq.sequence_scorer import SequenceScorer


class HeadScorer(SequenceScorer):
    """fairseq's sequence scorer, with ``head.score`` in place of a softmax over the vocabulary."""

    @torch.no_grad()
    def generate(
        self, models: list[Any], sample: dict[str, Any], **kwargs: Any
    ) -> list[list[dict[str, Any]]]:
        """Log-probabilities of ``sample["target"]`` ``(batch, length)``, as one hypothesis per sentence."""
        target = sample["target"]
        scores, attentions = [], []
        for model in models:
            model.eval()
            features, extra = model(**sample["net_input"], features_only=True)
            scores.append(model.decoder.head.score(features, target.unsqueeze(-1)).squeeze(-1))
            if extra.get("attn") and extra["attn"][0] is not None:
                attentions.append(extra["attn"][0])
        log_probs = torch.stack(scores).logsumexp(0) - math.log(len(models)) if len(models) > 1 else scores[0]
        attention = torch.stack(attentions).mean(0) if attentions else None
        starts = sample.get("start_indices", [0] * len(target))
        hypotheses = []
        for i, start in enumerate(starts):
            reference = utils.strip_pad(target[i, start:], self.pad)
            positional = log_probs[i, start : start + len(reference)]
            alignment = None
            if self.compute_alignment and attention is not None:
                source = sample["net_input"]["src_tokens"][i]
                alignment = utils.extract_hard_alignment(attention[i], source, target[i], self.pad, self.eos)
            hypotheses.append(
                [
                    {
                        "tokens": reference,
                        "score": positional.sum() / len(reference),
                        "attention": None if attention is None else attention[i],
                        "alignment": alignment,
                        "positional_scores": positional,
                    }
                ]
            )
        return hypotheses
