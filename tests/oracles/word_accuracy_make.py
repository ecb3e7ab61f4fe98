"""Makes word_accuracy.json: python word_accuracy_make.py, where compare-mt is installed (see word_accuracy.md)."""

import json
import random
import tempfile
from importlib.metadata import version
from pathlib import Path

from compare_mt.bucketers import FreqWordBucketer
from compare_mt.corpus_utils import load_tokens

SENTENCES = 50
CUTOFFS = ([100, 1000], [1, 2, 10, 5000], [50])
WORDS = """
    The the a river rises rise , . ' über Brücke 水 3.5 Fähre ferry ferries quay x-ray again Again moored adrift
""".split()


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 15)))


def garbled(rng, line):
    kept = [rng.choice(WORDS) if rng.random() < 0.35 else word for word in line.split() if rng.random() > 0.15]
    return " ".join(kept or [WORDS[0]])


def main():
    rng = random.Random(2)
    # The last three words are in no training text.
    counts = {word: rng.choice([1, 2, 9, 10, 99, 100, 101, 640, 999, 1000, 4000, 70000]) for word in WORDS[:-3]}
    references = [sentence(rng) for _ in range(SENTENCES)]
    hypotheses = [garbled(rng, line) for line in references]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "counts").write_text("".join(f"{word}\t{count}\n" for word, count in counts.items()))
        (folder / "reference").write_text("\n".join(references) + "\n")
        (folder / "output").write_text("\n".join(hypotheses) + "\n")
        found = []
        for cutoffs in CUTOFFS:
            bucketer = FreqWordBucketer(freq_count_file=str(folder / "counts"), bucket_cutoffs=cutoffs)
            tokens = [load_tokens(str(folder / kind)) for kind in ("reference", "output")]
            (statistics,), *_ = bucketer.calc_statistics(tokens[0], [tokens[1]])
            names = ("matches", "reference_words", "output_words", "recall", "precision", "f_measure")
            buckets = [{key: float(value) for key, value in zip(names, bucket, strict=True)} for bucket in statistics]
            found.append({"cutoffs": cutoffs, "buckets": buckets})
    made = {
        "from": f"compare_mt {version('compare_mt')}",
        "counts": counts,
        "hypotheses": hypotheses,
        "references": references,
        "found": found,
    }
    path = Path(__file__).with_name("word_accuracy.json")
    path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
