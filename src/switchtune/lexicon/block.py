"""What a lexicon is not to hold: numbers, translations that are the word itself, words of a list, weak translations."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.words import is_number, lower_case
from switchtune.lexicon.files import lines_of
from switchtune.lexicon.records import UNDETERMINED, Entry, Lexicon, LexiconError
from switchtune.lexicon.text import Vocabulary


@dataclass(frozen=True)
class BlockList:
    """What is left out of a lexicon, on either side."""

    numbers: bool = False  # words with digits and no letters
    identical: bool = False  # translations that equal the word, such as names and loan words
    words: frozenset[str] = frozenset()  # in lower case as `read_block_list` has them, whatever the language

    def blocks(self, word: str) -> bool:
        """Whether `word`, in any casing, is left out for itself."""
        return (self.numbers and is_number(word)) or lower_case(word, UNDETERMINED) in self.words

    def words_of(self, vocabulary: Vocabulary) -> NDArray[np.bool_]:
        """Which words of a vocabulary are left out for themselves. [words]"""
        return np.array([self.blocks(word) for word in vocabulary.words], dtype=bool)

    def links_of(
        self, vocabularies: tuple[Vocabulary, Vocabulary], source: NDArray[np.integer], target: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Which links between words of two vocabularies, given by their ids, are left out. [links]"""
        left_out: NDArray[np.bool_] = self.words_of(vocabularies[0])[source] | self.words_of(vocabularies[1])[target]
        if self.identical:
            twins = np.array([vocabularies[1].index.get(key, -1) for key in vocabularies[0].index], dtype=np.int64)
            left_out |= twins[source] == target
        return left_out


@dataclass(frozen=True)
class Limits:
    """How much of what is found stands in a lexicon."""

    k: int = 3  # Translations of a word, at most. What is blocked takes no place among them
    floor: float = 0.1  # Least share of the strength of a word's strongest translation; similarities know none
    block: BlockList = BlockList()


def without_blocked(lexicon: Lexicon, block: BlockList) -> Lexicon:
    """The lexicon without blocked words and translations, and without the words that no translation is left for."""
    entries = {}
    for key, entry in lexicon.entries.items():
        translations = tuple(
            link
            for link in entry.translations
            if not block.blocks(link.word)
            and not (block.identical and lower_case(link.word, lexicon.target_language) == key)
        )
        if translations and not block.blocks(entry.word):
            entries[key] = Entry(entry.word, entry.count, translations)
    return replace(lexicon, entries=entries)


def read_block_list(path: Path) -> frozenset[str]:
    """The words of a file, in lower case: one a line; what follows "#" at a line's begin or after a space is comment.

    Raises:
        LexiconError: the file is missing or not UTF-8, or a line holds more than one word (file and line are named).
    """
    words: set[str] = set()
    for number, line in enumerate(lines_of(path), start=1):
        on_line = f" {line}".replace("\t", " ").partition(" #")[0].split()
        if len(on_line) > 1:
            raise LexiconError(
                f"{path}:{number}: {len(on_line)} words in {line[:80]!r}; one word a line is expected. Put each on its"
                " own line; a comment begins with '# '."
            )
        words.update(lower_case(word, UNDETERMINED) for word in on_line)
    return frozenset(words)
