"""How many words have a gloss, and how many glosses are right: by the lookup, and by what is drawn from?

    python benchmarks/glosses.py ../shared/data

A lexicon of each direction is aligned from the first 2,000 training pairs. Each side of the validation pairs is glossed
in the words of the other: what is drawn for a word is right where it stands in the sentence that the word's sentence
translates, or half right where one of its two words does. New are the words that have no entry of their own.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from lexicon_precision import read_text
from record import RESULTS, machine

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import lower_case
from switchtune.files import write_json
from switchtune.lexicon.build import build
from switchtune.lexicon.text import MonolingualText
from switchtune.switching.gloss import Glosser

SEVERAL = {"k": 3, "omit_below": 0}
SETTINGS = {
    name: GlossSettings.model_validate(values)
    for name, values in {
        "entry": {**SEVERAL, "stems": False, "compounds": False},
        "stems": {**SEVERAL, "compounds": False},
        "compounds": {**SEVERAL, "stems": False},
        "both": SEVERAL,
        "the strongest": {"omit_below": 0},
        "weak ones left out": {},
    }.items()
}


@dataclass
class Found:
    """Running words, those with a gloss, and how many draws of these are right."""

    words: int = 0
    known: int = 0
    right: float = 0.0


def right_draws(glosser: Glosser, word: str, others: set[str], language: str) -> float:
    """Share of the words drawn for a word that stand among others."""
    choices, right = glosser.choices(word), 0.0
    for choice, weight in choices.items():
        parts = choice.split()
        right += weight * sum(lower_case(part, language) in others for part in parts) / len(parts)
    return right / sum(choices.values())


def measured(glosser: Glosser, plain: Glosser, side: MonolingualText, other: MonolingualText) -> dict[str, float]:
    """What the glosses of a side come to; `plain` knows entries alone."""
    every, new = Found(), Found()
    for row in range(len(side.lines)):
        others = {lower_case(word, other.language) for word in other.words(row).words}
        for word in side.words(row).words:
            every.words += 1
            if not any(glosser.choices(word)):
                continue
            right = right_draws(glosser, word, others, other.language)
            for found in (every, new) if not plain.choices(word) else (every,):
                found.known, found.right = found.known + 1, found.right + right
    return {
        "coverage": every.known / every.words,
        "precision": every.right / every.known,
        "right": every.right / every.words,
        "new": new.known / every.words,
        "new_precision": new.right / max(1, new.known),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", nargs="+", default=["de-en", "tr-en", "it-en", "vi-en"])
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS / "glosses.json")
    asked = parser.parse_args()
    rows = []
    for pair in asked.pairs:
        lexicons = build(read_text(asked.data, pair, "train", asked.limit), LexiconSettings()).lexicons
        valid = read_text(asked.data, pair, "valid")
        for both, side, other in ((lexicons, valid.source, valid.target), (lexicons[::-1], valid.target, valid.source)):
            glossers = {
                name: Glosser((side.segmenter, other.segmenter), both[0], settings)
                for name, settings in SETTINGS.items()
            }
            for name, glosser in glossers.items():
                figures = measured(glosser, glossers["entry"], side, other)
                rows.append({"glossed": side.language, "in": other.language, "settings": name, **figures})
                numbers = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
                print(f"{side.language} in {other.language}  {name:<18} {numbers}", flush=True)
    write_json(asked.out, {"machine": machine("numpy", "numba"), "limit": asked.limit, "rows": rows})


if __name__ == "__main__":
    main()
