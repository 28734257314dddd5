"""Options: each is written once, and everything that is derived from it agrees."""

import json
import shutil
from dataclasses import fields

import pytest

from data_prep import stages
from data_prep.arguments import COMMANDS, build_parser
from data_prep.options import FIRST_STAGE, PrepareOptions
from mhe_nmt.options import build, flag_of
from tests.data_prep.corpus import prepare_args, run_here

# As the manifests of version 0.1.0 list them.
RECORDED = {
    "source_lang": "de",
    "target_lang": "en",
    "max_words": 250,
    "max_ratio": 3.0,
    "keep_duplicates": False,
    "overlap": "pair",
    "valid_size": None,
    "test_size": None,
    "seed": 1,
    "subword": "unigram",
    "vocab_size": 80,
    "joined_dictionary": True,
    "character_coverage": 1.0,
    "byte_fallback": False,
    "normalization": "nmt_nfkc",
    "moses": False,
}
ADDED = {"dictionary_order": "frequency", "cluster_size": None}
PREPARE = ["prepare", "-s", "de", "-t", "en", "--destdir", "out", "--trainpref", "train"]
OPTIONS = [(command, of) for command in COMMANDS for cls in command.options for of in fields(cls)]
BOUNDED = [
    pytest.param(
        command.name, flag_of(of.name), bound, outside, id=f"{command.name}{flag_of(of.name)}{outside}"
    )
    for command, of in OPTIONS
    for bound, outside in (
        (of.metadata["least"], None if of.metadata["least"] is None else of.metadata["least"] - 1),
        (of.metadata["most"], None if of.metadata["most"] is None else of.metadata["most"] + 1),
    )
    if bound is not None
]


def help_of(command):
    return " ".join(run_here(command, "--help").stdout.split())


def test_manifest_lists_the_same_options_as_before(prepared):
    recorded = json.loads((prepared / "manifest.json").read_text(encoding="utf-8"))["options"]
    assert list(recorded.items()) == list((RECORDED | ADDED | {"test_size": recorded["test_size"]}).items())
    assert recorded["test_size"] in (None, 0)


def test_manifest_of_an_earlier_version_makes_the_second_run_a_no_op(corpus, prepared, tmp_path):
    copy = shutil.copytree(prepared, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["options"] = RECORDED | {"test_size": 0}
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    done = run_here(*prepare_args(corpus, copy))
    assert done.stdout == f"{copy} is up to date; nothing to do\n", done.stderr


def test_flags_that_are_not_given_have_the_defaults_of_the_dataclass():
    given = build_parser().parse_args(PREPARE)
    assert build(PrepareOptions, vars(given)) == PrepareOptions(source_lang="de", target_lang="en")
    given = build_parser().parse_args([*PREPARE, "--moses", "--no-joined-dictionary", "--max-ratio", "2.5"])
    assert build(PrepareOptions, vars(given)) == PrepareOptions(
        source_lang="de", target_lang="en", moses=True, joined_dictionary=False, max_ratio=2.5
    )


def test_every_option_that_shapes_the_output_has_a_stage():
    assert list(FIRST_STAGE) == list(RECORDED | ADDED)
    assert set(FIRST_STAGE.values()) <= set(stages.STAGES)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("prepare", "--vocab-size N number of pieces per model (default: 8000)"),
        ("prepare", "one model and one dictionary for both languages (default: on)"),
        ("prepare", "number of validation pairs to hold out (default: one pair in 20, at most 2,000)"),
        ("prepare", "unless both have at most 5 words (default: 3.0)"),
        ("score", "--subset SUBSET split of --data whose reference to use (default: test)"),
        ("order", "--window N how many words apart two neighbours may be (default: 2)"),
        ("reorder", "--destdir DIR output folder"),
        ("encode", "--lang LANG language of the text"),
    ],
)
def test_help_shows_defaults(command, line):
    assert line in help_of(command)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_lists_every_option(command):
    text = help_of(command)
    for owner, of in OPTIONS:
        if owner.name == command:
            assert flag_of(of.name) in text
            assert " ".join(of.metadata["help"].split()) in text


@pytest.mark.parametrize(("command", "flag", "bound", "outside"), BOUNDED)
def test_numbers_out_of_range(command, flag, bound, outside):
    done = run_here(command, flag, outside)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"argument {flag}: {outside} is out of range; use " in done.stderr
    # The bound itself is allowed: the mistake is then another one.
    assert f"argument {flag}" not in run_here(command, flag, bound).stderr


def test_words_are_no_numbers():
    assert (
        "argument --seed: '1.5' is not a whole number; use 0 to 4294967295"
        in run_here("order", "--seed", "1.5").stderr
    )
    assert (
        "argument --max-ratio: 'x' is not a number; use 1 or more"
        in run_here(*PREPARE, "--max-ratio", "x").stderr
    )


def test_exactly_one_form_of_translations():
    assert "one of the arguments --hypotheses --generate is required" in run_here("score").stderr
    both = run_here("score", "--hypotheses", "a", "--generate", "b")
    assert both.returncode == 2
    assert "not allowed with argument --hypotheses" in both.stderr
