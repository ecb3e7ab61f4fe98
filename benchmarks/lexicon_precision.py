"""Every method of building a lexicon, measured: precision@1 and @3 against dictionaries, the judge's figures, seconds.

    python benchmarks/lexicon_precision.py ../shared/data --pair de-en --method align --method vecmap
    python benchmarks/lexicon_precision.py ../shared/data --method plm --model runs/pretrained/model

DATA holds translation/PAIR/{train,valid}.{de,en}.xz and dictionaries/{muse,xling}. A query is a dictionary's source
word that occurs in the training text together with, on the other side, at least one of its translations; a query that
the lexicon has no entry for counts as wrong. Everything is compared in lower case. The judge sees the validation pairs.
Where a pair has no dictionary, the judge's figures stand alone. `dictionary` is XLing's training dictionary, `mixed` is
align and that dictionary.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from record import RESULTS, machine

from switchtune.config.lexicon import LexiconSettings
from switchtune.corpus.read import read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.files import read_json, write_json
from switchtune.lexicon.build import LexiconInput, build, corpus_material
from switchtune.lexicon.judge import judge
from switchtune.lexicon.records import Lexicon, randomised
from switchtune.lexicon.text import Encoded, Vocabulary

METHODS = ("align", "vecmap", "dictionary", "mixed", "plm", "anti", "random")


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


def precision(
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


def read_text(data: Path, pair: str, part: str, limit: int | None = None) -> LexiconInput:
    source, target = pair.split("-")
    paths = [data / "translation" / pair / f"{part}.{code}.xz" for code in (source, target)]
    corpus = read_corpus(paths, source, target, limit=limit)
    return corpus_material(corpus, (word_segmenter(source), word_segmenter(target)))


def read_sides(asked: argparse.Namespace) -> dict[str, Encoded]:
    """The segmented training text by language."""
    text = read_text(asked.data, asked.pair, "train", asked.limit)
    return {side.language: side.encoded for side in (text.source, text.target)}


def xling(data: Path, pair: str) -> tuple[str, ...]:
    source, target = pair.split("-")
    folder = data / "dictionaries/xling"
    return tuple(
        str(path) for name in (f"{source}-{target}", f"{target}-{source}") for path in folder.glob(f"{name}.train.tsv")
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with translation/ and dictionaries/")
    parser.add_argument("--pair", action="append", default=[], help="by default all six")
    parser.add_argument("--limit", type=int, help="only the first so many pairs")
    parser.add_argument("--method", action="append", choices=METHODS, default=[], help="by default all but plm")
    parser.add_argument("--model", help="of plm")
    parser.add_argument("--preset", choices=["small", "paper"], default="small", help="embeddings of vecmap")
    parser.add_argument("--floor", type=float, default=0.1, help="of align; 0 keeps all three translations")
    parser.add_argument(
        "--min-counts", type=int, nargs="+", default=[1, 2, 5], help="of queries and translations in the corpus"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "lexicon_precision.json", help="is added to")
    return parser.parse_args()


def built(asked: argparse.Namespace, pair: str, method: str, text: LexiconInput) -> tuple[Lexicon, Lexicon]:
    dictionaries = xling(asked.data, pair) if method in {"dictionary", "mixed"} else ()
    settings = LexiconSettings.model_validate(
        {
            "method": "align" if method in {"anti", "random"} else method,
            "dictionaries": dictionaries,
            "preset": asked.preset,
            "floor": asked.floor,
            "seed": asked.seed,
        }
    )
    if method == "plm":
        from switchtune.models.load import load_model
        from switchtune.models.states import model_word_encoder

        text = replace(text, encoder=model_word_encoder(load_model(asked.model)))
    lexicons = build(text, settings, neighbours="farthest" if method == "anti" else "nearest").lexicons
    if method == "random":
        return randomised(lexicons[0], seed=asked.seed), randomised(lexicons[1], seed=asked.seed)
    return lexicons


def measure(
    asked: argparse.Namespace, pair: str, method: str, text: LexiconInput, held_out: LexiconInput
) -> dict[str, object]:
    wall, processor = time.perf_counter(), time.process_time()
    lexicons = built(asked, pair, method, text)
    seconds = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    vocabularies = dict(zip(text.languages, (side.vocabulary for side in text.encoded), strict=True))
    rows = [
        asdict(row)
        for lexicon in lexicons
        for min_count in asked.min_counts
        for row in precision(method, lexicon, asked.data / "dictionaries", vocabularies, min_count)
    ]
    judged = {}
    for direction in judge(lexicons, *held_out.encoded, held_out.languages).directions:
        judged[f"{direction.source}-{direction.target}"] = {
            "verdict": direction.verdict,
            "right": direction.right,
            "lift": direction.lift,
            "yardstick": direction.yardstick,
            "coverage": direction.coverage,
            "entries": direction.entries,
        }
    for row in rows:
        print(
            f"{pair:<7}{method:<12}{row['direction']:<7}{row['dictionary']:<6} count ≥ {row['min_count']}: "
            f"{100 * row['precision_at_1']:5.1f} / {100 * row['precision_at_3']:5.1f} of {row['queries']:,},"
            f" right draws {row['right_draws']:.1%}"
        )
    for direction, figures in judged.items():
        print(
            f"{pair:<7}{method:<12}{direction:<7}{figures['verdict']}, right {figures['right']:.0%},"
            f" lift {figures['lift']:.3f} of {figures['yardstick']:.3f},"
            f" coverage {figures['coverage']:.1%}"
        )
    print(f"{pair:<7}{method:<12}{seconds['seconds']:.1f} s", flush=True)
    settings = {key: getattr(asked, key) for key in ("limit", "preset", "floor", "seed")}
    pairs = len(text.source.lines)
    return {
        "pair": pair,
        "method": method,
        "pairs": pairs,
        "settings": settings,
        **seconds,
        "judged": judged,
        "rows": rows,
    }


def main() -> None:
    asked = arguments()
    results = read_json(asked.out)["results"] if asked.out.exists() else []
    for pair in asked.pair or ["de-en", "tr-en", "it-en", "ja-en", "zh-en", "vi-en"]:
        text = read_text(asked.data, pair, "train", asked.limit)
        held_out = read_text(asked.data, pair, "valid")
        for method in asked.method or [method for method in METHODS if method != "plm"]:
            if method in {"dictionary", "mixed"} and not xling(asked.data, pair):
                continue
            result = measure(asked, pair, method, text, held_out)
            key = (pair, method, result["settings"])
            results = [each for each in results if (each["pair"], each["method"], each["settings"]) != key]
            results.append(result)
            write_json(asked.out, {"machine": machine("numpy", "gensim"), "results": results})


if __name__ == "__main__":
    main()
