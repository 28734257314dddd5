"""Options of the optimizer.

fairseq reads the types of the fields, so no annotation here may be a string: this module must not import
``annotations`` from ``__future__``.
"""

from dataclasses import dataclass, field
from typing import Any

from fairseq.dataclass import FairseqDataclass
from omegaconf import II


@dataclass
class RowAdamConfig(FairseqDataclass):
    """The options of ``adam``, without those of its CUDA extension."""

    adam_betas: Any = field(default=(0.9, 0.999), metadata={"help": "betas for Adam optimizer"})
    adam_eps: float = field(default=1e-8, metadata={"help": "epsilon for Adam optimizer"})
    weight_decay: float = field(default=0.0, metadata={"help": "weight decay"})
    lr: list[float] = II("optimization.lr")  # noqa: RUF009
