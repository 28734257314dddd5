"""``--task translation_mhe``: fairseq's translation task with decoding that never goes V-wide."""

from __future__ import annotations

import logging
from typing import Any

from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from user_dir.decoding.generator import (
    CandidateGenerator,
    CandidateGeneratorWithAlignment,
    reason_for_dense,
)
from user_dir.decoding.scorer import HeadScorer

logger = logging.getLogger(__name__)


@register_task("translation_mhe", dataclass=TranslationConfig)
class TranslationMHETask(TranslationTask):
    """Translation whose generators read candidates from the heads instead of scores of the vocabulary.

    Tokens and scores are those of the dense search. Options that need every label's score fall back to it,
    with one line in the log that names the option.
    """

    def build_generator(
        self,
        models: list[Any],
        args: Any,
        seq_gen_cls: Any = None,
        extra_gen_cls_kwargs: dict[str, Any] | None = None,
        prefix_allowed_tokens_fn: Any = None,
    ) -> Any:
        extra = dict(extra_gen_cls_kwargs or {})
        heads = all(hasattr(getattr(model, "decoder", None), "head") for model in models)
        if getattr(args, "score_reference", False) and heads:
            return HeadScorer(
                self.target_dictionary, compute_alignment=bool(getattr(args, "print_alignment", ""))
            )
        if seq_gen_cls is None and not getattr(args, "score_reference", False):
            reason = reason_for_dense(models, args, extra, prefix_allowed_tokens_fn)
            if reason is not None:
                logger.info(f"decoding on the dense path because of {reason}")
            elif getattr(args, "print_alignment", None):
                seq_gen_cls = CandidateGeneratorWithAlignment
                extra["print_alignment"] = args.print_alignment
            else:
                seq_gen_cls = CandidateGenerator
        return super().build_generator(
            models,
            args,
            seq_gen_cls=seq_gen_cls,
            extra_gen_cls_kwargs=extra,
            prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
        )
