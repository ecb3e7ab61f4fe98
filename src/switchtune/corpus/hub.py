"""Data sets of the Hub, by the package `datasets`, which is imported only where one is asked for."""

from typing import Any

from switchtune.corpus.columns import CorpusError
from switchtune.errors import UsageError


def hub_dataset(location: str, name: str, config: str | None, split: str) -> Any:
    """A data set (`datasets.Dataset`) of the Hub; `location` names it in errors.

    Raises:
        UsageError: `datasets` is not installed.
        CorpusError: the data set cannot be loaded.
    """
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            f"{location}: data sets of the Hub need the package datasets, which cannot be imported ({error}). Install "
            "it (pip install 'switchtune[hub]'), or give files (TSV, JSONL, Parquet, parallel text)."
        ) from error
    try:
        return datasets.load_dataset(name, config, split=split)
    except Exception as error:  # whatever a data set of others, or what loads it, may raise
        raise CorpusError(
            f"{location}: cannot be loaded ({type(error).__name__}: {error}). Check name, config and split on the Hub. "
            "Without network, use a data set that was loaded before, or files (TSV, JSONL, Parquet, parallel text)."
        ) from error
