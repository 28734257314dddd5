"""Multi-Head Encoding: output heads for networks that predict one of very many labels."""

from mhe_nmt.codec import LabelCodec
from mhe_nmt.config import HeadConfig
from mhe_nmt.heads import (
    HEADS,
    CascadeHead,
    HeadOutput,
    HeadTotals,
    MultiLabelCascade,
    OneHotHead,
    OneVsAllHead,
    OutputHead,
    ProductHead,
    SamplingHead,
    build_head,
)
from mhe_nmt.radices import balanced_radices

__version__ = "0.2.0"

__all__ = [
    "HEADS",
    "CascadeHead",
    "HeadConfig",
    "HeadOutput",
    "HeadTotals",
    "LabelCodec",
    "MultiLabelCascade",
    "OneHotHead",
    "OneVsAllHead",
    "OutputHead",
    "ProductHead",
    "SamplingHead",
    "balanced_radices",
    "build_head",
]
