"""The decoders' part of a step: from tokens to the step's state."""

from __future__ import annotations

from typing import Any

from fairseq.sequence_generator import EnsembleModelWithAlignment
from torch import Tensor

from user_dir.decoding.state import ColumnLayout, CurrentStep, StepState


class CandidateEnsemble(EnsembleModelWithAlignment):
    """fairseq's ensemble, which scores a few columns per row and leaves the choice of labels to the search.

    Args:
        models: fairseq models, each with a head for which :func:`.fallback.supports_candidates` holds.
        layout: what the columns mean.
        suppressed: ``(n,)`` int64, labels that are never chosen unless a prefix forces them, or ``None``.
        current: where each step's state is put.
    """

    def __init__(
        self, models: list[Any], layout: ColumnLayout, suppressed: Tensor | None, current: CurrentStep
    ) -> None:
        super().__init__(models)
        self.layout = layout
        self.suppressed = suppressed
        self.current = current

    def forward_decoder(
        self,
        tokens: Tensor,
        encoder_outs: list[Any],
        incremental_states: list[Any],
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor | None]:
        """As fairseq's, but ``(rows, width)`` on the layout's columns.

        The temperature must be 1: any other normalises over all labels.
        """
        assert temperature == 1.0
        attention: Tensor | None = None
        last_features: list[Tensor] = []
        for i, model in enumerate(self.models):
            features, extra = model.decoder(
                tokens,
                encoder_out=encoder_outs[i] if self.has_encoder() else None,
                incremental_state=incremental_states[i] if self.has_incremental_states() else None,
                features_only=True,
            )
            last_features.append(features[:, -1])
            layer_attention = extra["attn"][0] if extra.get("attn") else None
            if layer_attention is not None:
                last = layer_attention[:, -1]
                attention = last if attention is None else attention + last
        if attention is not None:
            attention = attention / self.models_size
        return self.begin_step(last_features), attention

    def begin_step(self, features: list[Tensor]) -> Tensor:
        """Makes the state of a new step; returns the scores of its columns, ``(rows, width)``.

        Args:
            features: ``(rows, d)`` per model, the decoder's output at the last position.
        """
        heads = [model.decoder.head for model in self.models]
        self.current.state = StepState(self.layout, heads, features, self.suppressed)
        return self.current.state.column_scores()
