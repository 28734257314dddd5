"""Cross entropy through an output head, in fairseq's units."""

from __future__ import annotations

from typing import Any

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion, register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch import Tensor

from user_dir.criterions.config import MHECrossEntropyCriterionConfig
from user_dir.errors import UsageError


@register_criterion("mhe_ce", dataclass=MHECrossEntropyCriterionConfig)
class MHECrossEntropyCriterion(FairseqCriterion):
    """Label-smoothed cross entropy for models with an output head of :mod:`mhe_nmt`.

    The target goes into ``model.forward``, which returns the head's loss, so that no tensor is as large as
    positions times labels. ``loss``, ``nll_loss`` and ``ppl`` mean the same as those of
    ``label_smoothed_cross_entropy``: base 2, with its weight for the smoothing term. Runs with either
    criterion can be compared.

    Raises:
        UsageError: if the label smoothing is outside ``[0, 1)``, or (by ``forward``) if the model has no MHE
            head.
    """

    def __init__(
        self,
        task: Any,
        sentence_avg: bool,
        label_smoothing: float,
        ignore_prefix_size: int = 0,
        report_accuracy: bool = False,
        autocast_bf16: bool = False,
    ) -> None:
        super().__init__(task)
        if not 0.0 <= label_smoothing < 1.0:
            raise UsageError(f"--label-smoothing must be in [0, 1), got {label_smoothing}")
        self.sentence_avg = sentence_avg
        self.eps = label_smoothing
        self.ignore_prefix_size = ignore_prefix_size
        self.report_accuracy = report_accuracy
        self.autocast_bf16 = autocast_bf16

    def forward(
        self, model: Any, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """The loss of one batch in nats, the sample size and the logging outputs.

        The loss is a scalar sum, or ``(batch, length)`` with ``reduce=False``.
        """
        head = getattr(getattr(model, "decoder", None), "head", None)
        if head is None:
            raise UsageError(
                "--criterion mhe_ce needs an architecture with an MHE head, such as --arch transformer_mhe; "
                "for other models use --criterion label_smoothed_cross_entropy"
            )
        target = model.get_targets(sample, None)
        if self.ignore_prefix_size > 0:
            target = target.clone()
            target[:, : self.ignore_prefix_size] = self.padding_idx
        # fairseq smooths with eps over the V - 1 other labels, so the target gets a share less.
        eps_i = self.eps / (head.num_labels - 1)
        weights = (1.0 - self.eps - eps_i, eps_i)
        bf16 = self.autocast_bf16 and model.training
        with torch.autocast(target.device.type, torch.bfloat16, enabled=bf16):
            output, extra = model(
                **sample["net_input"], target=target, loss_weights=weights, reduce_loss=reduce
            )
        loss, nll = output

        sample_size = sample["target"].size(0) if self.sentence_avg else sample["ntokens"]
        logging_output = {
            "loss": loss.data,
            "nll_loss": nll.data,
            "ntokens": sample["ntokens"],
            "nsentences": sample["target"].size(0),
            "sample_size": sample_size,
        }
        if self.report_accuracy:
            mask = target.ne(self.padding_idx)
            with torch.no_grad():
                correct = head.predict(extra["features"][mask]).eq(target[mask]).sum()
            logging_output["n_correct"] = utils.item(correct)
            logging_output["total"] = utils.item(mask.sum())
        return loss, sample_size, logging_output

    reduce_metrics = staticmethod(LabelSmoothedCrossEntropyCriterion.reduce_metrics)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """True: all logging outputs are sums, so fairseq may add them over workers before it reduces them."""
        return True
