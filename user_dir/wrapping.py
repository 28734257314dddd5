"""How the plug-in changes a function of fairseq."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def wrap_once(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Makes ``owner.name`` a function that calls ``wrapper(original, …)``; a second call does nothing.

    Args:
        owner: the module or class that holds the function.
        name: the function's name there.
        wrapper: takes the original function before the arguments of the call.
    """
    original = getattr(owner, name)
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    setattr(owner, name, wrapped)
