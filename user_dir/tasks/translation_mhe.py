"""``--task translation_mhe``: fairseq's translation task, decoding without V-wide tensors."""

from __future__ import annotations

import logging
from typing import Any

from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationTask

from user_dir.decoding.fallback import prefers_dense, reason_for_dense
from user_dir.decoding.generator import CandidateGenerator, CandidateGeneratorWithAlignment
from user_dir.decoding.scorer import HeadScorer
from user_dir.errors import UsageError
from user_dir.tasks.config import TranslationMHEConfig

logger = logging.getLogger(__name__)


@register_task("translation_mhe", dataclass=TranslationMHEConfig)
class TranslationMHETask(TranslationTask):
    """Translation whose generators ask the heads for candidates instead of scoring the whole vocabulary.

    Tokens and scores are those of the dense search. Options that need every label's score make the task fall
    back to the dense search, and one line in the log names the option. ``--mhe-search dense`` asks for it;
    with ``--mhe-search candidates`` such an option is an error.
    """

    def build_generator(
        self,
        models: list[Any],
        args: Any,
        seq_gen_cls: Any = None,
        extra_gen_cls_kwargs: dict[str, Any] | None = None,
        prefix_allowed_tokens_fn: Any = None,
    ) -> Any:
        """As fairseq's; a ``seq_gen_cls`` that the caller asks for is used as it is."""
        extra = dict(extra_gen_cls_kwargs or {})
        heads = all(hasattr(getattr(model, "decoder", None), "head") for model in models)
        if getattr(args, "score_reference", False) and heads:
            return HeadScorer(
                self.target_dictionary, compute_alignment=bool(getattr(args, "print_alignment", ""))
            )
        if seq_gen_cls is None and not getattr(args, "score_reference", False):
            reason = self._reason_for_dense(models, args, extra, prefix_allowed_tokens_fn)
            if reason is not None:
                logger.info(f"decoding takes the dense path because of {reason}")
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

    def _reason_for_dense(
        self, models: list[Any], args: Any, extra: dict[str, Any], prefix_fn: Any
    ) -> str | None:
        """Why every label is scored, or ``None``.

        Raises:
            UsageError: if candidates are asked for, but cannot do.
        """
        # Checkpoints of version 0.2 do not have the option.
        wanted = getattr(self.cfg, "mhe_search", "auto")
        if wanted == "dense":
            return "--mhe-search dense"
        reason = reason_for_dense(models, args, extra, prefix_fn)
        if wanted == "candidates":
            if reason is not None:
                raise UsageError(f"--mhe-search candidates is impossible because of {reason}; leave it out")
            return None
        return reason or prefers_dense(models)
