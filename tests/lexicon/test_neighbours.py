"""Lexicons from two sides in one space: what is blocked makes room for the next."""

import pytest
import torch

from switchtune.lexicon.block import NOTHING, BlockList, Limits
from switchtune.lexicon.neighbours import neighbour_lexicons
from switchtune.lexicon.text import encode

ONES = ("Park", "12", "Haus", "Baum")
OTHERS = ("park", "12", "house", "tree", "garden")
SOURCE = torch.eye(5)[:4]
TARGET = torch.eye(5) + 0.3 * torch.eye(5).roll(1, 0)


def words_of(block: BlockList, k: int, *, farthest: bool = False) -> list[dict[str, list[str]]]:
    # Each text holds its words once more than the next, so that they stand in this order.
    vocabularies = tuple(
        encode([[word] * (9 - place) for place, word in enumerate(words)], language).vocabulary
        for words, language in ((ONES, "de"), (OTHERS, "en"))
    )
    lexicons = neighbour_lexicons(
        ("de", "en"), vocabularies, (SOURCE, TARGET), Limits(k, block=block), method="m", farthest=farthest, unit="word"
    )
    return [
        {entry.word: [each.word for each in entry.translations] for entry in lexicon.entries.values()}
        for lexicon in lexicons
    ]


def test_identical_translations_make_room_for_the_next() -> None:
    every, _ = words_of(NOTHING, 2)
    assert every["Park"] == ["park", "12"] and every["Haus"] == ["house", "tree"]
    forward, backward = words_of(BlockList(identical=True), 1)
    assert forward == {"Park": ["12"], "12": ["house"], "Haus": ["house"], "Baum": ["tree"]}
    assert "Park" not in backward["park"]
    assert backward["house"] == ["Haus"]


def test_numbers_make_room_on_both_sides() -> None:
    forward, backward = words_of(BlockList(numbers=True), 2)
    assert "12" not in forward and "12" not in backward
    assert all("12" not in words and len(words) == 2 for words in [*forward.values(), *backward.values()])


@pytest.mark.parametrize("farthest", [False, True])
def test_a_word_without_a_neighbour_that_may_stand_has_no_entry(farthest: bool) -> None:
    block = BlockList(words=frozenset(["house", "tree", "garden", "12"]), identical=True)
    forward, backward = words_of(block, 3, farthest=farthest)
    assert forward == {"Haus": ["park"], "Baum": ["park"]}
    assert set(backward) == {"park"} and set(backward["park"]) == {"Haus", "Baum"}
