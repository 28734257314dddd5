"""Extreme multi-label text classification: ``python -m vision_xmc.xmc`` trains, :func:`load_model` loads."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vision_xmc.xmc.model import load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:
    # Imported on first use: it takes seconds, which `--help` should not wait for.
    if name == "load_model":
        from vision_xmc.xmc.model import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
