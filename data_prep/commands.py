"""What the subcommands do with their options."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace

from data_prep.errors import PrepError
from data_prep.inputs import ParallelFiles
from data_prep.lines import decode_lines, read_lines, safe_line, write_lines
from data_prep.manifest import Manifest
from data_prep.options import (
    FilterOptions,
    InputOptions,
    OrderOptions,
    PrepareOptions,
    ReorderOptions,
    RunOptions,
    ScoreOptions,
)
from data_prep.prepare import prepare
from data_prep.report import prepare_report, ready_report, score_report
from data_prep.score import detokenize, read_generate, score_corpus
from data_prep.subword import SubwordCodec


def run_prepare(run: RunOptions, inputs: InputOptions, options: PrepareOptions) -> None:
    """``prepare``."""
    files = _input_files(inputs, options)
    if inputs.src is None and options.test_size is None:
        # With prefixes, a test set is given by --testpref or not wanted.
        options = replace(options, test_size=0)
    manifest, ran = prepare(files, run.destdir, options, overwrite=run.overwrite, quiet=run.quiet)
    if not run.quiet:
        print(prepare_report(manifest) if ran else f"{run.destdir} is up to date; nothing to do")


def _input_files(inputs: InputOptions, options: PrepareOptions) -> dict[str, ParallelFiles]:
    prefixes = (inputs.trainpref, inputs.validpref, inputs.testpref)
    if inputs.src is not None or inputs.tgt is not None:
        if inputs.src is None or inputs.tgt is None or any(prefix is not None for prefix in prefixes):
            raise PrepError("use --src and --tgt together, without --trainpref, --validpref and --testpref")
        return {"train": ParallelFiles(inputs.src, inputs.tgt)}
    if inputs.trainpref is None:
        raise PrepError("there is no training text; give --trainpref PREFIX, or --src FILE and --tgt FILE")
    prefix_of = {"train": ("--trainpref", inputs.trainpref)}
    if inputs.validpref is not None:
        prefix_of["valid"] = ("--validpref", inputs.validpref)
    for index, prefix in enumerate(inputs.testpref.split(",") if inputs.testpref is not None else []):
        prefix_of[f"test{index or ''}"] = ("--testpref", prefix)
    for split, size in (("valid", options.valid_size), ("test", options.test_size)):
        if split in prefix_of and size is not None:
            raise PrepError(
                f"--{split}-size holds out training pairs, but --{split}pref is given too; use one"
            )
    return {
        split: ParallelFiles.from_prefix(flag, prefix, options.languages)
        for split, (flag, prefix) in prefix_of.items()
    }


def run_score(options: ScoreOptions) -> None:
    """``score``."""
    model, reference, lang, moses = options.spm_model, options.reference, options.target_lang, options.moses
    if options.data is not None:
        manifest = Manifest.load(options.data)
        lang = lang or manifest.options["target_lang"]
        model = model or manifest.model_path(lang)
        reference = reference or manifest.reference_path(options.subset, lang)
        moses = manifest.options["moses"] if moses is None else moses
    if reference is None:
        raise PrepError("there is nothing to score against; give --reference FILE or --data DESTDIR")
    if moses and not lang:
        raise PrepError("--moses depends on the language; give --target-lang")
    inputs = [path for path in (options.hypotheses, options.generate, reference, model) if path is not None]
    for option, output in (("--output", options.output), ("--json", options.json)):
        if output is not None and output.resolve() in [path.resolve() for path in inputs]:
            raise PrepError(f"{option} {output} is one of the inputs; write to another file")

    references = list(read_lines(reference))
    if options.generate is not None:
        raw = read_generate(options.generate, allow_missing=options.allow_missing, size=len(references))
    elif options.hypotheses is not None:
        raw = list(read_lines(options.hypotheses))
    else:
        raise PrepError("there is nothing to score; give --hypotheses FILE or --generate FILE")
    if not references or not raw:
        empty = options.hypotheses if references else reference
        raise PrepError(f"{empty} is empty; there is nothing to score")
    if len(raw) != len(references):
        raise PrepError(
            f"{options.hypotheses} has {len(raw)} lines but {reference} has {len(references)}; both need one "
            "line for every sentence of the same test set"
        )
    pieces = {"auto": None, "pieces": True, "text": False}[options.input_format]
    hypotheses = detokenize(raw, model=model, moses_lang=lang if moses else None, pieces=pieces)
    scores = score_corpus(hypotheses, references, tokenize=options.tokenize, target_lang=lang or "")
    if options.output is not None:
        write_lines(options.output, hypotheses)
    text = json.dumps(scores, indent=2, ensure_ascii=False)
    if options.json is not None and str(options.json) != "-":
        write_lines(options.json, [text])
    print(text if str(options.json) == "-" else score_report(scores))


def run_order(options: OrderOptions) -> None:
    """``order``."""
    # The only command that needs torch, scipy and scikit-learn, which take seconds to import.
    from data_prep.order import write_order

    size = write_order(options)
    print(
        f"{options.output}: ranks of {size} symbols; use it as --mhe-label-order {options.output}, or make a "
        f"data folder whose dictionary is in this order by python -m data_prep reorder"
    )


def run_reorder(run: RunOptions, options: ReorderOptions) -> None:
    """``reorder``."""
    from data_prep.reorder import reorder

    manifest, ran, moved = reorder(run, options)
    if run.quiet:
        return
    if moved:
        print(
            f"{options.order} gives fairseq's own symbols other ranks than 0 to 3; they were moved to the "
            "front, so the first clusters are shifted by up to four symbols"
        )
    print(ready_report(manifest) if ran else f"{run.destdir} is up to date; nothing to do")


def run_encode(options: FilterOptions) -> None:
    """``encode``: raw lines to pieces."""
    codec = _codec(options)
    _filter(lambda line: " ".join(codec.encode(line)))


def run_decode(options: FilterOptions) -> None:
    """``decode``: pieces to raw lines."""
    _filter(_codec(options).decode)


def _codec(options: FilterOptions) -> SubwordCodec:
    manifest = Manifest.load(options.data)
    return SubwordCodec(manifest.model_path(options.lang), options.lang, moses=manifest.options["moses"])


def _filter(convert: Callable[[str], str]) -> None:
    # Flushed line by line, so that a program at either end of the pipe can be interactive.
    for line in decode_lines(sys.stdin.buffer, "standard input"):
        sys.stdout.buffer.write(convert(safe_line(line)).encode("utf-8") + b"\n")
        sys.stdout.buffer.flush()
