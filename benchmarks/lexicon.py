"""Our VecMap beside VecMap itself (artetxem/vecmap) on the same embeddings, in one run: time, memory, precision.

    python benchmarks/lexicon.py compare ../shared/data --pair de-en --reference FOLDER_OF_VECMAP
    python benchmarks/lexicon.py memory --words 200000

`compare` learns word2vec embeddings on both sides of DATA/translation/PAIR (not timed), writes them as .vec files, and
has each program map them as a process of its own, by turns: read the files, map, write the files. Precision@1 and @3 by
CSLS retrieval, the same for both programs, against DATA/dictionaries; queries are the dictionary's words that have an
embedding and of whose translations at least one has one. The reference is run where it stands; nothing of it is here.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import get_args

import numpy as np
import torch
from lexicon_precision import gold_dictionaries, read_sides
from record import RESULTS, machine

from switchtune.config.lexicon import MapMode
from switchtune.files import write_json
from switchtune.lexicon.csls import Ranked, nearest_by_csls
from switchtune.lexicon.embed import MODES, EmbeddingSettings, map_words, read_embeddings, word_vectors
from switchtune.lexicon.text import WordVectors

SETTINGS = EmbeddingSettings(vector_size=300, window=5, negative=10, epochs=10, min_count=3)


@dataclass(frozen=True)
class Precision:
    direction: str
    dictionary: str
    queries: int
    at_1: float
    at_3: float


@dataclass(frozen=True)
class Row:
    program: str
    mode: str
    seed: int
    wall_seconds: float
    """Of the whole process, reading and writing the files included."""
    cpu_seconds: float
    mapping_seconds: float
    """Of the seed and the mapping (ours), of the iterations by the program's own log (the reference)."""
    iterations: int
    peak_mib: float
    precisions: tuple[Precision, ...]


def write_vectors(path: Path, words: Sequence[str], vectors: np.ndarray) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, row in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{number:.6f}' for number in row)}\n")


def run(command: Sequence[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MiB of a process; its output is not shown."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}\n{said}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def map_files(asked: argparse.Namespace) -> None:
    """What one process of ours does. Writes its figures to the log."""
    sides = [
        read_embeddings(path, code, limit=None) for path, code in zip(asked.inputs, asked.pair.split("-"), strict=True)
    ]
    start = time.perf_counter()
    mapped = map_words(tuple(sides), tuple(asked.pair.split("-")), MODES[asked.mode], seed=asked.seed).mapped
    asked.log.write_text(json.dumps([time.perf_counter() - start, mapped.iterations]))
    for path, side, vectors in zip(asked.outputs, sides, (mapped.source, mapped.target), strict=True):
        write_vectors(path, list(side.vocabulary.index), vectors.numpy())


def ours(pair: str, mode: str, seed: int, folder: Path) -> tuple[Row, list[Path]]:
    inputs, outputs = ([folder / f"{name}{side}.vec" for side in (0, 1)] for name in ("", f"ours.{mode}.{seed}."))
    log = folder / f"ours.{mode}.{seed}.json"
    paths = ["--inputs", *map(str, inputs), "--outputs", *map(str, outputs), "--log", str(log)]
    cost = run([sys.executable, __file__, "map", "--pair", pair, "--mode", mode, "--seed", str(seed), *paths])
    seconds, iterations = json.loads(log.read_text())
    return Row("ours", mode, seed, *cost[:2], seconds, iterations, cost[2], ()), outputs


def reference(program: Path, mode: str, seed: int, patience: int, folder: Path) -> tuple[Row, list[Path]]:
    inputs, outputs = ([folder / f"{name}{side}.vec" for side in (0, 1)] for name in ("", f"reference.{mode}.{seed}."))
    log = folder / f"reference.{mode}.{seed}.tsv"
    files = [str(path) for path in (*inputs, *outputs)]
    options = [f"--{mode}", "--seed", str(seed), "--stochastic_interval", str(patience), "--log", str(log)]
    cost = run([sys.executable, str(program), *files, *options])
    durations = [float(line.split("\t")[-1]) for line in log.read_text().splitlines()]
    return Row("reference", mode, seed, *cost[:2], sum(durations), len(durations), cost[2], ()), outputs


def precisions(pair: str, dictionaries: Path, outputs: Sequence[Path]) -> Iterator[Precision]:
    codes = tuple(pair.split("-"))
    sides = [read_embeddings(path, code, limit=None) for path, code in zip(outputs, codes, strict=True)]
    forward, backward = nearest_by_csls(*(torch.from_numpy(side.vectors) for side in sides), k=3)
    yield from judge(codes, sides, forward, dictionaries)
    yield from judge(codes[::-1], sides[::-1], backward, dictionaries)


def judge(
    codes: Sequence[str], sides: Sequence[WordVectors], neighbours: Ranked, dictionaries: Path
) -> Iterator[Precision]:
    index, others = sides[0].vocabulary.index, list(sides[1].vocabulary.index)
    known = set(others)
    for name, gold in gold_dictionaries(dictionaries, *codes):
        queries = {word: right & known for word, right in gold.items() if word in index and right & known}
        answers = {word: [others[place] for place in neighbours.rows[index[word]].tolist()] for word in queries}
        hits = [mean(bool(queries[word] & set(answer[:k])) for word, answer in answers.items()) for k in (1, 3)]
        yield Precision("-".join(codes), name, len(queries), *hits)


def compare(asked: argparse.Namespace) -> None:
    folder: Path = asked.work / asked.pair
    folder.mkdir(parents=True, exist_ok=True)
    asked.limit = None
    words = {}
    for side, (code, text) in enumerate(read_sides(asked).items()):
        vectors = word_vectors(text, replace(SETTINGS, min_count=asked.min_count), seed=1)
        write_vectors(folder / f"{side}.vec", list(vectors.vocabulary.index), vectors.vectors)
        words[code] = len(vectors.vocabulary)
    for mode in asked.modes:
        rows: list[Row] = []
        for number, seed in enumerate(asked.seeds):
            turns = [ours(asked.pair, mode, seed, folder)]
            if number < asked.reference_seeds:
                turns.append(
                    reference(asked.reference / "map_embeddings.py", mode, seed, asked.reference_patience, folder)
                )
            for row, outputs in turns:
                found = tuple(precisions(asked.pair, asked.data / "dictionaries", outputs))
                rows.append(replace(row, precisions=found))
                print_row(rows[-1])
                save(asked, mode, words, rows)
        print(json.dumps(ratios(rows)), flush=True)


def save(asked: argparse.Namespace, mode: str, words: Mapping[str, int], rows: Sequence[Row]) -> None:
    """After every row: the reference takes its time."""
    embeddings = {**asdict(SETTINGS), "min_count": asked.min_count, "words": words}
    load = {"load_average": os.getloadavg()}  # other work on the machine lengthens the wall seconds, less so the CPU's
    write_json(
        RESULTS / f"lexicon.{asked.pair}.{mode}.json",
        {
            "settings": {
                "pair": asked.pair,
                "mode": mode,
                "embeddings": embeddings,
                "reference_patience": asked.reference_patience,
            },
            "machine": {**machine("numpy", "gensim", "torch"), **load},
            "ratios": ratios(rows),
            "rows": [asdict(row) for row in rows],
        },
    )


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """How many times as long the reference takes, by the means over seeds; nothing where one of them is missing."""
    sides = [[row for row in rows if row.program == program] for program in ("reference", "ours")]
    if not all(sides):
        return {}
    kinds = ("wall_seconds", "cpu_seconds", "mapping_seconds")
    means = [{kind: mean(getattr(row, kind) for row in side) for kind in kinds} for side in sides]
    return {kind: means[0][kind] / means[1][kind] for kind in kinds}


def print_row(row: Row) -> None:
    print(
        f"{row.program:<10}{row.mode:<14} seed {row.seed}  wall {row.wall_seconds:7.1f} s  cpu {row.cpu_seconds:7.1f} s"
        f"  mapping {row.mapping_seconds:7.1f} s  {row.iterations:4} iterations  {row.peak_mib:6.0f} MiB  "
        + "  ".join(f"{p.direction} {p.dictionary} {100 * p.at_1:.1f}/{100 * p.at_3:.1f}" for p in row.precisions),
        flush=True,
    )


def memory(asked: argparse.Namespace) -> None:
    """Time and peak memory of finding both directions' neighbours among random vectors."""
    rng = np.random.default_rng(0)
    sides = [torch.from_numpy(rng.standard_normal((asked.words, 300), dtype=np.float32)) for _ in range(2)]
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter()
    nearest_by_csls(*sides, k=3)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"words": asked.words, "seconds": seconds, "mib_before": before, "mib_beyond": after - before}
    print(json.dumps(figures))
    write_json(RESULTS / "lexicon.memory.json", {**figures, "machine": machine("numpy", "gensim", "torch")})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    comparing = verbs.add_parser("compare")
    comparing.set_defaults(do=compare)
    comparing.add_argument("data", type=Path, help="folder with translation/ and dictionaries/")
    comparing.add_argument("--pair", default="de-en")
    comparing.add_argument("--reference", type=Path, required=True, help="a checkout of artetxem/vecmap")
    comparing.add_argument("--min-count", type=int, default=SETTINGS.min_count, help="rarer words have no embedding")
    comparing.add_argument("--modes", nargs="+", default=["unsupervised"], choices=["unsupervised", "identical"])
    comparing.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    comparing.add_argument("--reference-seeds", type=int, default=3, help="only so many of the seeds for the reference")
    comparing.add_argument(
        "--reference-patience",
        type=int,
        default=50,
        help="iterations without gain that the reference waits for; with less than its own 50, seconds do not compare",
    )
    comparing.add_argument("--work", type=Path, required=True, help="folder for the .vec files")
    mapping = verbs.add_parser("map", help="what one process of ours does")
    mapping.set_defaults(do=map_files)
    mapping.add_argument("--pair", required=True)
    mapping.add_argument("--mode", choices=get_args(MapMode), required=True)
    mapping.add_argument("--seed", type=int, required=True)
    for name in ("--inputs", "--outputs"):
        mapping.add_argument(name, type=Path, nargs=2, required=True)
    mapping.add_argument("--log", type=Path, required=True)
    remembering = verbs.add_parser("memory")
    remembering.set_defaults(do=memory)
    remembering.add_argument("--words", type=int, default=200_000)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    asked.do(asked)


if __name__ == "__main__":
    main()
