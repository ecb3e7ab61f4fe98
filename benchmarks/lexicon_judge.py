"""Does the judge order lexicons as dictionaries do, and does it say red where it must?

    python benchmarks/lexicon_judge.py ../shared/data --pair de-en

Lexicons of known precision: aligned from 300 to all pairs, with and without the floor; the aligned one with a tenth to
all of its entries replaced by random ones; VecMap on all pairs and on 5,000; the controls. Each direction is judged by
the validation pairs, and measured against the dictionaries over the words that it answers: share of right first
translations, and of right ones among all. Given are Spearman's rank correlation of what the judge takes to be right
with both, and the verdict of every lexicon beside what it is.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from lexicon_precision import gold_dictionaries, read_text
from record import RESULTS, machine
from scipy.stats import spearmanr

from switchtune.config.lexicon import LexiconSettings
from switchtune.files import write_json
from switchtune.lexicon.build import LexiconInput, build
from switchtune.lexicon.judge import judge
from switchtune.lexicon.records import Entry, Lexicon, Translation, randomised

Lexicons = tuple[Lexicon, Lexicon]


def corrupted(lexicon: Lexicon, share: float, seed: int) -> Lexicon:
    """The lexicon with so many of its entries replaced by random translations."""
    random, rng = randomised(lexicon, seed=seed), np.random.default_rng(seed)
    entries = {key: random.entries[key] if rng.random() < share else entry for key, entry in lexicon.entries.items()}
    return replace(lexicon, entries=entries)


def one_for_all(lexicon: Lexicon) -> Lexicon:
    """Every word with the most frequent translation of all: a mapping that collapsed onto a hub."""
    hub = max((each for entry in lexicon.entries.values() for each in entry.translations), key=lambda each: each.count)
    entries = {
        key: Entry(e.word, e.count, (Translation(hub.word, 1.0, hub.count),)) for key, e in lexicon.entries.items()
    }
    return replace(lexicon, entries=entries)


def shifted(lexicon: Lexicon) -> Lexicon:
    """Every word with the translations of the next in frequency: right in distribution, wrong in every entry."""
    keys = sorted(lexicon.entries, key=lambda key: -lexicon.entries[key].count)
    following = dict(zip(keys, [*keys[1:], keys[0]], strict=True))
    entries = {
        key: Entry(entry.word, entry.count, lexicon.entries[following[key]].translations)
        for key, entry in lexicon.entries.items()
    }
    return replace(lexicon, entries=entries)


def lexicons(text: LexiconInput, seed: int) -> Iterator[tuple[str, str, Lexicons]]:
    """Name, kind (sound, poor or worthless), both directions."""

    def made(text: LexiconInput, **settings: object) -> Lexicons:
        return build(text, LexiconSettings.model_validate({"seed": seed, **settings})).lexicons

    def first(pairs: int) -> LexiconInput:
        return text.selected(np.arange(len(text.source.lines)) < pairs)

    for pairs in (300, 1000, 5000):
        yield f"align, {pairs:,} pairs", "sound", made(first(pairs), method="align")
    yield "align, floor 0", "sound", made(text, method="align", floor=0)
    aligned = made(text, method="align")
    yield "align", "sound", aligned
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        forward, backward = (corrupted(lexicon, share, seed) for lexicon in aligned)
        yield f"align, {share:.0%} random", "sound" if share <= 0.1 else "poor", (forward, backward)
    yield "vecmap", "poor", made(text, method="vecmap")
    yield "vecmap, 5,000 pairs", "poor", made(first(5000), method="vecmap")
    worthless = {
        "random": lambda lexicon: randomised(lexicon, seed=seed),
        "one for all": one_for_all,
        "shifted by one": shifted,
    }
    for name, change in worthless.items():
        yield name, "worthless", (change(aligned[0]), change(aligned[1]))
    for method in ("align", "vecmap"):
        settings = LexiconSettings(method=method, seed=seed)
        yield f"anti({method})", "worthless", build(text, settings, neighbours="farthest").lexicons


def precision(lexicon: Lexicon, gold: Mapping[str, set[str]], text: LexiconInput) -> tuple[float, float] | None:
    """Of the dictionary's words that the lexicon answers: share of right first translations, of right translations."""
    texts = dict(zip(text.languages, text.encoded, strict=True))
    source = texts[lexicon.source_language].vocabulary.index
    target = texts[lexicon.target_language].vocabulary.index
    right = {word: each for word, found in gold.items() if word in source and (each := found & target.keys())}
    answers = {
        word: [each.word.lower() for each in lexicon.entries[word].translations]
        for word in right
        if word in lexicon.entries
    }
    if not answers:
        return None
    first = np.mean([answer[0] in right[word] for word, answer in answers.items()])
    every = np.mean([np.mean([each in right[word] for each in answer]) for word, answer in answers.items()])
    return float(first), float(every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pair", default="de-en")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    text = read_text(asked.data, asked.pair, "train")
    held_out = read_text(asked.data, asked.pair, "valid")
    rows = []
    for name, kind, both in lexicons(text, asked.seed):
        for lexicon, direction in zip(both, judge(both, *held_out.encoded, held_out.languages).directions, strict=True):
            languages = (direction.source, direction.target)
            found = {
                gold_name: precision(lexicon, gold, text)
                for gold_name, gold in gold_dictionaries(asked.data / "dictionaries", *languages)
            }
            row = {"lexicon": name, "kind": kind, "direction": "-".join(languages), "verdict": direction.verdict}
            rows.append(
                {
                    **row,
                    "right": direction.right,
                    "lift": direction.lift,
                    "coverage": direction.coverage,
                    "precision": found,
                }
            )
            shown = {key: [round(100 * each, 1) for each in value] for key, value in found.items() if value}
            print(
                f"{name:<22}{row['direction']:<7}{kind:<10}{direction.verdict:<7}right {direction.right:6.1%}  {shown}",
                flush=True,
            )
    correlations = {}
    for direction in dict.fromkeys(str(row["direction"]) for row in rows):
        for gold_name in ("muse", "xling"):
            each = [row for row in rows if row["direction"] == direction and row["precision"].get(gold_name)]
            if each:
                judged = [row["right"] for row in each]
                golds = list(zip(*(row["precision"][gold_name] for row in each), strict=True))
                first, every = (float(spearmanr(judged, gold)[0]) for gold in golds)
                correlations[f"{direction} {gold_name}"] = {"lexicons": len(each), "first": first, "all": every}
                print(
                    f"{direction} {gold_name}: {len(each)} lexicons, rank correlation {first:.3f} (first),"
                    f" {every:.3f} (all)"
                )
    confusion = {
        kind: {
            verdict: sum(row["kind"] == kind and row["verdict"] == verdict for row in rows)
            for verdict in ("green", "amber", "red")
        }
        for kind in ("sound", "poor", "worthless")
    }
    print(confusion)
    out = asked.out or RESULTS / f"lexicon_judge.{asked.pair}.json"
    write_json(
        out, {"machine": machine("numpy", "gensim"), "rows": rows, "correlations": correlations, "confusion": confusion}
    )


if __name__ == "__main__":
    main()
