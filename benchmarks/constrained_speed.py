"""How much longer does a search under constraints take than beam search?

    python benchmarks/constrained_speed.py runs/study/terms/de-en/standard/seed1/task/model ../shared/data

A model translates a test set by beam search of transformers and of CTranslate2, and under constraints: the longest one,
two and four words of each sentence's reference, which the translation is to hold. All in turns; ratios are medians of
those of neighbours. `translate --constrained` searches so only the sentences whose translation lacks a term. Where
other work shares the machine, processor time is the one to trust.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from record import RESULTS, machine

from switchtune.config.training import GenerationSettings
from switchtune.corpus.read import read_lines
from switchtune.corpus.words import word_segmenter
from switchtune.files import write_json
from switchtune.generation import translate
from switchtune.generation.by_ct2 import converted
from switchtune.models.load import load_model

SETTINGS = GenerationSettings()
BASELINE = "transformers"


def phrases(references: Sequence[str], language: str, count: int) -> list[list[tuple[str, ...]]]:
    """The longest words of each reference."""
    split = (word_segmenter(language).split(reference).words for reference in references)
    return [[(word,) for word in sorted(set(words), key=lambda word: (-len(word), word))[:count]] for words in split]


def timed(work: Callable[[], object]) -> dict[str, float]:
    begun, processor = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - begun, "processor_seconds": time.process_time() - processor}


def measured(name: str, data: Path, pair: str, sentences: int, rounds: int) -> dict[str, Any]:
    loaded, folder, languages = load_model(name), data / "translation" / pair, pair.split("-")
    sources, references = (read_lines(folder / f"test.{language}.xz")[:sentences] for language in languages)
    taken: dict[str, list[dict[str, float]]] = {}
    with converted(loaded, SETTINGS.compute_type) as by_ct2:
        sides: dict[str, Callable[[], list[str]]] = {
            BASELINE: partial(translate, loaded, sources, *languages, SETTINGS),
            "ct2": partial(translate, by_ct2, sources, *languages, SETTINGS),
        }
        for count in (1, 2, 4):
            wanted = phrases(references, languages[1], count)
            sides[f"{count} phrases"] = partial(translate, loaded, sources, *languages, SETTINGS, constraints=wanted)
        for round_number in range(rounds + 1):
            for side, work in sides.items():
                found = timed(work)
                if round_number:  # in the first, what is made on first use is made
                    taken.setdefault(side, []).append(found)
    return {
        "pair": pair,
        "weights": sum(each.numel() for each in loaded.model.parameters()),
        "sentences": len(sources),
        "rounds": taken,
        "ratio": {
            side: {
                clock: median(b[clock] / a[clock] for a, b in zip(taken[BASELINE], rows, strict=True))
                for clock in rows[0]
            }
            for side, rows in taken.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="that translates a pair")
    parser.add_argument("data", type=Path, help="folder with translation/de-en/test.de.xz, …")
    parser.add_argument("--pair", default="de-en")
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "constrained_speed.json")
    asked = parser.parse_args()
    found = measured(asked.model, asked.data, asked.pair, asked.sentences, asked.rounds)
    write_json(asked.out, {**found, **machine("torch", "transformers", "ctranslate2")})
    print(found["ratio"])


if __name__ == "__main__":
    main()
