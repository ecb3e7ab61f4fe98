"""How much like real sources are glosses of whole sentences, and what does each step of making them contribute?

    python benchmarks/gloss_likeness.py ../shared/data

Everything is learned from the first 2,000 training pairs, and the language model also from every second source of later
ones. The targets of the 600 pairs after the first 2,000 are glossed, and the glosses are scored as translations whose
references are the sources.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, machine

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.switching import GlossSettings
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.files import write_json
from switchtune.lexicon.alignment import align
from switchtune.lexicon.build import build, corpus_material
from switchtune.scoring.metrics import bleu, chrf
from switchtune.switching.gloss import Glosser, is_segmented
from switchtune.switching.gloss_model import learn_gloss_model

PAIRS, HELD_OUT, FURTHER = 2000, 600, 25_000

WAYS: dict[str, dict[str, Any]] = {
    "word by word": {"reorder": False, "language_model": 0.0},
    "in order": {"language_model": 0.0},
    "words that fit": {"reorder": False},
    "in order, words that fit": {},
}


def read_pair(data: Path, pair: str, limit: int) -> Corpus:
    """The first training pairs of a direction, whose folder may be named the other way round."""
    source, target = pair.split("-")
    folder = data / "translation" / (pair if (data / "translation" / pair).is_dir() else f"{target}-{source}")
    return read_corpus(str(folder / f"train.{{{source},{target}}}.xz"), source, target, limit=limit)


def measured(data: Path, pair: str) -> Iterator[tuple[str, float, float]]:
    """For each way to make glosses its name, and the BLEU and chrF++ of its glosses."""
    corpus = read_pair(data, pair, PAIRS + HELD_OUT + FURTHER)
    pairs, further = corpus.limited(PAIRS), corpus.sources()[PAIRS + HELD_OUT :: 2]
    held_out = slice(PAIRS, PAIRS + HELD_OUT)
    segmenters = (word_segmenter(corpus.source_language), word_segmenter(corpus.target_language))
    material = corpus_material(pairs, segmenters)
    lexicon = build(material, LexiconSettings(accept=True)).lexicons[1]
    alignment = align(*material.encoded, seed=0)
    for name, changes in WAYS.items():
        settings = GlossSettings.model_validate(changes)
        learned = settings.reorder or settings.language_model > 0
        model = learn_gloss_model(pairs, settings, alignment, further=further) if learned else None
        segmented = is_segmented(pairs.sources(), segmenters[0])
        glosser = Glosser(segmenters[::-1], lexicon, settings, segmented=segmented, model=model)
        rng = np.random.default_rng(0)
        glosses = [glosser(target, rng) for target in corpus.targets()[held_out]]
        both = (score(glosses, corpus.sources()[held_out], corpus.source_language) for score in (bleu, chrf))
        yield name, *(each.value for each in both)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", nargs="+", default=["de-en", "tr-en", "ja-en", "zh-en", "en-de", "en-tr"])
    parser.add_argument("--out", type=Path, default=RESULTS / "gloss_likeness.json")
    asked = parser.parse_args()
    rows = []
    for pair in asked.pairs:
        for name, bleu_value, chrf_value in measured(asked.data, pair):
            rows.append({"pair": pair, "glosses": name, "bleu": bleu_value, "chrf": chrf_value})
            print(f"{pair}  {name:<26} BLEU {bleu_value:5.1f}  chrF++ {chrf_value:5.1f}", flush=True)
    write_json(asked.out, {"machine": machine("numpy", "numba"), "rows": rows})


if __name__ == "__main__":
    main()
