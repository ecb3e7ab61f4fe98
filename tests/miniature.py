"""Miniature models of the real classes: tiny, made in a moment, the same everywhere."""

import copy
import dataclasses
from functools import cache
from typing import get_args

import torch

from switchtune.config.pretrain import FamilyName, SizeSettings
from switchtune.examples import Example
from switchtune.models.load import Loaded
from switchtune.models.new import new_model

ALL: tuple[FamilyName, ...] = get_args(FamilyName)
WORDED: tuple[FamilyName, ...] = ("mt5", "umt5", "byt5", "t5")
"""Families without tags, which are told what to do in words."""
T5S: tuple[FamilyName, ...] = (*WORDED, "madlad")

MATRICES: tuple[FamilyName, ...] = ("mbart", "nllb", "mt5")
"""One family of each kind of embeddings, of positions, and of start, for what does not depend on the tokenizer.

mbart (also mbart50): one matrix, with a bias of its rows, and learned positions; the decoder starts with the tag.
nllb (also m2m100, small100): one matrix without a bias, sinusoidal positions; the tag is forced after the start.
mt5 (also umt5, t5, byt5, madlad): an output matrix of its own, relative positions; no tag is generated.
"""

ARCHITECTURES: tuple[FamilyName, ...] = ("mbart", "m2m100", "mt5", "umt5", "t5")
"""One family of each of transformers' model classes, for what depends on layers and weights alone.

mbart (also mbart50), m2m100 (also nllb, small100), mt5, umt5, t5 (also byt5, madlad).
"""

VOCABULARIES: tuple[FamilyName, ...] = ("mbart", "nllb", "m2m100", "mt5", "madlad")
"""One family of each kind of vocabulary in pieces, for what depends on the tokenizer and its files; MATRICES and more.

mbart (also mbart50): unigrams in tokenizer.json, tags that the tokenizer's class brings along.
nllb: BPE in tokenizer.json, tags that are listed.
m2m100 (also small100): BPE in SentencePiece's own file beside vocab.json, tags behind its pieces.
mt5 (also umt5, t5): unigrams in tokenizer.json, sentinels and no tags.
madlad: unigrams of which the tags are some.
"""

TOKENIZERS: tuple[FamilyName, ...] = (*VOCABULARIES, "mbart50", "byt5")
"""One family of each kind of tokenizer, for how text becomes ids: VOCABULARIES and two more.

mbart50: normalises, which mbart does not. byt5: bytes. small100 has the tokenizer of m2m100; umt5 and t5 that of mt5.
"""

GERMAN = (
    "Ein Hund läuft über die Wiese.",
    "Zwei Männer sitzen auf einer Bank.",
    "Das Kind spielt mit dem Ball im Garten.",
    "Eine Frau liest ein Buch am Fenster.",
    "Der Junge springt in das kalte Wasser.",
    "Mehrere Leute warten auf den Bus.",
    "Ein Mädchen malt ein Bild von einem Haus.",
    "Die Katze schläft auf dem Sofa.",
    "Ein alter Mann fährt mit dem Fahrrad.",
    "Drei Kinder essen Eis im Park.",
    "Eine Gruppe von Menschen tanzt auf der Straße.",
    "Der Koch schneidet Gemüse in der Küche.",
    "Ein weißer Vogel fliegt über das Meer.",
    "Die Frau in dem roten Kleid singt ein Lied.",
    "Ein Mann mit Hut kauft Brot auf dem Markt.",
    "Zwei Hunde spielen im Schnee.",
)
ENGLISH = (
    "A dog runs across the meadow.",
    "Two men are sitting on a bench.",
    "The child plays with the ball in the garden.",
    "A woman is reading a book at the window.",
    "The boy jumps into the cold water.",
    "Several people are waiting for the bus.",
    "A girl paints a picture of a house.",
    "The cat sleeps on the sofa.",
    "An old man rides a bicycle.",
    "Three children eat ice cream in the park.",
    "A group of people is dancing in the street.",
    "The cook cuts vegetables in the kitchen.",
    "A white bird flies over the sea.",
    "The woman in the red dress sings a song.",
    "A man with a hat buys bread at the market.",
    "Two dogs are playing in the snow.",
)

TINY = SizeSettings(width=32, feed_forward=64, encoder_layers=2, decoder_layers=1, heads=2, positions=64, pieces=200)


@cache
def _made(family: FamilyName, seed: int, size: SizeSettings) -> Loaded:
    return new_model(family, size, {"de": GERMAN, "en": ENGLISH}, seed=seed)


def miniature(family: FamilyName = "mbart", *, seed: int = 1, size: SizeSettings = TINY) -> Loaded:
    return _made(family, seed, size)


def taught() -> Loaded:
    """A miniature that has learned to translate the sixteen German sentences."""
    return _copied(_taught())


@cache
def _taught() -> Loaded:
    loaded = _copied(miniature())
    examples = [Example(source, "de", target, "en") for source, target in zip(GERMAN, ENGLISH, strict=True)]
    batch = loaded.layout.collate(loaded.layout.batch_encode(examples, max_tokens=64))
    optimizer = torch.optim.Adam(loaded.model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        loaded.model(**batch).loss.backward()
        optimizer.step()
    return loaded


def lively(family: FamilyName) -> Loaded:
    """A miniature whose random weights are large enough that different sentences get different outputs."""
    loaded = _copied(miniature(family))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in loaded.model.named_parameters():
            if parameter.dim() == 2 and "embed" not in name and "shared" not in name:
                parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator))
    return loaded


def _copied(loaded: Loaded) -> Loaded:
    return dataclasses.replace(loaded, model=copy.deepcopy(loaded.model))
