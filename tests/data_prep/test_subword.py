"""SentencePiece models, from text to pieces and back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import PrepError
from data_prep.options import PrepareOptions
from data_prep.score import detokenize, looks_like_pieces
from data_prep.subword import SubwordCodec, train_subword_model
from tests.data_prep.corpus import sentences

OPTIONS = PrepareOptions(source_lang="de", target_lang="en", vocab_size=60)
TEXT = [line for pair in sentences(200) for line in pair]
CHANGES = {
    "unigram": {},
    "bpe": {"subword": "bpe"},
    "identity": {"normalization": "identity"},
    "bytes": {"byte_fallback": True, "vocab_size": 330},
}


@pytest.fixture(scope="module", params=list(CHANGES))
def options(request):
    return replace(OPTIONS, **CHANGES[request.param])


@pytest.fixture(scope="module")
def codec(options, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "spm.model"
    path.write_bytes(train_subword_model(TEXT, options, "the text"))
    return SubwordCodec(path, "en")


@given(text=st.text(st.characters(codec="utf-8")))
def test_pieces_are_what_fairseq_splits_at_spaces(codec, text):
    joined = " ".join(codec.encode(text))
    assert joined.split() == codec.encode(text)
    assert len(codec.decode(joined).splitlines()) <= 1


@pytest.mark.parametrize("moses", [False, True])
def test_round_trip(codec, options, moses, tmp_path):
    path = tmp_path / "spm.model"
    path.write_bytes(train_subword_model(TEXT, options, "the text"))
    codec = SubwordCodec(path, "en", moses=moses)
    for line in TEXT:
        assert codec.decode(" ".join(codec.encode(line))) == line


def test_training_is_deterministic(options):
    assert train_subword_model(TEXT, options, "") == train_subword_model(TEXT, options, "")


@pytest.mark.parametrize("subword", ["unigram", "bpe"])
@pytest.mark.parametrize(("asked", "words"), [(50_000, "or less"), (9, "or more")])
def test_the_size_in_the_message_works(subword, asked, words):
    options = replace(OPTIONS, subword=subword, vocab_size=asked)
    sentence = rf"^--vocab-size {asked} .* the text .*; use --vocab-size \d+ {words}"
    with pytest.raises(PrepError, match=sentence) as caught:
        train_subword_model(TEXT, options, "the text")
    size = int(str(caught.value).split("use --vocab-size ")[1].split()[0])
    assert train_subword_model(TEXT, replace(options, vocab_size=size), "the text")


def test_special_symbols_of_fairseq_in_the_text_stay_text(tmp_path):
    path = tmp_path / "spm.model"
    text = [f"{line} x<pad><unk></s><s>y <pad> <unk>" for line in TEXT]
    path.write_bytes(train_subword_model(text, OPTIONS, "the text"))
    codec = SubwordCodec(path, "en")
    assert not {"<pad>", "<unk>", "</s>", "<s>"} & {*codec.encode(text[0]), *codec.vocabulary()}
    assert codec.decode(" ".join(codec.encode(text[0]))) == text[0]


def test_moses_leaves_entities_alone(tmp_path):
    path = tmp_path / "spm.model"
    path.write_bytes(train_subword_model([*TEXT, '"[x]'], OPTIONS, "the text"))
    codec = SubwordCodec(path, "en", moses=True)
    assert "".join(codec.encode('"dog" [x]')) == '▁"▁dog▁"▁[▁x▁]'
    assert detokenize(["R &amp; D ."], model=None, moses_lang="en") == ["R &amp; D."]


def test_pieces_are_told_from_text():
    assert looks_like_pieces(["▁The ▁do g", "<unk> <unk>", "▁A", ""])
    assert not looks_like_pieces(["The dog", "a stray ▁ mark", "the end"])
    assert not looks_like_pieces(["", " "])


def test_decoded_text_is_not_damaged(codec, tmp_path):
    assert detokenize(TEXT, model=tmp_path / "not needed") == TEXT
    with pytest.raises(PrepError, match="--spm-model"):
        detokenize(["▁The ▁do g"], model=None)
