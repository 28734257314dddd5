"""Options of the translation task.

fairseq reads the types of the fields, so no annotation here may be a string: this module must not import
``annotations`` from ``__future__``.
"""

from dataclasses import dataclass, field

from fairseq.dataclass import ChoiceEnum
from fairseq.tasks.translation import TranslationConfig

SEARCHES = ChoiceEnum(["auto", "candidates", "dense"])


@dataclass
class TranslationMHEConfig(TranslationConfig):
    """Translation's options, and how to search."""

    mhe_search: SEARCHES = field(  # type: ignore[valid-type]
        default="auto",
        metadata={
            "help": "find a step's best labels among candidates, or by scores of all labels; auto takes "
            "candidates where options and device allow it"
        },
    )
