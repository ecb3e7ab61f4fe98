"""The plane: scikit-learn's components and t-SNE, ellipses of known points, a run's models."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from switchtune.analysis import projection
from switchtune.analysis.projection import Points, ellipse, principal_plane, projection_record, tsne_plane
from switchtune.errors import UsageError
from switchtune.examples import Example
from switchtune.lexicon.plm import Vectors
from switchtune.models.load import Loaded, load_model
from switchtune.runs.folder import open_run
from tests.miniature import ENGLISH, GERMAN


def vectors(rows: int = 60, columns: int = 8) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rng = np.random.default_rng(5)
    return (rng.normal(size=(rows, columns)) * np.linspace(3, 0.5, columns) + 7).astype(np.float32)


@pytest.mark.parametrize("shape", [(60, 8), (5, 8), (2, 8)])
def test_the_plane_is_that_of_scikit_learns_pca(shape: tuple[int, int]) -> None:
    expected = PCA(n_components=2, svd_solver="full").fit_transform(vectors(*shape).astype(np.float64))
    found = principal_plane(vectors(*shape))
    for column in range(2):
        # A component has no direction of its own.
        sign = np.sign(found[:, column] @ expected[:, column]) or 1
        np.testing.assert_allclose(sign * found[:, column], expected[:, column], atol=1e-5)


def test_a_components_largest_entry_is_positive() -> None:
    points = np.array([[0, 0, 0], [0, -10, 1], [0, -20, -1]], np.float32)
    assert principal_plane(points)[:, 0] == pytest.approx([10, 0, -10], abs=0.1)
    # So a picture does not turn over with its points.
    np.testing.assert_allclose(principal_plane(-points), -principal_plane(points), atol=1e-9)


def test_tsne_is_scikit_learns_and_the_same_every_time() -> None:
    with threadpool_limits(1):
        plain = TSNE(perplexity=59 / 3, init="pca", random_state=4).fit_transform(vectors())
    found = tsne_plane(vectors(), seed=4)
    np.testing.assert_array_equal(found, plain.astype(np.float64))
    np.testing.assert_array_equal(found, tsne_plane(vectors(), seed=4))


def test_an_ellipse_lies_where_its_points_do() -> None:
    # Variances 2 and 0.5 along axes that are turned by 30 degrees; the sample has just these.
    along, across = np.array([-1, 1, 0, 0]), np.array([0, 0, -0.5, 0.5])
    along, across = along * math.sqrt(2 / (2 / 3)), across * math.sqrt(0.5 / (0.5 / 3))
    turn = math.radians(30)
    points = np.stack(
        [
            5 + along * math.cos(turn) - across * math.sin(turn),
            -2 + along * math.sin(turn) + across * math.cos(turn),
        ],
        axis=1,
    )
    found = ellipse(points, "de")
    assert (found.language, found.x, found.y) == ("de", pytest.approx(5), pytest.approx(-2))
    assert found.semi_major == pytest.approx(2 * math.sqrt(2))
    assert found.semi_minor == pytest.approx(2 * math.sqrt(0.5))
    assert found.angle_degrees == pytest.approx(30)
    mirrored = ellipse(points * [1, -1], "de")
    assert mirrored.angle_degrees == pytest.approx(-30)
    flat = ellipse(np.array([[0, 0], [0, 1], [0, 2]]), "de")
    assert (flat.semi_minor, flat.angle_degrees) == (0, pytest.approx(90))


def test_each_model_has_a_plane_with_dots_and_ellipses(finished: Path) -> None:
    texts = {"de": list(GERMAN), "en": list(ENGLISH)}
    record = projection_record(open_run(finished), texts, limit=6)
    (pair,) = record["pairs"]
    assert (pair["pair"], pair["method"], record["missing"]) == ("de-en", "pca", [])
    assert [system["stage"] for system in pair["systems"]] == ["pretrained", "task", "restore", "task"]
    for system in pair["systems"]:
        kinds = [(point["kind"], point["language"]) for point in system["points"]]
        order = [("pretraining", "de"), ("pretraining", "en"), ("task", "de"), ("task", "en")]
        assert kinds == [kind for kind in order for _ in range(6)]
        assert [found["language"] for found in system["ellipses"]] == ["de", "en"]
        own = [point["x"] for point in system["points"] if (point["kind"], point["language"]) == ("pretraining", "de")]
        assert system["ellipses"][0]["x"] == pytest.approx(np.mean(own), abs=1e-3)
    assert projection_record(open_run(finished), texts, limit=6) == record


def test_without_text_of_the_pretraining_there_are_dots_alone(finished: Path) -> None:
    record = projection_record(open_run(finished), {}, method="tsne", seed=2)
    assert record["pairs"][0]["method"] == "tsne"
    for system in record["pairs"][0]["systems"]:
        assert {point["kind"] for point in system["points"]} == {"task"}
        assert (len(system["points"]), system["ellipses"]) == (16, [])


def test_tsne_is_given_the_states_of_every_text_as_transformers_computes_them(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def capture(vectors: Vectors, *, seed: int) -> Points:
        given.append(vectors)
        return tsne_plane(vectors, seed=seed)

    monkeypatch.setattr(projection, "tsne_plane", capture)
    run = open_run(finished)
    projection_record(run, {"de": list(GERMAN[:4])}, method="tsne", limit=3)
    test = run.corpora(run.config.pairs[0])[2].limited(3)
    texts = (("de", GERMAN[:3]), ("de", test.sources()), ("en", test.targets()))
    loaded = load_model(run.start)
    plain = [state_after_last_layer(loaded, sentence, code) for code, sentences in texts for sentence in sentences]
    np.testing.assert_allclose(given[0], plain, atol=1e-5)


def state_after_last_layer(loaded: Loaded, sentence: str, language: str) -> Vectors:
    """Of the decoder at the sentence's last piece, by transformers' own forward pass of one sentence."""
    ids = loaded.layout.encode(Example(sentence, language, sentence, language), max_tokens=100)
    with torch.inference_mode():
        output = loaded.model(
            input_ids=torch.tensor([ids.input_ids]),
            decoder_input_ids=torch.tensor([ids.decoder_input_ids]),
            output_hidden_states=True,
        )
    pieces = loaded.layout.tokenizer.tokenize(sentence)
    last = ids.decoder_input_ids.index(loaded.layout.tokenizer.convert_tokens_to_ids(pieces[-1]), len(pieces) - 1)
    found: Vectors = output.decoder_hidden_states[-1][0, last].numpy()
    return found


def test_a_text_too_short_and_a_library_that_is_missing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--text de: 2 sentences; an ellipse needs at least three"):
        projection_record(open_run(finished), {"de": ["Eins.", "Zwei."]})
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(UsageError, match=r"--method tsne needs scikit-learn: pip install .switchtune\[analysis\]"):
        projection_record(open_run(finished), {}, method="tsne")
