"""Every option of every head, written once: the source of all flags, their help and their defaults."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from torch import Tensor

from mhe_nmt.heads import HEADS, OutputHead, build_head
from mhe_nmt.options import flag_keywords, flag_of, option
from mhe_nmt.order import IDENTITY, IDENTITY_NAMES, named_order


def _option(
    default: Any, help: str, *, keyword: str | None = None, formerly: Sequence[str] = (), **more: Any
) -> Any:
    """An option of the heads.

    Args:
        default: its default, for the library and for every command.
        help: its description.
        keyword: the parameter of the heads' constructors, where that has another name.
        formerly: names that it had; commands and checkpoints that use them are still read.
        more: see :func:`mhe_nmt.options.option`.
    """
    aliases = (*more.pop("aliases", ()), *map(flag_of, formerly))
    return option(default, help, aliases=aliases, keyword=keyword, formerly=tuple(formerly), **more)


@dataclass(frozen=True)
class HeadConfig:
    """Output head.

    The defaults are the settings that were measured best (``docs/explanation/decisions.md``). An option that
    the chosen head does not read must keep its default; :meth:`build` refuses it otherwise.
    """

    # fmt: off
    head: str = _option("cascade",
        "the full softmax (onehot), MHP (product), MHC (cascade) or MHS (sampling)", choices=tuple(HEADS))
    radices: tuple[int, ...] | None = _option(None,
        "sizes of the heads, two or more; their product must be at least the number of labels "
        "(default: near-equal)", metavar="B", aliases=("--num-classes",))
    num_heads: int = _option(2, "number of heads where no radices are given", metavar="H")
    groups: int = _option(1, "product: number of groups; 1 is the plain product", metavar="G")
    group_form: str = _option("mixture",
        "product with groups: a mixture, or the paper's joint softmax, whose normaliser is as wide as the "
        "vocabulary", keyword="form", choices=("mixture", "joint"))
    conditioning: str = _option("table",
        "cascade: each prefix has weights of its own (V x d in all, can be tied to an embedding), or all "
        "share weights that see the earlier digits through embeddings", choices=("table", "digit"))
    hidden_features: int | None = _option(None,
        "cascade by digit: size of the hidden layers (default: as many as the head's input features)",
        metavar="M", formerly=("hidden_dim",))
    prototypes: int = _option(1,
        "cascade: weight vectors per first digit, combined by log-sum-exp", metavar="J")
    projection: bool = _option(False,
        "onehot, sampling, cascade by table: the matrix with one row per label reads the features through a "
        "d x d matrix, which helps where it is tied to an embedding")
    sample_fraction: float = _option(0.25, "sampling: share of the labels or blocks drawn per step",
        metavar="F")
    draw_by: str = _option("counts",
        "sampling: draw by how often labels were targets so far, or all alike as in the paper",
        choices=("counts", "uniform"), formerly=("sample_by",))
    positives: str = _option("targets",
        "sampling: labels that a step scores in addition to the draw: the targets of the batch, or each "
        "position's whole block as in the paper", choices=("targets", "block"), formerly=("sample_beside",))
    sample_unit: str = _option("label", "sampling: draw single labels, or blocks of them as in the paper",
        keyword="unit", choices=("label", "block"))
    label_order: str = _option(IDENTITY,
        "ranks of the labels: identity (the order of the labels, or of the dictionary), random, or a file "
        "with one rank per line", metavar="identity|random|PATH")
    order_seed: int = _option(1, "seed of the random label order", metavar="N")
    label_smoothing: float = _option(0.0, "label smoothing", metavar="EPS")
    # fmt: on

    def __post_init__(self) -> None:
        if self.radices is not None:
            object.__setattr__(self, "radices", tuple(self.radices))
        if self.label_order in IDENTITY_NAMES:
            object.__setattr__(self, "label_order", IDENTITY)

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], prefix: str = "", flag: Callable[[str], str] | None = None
    ) -> HeadConfig:
        """The config among ``options``, under today's or former names; ``None`` stands for a default.

        Args:
            options: by name, such as those of a command line or of a checkpoint; others are ignored.
            prefix: of the names, such as ``"mhe_"``.
            flag: the user's name of an option: then the options are what a user gave, and none may belong to
                another head, not even with its default.

        Raises:
            ValueError: if one does, in a sentence that names it.
        """
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            for name in (*field.metadata["formerly"], field.name):
                value = options.get(prefix + name)
                if value is not None:
                    values[field.name] = value
        config = cls(**values)
        if flag is not None:
            # Commands of version 0.1 kept these defaults in every checkpoint; one radix is checked by build.
            silent = {"num_heads": cls.num_heads, "label_order": IDENTITY}
            given = [name for name in values if getattr(config, name) != silent.get(name)]
            if config.radices is not None and len(config.radices) == 1:
                given.remove("radices")
            config._refuse_options_of_other_heads(given, flag)
        return config

    def read_options(self) -> dict[str, Any]:
        """The options that the head reads, by name, as plain types."""
        read = _keywords_of(self.head)
        names = ["head", *(field.name for field, keyword in _fields_by_keyword() if keyword in read)]
        names += ["order_seed"] if "order" in read else []
        return {name: value for name, value in _plain(self).items() if name in names}

    def build(
        self,
        in_features: int,
        num_labels: int,
        *,
        order: Tensor | None = None,
        flag: Callable[[str], str] = str,
        labels: str = "labels",
        **keywords: Any,
    ) -> OutputHead:
        """The head that this config describes.

        Args:
            in_features: ``d``.
            num_labels: ``V``.
            order: ``(V,)`` int64 ranks to use instead of those that :attr:`label_order` names.
            flag: the user's name of an option, for messages.
            labels: what the labels are, for messages, in the plural.
            keywords: more for the head's constructor, such as ``bias``, ``ignore_index`` or ``device``.

        Raises:
            ValueError: for an option that is out of range or that this head does not read, and for a label
                order that is not one; the sentence names option, file and line.
        """
        changed = [
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default and getattr(self, field.name) != (num_labels,)
        ]
        self._refuse_options_of_other_heads(changed, flag)
        read = _keywords_of(self.head)
        values = {
            keyword: getattr(self, field.name)
            for field, keyword in _fields_by_keyword()
            if keyword in read and field.name != "label_order"
        }
        if "order" in read:
            named = f"{flag('label_order')} {self.label_order}"
            values["order"] = (
                named_order(self.label_order, num_labels, self.order_seed, what=named, labels=labels)
                if order is None
                else order
            )
        try:
            return build_head(self.head, in_features, num_labels, **values, **keywords)
        except ValueError as error:
            raise ValueError(f"{flag('head')} {self.head}: {error}") from error

    def _refuse_options_of_other_heads(self, names: Collection[str], flag: Callable[[str], str]) -> None:
        if self.head not in HEADS:
            raise ValueError(f"{flag('head')} {self.head}: unknown head; the heads are {', '.join(HEADS)}")
        read = _keywords_of(self.head)
        for field, keyword in _fields_by_keyword():
            if keyword in read or field.name not in names:
                continue
            readers = [name for name in HEADS if keyword in _keywords_of(name)]
            raise ValueError(
                f"{flag(field.name)} belongs to {flag('head')} {' or '.join(readers)}, not to {flag('head')} "
                f"{self.head}; leave it out"
            )


def add_head_flags(parser: argparse.ArgumentParser, prefix: str, leave_out: Collection[str] = ()) -> None:
    """Adds a flag per option of :class:`HeadConfig` to a parser that is not ours, such as fairseq's.

    A flag that is not given leaves ``None``, so that :meth:`HeadConfig.from_options` knows what was given.
    Radices are one word, ``90,90``, because positional arguments may follow them.

    Args:
        parser: gets the flags.
        prefix: of every flag and of its name in the namespace, such as ``"mhe"`` for ``--mhe-head``.
        leave_out: names of options without a flag.
    """
    hints = get_type_hints(HeadConfig)
    for field in dataclasses.fields(HeadConfig):
        if field.name in leave_out:
            continue
        keywords = flag_keywords(field, hints[field.name])
        if field.name == "radices":
            keywords = {"help": keywords["help"], "metavar": "B1,B2,..."}
        names = [flag_of(f"{prefix}-{name}") for name in (field.name, *field.metadata["formerly"])]
        parser.add_argument(*names, dest=f"{prefix}_{field.name}", default=None, **keywords)


def option_names() -> list[str]:
    """Names of the options, former ones included."""
    fields = dataclasses.fields(HeadConfig)
    return [name for field in fields for name in (*field.metadata["formerly"], field.name)]


def with_current_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a trainer of version 0.1 kept in a checkpoint, under today's names.

    Its images were trained against blocks unless told otherwise, so the defaults of that time are filled in.
    """
    if "sample_beside" not in options:
        return dict(options)
    blocks = {"sample_beside": "block", "sample_unit": "block"}
    given = {name: value for name, value in options.items() if value is not None}
    config = HeadConfig.from_options(blocks | given)
    others = {name: value for name, value in options.items() if name not in option_names()}
    return others | _plain(config)


def _plain(config: HeadConfig) -> dict[str, Any]:
    """The options as a checkpoint has them."""
    values = dataclasses.asdict(config)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _fields_by_keyword() -> list[tuple[dataclasses.Field[Any], str]]:
    """The options that heads read, with the parameter of the constructors; ``order_seed`` is not one."""
    named = {"label_order": "order"}
    return [
        (field, field.metadata["keyword"] or named.get(field.name, field.name))
        for field in dataclasses.fields(HeadConfig)
        if field.name not in ("head", "order_seed")
    ]


def _keywords_of(head: str) -> frozenset[str]:
    """The options that the head's constructor takes."""
    return frozenset(inspect.signature(HEADS[head]).parameters)
