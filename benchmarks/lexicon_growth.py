"""How time and memory of building a lexicon grow with the corpus: align and vecmap on 10k, 100k, 1M … sentence pairs.

    python benchmarks/lexicon_growth.py ../shared/data/translation/de-en --sizes 10000 100000 1000000 2000000

The corpus is repeated to each size, with noise: of each repetition's words a twentieth is replaced by one drawn from
the whole corpus, and a fiftieth by a word of its own that is seen nowhere else, so that vocabulary and word pairs grow
as they do in real text. Each size runs in a process of its own; memory is that process's largest resident size.
Segmentation is not part of the time, for it is the same for every method; it is reported beside it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from record import RESULTS, machine

from switchtune.corpus.read import read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.files import write_json
from switchtune.lexicon.align import align_lexicons
from switchtune.lexicon.alignment import align
from switchtune.lexicon.block import Limits
from switchtune.lexicon.text import Encoded, encode

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "lexicon-growth.svg"


def noised(sentences: Sequence[Sequence[str]], pairs: int, seed: int) -> Iterator[list[str]]:
    """`sentences` again and again up to `pairs`, with some words exchanged; the first repetition is as it is."""
    rng = np.random.default_rng(seed)
    pool = [word for sentence in sentences for word in sentence]
    made = 0
    for number in range(pairs):
        sentence = list(sentences[number % len(sentences)])
        if number >= len(sentences):
            draws = rng.random(len(sentence))
            for place in np.flatnonzero(draws < 0.07):
                if draws[place] < 0.02:
                    sentence[place] = f"{sentence[place]}{made}x"
                    made += 1
                else:
                    sentence[place] = pool[int(rng.integers(len(pool)))]
        yield sentence


def read(folder: Path, pairs: int) -> tuple[list[Encoded], tuple[str, str], float]:
    source, target = folder.name.split("-")
    corpus = read_corpus([folder / f"train.{code}.xz" for code in (source, target)], source, target)
    sides, begun = [], time.perf_counter()
    for seed, (code, lines) in enumerate(((source, corpus.sources()), (target, corpus.targets()))):
        words = [word_segmenter(code).split(line).words for line in lines]
        sides.append(encode(noised(words, pairs, seed), code))
    return sides, (source, target), time.perf_counter() - begun


def measure(folder: Path, pairs: int, method: str) -> dict[str, float]:
    (source, target), languages, reading = read(folder, pairs)
    begun, processor = time.perf_counter(), time.process_time()
    if method == "align":
        found = align(source, target, seed=1)
        lexicons = align_lexicons(found, source, target, languages, Limits())
    else:
        from switchtune.lexicon.csls import neighbour_lexicons
        from switchtune.lexicon.embed import EMBEDDINGS, map_mode, map_words, word_vectors

        sides = tuple(word_vectors(side, EMBEDDINGS["small"], seed=1) for side in (source, target))
        mapped = map_words(sides, languages, map_mode("auto", "small"), seed=1).mapped
        vocabularies, vectors = (sides[0].vocabulary, sides[1].vocabulary), (mapped.source, mapped.target)
        lexicons = neighbour_lexicons(languages, vocabularies, vectors, Limits(), method="vecmap", unit="word")
    return {
        "pairs": pairs,
        "tokens": len(source.ids) + len(target.ids),
        "words": len(source.vocabulary) + len(target.vocabulary),
        "entries": sum(map(len, lexicons)),
        "reading_seconds": reading,
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - processor,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


WIDTH, HEIGHT, MARGIN = 360, 240, 48
COLOURS = {"align": "#0b6e99", "vecmap": "#b35900"}


def plot(rows: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Time and memory over the number of pairs, on logarithmic scales, as SVG."""
    size = f'width="{2 * WIDTH}" height="{HEIGHT + 24}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        f'<rect {size} fill="white"/>',
        *panel(rows, "seconds", "seconds", 0),
        *panel(rows, "peak_gigabytes", "peak memory, GB", WIDTH),
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def panel(rows: dict[str, list[dict[str, float]]], key: str, title: str, offset: int) -> Iterator[str]:
    every = [row for each in rows.values() for row in each]
    pairs = sorted({row["pairs"] for row in every})
    left, right = np.log10(pairs[0]), np.log10(max(pairs[-1], 10 * pairs[0]))
    low = np.floor(np.log10(min(row[key] for row in every)))
    high = max(low + 1, np.ceil(np.log10(max(row[key] for row in every))))

    def across(count: float) -> float:
        return float(offset + MARGIN + (np.log10(count) - left) / (right - left) * (WIDTH - 1.5 * MARGIN))

    def up(value: float) -> float:
        return float(HEIGHT - MARGIN / 2 - (np.log10(value) - low) / (high - low) * (HEIGHT - 1.5 * MARGIN))

    yield f'<text x="{offset + MARGIN}" y="18" font-size="13">{title}, by sentence pairs</text>'
    for value in 10 ** np.arange(low, high + 1):
        ends = f'x1="{offset + MARGIN}" x2="{offset + WIDTH - MARGIN / 2}" y1="{up(value):.0f}" y2="{up(value):.0f}"'
        yield f'<line {ends} stroke="#ddd"/>'
        yield f'<text x="{offset + MARGIN - 6}" y="{up(value) + 4:.0f}" text-anchor="end">{value:g}</text>'
    for count in pairs:
        short = f"{count / 1e6:g}M" if count >= 1e6 else f"{count / 1e3:g}k"
        yield f'<text x="{across(count):.0f}" y="{HEIGHT}" text-anchor="middle">{short}</text>'
    for method, each in rows.items():
        points = [(across(row["pairs"]), up(row[key])) for row in each]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{line}" fill="none" stroke="{COLOURS[method]}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS[method]}"/>' for x, y in points)
        end = f'x="{points[-1][0]:.0f}" y="{points[-1][1] - 8:.0f}" text-anchor="end"'
        yield f'<text {end} fill="{COLOURS[method]}">{method}</text>'


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of a pair, with train.{de,en}.xz")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--method", action="append", choices=["align", "vecmap"], default=[])
    parser.add_argument("--out", type=Path, default=RESULTS / "lexicon_growth.json")
    parser.add_argument("--one", action="store_true", help="measure one size in this process and print it (internal)")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    if asked.one:
        print(json.dumps(measure(asked.folder, asked.sizes[0], asked.method[0])))
        return
    rows: dict[str, list[dict[str, float]]] = {}
    if asked.out.exists():
        rows = json.loads(asked.out.read_text(encoding="utf-8"))["rows"]
    for method in asked.method or ["align", "vecmap"]:
        for pairs in asked.sizes:
            command = [sys.executable, __file__, str(asked.folder), "--one", "--sizes", str(pairs), "--method", method]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            print(method, row, flush=True)
            others = [other for other in rows.get(method, []) if other["pairs"] != pairs]
            rows[method] = sorted([*others, row], key=lambda each: each["pairs"])
            write_json(asked.out, {"machine": machine(), "corpus": asked.folder.name, "rows": rows})
            plot(rows, PICTURE)


if __name__ == "__main__":
    main()
