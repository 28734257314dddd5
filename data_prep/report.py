"""What the commands report at the end."""

import shlex
from typing import Any

from data_prep.manifest import Manifest

_NOTES = {
    "byte_order_mark": "byte order mark stripped",
    "carriage_return": "carriage return at the line end stripped",
    "tab": "tab replaced by a space",
    "control_character": "control character or Unicode line separator replaced by a space",
    "empty_line": "empty line kept",
}
_DROPPED = {
    "empty": "empty",
    "too_long": "longer than --max-words",
    "length_ratio": "length ratio above --max-ratio",
    "duplicate": "duplicate",
    "in_valid_or_test": "also in validation or test",
    "shares_held_out_sentence": "shares a sentence with a held-out pair",
}


def prepare_report(manifest: Manifest) -> str:
    """Counts of what was read, normalised and dropped, followed by the next command."""
    clean, source = manifest.stages["clean"], manifest.options["source_lang"]
    lines = []
    for name, facts in manifest.content["inputs"].items():
        for note, tally in facts["notes"].items():
            # Empty training lines are dropped, and listed as such below.
            if tally["count"] and not (note == "empty_line" and name.startswith("train.")):
                lines.append(_counted(f"{name}: {_NOTES[note]}", tally))
    read = manifest.content["inputs"][f"train.{source}"]["lines"]
    inputs = {name.partition(".")[0] for name in manifest.content["inputs"]}
    drawn = sum(pairs for split, pairs in clean["pairs"].items() if split not in inputs)
    held_out = f", {drawn:,} held out" if drawn else ""
    lines.append(f"train: {read:,} pairs read, {clean['pairs']['train']:,} kept{held_out}")
    for reason, tally in clean["dropped"].items():
        if tally["count"]:
            lines.append(_counted(f"  dropped, {_DROPPED[reason]}", tally))
    lines += [f"{split}: {pairs:,} pairs" for split, pairs in clean["pairs"].items() if split != "train"]
    for name, facts in manifest.stages["encode"]["text"].items():
        if facts["over_fairseq_limit"]:
            effect = "skips" if name.startswith("train.") else "stops at"
            lines.append(
                f"{name}: {facts['over_fairseq_limit']:,} lines of more than 1023 pieces (longest "
                f"{facts['longest']:,}); fairseq {effect} them unless --max-source-positions and "
                "--max-target-positions are raised"
            )
    for name, facts in manifest.stages["binarise"]["text"].items():
        if facts.get("unknown_percent", 0) >= 1:
            lines.append(
                f"{name}: {facts['unknown_percent']}% of the tokens are unknown; a higher "
                "--character-coverage or --byte-fallback would help"
            )
    return "\n".join([*lines, ready_report(manifest)])


def ready_report(manifest: Manifest) -> str:
    """The next command, and what the dictionary's order means for it."""
    options, lines = manifest.options, []
    source, target = options["source_lang"], options["target_lang"]
    if manifest.is_reordered:
        size = manifest.stages["encode"]["dictionary"].get("cluster_size")
        clusters = f", in clusters of {size:,}" if size else ""
        lines.append(f"dict.{target}.txt is in a label order{clusters}; leave --mhe-label-order out")
    command = (
        f"fairseq-train {shlex.quote(str(manifest.destdir))} --source-lang {source} --target-lang {target} "
        "--user-dir user_dir --arch transformer_mhe_small --criterion mhe_ce --label-smoothing 0.1 "
        "--optimizer adam --adam-betas '(0.9, 0.98)' --lr 5e-4 --lr-scheduler inverse_sqrt "
        "--warmup-updates 4000 --max-tokens 4096"
    )
    return "\n".join([*lines, f"{manifest.destdir} is ready; next:", f"  {command}"])


def _counted(what: str, tally: dict[str, Any]) -> str:
    return f"{what}: {tally['count']:,} (first at line {tally['first_line']:,})"


def score_report(scores: dict[str, Any]) -> str:
    """Both scores with their signatures, as sacrebleu prints them."""
    lines = []
    for name in ("bleu", "chrf++"):
        label, _, value = scores[name]["text"].partition(" = ")
        lines.append(f"{label}|{scores[name]['signature']} = {value}")
    if scores["empty_hypotheses"]:
        lines.append(f"{scores['empty_hypotheses']} of {scores['sentences']} hypotheses are empty")
    return "\n".join(lines)
