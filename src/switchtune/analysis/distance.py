"""How far apart a model keeps the two sides of a pair: the paper's equation 5, and figures that know no scale."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from switchtune.config.run import PairSettings
from switchtune.corpus.read import Corpus, Pair, read_corpus
from switchtune.events import OnEvent
from switchtune.lexicon.text import Vectors
from switchtune.models.load import Loaded, load_model
from switchtune.models.states import LastToken, sentence_states
from switchtune.results.figures import TEST_SET
from switchtune.results.records import LayerDistance
from switchtune.runs.folder import Run, System

_ROWS_AT_ONCE = 1024


def language_distance(source: Vectors, target: Vectors) -> float:
    """The paper's equation 5: (Σᵢ ‖eᵢ source − eᵢ target‖²)^½, the sum over all pairs of sentences.

    It is no mean, although the text of the paper speaks of averages: it grows with the root of the number of pairs, and
    only distances over the same sentences compare. The paper takes 20,000 pairs of CC-100.

    Both sides are [pairs, dimensions].
    """
    return float(np.sqrt(np.square(source.astype(np.float64) - target.astype(np.float64)).sum()))


def mean_cosine(source: Vectors, target: Vectors) -> float:
    """Mean over the pairs of the cosine of their two vectors; a vector of zeros counts as 0."""
    return float(np.einsum("id,id->i", _of_length_one(source), _of_length_one(target)).mean())


def retrieval_accuracy(source: Vectors, target: Vectors) -> float:
    """Share of the sentences whose own translation is nearer, by the cosine, than every other; both directions' mean.

    One that is only as near as another does not count: vectors that are all alike find nothing.
    """
    source, target = _of_length_one(source), _of_length_one(target)
    return (_found(source, target) + _found(target, source)) / 2


def _found(queries: Vectors, candidates: Vectors) -> float:
    found = 0
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        similarity = queries[start : start + _ROWS_AT_ONCE] @ candidates.T
        rows = np.arange(len(similarity))
        own = similarity[rows, start + rows].copy()
        similarity[rows, start + rows] = -np.inf
        found += int((own > similarity.max(axis=1)).sum())
    return found / len(queries)


def _of_length_one(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def distinct_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which neither side is empty or stood before: each sentence has one translation to be found."""
    seen: tuple[set[str], set[str]] = ({""}, {""})
    kept = []
    for pair in pairs:
        if not any(text in side for text, side in zip(pair, seen, strict=True)):
            kept.append(pair)
        for text, side in zip(pair, seen, strict=True):
            side.add(text)
    return kept


def distances(source: Vectors, target: Vectors) -> list[LayerDistance]:
    """All figures after each layer, from both sides as `sentence_states` gives them: [layers, pairs, dimensions]."""
    return [
        LayerDistance(layer, language_distance(*sides), mean_cosine(*sides), retrieval_accuracy(*sides))
        for layer, sides in enumerate(zip(source, target, strict=True), start=1)
    ]


def distance_record(
    run: Run,
    *,
    multiway: str | None = None,
    limit: int = 2000,
    at: LastToken = "piece",
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """The distances of every model of a run, on the test sets of its pairs: the content of `distance.json`.

    Args:
        multiway: files of the same sentences in every language, one a line, with an asterisk where they have the
            language's code: measured on as well.
        limit: the first so many pairs, repeated sentences left out.
        at: the token whose state stands for its sentence.
    """
    record: dict[str, Any] = {"pairs": [], "missing": []}
    if run.translates:
        record = run.over_pairs(lambda pair: _measured(run, pair, run.corpora(pair)[2], limit, at, on_event))
        record["pairs"] = [{**found, "tests": TEST_SET} for found in record["pairs"]]
    else:
        record["missing"].append(
            f"the test sets of {run.config.task} hold no translations, between which distances are measured; "
            "--multiway names files that do"
        )
    if multiway is not None:

        def of_multiway(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
            location = multiway.replace("*", f"{{{pair.source},{pair.target}}}")
            cache = run.folder / "corpus"
            corpus = read_corpus(location, pair.source, pair.target, deduplicate=False, cache_dir=cache)
            return _measured(run, pair, corpus, limit, at, on_event)

        more = run.over_pairs(of_multiway)
        record["pairs"] += [{**found, "tests": multiway} for found in more["pairs"]]
        record["missing"] = list(dict.fromkeys(record["missing"] + more["missing"]))
    return record


def _measured(
    run: Run, pair: PairSettings, corpus: Corpus, limit: int, at: LastToken, on_event: OnEvent
) -> tuple[dict[str, Any], list[str]]:
    pairs = distinct_pairs(list(corpus))[:limit]

    def layers(system: System) -> dict[str, Any]:
        sides = _states(load_model(system.model), pairs, (pair.source, pair.target), at)
        return {"layers": [asdict(layer) for layer in distances(*sides)]}

    records, missing = run.over_systems(pair, "distance", layers, on_event)
    return {"sentences": len(pairs), "token": at, "systems": records}, missing


def last_distance(loaded: Loaded, pairs: Sequence[Pair], source_language: str, target_language: str) -> float:
    """The distance of equation 5 after the last layer."""
    return language_distance(*(side[-1] for side in _states(loaded, pairs, (source_language, target_language))))


def _states(
    loaded: Loaded, pairs: Sequence[Pair], languages: tuple[str, str], at: LastToken = "piece"
) -> Iterator[Vectors]:
    """Of both sides: [layers, pairs, dimensions]."""
    return (sentence_states(loaded, *side, at=at) for side in zip(zip(*pairs, strict=True), languages, strict=True))
