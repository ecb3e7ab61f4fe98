"""The data path, from a corpus to padded batches: sentences and examples a second on one core, padding, memory.

    OMP_NUM_THREADS=1 python benchmarks/data_path.py ../shared/data

Every rate is of one process and one thread, in processor time (other work on the machine does not count), and the
median of `--repeats` runs by turns with what it is compared with. DATA holds translation/PAIR/train.*.xz.

switching   spans and replacements of sentences already cut into words: `draw` on words as numbers, `switch_all` on
            words as strings, and the plain loop over words in Python; all with the same lexicon (align).
examples    stage 1 (restore: cut, switched, encoded, padded) and stage 2 (task: encoded, padded) in batches of 128;
            beside stage 2 transformers' own way: its tokenizer on each batch, its collator.
ids         whether ids by chunks are the tokenizer's own, on every sentence of every training set.
padding     padded positions of both sides, of all batches of an epoch with 4,096 tokens a batch.
sides       of an epoch of stage 1, with as many tokens a batch: each update's share of the target side, and padding,
            with the sides held and sorted together. `--sides` does this alone, and adds to the results that are there.
memory      peak memory of a process that measures a corpus and makes the first batches of two epochs of either stage.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice
from math import exp
from operator import ne
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc
from record import RESULTS, machine
from transformers import DataCollatorForSeq2Seq

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.pretrain import SizeSettings
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.examples import Examples, restore_examples, task_examples
from switchtune.files import read_json, write_json
from switchtune.lexicon.build import lexicons_from_corpus
from switchtune.lexicon.records import Lexicon
from switchtune.models.chunks import PlainIds
from switchtune.models.layout import Layout
from switchtune.models.new import new_model
from switchtune.switching.switcher import Switcher, candidates, draw, example_keys, from_lexicon, switch_all
from switchtune.training.batches import BatchPlan, EncodedExamples, Lengths, epoch_batches, measure

PAIRS = ("de-en", "it-en", "ja-en", "tr-en", "vi-en", "zh-en")
SIZE = SizeSettings(width=32, feed_forward=64, encoder_layers=1, decoder_layers=1, heads=2, pieces=16_000)
MAX_TOKENS, TOKENS_PER_BATCH = 256, 4096
RATE, MEAN_SPAN = 0.35, 3.5
EXAMPLES_PER_BATCH = 128
MEMORY_PAIRS = (100_000, 2_000_000)


def read(data: Path, pair: str) -> Corpus:
    source, target = pair.split("-")
    folder = data / "translation" / pair
    return read_corpus([folder / f"train.{source}.xz", folder / f"train.{target}.xz"], source, target)


def new_layout(corpus: Corpus) -> Layout:
    texts = {corpus.source_language: corpus.sources(), corpus.target_language: corpus.targets()}
    return new_model("mbart", SIZE, texts, seed=1).layout


def by_turns(ways: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, float]:
    """Median processor seconds of each way, which is given the number of the run; run 0 is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way(repeat)
            seconds[name].append(time.process_time() - begun)
    return {name: median(each[1:]) for name, each in seconds.items()}


# Switching


def switched_by_a_loop(
    sentences: Sequence[Sequence[str]], translations: Mapping[str, Sequence[str]], rng: random.Random
) -> list[list[str]]:
    """Paper 4.2, as one would write it down: look each word up, draw spans until enough words are replaced."""
    result = []
    for words in sentences:
        choices = [translations.get(word.lower(), ()) for word in words]
        remaining = [place for place, each in enumerate(choices) if each]
        wanted = min(int(RATE * len(words) + rng.random()), len(remaining))
        new = list(words)
        while wanted > 0:
            start = rng.choice(remaining)
            length = 0
            while length == 0:
                length = poisson(MEAN_SPAN, rng)
            for place in range(start, min(start + length, len(words))):
                if wanted > 0 and place in remaining:
                    new[place] = rng.choice(choices[place])
                    remaining.remove(place)
                    wanted -= 1
        result.append(new)
    return result


def poisson(mean: float, rng: random.Random) -> int:
    """Knuth's algorithm (vol. 2, 3.4.1)."""
    least, product, count = exp(-mean), rng.random(), 0
    while product > least:
        product *= rng.random()
        count += 1
    return count


class Numbered:
    """Sentences as the numbers of their words, and each word's translations as numbers one after the other."""

    def __init__(self, sentences: Sequence[Sequence[str]], lexicon: Lexicon) -> None:
        choices = [candidates(words, from_lexicon(lexicon), language=lexicon.target_language) for words in sentences]
        # A word that begins a sentence has translations of its own, with a capital.
        forms = [
            [(word, tuple(each)) for word, each in zip(words, possible, strict=True)]
            for words, possible in zip(sentences, choices, strict=True)
        ]
        number_of = {form: number for number, form in enumerate(sorted({form for each in forms for form in each}))}
        self.words = np.array([number_of[form] for each in forms for form in each], np.int32)
        self.starts = np.cumsum([0, *map(len, sentences)])
        self.counts = np.array([len(translations) for _, translations in number_of], np.int32)
        self.first = np.cumsum(self.counts) - self.counts
        spelling = {
            word: number for number, word in enumerate(sorted({word for _, each in number_of for word in each}))
        }
        self.translations = np.array([spelling[word] for _, each in number_of for word in each], np.int32)

    def switched(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Words after switching: -1 - number for a translation."""
        drawn = draw(self.counts[self.words], self.starts, keys, rate=RATE, mean_span=MEAN_SPAN)
        new = self.words.copy()
        replaced = np.flatnonzero(drawn >= 0)
        new[replaced] = -1 - self.translations[self.first[self.words[replaced]] + drawn[replaced]]
        return new


def switching(corpus: Corpus, lexicon: Lexicon, repeats: int) -> dict[str, Any]:
    segmenter = word_segmenter(corpus.source_language)
    sentences = [segmenter.split(text).words for text in corpus.sources()]
    translations = {key: [each.word for each in entry.translations] for key, entry in lexicon.entries.items()}
    replacements = from_lexicon(lexicon)
    numbered = Numbered(sentences, lexicon)
    keys = [example_keys(1, [(epoch, row) for row in range(len(sentences))]) for epoch in range(repeats + 1)]

    def as_strings(repeat: int) -> object:
        choices = [candidates(words, replacements, language=lexicon.target_language) for words in sentences]
        return switch_all(sentences, choices, rate=RATE, mean_span=MEAN_SPAN, keys=keys[repeat])

    seconds = by_turns(
        {
            "loop": lambda repeat: switched_by_a_loop(sentences, translations, random.Random(repeat)),
            "numbers": lambda repeat: numbered.switched(keys[repeat]),
            "strings": as_strings,
        },
        repeats,
    )
    loop = switched_by_a_loop(sentences, translations, random.Random(1))
    replaced = sum(map(ne, chain.from_iterable(sentences), chain.from_iterable(loop)))
    total = sum(map(len, sentences))
    return {
        "sentences": len(sentences),
        "words": total,
        "sentences_per_second": {name: round(len(sentences) / each) for name, each in seconds.items()},
        "times_the_loop": {name: round(seconds["loop"] / seconds[name], 1) for name in ("numbers", "strings")},
        "realised_rate": {
            "loop": round(replaced / total, 4),
            "numbers": round(float((numbered.switched(keys[0]) < 0).mean()), 4),
        },
    }


# Examples


def batches_of(examples: Examples, count: int) -> list[range]:
    order = range(min(count, examples.count))
    return [order[start : start + EXAMPLES_PER_BATCH] for start in order[::EXAMPLES_PER_BATCH]]


def make_all(examples: Examples, layout: Layout, epoch: int, count: int) -> None:
    data = EncodedExamples(examples, layout, MAX_TOKENS)
    for batch in batches_of(examples, count):
        layout.collate(data.__getitems__([(epoch, index) for index in batch]))


def make_all_by_transformers(corpus: Corpus, layout: Layout, count: int) -> None:
    collator = DataCollatorForSeq2Seq(layout.tokenizer)
    for batch in batches_of(task_examples(corpus), count):
        pairs = corpus.pairs(batch)
        encoded = layout.tokenizer(
            [pair.source for pair in pairs],
            text_target=[pair.target for pair in pairs],
            truncation=True,
            max_length=MAX_TOKENS,
        )
        collator([{name: encoded[name][row] for name in ("input_ids", "labels")} for row in range(len(pairs))])


def examples(
    corpus: Corpus, layout: Layout, switchers: tuple[Switcher, Switcher], repeats: int, count: int
) -> dict[str, Any]:
    restore, task = restore_examples(corpus, switchers, seed=1), task_examples(corpus)
    made = {"restore": min(count, restore.count), "task": min(count, task.count)}
    ways: dict[str, Callable[[int], None]] = {
        "restore": lambda repeat: make_all(restore, layout, repeat, count),
        "task": lambda repeat: make_all(task, layout, repeat, count),
        "transformers": lambda repeat: make_all_by_transformers(corpus, layout, count),
    }
    seconds = by_turns(ways, repeats)
    return {
        "examples": made,
        "examples_per_second": {
            **{name: round(made[name] / seconds[name]) for name in made},
            "transformers": round(made["task"] / seconds["transformers"]),
        },
        "task_times_transformers": round(seconds["transformers"] / seconds["task"], 1),
    }


def in_a_word(corpus: Corpus) -> tuple[Switcher, Switcher]:
    """Switchers that make every word one and the same: for the cost of cutting text into words."""
    source, target = (word_segmenter(code) for code in (corpus.source_language, corpus.target_language))
    return Switcher(source, lambda word: ("word",)), Switcher(target, lambda word: ("word",))


# Ids, padding


def ids(corpus: Corpus, layout: Layout) -> dict[str, Any]:
    encode = PlainIds(layout.tokenizer)
    different = 0
    ours = theirs = 0.0
    for side in (corpus.sources(), corpus.targets()):
        for start in range(0, len(side), 1000):
            texts = side[start : start + 1000]
            begun = time.process_time()
            encoded = layout.tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
            own = encoded["input_ids"]
            between = time.process_time()
            different += sum(a != b for a, b in zip(encode(texts), own, strict=True))
            theirs += between - begun
            ours += time.process_time() - between
    return {"sentences": 2 * len(corpus), "different": different, "times_the_tokenizer": round(theirs / ours, 1)}


def padding(corpus: Corpus, layout: Layout) -> dict[str, Any]:
    lengths = measure(task_examples(corpus), layout, MAX_TOKENS)
    source = (lengths.longest + np.minimum(lengths.surplus, 0)).astype(int)
    target = (lengths.longest - np.maximum(lengths.surplus, 0)).astype(int)

    def share(surplus: NDArray[np.int32] | None) -> float:
        batches = epoch_batches(lengths.longest, TOKENS_PER_BATCH, seed=1, epoch=0, surplus=surplus)
        positions = sum(len(batch) * (source[batch].max() + target[batch].max()) for batch in batches)
        return round(float(1 - (source.sum() + target.sum()) / positions), 4)

    return {
        "pairs": len(corpus),
        "mean_tokens": [round(float(side.mean()), 1) for side in (source, target)],
        "padding": share(lengths.surplus),
        "by_the_longer_side_alone": share(None),
    }


def sides(corpus: Corpus, layout: Layout) -> dict[str, Any]:
    plain = [
        Switcher(word_segmenter(code), lambda word: ()) for code in (corpus.source_language, corpus.target_language)
    ]
    lengths = measure(restore_examples(corpus, (plain[0], plain[1]), seed=1), layout, MAX_TOKENS)
    target_side = np.arange(2 * len(corpus)) % 2

    def found(of: NDArray[np.uint8] | None) -> dict[str, Any]:
        epoch = epoch_batches(lengths.longest, TOKENS_PER_BATCH, seed=1, epoch=0, sides=of)
        plan = BatchPlan(lengths.longest, TOKENS_PER_BATCH, sum(1 for _ in epoch), 1, sides=of)
        parts = [[index for _, index in part] for part in plan]
        positions = sum(len(part) * int(lengths.longest[part].max()) for part in parts)
        updates = [list(chain(*parts[start : start + plan.parts])) for start in range(0, len(parts), plan.parts)]
        shares = [float(target_side[update].mean()) for update in updates]
        tokens = int(lengths.longest.sum(dtype=np.int64))
        return {
            "updates": len(updates),
            "target_side": [round(end, 2) for end in (min(shares), max(shares))],
            "padding": round(1 - tokens / positions, 4),
        }

    return {"held": found(lengths.sides), "together": found(None)}


# Memory


def anonymous_mib() -> float:
    """Memory of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


class Watch:
    """The highest `anonymous_mib` since it was last asked for."""

    def __init__(self) -> None:
        self._highest = anonymous_mib()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self._highest = max(self._highest, anonymous_mib())
            time.sleep(0.005)

    def taken(self) -> float:
        highest, self._highest = max(self._highest, anonymous_mib()), anonymous_mib()
        return round(highest, 1)


def remember(path: Path, model_texts: Path) -> None:
    """In a process of its own: measure a corpus, begin two epochs of either stage, and print the memory that took."""
    texts = json.loads(model_texts.read_text(encoding="utf-8"))
    layout = new_model("mbart", SIZE, texts, seed=1).layout
    table = ipc.open_file(pa.memory_map(str(path))).read_all()
    first = read(Path(sys.argv[1]), "de-en")
    corpus = Corpus("de", "en", str(path), table, first.reading)
    del first, texts
    task, restore = task_examples(corpus), restore_examples(corpus, in_a_word(corpus), seed=1)
    begin(task, layout, measure(task_examples(corpus.limited(10_000)), layout, MAX_TOKENS))
    watch = Watch()
    found = {"before": watch.taken()}
    lengths = measure(task, layout, MAX_TOKENS)
    found["measured"] = watch.taken()
    begin(task, layout, lengths)
    found["task"] = watch.taken()
    twice = Lengths(np.repeat(lengths.longest, 2), np.zeros(2 * len(corpus), lengths.longest.dtype), 0)
    begin(restore, layout, twice)
    found["restore"] = watch.taken()
    print(json.dumps({"pairs": len(corpus), "anonymous_mib": found}))


def begin(examples: Examples, layout: Layout, lengths: Lengths) -> None:
    data = EncodedExamples(examples, layout, MAX_TOKENS)
    for epoch in range(2):
        batches = epoch_batches(lengths.longest, TOKENS_PER_BATCH, seed=1, epoch=epoch, surplus=lengths.surplus)
        for batch in islice(batches, 100):
            layout.collate(data.__getitems__([(epoch, int(index)) for index in batch]))


def memory(data: Path, corpus: Corpus) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.json"
        write_json(texts, {"de": corpus.sources(), "en": corpus.targets()})
        for pairs in MEMORY_PAIRS:
            path = Path(folder) / f"{pairs}.arrow"
            with ipc.new_file(str(path), corpus.table.schema) as writer:
                for start in range(0, pairs, len(corpus)):
                    writer.write_table(corpus.table.slice(0, pairs - start))
            command = [sys.executable, __file__, str(data), "--remember", str(path), str(texts)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append({**json.loads(done.stdout), "file_mib": round(path.stat().st_size / 2**20, 1)})
            print("memory", rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples", type=int, default=10_000, help="of an epoch, for the rates of examples")
    parser.add_argument("--out", type=Path, default=RESULTS / "data_path.json")
    parser.add_argument("--sides", action="store_true")
    parser.add_argument("--remember", type=Path, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if asked.remember:
        remember(*asked.remember)
        return
    if asked.sides:
        results = read_json(asked.out)
        for pair in PAIRS:
            corpus = read(asked.data, pair)
            results[pair]["sides"] = sides(corpus, new_layout(corpus))
            print(pair, results[pair]["sides"], flush=True)
        write_json(asked.out, results)
        return
    results: dict[str, Any] = {
        "machine": machine("numpy", "numba", "transformers"),
        "settings": {"size": SIZE.model_dump(), "repeats": asked.repeats},
    }
    for pair in PAIRS:
        corpus = read(asked.data, pair)
        layout = new_layout(corpus)
        row: dict[str, Any] = {"ids": ids(corpus, layout), "padding": padding(corpus, layout)}
        row["sides"] = sides(corpus, layout)
        source, target = pair.split("-")
        segmenters = (word_segmenter(source), word_segmenter(target))
        lexicons = lexicons_from_corpus(corpus, segmenters, LexiconSettings(method="align"))
        switchers = (
            Switcher(segmenters[0], from_lexicon(lexicons[0]), RATE, MEAN_SPAN, language=target),
            Switcher(segmenters[1], from_lexicon(lexicons[1]), RATE, MEAN_SPAN, language=source),
        )
        if pair == "de-en":
            row["switching"] = switching(corpus, lexicons[0], asked.repeats)
            row["memory"] = memory(asked.data, corpus)
        row["examples"] = examples(corpus, layout, switchers, asked.repeats, asked.examples)
        print(pair, json.dumps(row, indent=1), flush=True)
        results[pair] = row
    write_json(asked.out, results)


if __name__ == "__main__":
    main()
