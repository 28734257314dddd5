"""Options of the criterion. fairseq reads the fields' types themselves, so no annotation here is a string."""

from dataclasses import dataclass, field

from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterionConfig


@dataclass
class MHECrossEntropyCriterionConfig(LabelSmoothedCrossEntropyCriterionConfig):
    """Those of ``label_smoothed_cross_entropy`` and one more."""

    autocast_bf16: bool = field(
        default=False,
        metadata={
            "help": "train with matrix products in bfloat16, on CPU or GPU; weights, their updates, "
            "softmaxes and validation stay in float32, and no loss scale is needed"
        },
    )
