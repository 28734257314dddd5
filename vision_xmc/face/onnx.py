"""Backbones as ONNX files: writes them, compares them with the original, and runs them with onnxruntime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mhe_nmt.files import replacing
from vision_xmc.common.errors import UsageError

INPUT, OUTPUT = "images", "embeddings"
#: Largest difference allowed in any element of embeddings of length 1.
TOLERANCE = 1e-4
_INSTALL = "pip install 'mhe-nmt[faces]'"


class OnnxBackbone(nn.Module):
    """An ONNX file that takes the place of a backbone, on the CPU.

    Args:
        path: a graph with one input ``(N, 3, size, size)`` float32 and one output ``(N, d)``.

    Raises:
        UsageError: if onnxruntime is not installed, or the file is not such a graph.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.is_file():
            raise UsageError(f"no ONNX file at {path}; check the path")
        try:
            import onnxruntime
        except ImportError:
            raise UsageError(f"{path} needs onnxruntime, which is not installed ({_INSTALL})") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common class.
            raise UsageError(
                f"{path} is not an ONNX graph that onnxruntime can run; export it again"
            ) from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(outputs) != 1 or len(shape) != 4 or not isinstance(shape[-1], int):
            raise UsageError(f"{path} must have one input (N, 3, size, size) of fixed size and one output")
        self._input, self.image_size = inputs[0].name, shape[-1]

    def forward(self, images: Tensor) -> Tensor:
        outputs = self._session.run(None, {self._input: images.contiguous().numpy()})
        return torch.from_numpy(np.asarray(outputs[0]))


def export_backbone(backbone: nn.Module, image_size: int, path: Path) -> float:
    """Writes ``backbone`` as an ONNX graph if the graph's embeddings equal those of ``backbone``.

    The graph reads ``images`` ``(N, 3, image_size, image_size)`` float32 for any ``N``: RGB, as
    ``x / 127.5 - 1`` of values from 0 to 255. It gives ``embeddings`` ``(N, d)`` of any length.

    Args:
        backbone: on the CPU, in evaluation mode.
        image_size: height and width of the pictures.
        path: the file, which appears whole or not at all.

    Returns:
        The largest difference in any element of embeddings of length 1, over a batch of one and one of three.

    Raises:
        UsageError: if a package is missing, or embeddings differ by more than :data:`TOLERANCE`.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"export needs {error.name}, which is not installed ({_INSTALL})") from None
    with replacing(path) as partial:
        with _quiet_exporter():
            program: Any = torch.onnx.export(
                backbone,
                (torch.zeros(2, 3, image_size, image_size),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
        program.model.metadata_props["pixels"] = "RGB, x / 127.5 - 1 of values from 0 to 255"
        program.save(str(partial), external_data=False)
        difference = _difference(backbone, OnnxBackbone(partial), image_size)
        if not difference <= TOLERANCE:
            raise UsageError(
                f"{path} was not written: embeddings of the exported graph differ by {difference:.1e}; use "
                "the checkpoint itself"
            )
    return difference


def _difference(backbone: nn.Module, exported: nn.Module, image_size: int) -> float:
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    with torch.inference_mode():
        for batch in (1, 3):
            images = torch.rand(batch, 3, image_size, image_size, generator=generator) * 2 - 1
            expected, actual = backbone(images), exported(images)
            lengths = expected.norm(dim=-1, keepdim=True).clamp(min=1e-12)
            worst = max(worst, float(((actual - expected) / lengths).abs().max()))
    return worst


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences the exporter's remarks about packages that it supports but does not find."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
