"""The levers: one change each, and folders that do not collide."""

from pathlib import Path

import pytest

from benchmarks.harness.results import append_row
from benchmarks.translation.levers import LEVERS, data_of, folder_name, tables, train_options, write_report

EVERY = [(section, name) for section, levers in LEVERS.items() for name in levers]


@pytest.mark.parametrize(("section", "name"), EVERY)
def test_options_are_given_once(section, name):
    options = train_options(section, name, Path("some data"), updates=100)
    flags = [part for part in options if part.startswith("--")]
    assert len(flags) == len(set(flags))
    assert not any("{" in part for part in options)
    if "--mhe-label-order" in options and "order.txt" in LEVERS[section][name]:
        assert options[options.index("--mhe-label-order") + 1] == "some data/order.txt"
    tied = "--share-all-embeddings" in options
    # A tied table has the learned order from the dictionary, all else from an option, and nothing from both.
    assert not (tied and "--mhe-label-order {data}" in LEVERS[section][name])
    if data_of(section, name, Path("some data")) != Path("some data"):
        assert tied
        assert "--mhe-label-order" not in options
    assert options[options.index("--encoder-layers") + 1] == "2"


def test_a_tied_table_is_trained_in_clusters_of_its_last_radix():
    by_name = {
        name: data_of("Cascade by table", name, Path("d/x")).name for name in LEVERS["Cascade by table"]
    }
    assert by_name["clustered"] == by_name["clustered, 8 prototypes"] == "x-ordered"
    assert by_name["clustered, small first, 40 × 200"] == "x-ordered-200"
    assert by_name["clustered, large first, 200 × 40"] == "x-ordered-40"
    assert by_name["clustered, three heads, 20 × 20 × 20"] == "x-ordered-20"
    assert by_name["dictionary order"] == by_name["random order"] == by_name["clustered, untied"] == "x"


def test_folders_differ():
    folders = [folder_name(*lever) for lever in EVERY]
    assert len(set(folders)) == len(folders)
    assert folder_name("Cascade: a, b", "2 × 3") == "cascade-a-b-2-3"


def test_every_section_has_a_table(tmp_path):
    results = tmp_path / "levers.jsonl"
    score = {"lenpen": 1.0, "bleu": 30.0, "chrf++": 50.0, "bleu_signature": "b", "chrf++_signature": "c"}
    for section, name in (("Product", "x"), ("Cascade", "y"), ("Product", "z")):
        row = {"section": section, "name": name, "seed": 1, "output_layer_parameters": 10}
        row |= {"output_layer_shared_parameters": 0, "valid_nll_bits": 3.0, "scores": [score]}
        row |= {"versions": {"torch": "2"}, "processor": "a processor", "threads": 1}
        precision = "bfloat16" if name == "y" else "float32"
        commands = [["fairseq-train", name]]
        append_row(results, row | {"recipe": {"precision": precision, "commands": commands}})
    found = tables(results)
    assert set(found) == {"levers-cascade", "levers-product", "levers-signatures"}
    assert found["levers-cascade"].splitlines()[2:] == ["| y | 10 | 3.000 | 30.00 | 50.00 | bfloat16 |"]
    assert found["levers-product"].splitlines()[2:] == [
        "| x | 10 | 3.000 | 30.00 | 50.00 | float32 |",
        "| z | 10 | 3.000 | 30.00 | 50.00 | float32 |",
    ]
    assert found["levers-signatures"].startswith("`b`\n`c`\n")
    write_report(results)
    assert "\n# Product: z\nfairseq-train z\n" in (tmp_path / "commands" / "levers.sh").read_text()
