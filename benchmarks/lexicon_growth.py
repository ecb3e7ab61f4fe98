"""How time and memory of building a lexicon grow with the corpus: align and vecmap on 10k, 100k, 1M … sentence pairs.

    python benchmarks/lexicon_growth.py ../shared/data/translation/de-en --sizes 10000 100000 1000000 2000000

The corpus is repeated to each size, with noise: of each repetition's words a twentieth is replaced by one drawn from
the whole corpus, and a fiftieth by a word of its own that is seen nowhere else, so that vocabulary and word pairs grow
as they do in real text. Each size runs in a process of its own; memory is that process's largest resident size.
Segmentation is not part of the time, for it is the same for every method; it is reported beside it.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from switchtune.corpus.read import read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon import Encoded, encode
from switchtune.lexicon.align import align_lexicons
from switchtune.lexicon.alignment import align
from switchtune.run_dir import write_json

RESULTS = Path(__file__).parent / "results"


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
        found = align(source, target)
        entries = [len(lexicon) for lexicon in align_lexicons(found, source, target, languages)]
    else:
        from switchtune.lexicon.embed import vecmap_lexicons

        texts = [
            [
                [side.vocabulary.words[w] for w in side.words[a:b]]
                for a, b in zip(side.starts, side.starts[1:], strict=False)
            ]
            for side in (source, target)
        ]
        entries = [len(lexicon) for lexicon in vecmap_lexicons(*texts, languages, seed=1)]
    return {
        "pairs": pairs,
        "tokens": len(source.words) + len(target.words),
        "words": len(source.vocabulary) + len(target.vocabulary),
        "entries": sum(entries),
        "reading_seconds": reading,
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - processor,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def machine() -> dict[str, str | int | None]:
    names = {
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    }
    return {"processor": ", ".join(sorted(names)), "cores": os.cpu_count(), "python": platform.python_version()}


def plot(rows: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Time and memory over the number of pairs, on logarithmic scales, as SVG."""
    width, height, margin = 360, 240, 48
    colours = {"align": "#0b6e99", "vecmap": "#b35900"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width}" height="{height + 24}" font-family="sans-serif"'
        ' font-size="11">',
        f'<rect width="{2 * width}" height="{height + 24}" fill="white"/>',
    ]
    every = [row for each in rows.values() for row in each]
    for panel, (key, title) in enumerate((("seconds", "seconds"), ("peak_gigabytes", "peak memory, GB"))):
        xs = np.log10([row["pairs"] for row in every])
        ys = np.log10([row[key] for row in every])
        low, high = np.floor(ys.min()), max(np.ceil(ys.max()), np.floor(ys.min()) + 1)
        left, right = xs.min(), max(xs.max(), xs.min() + 1)

        def place(
            row: dict[str, float], key=key, low=low, high=high, left=left, right=right, panel=panel
        ) -> tuple[float, float]:
            x = panel * width + margin + (np.log10(row["pairs"]) - left) / (right - left) * (width - 1.5 * margin)
            y = height - margin / 2 - (np.log10(row[key]) - low) / (high - low) * (height - 1.5 * margin)
            return float(x), float(y)

        parts.append(f'<text x="{panel * width + margin}" y="20" font-size="13">{title}, by sentence pairs</text>')
        for power in np.arange(low, high + 1):
            y = height - margin / 2 - (power - low) / (high - low) * (height - 1.5 * margin)
            parts.append(
                f'<line x1="{panel * width + margin}" x2="{(panel + 1) * width - margin / 2}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>'
            )
            parts.append(
                f'<text x="{panel * width + margin - 6}" y="{y + 4:.0f}" text-anchor="end">{10**power:g}</text>'
            )
        for pairs in sorted({row["pairs"] for row in every}):
            x = panel * width + margin + (np.log10(pairs) - left) / (right - left) * (width - 1.5 * margin)
            parts.append(f'<text x="{x:.0f}" y="{height}" text-anchor="middle">{pairs:,.0f}</text>')
        for method, each in rows.items():
            points = [place(row) for row in each]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colours[method]}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours[method]}"/>' for x, y in points]
            parts.append(
                f'<text x="{points[-1][0] + 2:.0f}" y="{points[-1][1] - 8:.0f}" fill="{colours[method]}" text-anchor="end">{method}</text>'
            )
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


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
            plot(rows, asked.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
