"""How long does a translation memory of many units take to be read, and how much memory?

    python benchmarks/translation_memory.py --units 1000000

The file is made of the embedded sentences, each with a number, and read twice: its units alone, and as a corpus
(without empty and repeated pairs, written as a table). Each reading is a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from xml.sax.saxutils import escape

from record import RESULTS, machine

from switchtune.corpus.columns import Request
from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.read import read_corpus
from switchtune.corpus.units import unit_rows
from switchtune.files import write_json
from switchtune.languages import find_language


def units(count: int) -> Iterator[str]:
    """Units as CAT tools write them, every eighth with an inline tag."""
    sentences = cycle(embedded_sentences("news", "train", ("de", "en"), 12_000))
    for number, pair in enumerate(islice(sentences, count)):
        tag = '<ph x="1">&lt;br/&gt;</ph>' if number % 8 == 0 else ""
        german, english = (f"{escape(text)} ({number}){tag}" for text in pair)
        yield (
            f'<tu tuid="{number}" creationdate="20260101T000000Z" changeid="A">\n'
            f'  <tuv xml:lang="de-DE"><seg>{german}</seg></tuv>\n'
            f'  <tuv xml:lang="en-US"><seg>{english}</seg></tuv>\n</tu>\n'
        )


def read(kind: str, path: Path) -> dict[str, float]:
    """Seconds and peak memory of one reading, in this process."""
    before, begun = time.process_time(), time.perf_counter()
    if kind == "units":
        table = unit_rows(path, Request(find_language("de"), find_language("en"), None))
        pairs = sum(1 for _ in table.cells)
    else:
        pairs = len(read_corpus(path, "de", "en", cache_dir=path.parent / "cache"))
    return {
        "pairs": pairs,
        "seconds": round(time.perf_counter() - begun, 1),
        "processor_seconds": round(time.process_time() - before, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--read", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        print(json.dumps(read(asked.read[0], Path(asked.read[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "memory.tmx")
        with path.open("w", encoding="utf-8") as file:
            file.write('<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4"><header/><body>\n')
            file.writelines(units(asked.units))
            file.write("</body></tmx>\n")
        result = {"units": asked.units, "mib": round(path.stat().st_size / 2**20), **machine()}
        for kind in ("units", "corpus"):
            command = [sys.executable, __file__, "--read", kind, str(path)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            result[kind] = json.loads(said)
            print(kind, said.strip(), flush=True)
        write_json(RESULTS / "translation_memory.json", result)


if __name__ == "__main__":
    main()
