"""Data sets of the Hub where the package that reads them is not installed."""

import sys

import pytest

from switchtune.corpus.hub import hub_dataset
from switchtune.corpus.read import read_corpus
from switchtune.errors import UsageError


def test_without_datasets_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"hf:org/name::train: .*datasets.*pip install 'switchtune\[hub\]'.*TSV"):
        read_corpus("hf:org/name::train", "de", "en")


def test_whatever_datasets_is_given_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, split: (*names, split))
    assert hub_dataset("hf:org/name::train", "org/name", None, "train") == ("org/name", None, "train")
