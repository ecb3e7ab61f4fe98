"""What lies where in a run's folder: the names of its files and folders, which nothing else spells out."""

from pathlib import Path

CONFIG = "config.resolved.yaml"
MANIFEST = "manifest.json"
METRICS_FILE = "metrics.json"
COMPARISON = "comparison.md"
CORPORA = "corpus"
TRIMMED = "model-trimmed"
"""Folder of the model with the vocabulary that the run needs, and name of the step that makes it."""
EXTENDED = "model-extended"
"""Folder of the model with the languages that are to be added, and name of the step that makes it."""
JUDGEMENT = "judgement.json"
"""Beside a lexicon: what was found about it when it was built."""
HYPOTHESES = "hypotheses.txt"
"""In the folder of a trial on one pair: its translations of the test set, one a line."""
TEST_SET = "test"
"""Name of the only test set of a pair, and of the files of its two sides in the pair's folder: test.de, test.en."""
REVERSE = "reverse"
"""In a trial's folder: the model that translates monolingual text back, and its translations."""
ZEROSHOT = "zeroshot"
"""Folder of zero-shot translations, and of what came of them with .json, .md, .svg and .png behind it."""
ANALYSIS = "analysis"


def trial_name(pair: str, arm: str, seed: int | None) -> str:
    """Name of a trial, and its folder within the run's.

    `pair` is that of all pairs that the model learns, empty where a task has none; `seed` is None where outputs are
    given and nothing is trained.
    """
    return "/".join(part for part in (pair, arm, "" if seed is None else f"seed{seed}") if part)


def hypotheses_file(pair: str, pairs: int) -> str:
    """In a trial's folder: its translations of the test set of a pair, one a line; the model learned so many pairs."""
    return HYPOTHESES if pairs == 1 else f"hypotheses.{pair}.txt"


def model_folder(trial: Path, stage: str) -> Path:
    return trial / stage / "model"


def side_file(run: Path, pair: str, language: str) -> Path:
    """A side of a pair's test set as text: line n is what line n of all hypotheses is about."""
    return run / pair / f"{TEST_SET}.{language}"


def lexicon_folder(run: Path, pair: str, name: str = "") -> Path:
    """A lexicon of a pair, or all of them."""
    return run / "lexicon" / pair / name


def lexicon_files(folder: Path, source: str, target: str) -> tuple[Path, Path]:
    """The lexicons of both directions, source → target first."""
    return folder / f"lexicon.{source}-{target}.tsv", folder / f"lexicon.{target}-{source}.tsv"


def predictions_file(language: str) -> str:
    """In the folder of a classifier's trial: the labels that it gives the test set of a language, one a line."""
    return f"predictions.{language}.txt"


def analysis_file(name: str) -> str:
    return f"{ANALYSIS}/{name}.json"
