"""A griffe extension: Sphinx's roles in docstrings become code, since the site is Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?([^`]+)`")
_LITERAL = re.compile(r"``([^`]+)``")


def as_markdown(text: str) -> str:
    """``text`` with ``:class:`X``` and double back-ticks as Markdown's code spans."""
    return _LITERAL.sub(r"`\1`", _ROLE.sub(r"`\1`", text))


class DocstringRoles(griffe.Extension):
    """Rewrites every docstring once it has been read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """griffe calls this for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
