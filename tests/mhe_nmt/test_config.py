"""`HeadConfig`: one description of every option, from which heads and flags are built."""

from __future__ import annotations

import argparse
import dataclasses
import inspect

import pytest
import torch

from mhe_nmt import HEADS, HeadConfig, LabelCodec, SamplingHead, build_head
from mhe_nmt.config import add_head_flags, option_names, with_current_names

#: What callers decide, what the order of the labels becomes, and what the optimizer must take.
NOT_OPTIONS = {
    "self", "in_features", "num_labels", "order", "bias", "ignore_index", "device", "dtype", "sparse",
}  # fmt: skip
NAMES = {"form": "group_form", "unit": "sample_unit"}


@pytest.mark.parametrize("name", HEADS)
def test_every_option_of_every_head_is_there_with_its_default(name: str) -> None:
    config = HeadConfig()
    parameters = inspect.signature(HEADS[name]).parameters
    options = {key: value.default for key, value in parameters.items() if key not in NOT_OPTIONS}
    assert options
    for keyword, default in options.items():
        assert getattr(config, NAMES.get(keyword, keyword)) == default, keyword


@pytest.mark.parametrize("name", HEADS)
def test_the_defaults_build_the_head_that_the_library_builds(name: str) -> None:
    torch.manual_seed(1)
    ours = HeadConfig(head=name).build(6, 30, ignore_index=1)
    torch.manual_seed(1)
    plain = build_head(name, 6, 30, ignore_index=1)
    assert repr(ours) == repr(plain)
    assert ours.ignore_index == 1
    for key, value in plain.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key


def test_sampling_defaults_are_those_measured_best() -> None:
    head = HeadConfig(head="sampling").build(4, 24)
    assert isinstance(head, SamplingHead)
    assert (head.draw_by, head.positives, head.unit, head.sample_fraction) == (
        "counts", "targets", "label", 0.25,
    )  # fmt: skip


OTHER_VALUES = {
    "radices": (5, 6), "num_heads": 3, "groups": 2, "group_form": "joint", "conditioning": "digit",
    "hidden_features": 3, "prototypes": 2, "projection": True, "sample_fraction": 0.5, "draw_by": "uniform",
    "positives": "block", "sample_unit": "block", "label_order": "random", "label_smoothing": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("option", OTHER_VALUES)
@pytest.mark.parametrize("name", HEADS)
def test_an_option_reaches_its_head_or_is_refused_by_name(name: str, option: str) -> None:
    value = OTHER_VALUES[option]
    config = dataclasses.replace(HeadConfig(head=name), **{option: value})
    if option == "hidden_features":
        config = dataclasses.replace(config, conditioning="digit" if name == "cascade" else "table")
    if option == "group_form":
        config = dataclasses.replace(config, groups=2 if name == "product" else 1)
    keyword = {"label_order": "order", "group_form": "form", "sample_unit": "unit"}.get(option, option)
    readers = [head for head in HEADS if keyword in inspect.signature(HEADS[head]).parameters]
    if name not in readers:
        sentence = f"--{option} belongs to --head {' or '.join(readers)}, not to --head {name}; leave it out"
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            config.build(6, 30, flag=lambda field: f"--{field}")
        return
    head = config.build(6, 30)
    if option in ("radices", "num_heads", "label_order"):
        codec = head.codec
        assert isinstance(codec, LabelCodec)
        expected = {"radices": (5, 6), "num_heads": 3, "label_order": False}[option]
        found = {
            "radices": tuple(codec.radix_list),
            "num_heads": codec.num_heads,
            "label_order": codec.is_identity,
        }
        assert found[option] == expected
    elif option == "projection":
        assert any("projection" in key for key in head.state_dict())
    elif option == "hidden_features":
        assert head.hidden[0].out_features == 3  # type: ignore[union-attr,index]
    else:
        assert getattr(head, keyword) == value


def test_mistakes_name_the_head() -> None:
    for config, sentence in (
        (HeadConfig(head="product", radices=(2, 2)), "--head product: radices .* too few for 30 labels"),
        (HeadConfig(head="other"), "--head other: unknown head; the heads are onehot, product, cascade, sa"),
        (HeadConfig(label_order="none.txt"), "--label_order none.txt: no such file"),
    ):
        with pytest.raises(ValueError, match=sentence):
            config.build(6, 30, flag=lambda field: f"--{field}")


def test_an_unknown_head_is_named_before_its_options() -> None:
    with pytest.raises(ValueError, match=r"^--head other: unknown head; the heads are onehot, product, "):
        HeadConfig.from_options({"head": "other", "groups": 2}, flag=lambda field: f"--{field}")


def parsed(*arguments: str) -> HeadConfig:
    parser = argparse.ArgumentParser()
    add_head_flags(parser, "mhe", leave_out=("label_smoothing",))
    options = vars(parser.parse_args(arguments))
    if isinstance(options["mhe_radices"], str):
        options["mhe_radices"] = [int(part) for part in options["mhe_radices"].split(",")]
    return HeadConfig.from_options(options, prefix="mhe_")


def test_what_the_user_gives_must_belong_to_the_head_even_if_it_is_the_default() -> None:
    given = {"head": "product", "conditioning": "table", "groups": None}
    assert HeadConfig.from_options(given) == HeadConfig(head="product")
    with pytest.raises(ValueError, match=r"^--conditioning belongs to --head cascade, not to --head"):
        HeadConfig.from_options(given, flag=lambda field: f"--{field}")


@pytest.mark.parametrize("name", HEADS)
def test_options_that_a_head_reads_describe_it(name: str) -> None:
    config = HeadConfig(head=name)
    options = config.read_options()
    assert HeadConfig.from_options(options, flag=str) == config
    assert ("conditioning" in options) == (name == "cascade")
    assert ("radices" in options) == ("order_seed" in options) == (name != "onehot")


def test_flags_of_an_argument_parser() -> None:
    assert parsed() == HeadConfig()
    given = parsed(
        "--mhe-head", "cascade", "--mhe-radices", "5,6", "--mhe-projection", "--mhe-prototypes", "2"
    )
    assert given == HeadConfig(radices=(5, 6), projection=True, prototypes=2)
    given = parsed("--mhe-head", "sampling", "--mhe-sample-by", "uniform", "--mhe-sample-beside", "block")
    assert given == HeadConfig(head="sampling", draw_by="uniform", positives="block")
    assert parsed("--mhe-hidden-dim", "7").hidden_features == 7


def test_options_of_older_checkpoints() -> None:
    """Former names are read; ``None`` was written for a default; others are ignored."""
    older = {
        "mhe_head": "cascade",
        "mhe_hidden_dim": 5,
        "mhe_conditioning": "digit",
        "mhe_groups": None,
        "lr": 1,
    }
    config = HeadConfig.from_options(older, prefix="mhe_")
    assert config == HeadConfig(conditioning="digit", hidden_features=5)
    assert {"sample_by", "sample_beside", "hidden_dim"} <= set(option_names())


def test_options_of_older_image_runs() -> None:
    """They were trained against blocks, which was the default then."""
    older = {
        "head": "sampling", "radices": [5, 6], "groups": None, "sample_fraction": None, "sample_by": None,
        "sample_beside": None, "label_order": "identity", "epochs": 3,
    }  # fmt: skip
    now = with_current_names(older)
    assert now["epochs"] == 3
    assert not {"sample_by", "sample_beside"} & set(now)
    assert HeadConfig.from_options(now) == HeadConfig(
        head="sampling", radices=(5, 6), positives="block", sample_unit="block"
    )
    assert with_current_names(now) == now
    assert with_current_names({"head": "full", "epochs": 3}) == {"head": "full", "epochs": 3}
    asked = with_current_names({**older, "sample_beside": "targets", "sample_by": "uniform"})
    assert (asked["positives"], asked["draw_by"], asked["sample_unit"]) == ("targets", "uniform", "block")
