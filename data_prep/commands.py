"""What the subcommands do with their arguments."""

import argparse
import json
import sys
from collections.abc import Callable

from data_prep.errors import PrepError
from data_prep.inputs import ParallelFiles
from data_prep.lines import decode_lines, read_lines, safe_line, write_lines
from data_prep.manifest import Manifest
from data_prep.options import PrepareOptions
from data_prep.prepare import prepare
from data_prep.report import prepare_report, score_report
from data_prep.score import detokenize, read_generate, score_corpus
from data_prep.subword import SubwordCodec


def run_prepare(args: argparse.Namespace) -> None:
    """``prepare``."""
    values = {name: getattr(args, name) for name in PrepareOptions.__dataclass_fields__}
    if args.src is None and args.test_size is None:
        values["test_size"] = 0  # with prefixes a test set is given by --testpref or not wanted
    options = PrepareOptions(**values)
    manifest, ran = prepare(
        _input_files(args, options.languages),
        args.destdir,
        options,
        overwrite=args.overwrite,
        quiet=args.quiet,
    )
    if not args.quiet:
        print(prepare_report(manifest) if ran else f"{args.destdir} is up to date; nothing to do")


def _input_files(args: argparse.Namespace, languages: tuple[str, str]) -> dict[str, ParallelFiles]:
    prefixes = (args.trainpref, args.validpref, args.testpref)
    if args.src is not None or args.tgt is not None:
        if args.src is None or args.tgt is None or any(prefix is not None for prefix in prefixes):
            raise PrepError("use --src and --tgt together, without --trainpref, --validpref and --testpref")
        return {"train": ParallelFiles(args.src, args.tgt)}
    if args.trainpref is None:
        raise PrepError("there is no training text; give --trainpref PREFIX, or --src FILE and --tgt FILE")
    found = {"train": ("--trainpref", args.trainpref)}
    if args.validpref is not None:
        found["valid"] = ("--validpref", args.validpref)
    for index, prefix in enumerate(args.testpref.split(",") if args.testpref is not None else []):
        found[f"test{index or ''}"] = ("--testpref", prefix)
    for split in ("valid", "test"):
        if split in found and getattr(args, f"{split}_size") is not None:
            raise PrepError(
                f"--{split}-size holds out training pairs, but --{split}pref is given too; use one"
            )
    return {
        split: ParallelFiles.from_prefix(option, prefix, languages)
        for split, (option, prefix) in found.items()
    }


def run_score(args: argparse.Namespace) -> None:
    """``score``."""
    model, reference, lang, moses = args.spm_model, args.reference, args.target_lang, args.moses
    if args.data is not None:
        manifest = Manifest.load(args.data)
        lang = lang or manifest.options["target_lang"]
        model = model or manifest.model_path(lang)
        reference = reference or manifest.reference_path(args.subset, lang)
        moses = manifest.options["moses"] if moses is None else moses
    if reference is None:
        raise PrepError("there is nothing to score against; give --reference FILE or --data DESTDIR")
    if moses and not lang:
        raise PrepError("--moses depends on the language; give --target-lang")
    inputs = [path for path in (args.hypotheses, args.generate, reference, model) if path is not None]
    for option, output in (("--output", args.output), ("--json", args.json)):
        if output is not None and output.resolve() in [path.resolve() for path in inputs]:
            raise PrepError(f"{option} {output} is one of the inputs; write to another file")

    references = list(read_lines(reference))
    if args.generate is not None:
        raw = read_generate(args.generate, allow_missing=args.allow_missing, size=len(references))
    else:
        raw = list(read_lines(args.hypotheses))
    if not references or not raw:
        empty = args.hypotheses if references else reference
        raise PrepError(f"{empty} is empty; there is nothing to score")
    if len(raw) != len(references):
        raise PrepError(
            f"{args.hypotheses} has {len(raw)} lines but {reference} has {len(references)}; both need one "
            "line for every sentence of the same test set"
        )
    pieces = {"auto": None, "pieces": True, "text": False}[args.input_format]
    hypotheses = detokenize(raw, model=model, moses_lang=lang if moses else None, pieces=pieces)
    scores = score_corpus(hypotheses, references, tokenize=args.tokenize, target_lang=lang or "")
    if args.output is not None:
        write_lines(args.output, hypotheses)
    text = json.dumps(scores, indent=2, ensure_ascii=False)
    if args.json is not None and str(args.json) != "-":
        write_lines(args.json, [text])
    print(text if str(args.json) == "-" else score_report(scores))


def run_order(args: argparse.Namespace) -> None:
    """``order``."""
    # The only command that needs torch, scipy and scikit-learn, which take seconds to import.
    from data_prep.order import write_order

    size = write_order(
        args.data,
        args.output,
        lang=args.lang,
        cluster_size=args.cluster_size,
        window=args.window,
        dimensions=args.dimensions,
        seed=args.seed,
    )
    print(f"{args.output}: ranks of {size} symbols; use it as --mhe-label-order {args.output}")


def run_encode(args: argparse.Namespace) -> None:
    """``encode``: raw lines to pieces."""
    codec = _codec(args)
    _filter(lambda line: " ".join(codec.encode(line)))


def run_decode(args: argparse.Namespace) -> None:
    """``decode``: pieces to raw lines."""
    _filter(_codec(args).decode)


def _codec(args: argparse.Namespace) -> SubwordCodec:
    manifest = Manifest.load(args.data)
    return SubwordCodec(manifest.model_path(args.lang), args.lang, moses=manifest.options["moses"])


def _filter(convert: Callable[[str], str]) -> None:
    # Flushed line by line, so that a program at either end of the pipe can be interactive.
    for line in decode_lines(sys.stdin.buffer, "standard input"):
        sys.stdout.buffer.write(convert(safe_line(line)).encode("utf-8") + b"\n")
        sys.stdout.buffer.flush()
