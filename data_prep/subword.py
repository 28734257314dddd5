"""SentencePiece: training, and lines to pieces and back."""

import io
import re
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from data_prep.errors import PrepError
from data_prep.lines import plain_spaces
from data_prep.moses import moses_detokenizer, moses_tokenizer
from data_prep.options import PrepareOptions

MAX_TRAINING_SENTENCES = 10_000_000
META_SPACE = "\u2581"

_TOO_MANY = re.compile(r"Vocabulary size too high \(\d+\)\. Please set it to a value <= (\d+)")
_TOO_FEW = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


def train_subword_model(lines: Iterable[str], options: PrepareOptions, text_name: str) -> bytes:
    """Trains on ``lines`` and returns the serialised model; same lines and options give the same bytes."""
    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(options.seed)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=map(plain_spaces, lines),
            model_writer=model,
            model_type=options.subword,
            vocab_size=options.vocab_size,
            character_coverage=options.character_coverage,
            byte_fallback=options.byte_fallback,
            normalization_rule_name=options.normalization,
            input_sentence_size=MAX_TRAINING_SENTENCES,
            shuffle_input_sentence=True,
            max_sentence_length=1 << 16,
            num_threads=1,
            # Reserved, because a "<pad>" in the text could otherwise become what fairseq takes for padding.
            pad_id=3,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise PrepError(_training_error(str(error), options, text_name)) from None
    return model.getvalue()


def _training_error(message: str, options: PrepareOptions, text_name: str) -> str:
    asked = f"--vocab-size {options.vocab_size} is"
    if match := _TOO_MANY.search(message):
        return f"{asked} more than {text_name} supports; use --vocab-size {match[1]} or less"
    if match := _TOO_FEW.search(message):
        return (
            f"{asked} less than the characters of {text_name} need; use --vocab-size {match[1]} or more, "
            "or lower --character-coverage"
        )
    return f"sentencepiece could not train a model on {text_name}: {message.strip()}"


class SubwordCodec:
    """From raw lines to pieces and back, with Moses tokenisation in between if ``moses``."""

    def __init__(self, model: Path, lang: str, *, moses: bool = False) -> None:
        self._processor = load_model(model)
        self._tokenize = moses_tokenizer(lang) if moses else plain_spaces
        self._detokenize = moses_detokenizer(lang) if moses else plain_spaces

    def encode(self, line: str) -> list[str]:
        """The pieces of a raw line."""
        tokens = plain_spaces(self._tokenize(plain_spaces(line)))
        return self._processor.encode(tokens, out_type=str)

    def vocabulary(self) -> list[str]:
        """Every piece that can occur in text."""
        processor = self._processor
        return [
            processor.id_to_piece(index)
            for index in range(processor.get_piece_size())
            if not processor.is_control(index) and not processor.is_unknown(index)
        ]

    def decode(self, pieces: str) -> str:
        """The raw line that ``pieces`` stand for."""
        return self._detokenize(join_pieces(self._processor, pieces))


def join_pieces(processor: sentencepiece.SentencePieceProcessor, pieces: str) -> str:
    """Joins pieces to text. Byte pieces may spell a line feed, so the result is made a safe line again."""
    return plain_spaces(processor.decode(pieces.split()))


def load_model(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Loads a SentencePiece model, or says in one sentence why that is not possible."""
    if not path.is_file():
        raise PrepError(f"{path} does not exist; give the SentencePiece model that made the pieces")
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError):
        raise PrepError(f"{path} is not a SentencePiece model") from None
