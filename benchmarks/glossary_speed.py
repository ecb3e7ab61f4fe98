"""How much longer does translation take with a glossary of 10,000 terms?

    python benchmarks/glossary_speed.py runs/study/base/model ../shared/data

A model translates German captions by CTranslate2: without a glossary, and with one made of the dictionaries of the
data, in turns; the ratio is the median of those of neighbours. Reading the glossary and indexing it is part of the
time, loading the model is not: with more sentences, or a larger model, the ratio is smaller. Where other work shares
the machine, processor time is the one to trust.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from record import RESULTS, machine

from switchtune.config.training import GenerationSettings
from switchtune.corpus.read import read_lines
from switchtune.files import write_json
from switchtune.generation import translate
from switchtune.generation.by_ct2 import Converted, converted
from switchtune.generation.keeping import Keeper, require_fitting_terms
from switchtune.lexicon.forms import endless
from switchtune.lexicon.glossary import read_glossary
from switchtune.models.load import load_model
from switchtune.switching.terms import GlossaryTerms

TERMS = 10_000
LANGUAGES = ("de", "en")
SETTINGS = GenerationSettings(engine="ct2")


def dictionary(data: Path) -> dict[str, str]:
    """Entries of the dictionaries from German into English; where they are too few, words with another before them."""
    english = [read_lines(data / f"dictionaries/{name}") for name in ("xling/en-de.train.tsv", "xling/en-de.test.tsv")]
    german = read_lines(data / "dictionaries/muse/de-en.5000-6500.txt")
    entries = [line.split()[::-1] for lines in english for line in lines] + [line.split() for line in german]
    words = {entry[0].lower(): entry[1] for entry in entries}
    phrases = {
        f"{before} {word}": f"{words[before]} {words[word]}"
        for before, word in zip(words, list(words)[1:], strict=False)
    }
    return dict(list((words | phrases).items())[:TERMS])


def with_glossary(model: Converted, sentences: Sequence[str], glossary: Path) -> Keeper:
    terms = GlossaryTerms(read_glossary(str(glossary), LANGUAGES))
    require_fitting_terms(terms, model.layout)
    keeper = Keeper(terms)
    keeper.translated(sentences, lambda texts: translate(model, texts, *LANGUAGES, SETTINGS))
    return keeper


def timed(work: Callable[[], object]) -> dict[str, float]:
    endless.cache_clear()  # as in a process that has just begun
    gc.collect()  # and not by turns within what is timed
    begun, processor = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - begun, "processor_seconds": time.process_time() - processor}


def measured(name: str, data: Path, sentences: int, rounds: int) -> dict[str, Any]:
    loaded, folder = load_model(name), data / "translation" / "-".join(LANGUAGES)
    sources, sides = read_lines(folder / "test.de.xz")[:sentences], dict[str, list[dict[str, float]]]()
    with tempfile.TemporaryDirectory() as temporary, converted(loaded, SETTINGS.compute_type) as model:
        glossary = Path(temporary) / "terms.tsv"
        glossary.write_text("".join(f"{term}\t{text}\n" for term, text in dictionary(data).items()), encoding="utf-8")
        keeper = with_glossary(model, sources[:8], glossary)  # what is made on first use is not measured
        for _ in range(rounds):
            sides.setdefault("without", []).append(timed(lambda: translate(model, sources, *LANGUAGES, SETTINGS)))
            sides.setdefault("with", []).append(timed(lambda: with_glossary(model, sources, glossary)))
        terms = keeper.terms
        assert terms is not None
        alone = timed(lambda: Keeper(terms).translated(sources, lambda texts: list(texts)))
    medians = {name: {clock: median(each[clock] for each in rows) for clock in rows[0]} for name, rows in sides.items()}
    return {
        "weights": sum(each.numel() for each in loaded.model.parameters()),
        "terms": len(terms.glossary),
        "sentences": len(sources),
        "rounds": sides,
        "medians": medians,
        "ratio": {
            clock: median(b[clock] / a[clock] for a, b in zip(sides["without"], sides["with"], strict=True))
            for clock in medians["with"]
        },
        "finding and counting alone": alone,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="that knows German and English")
    parser.add_argument("data", type=Path, help="folder with dictionaries/ and translation/de-en/")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "glossary_speed.json")
    asked = parser.parse_args()
    found = measured(asked.model, asked.data, asked.sentences, asked.rounds)
    write_json(asked.out, {**found, **machine("torch", "ctranslate2")})
    print(found["medians"], found["ratio"], found["finding and counting alone"])


if __name__ == "__main__":
    main()
