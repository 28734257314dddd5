"""Encoders: which token stands for a text in each family, also in a padded batch; and inputs from texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from tests.vision_xmc.xmc.corpus import documents
from tests.vision_xmc.xmc.tiny_encoders import FAMILIES, save_encoder, vocabulary
from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.data.inputs import RowInputs, RowPreparation, TermPreparation, TokenPreparation
from vision_xmc.xmc.data.terms import TermWeights
from vision_xmc.xmc.data.tokens import load_tokeniser, tokenise
from vision_xmc.xmc.encoders import (
    BagOfWordsEncoder,
    TransformerEncoder,
    build_transformer,
    load_transformer,
    longest_input,
    pooling_of,
)

TEXTS = documents(20, 5)[0]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    return {family: save_encoder(folder / family, family) for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_class_token(family: str, encoders: dict[str, Path]) -> None:
    """The features are the states of [CLS], wherever the family puts it."""
    path = encoders[family]
    model, tokeniser = load_transformer(path).eval(), load_tokeniser(path)
    pooling = pooling_of(path, model.config)
    assert pooling == ("last" if family == "xlnet" else "first")
    encoder = TransformerEncoder(model, pooling, 2).eval()
    inputs = TokenPreparation(tokeniser, 12).inputs(TEXTS)
    together = encoder(*inputs.collate([inputs[number] for number in range(len(TEXTS))]))
    assert together.shape == (len(TEXTS), 2 * 16)
    for number, text in enumerate(TEXTS):
        alone = tokeniser(text, truncation=True, max_length=12, return_tensors="pt")
        states = model(
            input_ids=alone["input_ids"],
            attention_mask=alone["attention_mask"],
            output_hidden_states=True,
        ).hidden_states[-2:]
        place = alone["input_ids"][0].tolist().index(vocabulary()["[CLS]"])
        expected = torch.cat([layer[0, place] for layer in states])
        torch.testing.assert_close(together[number], expected, rtol=1e-4, atol=1e-5)


def test_mean_of_the_tokens(encoders: dict[str, Path]) -> None:
    path = encoders["bert"]
    encoder = TransformerEncoder(load_transformer(path).eval(), "mean", 1).eval()
    inputs = TokenPreparation(load_tokeniser(path), 12).inputs(TEXTS)
    together = encoder(*inputs.collate([inputs[number] for number in range(len(TEXTS))]))
    for number in range(len(TEXTS)):
        ids = torch.from_numpy(inputs[number].astype(np.int64)).unsqueeze(0)
        expected = encoder.model(input_ids=ids).last_hidden_state[0].mean(0)
        torch.testing.assert_close(together[number], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_without_a_gradient_are_frozen(family: str, encoders: dict[str, Path]) -> None:
    encoder = TransformerEncoder(load_transformer(encoders[family]), "first", 1)
    inputs = TokenPreparation(load_tokeniser(encoders[family]), 12).inputs(TEXTS)
    encoder(*inputs.collate([inputs[0], inputs[1]])).sum().backward()
    trained = [p for p in encoder.parameters() if p.requires_grad]
    assert all(parameter.grad is not None for parameter in trained)
    assert 0 < len(trained) < len(list(encoder.parameters())) or family == "distilbert"


@pytest.mark.parametrize("family", FAMILIES)
def test_rebuilt_from_its_configuration(family: str, encoders: dict[str, Path]) -> None:
    model = load_transformer(encoders[family])
    config = model.config.to_dict() | {"model_type": model.config.model_type}
    again = build_transformer(config)
    again.load_state_dict(model.state_dict())
    assert longest_input(model.config) == (None if family == "xlnet" else 64)


def test_tokens_are_made_once(tmp_path: Path, encoders: dict[str, Path]) -> None:
    tokeniser = load_tokeniser(encoders["bert"])
    texts = [*TEXTS, "", "ALPHA1 what", " ".join(["noise1"] * 50)]
    made = tokenise(tokeniser, texts, 10, tmp_path)
    expected = tokeniser(texts, truncation=True, max_length=10)["input_ids"]
    assert [made[number].tolist() for number in range(len(texts))] == expected
    assert made.lengths.tolist() == [len(tokens) for tokens in expected]
    cls, unknown, sep, alpha = (vocabulary()[word] for word in ("[CLS]", "[UNK]", "[SEP]", "alpha1"))
    assert made[21].tolist() == [cls, alpha, unknown, sep]
    folders = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert tokenise(tokeniser, texts, 10, tmp_path)[3].tolist() == expected[3]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == folders
    tokenise(tokeniser, texts[1:], 10, tmp_path)
    tokenise(tokeniser, texts, 11, tmp_path)
    tokenise(load_tokeniser(encoders["xlnet"]), texts, 10, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_no_text_at_all(tmp_path: Path, encoders: dict[str, Path]) -> None:
    made = tokenise(load_tokeniser(encoders["bert"]), [], 10, tmp_path)
    assert len(made) == 0


def test_a_bag_of_words() -> None:
    """The sparse encoder equals a dense product with the terms' weights."""
    torch.manual_seed(1)
    rows = sparse.random_array((7, 11), density=0.3, rng=np.random.default_rng(1)).tocsr()
    rows = sparse.csr_array(rows.astype(np.float32))
    inputs = RowInputs(rows)
    encoder = BagOfWordsEncoder(11, 4, 0.0)
    features = encoder(*inputs.collate([inputs[number] for number in range(7)]))
    dense = torch.from_numpy(rows.toarray()) @ encoder.terms.weight + encoder.bias
    expected = torch.nn.functional.layer_norm(dense, (4,)).relu()
    torch.testing.assert_close(features, expected)
    features.sum().backward()
    assert encoder.terms.weight.grad is not None
    assert encoder.terms.weight.grad.is_sparse


@pytest.mark.parametrize("characters", [0, 3])
def test_term_weights_are_scikit_learn_s(tmp_path: Path, characters: int) -> None:
    train, test = documents(60, 1)[0], documents(10, 2)[0]
    kind = {"analyzer": "char_wb", "ngram_range": (3, 3)} if characters else {}
    peer = TfidfVectorizer(sublinear_tf=True, min_df=2, dtype=np.float32, **kind)
    expected = peer.fit(train).transform(test)
    weights = TermWeights.fitted(train, 2, tmp_path, characters)
    weights.save(tmp_path / "saved")
    for rows in (
        weights.rows(test),
        weights.rows(test, tmp_path),
        weights.rows(test, tmp_path),
        TermWeights.fitted(train, 2, tmp_path, characters).rows(test),
        TermWeights.load(tmp_path / "saved").rows(test),
    ):
        np.testing.assert_allclose(rows.toarray(), expected.toarray(), rtol=1e-6)
    with pytest.raises(UsageError, match="no term occurs in 61 training texts"):
        TermWeights.fitted(train, 61)


def test_kinds_of_terms_share_a_row(tmp_path: Path) -> None:
    train, test = documents(60, 1)[0], documents(10, 2)[0]
    kinds = [TermWeights.fitted(train, 2, characters=length) for length in (0, 3)]
    preparation = TermPreparation(*kinds)
    preparation.save(tmp_path / "saved")
    rows = preparation.inputs(test).rows
    assert rows.shape == (10, preparation.num_terms)
    parts = [kind.rows(test).toarray() for kind in kinds]
    similar = rows.toarray() @ rows.toarray().T
    # The cosine is the mean of the kinds' cosines.
    np.testing.assert_allclose(similar, sum(part @ part.T for part in parts) / 2, rtol=1e-5)
    loaded = TermPreparation.load(tmp_path / "saved").inputs(test, tmp_path / "cache").rows
    np.testing.assert_array_equal(loaded.toarray(), rows.toarray())


def test_documents_of_the_wrong_sort(encoders: dict[str, Path]) -> None:
    matrix = sparse.csr_array(np.eye(3, dtype=np.float32))
    with pytest.raises(UsageError, match="give --encoder bow"):
        TokenPreparation(load_tokeniser(encoders["bert"]), 8).inputs(matrix)
    with pytest.raises(UsageError, match="give it texts, not a matrix"):
        TermPreparation(TermWeights.fitted(TEXTS, 1)).inputs(matrix)
    with pytest.raises(UsageError, match=r"give it an \.npz matrix, not texts"):
        RowPreparation(3).inputs(TEXTS)
    with pytest.raises(UsageError, match="trained with 4 terms, but the matrix has 3 columns"):
        RowPreparation(4).inputs(matrix)
