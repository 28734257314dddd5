"""Reads pickles of arrays and plain types without running any code in them."""

from __future__ import annotations

import io
import pickle
from typing import Any

#: What old and new versions of numpy use in pickles of arrays. Nothing else may be called.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load_arrays(content: bytes) -> Any:
    """The content of a pickle from any version of Python; strings of Python 2 become bytes.

    Raises:
        ValueError: if it is cut short, is no pickle, or needs more than numpy arrays and plain types.
    """
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # A hostile or cut file can fail in any way.
        raise ValueError(str(error) or type(error).__name__) from error
