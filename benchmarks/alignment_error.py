"""Alignment error rate of the aligner beside eflomal's, on the same text in the same run.

    python -m venv eflomal && eflomal/bin/pip install cython numpy eflomal
    python benchmarks/alignment_error.py ../shared/data --eflomal eflomal/bin/eflomal-align

DATA holds alignments/{zhen,jaen,roen}.{src-tgt,gold} and translation/{zh-en,ja-en}/train.*.xz. The gold sentences are
aligned together with the training corpus of their pair (Romanian has none). Chinese training text is cut by jieba, the
Japanese corpus comes as tokens. eflomal's two directions are made symmetric by grow-diag-final-and, and by intersection
and union too: its best is what counts. Both run A B A B; medians are given.
"""

import argparse
import lzma
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from record import RESULTS, machine

from switchtune.corpus.words import word_segmenter
from switchtune.files import write_json
from switchtune.lexicon.alignment import align
from switchtune.lexicon.text import encode

PAIRS = {"zhen": ("zh", "en"), "jaen": ("ja", "en"), "roen": ("ro", "en")}

Links = set[tuple[int, int]]


@dataclass(frozen=True)
class Gold:
    """Links of a sentence that people are sure of (`3-5`), and those that they find possible (`3p5` too)."""

    sure: Links
    possible: Links


def read_gold(path: Path) -> list[Gold]:
    gold = []
    for line in path.read_text(encoding="utf-8").splitlines():
        sure = {read_link(link) for link in line.split() if "-" in link}
        gold.append(Gold(sure, sure | {read_link(link) for link in line.split() if "p" in link}))
    return gold


def read_link(text: str) -> tuple[int, int]:
    source, target = text.replace("p", "-").split("-")
    return int(source) - 1, int(target) - 1


def read_text(data: Path, name: str) -> tuple[list[list[str]], list[list[str]]]:
    """The tokens of the gold sentences, then of the training text where there is some."""
    source, target = PAIRS[name]
    lines = [
        line.split("|||") for line in (data / f"alignments/{name}.src-tgt").read_text(encoding="utf-8").splitlines()
    ]
    sides = [[line[side].split() for line in lines] for side in (0, 1)]
    folder = data / f"translation/{source}-{target}"
    if folder.exists():
        for side, code in ((0, source), (1, target)):
            with lzma.open(folder / f"train.{code}.xz", "rt", encoding="utf-8") as stream:
                for line in stream:
                    sides[side].append(line.split() if name == "jaen" else tokens(line, code))
    kept = [pair for pair in zip(*sides, strict=True) if all(pair)]
    return [source for source, _ in kept], [target for _, target in kept]


def tokens(line: str, language: str) -> list[str]:
    """Words and punctuation, in lower case."""
    if language == "zh":
        words = word_segmenter(language).split(line)
        gaps = [gap.split() for gap in words.gaps]
        return [*gaps[0], *(token for word, gap in zip(words.words, gaps[1:], strict=True) for token in (word, *gap))]
    return re.findall(r"\w+(?:'\w+)?|[^\w\s]", line.lower())


def error_rate(gold: Sequence[Gold], found: Sequence[Links]) -> float:
    """Alignment error rate (Och & Ney, 2003)."""
    pairs = list(zip(gold, found, strict=True))
    hits = sum(len(links & each.sure) + len(links & each.possible) for each, links in pairs)
    return 1 - hits / sum(len(links) + len(each.sure) for each, links in pairs)


def grow_diag_final_and(forward: Links, backward: Links) -> Links:
    """Koehn et al. (2003), with both ends unlinked in the final step."""
    union, links = forward | backward, forward & backward
    sources, targets = {source for source, _ in links}, {target for _, target in links}
    steps = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    grown = True
    while grown:
        grown = False
        for source, target in sorted(links):
            for down, right in steps:
                link = (source + down, target + right)
                if link in union and link not in links and (link[0] not in sources or link[1] not in targets):
                    links.add(link)
                    sources.add(link[0])
                    targets.add(link[1])
                    grown = True
    for direction in (forward, backward):
        for link in sorted(direction):
            if link[0] not in sources and link[1] not in targets:
                links.add(link)
                sources.add(link[0])
                targets.add(link[1])
    return links


def run_ours(
    text: tuple[list[list[str]], list[list[str]]], name: str, gold: list[Links], seed: int
) -> dict[str, float]:
    begun = time.perf_counter()
    source, target = (encode(side, language) for side, language in zip(text, PAIRS[name], strict=True))
    found = align(source, target, seed=seed)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "error_rate": error_rate(gold, [set(found.links(pair)) for pair in range(len(gold))])}


def run_eflomal(command: Path, text: tuple[list[list[str]], list[list[str]]], gold: list[Gold]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("text", "forward", "backward")]
        lines = [f"{' '.join(source)} ||| {' '.join(target)}\n" for source, target in zip(*text, strict=True)]
        paths[0].write_text("".join(lines), encoding="utf-8")
        begun = time.perf_counter()
        subprocess.run(
            [command, "--overwrite", "-i", paths[0], "-f", paths[1], "-r", paths[2]], check=True, capture_output=True
        )
        seconds = time.perf_counter() - begun
        forward, backward = (
            [
                {tuple(map(int, link.split("-"))) for link in line.split()}
                for line in path.read_text().splitlines()[: len(gold)]
            ]
            for path in paths[1:]
        )
    symmetric = {
        "grow_diag_final_and": [grow_diag_final_and(set(a), set(b)) for a, b in zip(forward, backward, strict=True)],
        "intersection": [a & b for a, b in zip(forward, backward, strict=True)],
        "union": [a | b for a, b in zip(forward, backward, strict=True)],
    }
    rates = {name: error_rate(gold, links) for name, links in symmetric.items()}
    return {"seconds": seconds, **rates, "error_rate": min(rates.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--eflomal", type=Path, help="the command eflomal-align")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "alignment_error.json")
    asked = parser.parse_args()
    warm = encode([["a"]], "x")
    align(warm, warm, seed=1)  # compiles
    results = {}
    for name in PAIRS:
        gold = read_gold(asked.data / f"alignments/{name}.gold")
        text = read_text(asked.data, name)
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "eflomal": []}
        for repeat in range(asked.repeats):
            runs["ours"].append(run_ours(text, name, gold, seed=repeat + 1))
            if asked.eflomal:
                runs["eflomal"].append(run_eflomal(asked.eflomal, text, gold))
        results[name] = {
            side: {"median": {key: statistics.median(run[key] for run in each) for key in each[0]}, "runs": each}
            for side, each in runs.items()
            if each
        }
        for side, each in results[name].items():
            print(
                name,
                f"{len(text[0]):,} pairs",
                side,
                {key: round(value, 4) for key, value in each["median"].items()},
                flush=True,
            )
    write_json(asked.out, {"machine": machine("numpy", "numba"), "results": results})


if __name__ == "__main__":
    main()
