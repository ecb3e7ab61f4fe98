"""Precision@1 and @3 of lexicons against MUSE and XLing dictionaries, beside the random control.

    python benchmarks/lexicon_precision.py ../shared/data --pair de-en --method align --method vecmap
    python benchmarks/lexicon_precision.py ../shared/data --pair de-en --lexicon runs/lexicon.de-en.tsv

DATA holds translation/PAIR/train.{de,en}.xz and dictionaries/{muse,xling}. A query is a dictionary's source word that
occurs in the corpus together with, on the other side, at least one of its translations; a query that the lexicon has
no entry for counts as wrong. Everything is compared in lower case.
"""

import argparse
import json
import os
import platform
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from switchtune.corpus.read import read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon import Lexicon, Sentences, Vocabulary, count_words, randomised, read_lexicon
from switchtune.lexicon.build import build_lexicons, paired_shares
from switchtune.run_dir import write_json

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    lexicon: str
    direction: str
    dictionary: str
    min_count: int
    queries: int
    answered: float
    precision_at_1: float
    precision_at_3: float
    right_draws: float
    """Share of right translations among those that switching draws for the queries, each as often as it occurs."""


def gold_dictionaries(folder: Path, source: str, target: str) -> Iterator[tuple[str, Mapping[str, set[str]]]]:
    """The test dictionaries of a direction by name; XLing has each pair in one direction, which is read either way."""
    for path in sorted((folder / "muse").glob(f"{source}-{target}.*")):
        yield "muse", read_gold(path, flipped=False)
    for path in sorted((folder / "xling").glob(f"{source}-{target}.test.tsv")):
        yield "xling", read_gold(path, flipped=False)
    for path in sorted((folder / "xling").glob(f"{target}-{source}.test.tsv")):
        yield "xling", read_gold(path, flipped=True)


def read_gold(path: Path, *, flipped: bool) -> Mapping[str, set[str]]:
    gold = defaultdict(set)
    for line in path.read_text(encoding="utf-8").splitlines():
        source, target = line.lower().split()[:: -1 if flipped else 1]
        gold[source].add(target)
    return gold


def frequent_words(vocabulary: Vocabulary, min_count: int) -> set[str]:
    return {word for word, place in vocabulary.index.items() if vocabulary.counts[place] >= min_count}


def judge(
    name: str, lexicon: Lexicon, dictionaries: Path, vocabularies: Mapping[str, Vocabulary], min_count: int
) -> Iterator[Row]:
    """One row for each dictionary of the lexicon's direction; vocabularies of the corpus by language."""
    source, target = lexicon.source_language, lexicon.target_language
    words = {language: frequent_words(vocabulary, min_count) for language, vocabulary in vocabularies.items()}
    for dictionary, gold in gold_dictionaries(dictionaries, source, target):
        queries = {word: right & words[target] for word, right in gold.items() if word in words[source]}
        queries = {word: right for word, right in queries.items() if right}
        answers = {
            word: [translation.word.lower() for translation in entry.translations]
            for word in queries
            if (entry := lexicon.find(word)) is not None
        }
        first = sum(queries[word].intersection(answer[:1]) != set() for word, answer in answers.items())
        third = sum(queries[word].intersection(answer[:3]) != set() for word, answer in answers.items())
        vocabulary = vocabularies[source]
        occurrences = {word: int(vocabulary.counts[vocabulary.index[word]]) for word in answers}
        right = sum(
            occurrences[word] * sum(translation in queries[word] for translation in answer) / len(answer)
            for word, answer in answers.items()
        )
        count = max(1, len(queries))
        shares = (len(answers) / count, first / count, third / count, right / max(1, sum(occurrences.values())))
        yield Row(name, f"{source}-{target}", dictionary, min_count, len(queries), *shares)


def machine() -> dict[str, str | int | None]:
    cpus = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": cpus[0] if cpus else platform.processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "gensim": version("gensim"),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with translation/ and dictionaries/")
    parser.add_argument("--pair", default="de-en")
    parser.add_argument("--limit", type=int, help="only the first so many pairs")
    parser.add_argument("--method", action="append", choices=["align", "vecmap"], default=[], help="build and judge")
    parser.add_argument("--lexicon", action="append", type=Path, default=[], help="judge this file")
    parser.add_argument("--preset", choices=["small", "paper"], default="small", help="embeddings of vecmap")
    parser.add_argument("--floor", type=float, default=0.1, help="of align; 0 keeps all three translations")
    parser.add_argument(
        "--min-counts",
        type=int,
        nargs="+",
        default=[1, 2, 5],
        help="queries of words that occur so often, on both sides",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help=f"JSON file (default: one in {RESULTS.name}/, by pair and preset)")
    return parser.parse_args()


def read_sides(asked: argparse.Namespace) -> dict[str, Sentences]:
    """The segmented training text by language."""
    source, target = asked.pair.split("-")
    paths = [asked.data / "translation" / asked.pair / f"train.{code}.xz" for code in (source, target)]
    corpus = read_corpus(paths, source, target, limit=asked.limit)
    texts = {source: corpus.sources(), target: corpus.targets()}
    return {code: [word_segmenter(code).split(line).words for line in lines] for code, lines in texts.items()}


def measure(asked: argparse.Namespace, sides: Mapping[str, Sentences]) -> tuple[list[Row], dict[str, object]]:
    """All rows, and what the building cost and how the lexicons do on the pairs themselves."""
    source, target = asked.pair.split("-")
    lexicons = [(str(path), read_lexicon(path)) for path in asked.lexicon]
    costs = {}
    for method in asked.method or ([] if asked.lexicon else ["align", "vecmap"]):
        wall, cpu = time.perf_counter(), time.process_time()
        built = build_lexicons(
            sides[source],
            sides[target],
            (source, target),
            method=method,
            floor=asked.floor,
            seed=asked.seed,
            preset=asked.preset,
        )
        costs[method] = {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        lexicons += [(method, lexicon) for lexicon in built]
    vocabularies = {code: count_words(side, code) for code, side in sides.items()}
    rows, shares = [], {}
    for name, lexicon in lexicons:
        codes = (lexicon.source_language, lexicon.target_language)
        shares[f"{name} {codes[0]}-{codes[1]}"] = asdict(paired_shares(lexicon, *(sides[code] for code in codes)))
        for judged, title in ((lexicon, name), (randomised(lexicon, seed=asked.seed), f"random({name})")):
            for min_count in asked.min_counts:
                rows += judge(title, judged, asked.data / "dictionaries", vocabularies, min_count)
    return rows, {"costs": costs, "paired_shares": shares}


def print_table(rows: Iterable[Row]) -> None:
    print(
        f"{'lexicon':<20}{'direction':<11}{'dictionary':<12}{'min count':>9}{'queries':>9}{'answered':>10}  P@1   P@3"
        "  right draws"
    )
    for row in rows:
        print(
            f"{row.lexicon:<20}{row.direction:<11}{row.dictionary:<12}{row.min_count:>9}{row.queries:>9}"
            f"{row.answered:>10.1%}{100 * row.precision_at_1:>6.1f}{100 * row.precision_at_3:>6.1f}"
            f"{row.right_draws:>13.1%}"
        )


def main() -> None:
    asked = arguments()
    sides = read_sides(asked)
    rows, findings = measure(asked, sides)
    print_table(rows)
    print(json.dumps(findings, indent=2))
    settings = {key: getattr(asked, key) for key in ("pair", "limit", "preset", "floor", "min_counts", "seed")}
    write_json(
        asked.out or RESULTS / f"lexicon_precision.{asked.pair}.{asked.preset}.json",
        {
            "settings": settings,
            "pairs": len(sides[asked.pair.split("-")[0]]),
            "machine": machine(),
            **findings,
            "rows": [asdict(row) for row in rows],
        },
    )


if __name__ == "__main__":
    main()
