"""Sentence representations in the plane: the text of pretraining as ellipses, that of the task as dots (figure 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from switchtune.config.run import PairSettings
from switchtune.errors import UsageError
from switchtune.events import OnEvent
from switchtune.lexicon.text import Vectors
from switchtune.models.load import load_model
from switchtune.models.states import sentence_states
from switchtune.results.records import Ellipse
from switchtune.runs.folder import Run, System

Method: TypeAlias = Literal["pca", "tsne"]
Points: TypeAlias = NDArray[np.float64]
"""[points, 2]"""

DEVIATIONS = 2.0
"""Standard deviations from an ellipse's middle to its edge."""

_Text: TypeAlias = tuple[Literal["pretraining", "task"], str, Sequence[str]]
"""Kind, language and sentences."""


def principal_plane(vectors: Vectors) -> Points:
    """The vectors, [points, dimensions], on two principal components, whose largest entries are positive."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    plane = components[:2]
    largest = np.abs(plane).argmax(axis=1)
    points: Points = centred @ (plane * np.sign(plane[np.arange(2), largest])[:, None]).T
    return points


def tsne_plane(vectors: Vectors, *, seed: int) -> Points:
    """The vectors by scikit-learn's t-SNE: perplexity 30, less where there are fewer than 91 points; in one thread.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UsageError(
            '--method tsne needs scikit-learn: pip install "switchtune[analysis]". Without it there is --method pca.'
        ) from error
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    # The sums of several threads have no fixed order.
    with threadpool_limits(1):
        points: Points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
    return points.astype(np.float64)


def ellipse(points: Points, language: str) -> Ellipse:
    """The ellipse of two standard deviations around points (their sample covariance), three of them at least."""
    variances, axes = np.linalg.eigh(np.cov(points, rowvar=False))
    minor, major = DEVIATIONS * np.sqrt(np.maximum(variances, 0))
    x, y = axes[:, 1]
    angle = float(np.degrees(np.arctan2(y, x)))
    middle_x, middle_y = points.mean(axis=0)
    turned = angle - 180 if angle > 90 else angle + 180 if angle <= -90 else angle
    return Ellipse(language, float(middle_x), float(middle_y), float(major), float(minor), turned)


def projection_record(
    run: Run,
    texts: Mapping[str, Sequence[str]],
    *,
    method: Method = "pca",
    limit: int = 300,
    seed: int = 1,
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """Every model's sentences in a plane of their own: the content of `projection.json`.

    The dots are both sides of the pair's test set. Representations are those of the distance, after the last layer;
    each model's plane is found from all of its sentences together, so that the axes of two models do not compare.

    Args:
        texts: sentences of the pretraining, by language; without any there are no ellipses.
        limit: sentences of each text and of each side, at most.

    Raises:
        UsageError: a text of fewer than three sentences, which have no ellipse; t-SNE without scikit-learn.
    """
    for language, sentences in texts.items():
        if len(sentences) < 3:
            raise UsageError(f"--text {language}: {len(sentences)} sentences; an ellipse needs at least three.")

    def of_pair(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
        test = run.corpora(pair)[2].limited(limit)
        task = {pair.source: test.sources(), pair.target: test.targets()}
        parts: list[_Text] = [
            *(("pretraining", language, sentences[:limit]) for language, sentences in texts.items()),
            *(("task", language, sentences) for language, sentences in task.items()),
        ]
        records, missing = run.over_systems(
            pair, "projection", lambda system: _projected(system, parts, method, seed), on_event
        )
        return {"method": method, "systems": records}, missing

    return run.over_pairs(of_pair)


def _projected(system: System, texts: Sequence[_Text], method: Method, seed: int) -> dict[str, Any]:
    loaded = load_model(system.model)
    vectors = np.concatenate([sentence_states(loaded, sentences, language)[-1] for _, language, sentences in texts])
    plane = principal_plane(vectors) if method == "pca" else tsne_plane(vectors, seed=seed)
    ends = np.cumsum([len(sentences) for _, _, sentences in texts])
    parts = list(zip(texts, np.split(plane, ends[:-1]), strict=True))
    return {
        "points": [
            # So many digits as a figure can show.
            {"x": round(float(x), 4), "y": round(float(y), 4), "kind": kind, "language": language}
            for (kind, language, _), points in parts
            for x, y in points
        ],
        "ellipses": [asdict(ellipse(points, code)) for (kind, code, _), points in parts if kind == "pretraining"],
    }
