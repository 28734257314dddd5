"""JSON files that appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mhe_nmt.files import replacing


def write_json(path: Path, content: Any) -> None:
    """Writes ``content`` (plain types) as an indented JSON file."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
