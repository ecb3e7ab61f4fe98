"""The embedded corpus: its sentences are parallel, as many as promised, the same everywhere, and in one split only."""

import hashlib
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from switchtune.corpus import embedded
from switchtune.corpus.embedded import DEFAULT_SIZES, DOMAINS, LANGUAGES, SIZES, embedded_sentences
from switchtune.errors import SwitchtuneError


@cache
def all_rows(domain: str, split: str) -> list[tuple[str, ...]]:
    return embedded_sentences(domain, split, LANGUAGES, SIZES[split])


@pytest.mark.parametrize("domain", DOMAINS)
def test_sizes_and_prefixes(domain: str) -> None:
    for split, size in SIZES.items():
        rows = all_rows(domain, split)
        assert len(rows) == size
        assert embedded_sentences(domain, split, LANGUAGES) == rows[: DEFAULT_SIZES[split]]
        assert embedded_sentences(domain, split, ["tr", "de"], 20) == [(tr, de) for _, de, tr in rows[:20]]
    assert embedded_sentences(domain, "test", ["en"], 0) == []


def test_sentences_translate_each_other() -> None:
    assert all_rows("news", "test")[0] == (
        "Anna helped six journalists in September.",
        "Anna half im September sechs Journalisten.",
        "Anna eylülde altı gazeteciye yardım etti.",
    )
    assert all_rows("kitchen", "train")[-1] == (
        "Before you stir the dry eggs, chop the walnuts quickly.",
        "Bevor Sie die trockenen Eier rühren, hacken Sie die Walnüsse schnell.",
        "Kuru yumurtaları karıştırmadan önce cevizleri hızla doğrayın.",
    )


def test_every_byte_is_as_it_was_made() -> None:
    """The figures that were measured on these sentences stay comparable."""
    digest = hashlib.sha256()
    for domain in DOMAINS:
        for split in SIZES:
            for language in LANGUAGES:
                rows = embedded_sentences(domain, split, [language], SIZES[split])
                digest.update("".join(f"{sentence}\n" for (sentence,) in rows).encode())
    assert digest.hexdigest() == "be3dc183a929e279c488c66d54f06a33300ed2740bc3f310d63df93261cc4ff0"


def test_files_take_less_than_a_megabyte() -> None:
    files = Path(embedded.__file__).with_suffix("").iterdir()
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_splits_share_no_sentence_in_any_language() -> None:
    """Not even a train split with a held-out split of the other domain."""
    for column in range(len(LANGUAGES)):
        splits = [all_rows(domain, split) for domain in DOMAINS for split in ("valid", "test")]
        held_out = Counter(row[column] for rows in splits for row in rows)
        assert set(held_out.values()) == {1}
        for domain in DOMAINS:
            train = Counter(row[column] for row in all_rows(domain, "train"))
            assert set(train.values()) == {1}
            assert not held_out.keys() & train.keys()


@pytest.mark.parametrize("domain", DOMAINS)
def test_sentences_look_like_sentences(domain: str) -> None:
    for row in all_rows(domain, "train"):
        for text in row:
            assert re.fullmatch(r"[\w' ,]+\.", text)
            assert not re.search(r"  | ,|,,|,\.|,\w", text)
            assert text[0] == text[0].upper()


@pytest.mark.parametrize("language", LANGUAGES)
def test_domains_share_a_part_of_their_words(language: str) -> None:
    column = LANGUAGES.index(language)
    news, kitchen = (
        {word for row in all_rows(domain, "train") for word in re.findall(r"[\w']+", row[column].lower())}
        for domain in DOMAINS
    )
    assert 0.2 < len(news & kitchen) / len(kitchen) < 0.7
    assert 0.2 < len(news & kitchen) / len(news) < 0.7


@pytest.mark.parametrize(
    ("domain", "split", "languages", "named"),
    [
        ("kitchn", "train", ["en"], "'kitchen'"),
        ("news", "dev", ["en"], "valid"),
        ("news", "tests", ["en"], "'test'"),
        ("news", "train", ["en", "fr"], "'fr'"),
    ],
)
def test_unknown_names(domain: str, split: str, languages: list[str], named: str) -> None:
    with pytest.raises(SwitchtuneError, match=re.escape(named)):
        embedded_sentences(domain, split, languages)


@pytest.mark.parametrize(("split", "count"), [("valid", 501), ("test", 1001), ("train", 12_001), ("train", -1)])
def test_more_sentences_than_there_are(split: str, count: int) -> None:
    with pytest.raises(SwitchtuneError, match=f"{count:,} sentences were asked for; ask for at most"):
        embedded_sentences("news", split, ["en"], count)
