"""Options of the criterion.

fairseq reads the types of the fields, so no annotation here may be a string: this module must not import
``annotations`` from ``__future__``.
"""

from dataclasses import dataclass, field

from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterionConfig


@dataclass
class MHECrossEntropyCriterionConfig(LabelSmoothedCrossEntropyCriterionConfig):
    """The options of ``label_smoothed_cross_entropy`` and one more."""

    autocast_bf16: bool = field(
        default=False,
        metadata={
            "help": "compute matrix products in bfloat16 during training, on CPU or GPU; weights, their "
            "updates, softmaxes and validation stay in float32, and no loss scale is needed"
        },
    )
