"""Training beside plain transformers, each side as a process of its own, by turns (A B A B): tokens a second, memory.

    python benchmarks/training.py small-cpu recipes loss-16k loss-250k --data ../shared/data
    python benchmarks/training.py large-cpu large-gpu --data ../shared/data --trimmed runs/mbart-de-en

Rows:

- small-cpu   d 512, 6 + 6 layers, 16k pieces, on the CPU.
- large-cpu   the shape of mBART-large with 250k pieces, on the CPU; ours also trimmed.
- large-gpu   the same on a GPU in bf16, 16k tokens an update, with the share of the GPU's matrix rate that is used.
- recipes     csr and csr+ beside standard at the same number of updates; the lexicon's seconds are told apart.
- loss-16k    the loss and its gradients alone beside torch's on whole logits, on the CPU.
- loss-250k   the same with the vocabulary and the width of mBART-large.

The other side is `Seq2SeqTrainer` with `DataCollatorForSeq2Seq`, on text that is encoded beforehand, in batches of so
many sentences that an update has as many target tokens as ours (on a GPU also bf16, batches by length, workers). Ours
is `train_stage`, which encodes as it goes. Models have random weights; the tokenizer has 16k pieces of the corpus, and
a vocabulary of 250k is that with rows that no text uses. Trimmed is the model in --trimmed, else one with the rows of
the tokenizer alone. Seconds are those of the updates after the first few; memory is the peak of the whole process (on a
GPU that of its tensors).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from datasets import Dataset
from record import RESULTS, machine
from torch.nn.functional import cross_entropy
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    MBartConfig,
    MBartForConditionalGeneration,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.pretrain import SizeSettings
from switchtune.config.switching import GlossSettings, SwitchingSettings
from switchtune.config.training import TrainingSettings
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.corpus.words import word_segmenter
from switchtune.examples import Examples, gloss_examples, mixed_examples, restore_examples, task_examples
from switchtune.files import read_json, write_json
from switchtune.lexicon.build import build, corpus_material
from switchtune.lexicon.files import read_lexicon, write_lexicon
from switchtune.models.families import FAMILIES
from switchtune.models.layout import IGNORED_LABEL, Layout
from switchtune.models.load import Loaded, load_model, save_model
from switchtune.models.new import new_model
from switchtune.recipes import RECIPES, stage_updates
from switchtune.switching.gloss import Glosser
from switchtune.switching.make import make_switchers
from switchtune.training.curve import CURVE_FILE, read_metrics
from switchtune.training.loss import label_smoothed_nll
from switchtune.training.trainer import train_stage

POSITIONS = 256
LEARNING_RATE = 3e-5
MATRIX_SIZE = 8192
"""Of the square matrices whose product gives the GPU's rate."""


@dataclass(frozen=True)
class Shape:
    width: int
    layers: int
    """Of the encoder, and as many of the decoder."""
    heads: int
    rows: int | None = None
    """Of the vocabulary; None: those of the tokenizer."""

    @property
    def feed_forward(self) -> int:
        return 4 * self.width


@dataclass(frozen=True)
class Task:
    """What one process is to do."""

    side: str
    data: str
    work: str
    """Folder with the tokenizer and the lexicons."""
    limit: int | None
    shape: Shape
    tokens: int
    """Budget of an update, padding included."""
    updates: int
    skipped: int
    """Updates before the clock starts."""
    model: str | None = None
    """A folder, where it is not made from the shape."""
    tokens_per_update: float = 0.0
    """Target tokens that plain batches are to have; ours have what the budget gives."""


@dataclass(frozen=True)
class Run:
    """What one process found."""

    side: str
    peak_mib: float
    seconds: float
    """Of the timed updates."""
    processor_seconds: float
    """Of the timed updates, all threads of the process together: other work on the machine does not lengthen them."""
    wall_seconds: float
    """Of the whole training, its start included."""
    target_tokens: float
    """Of the timed updates, padding not counted."""
    tokens_per_second: float
    tokens_per_processor_second: float
    tokens_per_update: float
    vocabulary: int
    source_per_target: float
    """Source tokens per target token."""
    figures: Mapping[str, float] = field(default_factory=dict)


# --- sides: each runs in a process of its own ------------------------------------------------------------------------


def corpus_of(task: Task) -> Corpus:
    folder = Path(task.data) / "translation" / "de-en"
    return read_corpus([folder / "train.de.xz", folder / "train.en.xz"], "de", "en", limit=task.limit)


def settings_of(task: Task) -> TrainingSettings:
    workers = 4 if torch.cuda.is_available() else 0
    return TrainingSettings(
        updates=task.updates,
        tokens_per_batch=task.tokens,
        max_tokens=POSITIONS,
        lr=LEARNING_RATE,
        optimizer="adamw",
        workers=workers,
    )


def loaded_of(task: Task) -> Loaded:
    settings = settings_of(task)
    if task.model is not None:
        return load_model(task.model, dropout=settings.dropout, attention_dropout=settings.attention_dropout)
    tokenizer = AutoTokenizer.from_pretrained(Path(task.work) / "tokenizer", src_lang="de_DE", tgt_lang="en_XX")
    shape = task.shape
    config = MBartConfig(
        vocab_size=shape.rows or 1 + max(tokenizer.get_vocab().values()),
        d_model=shape.width,
        encoder_layers=shape.layers,
        decoder_layers=shape.layers,
        encoder_ffn_dim=shape.feed_forward,
        decoder_ffn_dim=shape.feed_forward,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        max_position_embeddings=POSITIONS,
        scale_embedding=True,
        dropout=settings.dropout,
        attention_dropout=settings.attention_dropout,
    )
    torch.manual_seed(1)
    model: Any = MBartForConditionalGeneration(config)
    if torch.cuda.is_available():
        model.to("cuda")
    return Loaded(model, tokenizer, Layout(FAMILIES["mbart"], tokenizer, POSITIONS))


def peak_mib() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """When updates were done: seconds on the wall and of the processor."""

    def __init__(self) -> None:
        self.updates: dict[int, tuple[float, float]] = {}

    def mark(self, update: int) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.updates[update] = (time.perf_counter(), time.process_time())

    def between(self, first: int, last: int) -> tuple[float, float]:
        (wall, processor), (wall_after, processor_after) = self.updates[first], self.updates[last]
        return wall_after - wall, processor_after - processor


@dataclass(frozen=True)
class Timed:
    """Some updates of a training, its start and its end not among them."""

    updates: float
    seconds: float
    processor_seconds: float
    tokens: float
    """Target tokens."""

    def times(self, factor: float) -> "Timed":
        return Timed(*(factor * value for value in astuple(self)))

    def plus(self, other: "Timed") -> "Timed":
        return Timed(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def timed_stage(task: Task, loaded: Loaded, examples: Examples, updates: int) -> Timed:
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=task.work) as folder:
        train_stage(
            loaded,
            examples,
            valid=None,
            settings=settings_of(task),
            updates=updates,
            seed=1,
            folder=Path(folder),
            on_progress=lambda progress: clock.mark(progress.update),
        )
        entries = read_metrics(Path(folder) / CURVE_FILE)
    # Progress is told about twice a second, the metrics have an entry for every so many updates.
    tokens_until = {int(entry["update"]): int(entry["tokens"]) for entry in entries if "tokens" in entry}
    first = min(update for update in clock.updates if update >= task.skipped and update in tokens_until)
    return Timed(updates - first, *clock.between(first, updates), tokens_until[updates] - tokens_until[first])


def ours(task: Task) -> Run:
    loaded, examples = loaded_of(task), task_examples(corpus_of(task))
    start = time.perf_counter()
    timed = timed_stage(task, loaded, examples, task.updates)
    return run_of(task, loaded, examples, timed, wall=time.perf_counter() - start)


class TimedTrainer(Seq2SeqTrainer):
    """Notes when updates were done, and the target tokens of each."""

    def __init__(self, *arguments: Any, marks: Sequence[int], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.tokens: list[torch.Tensor] = []
        self.clock = Clock()
        self.add_callback(Marks(marks, self.clock))

    def training_step(self, model: Any, inputs: Any, *arguments: Any, **options: Any) -> torch.Tensor:
        self.tokens.append((inputs["labels"] != IGNORED_LABEL).sum())
        return super().training_step(model, inputs, *arguments, **options)


class Marks(TrainerCallback):
    def __init__(self, marks: Sequence[int], clock: Clock) -> None:
        self.marks = marks
        self.clock = clock

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in self.marks:
            self.clock.mark(state.global_step)


def plain(task: Task) -> Run:
    loaded, settings, corpus = loaded_of(task), settings_of(task), corpus_of(task)
    encoded = loaded.tokenizer(
        list(corpus.sources()), text_target=list(corpus.targets()), truncation=True, max_length=POSITIONS
    )
    rows = Dataset.from_dict({"input_ids": encoded["input_ids"], "labels": encoded["labels"]})
    sentences = max(1, round(task.tokens_per_update / mean(map(len, encoded["labels"]))))
    best: dict[str, Any] = {}
    if torch.cuda.is_available():
        best = {"bf16": True, "train_sampling_strategy": "group_by_length", "dataloader_num_workers": 4}
    with tempfile.TemporaryDirectory(dir=task.work) as folder:
        trainer = TimedTrainer(
            loaded.model,
            Seq2SeqTrainingArguments(
                folder,
                max_steps=task.updates,
                per_device_train_batch_size=sentences,
                learning_rate=LEARNING_RATE,
                label_smoothing_factor=settings.label_smoothing,
                adam_beta1=settings.adam_betas[0],
                adam_beta2=settings.adam_betas[1],
                adam_epsilon=settings.adam_epsilon,
                max_grad_norm=settings.clip_norm,
                warmup_steps=task.updates // 10,
                # As ours: at the end, when the clock has stopped.
                save_strategy="steps",
                save_steps=task.updates,
                report_to="none",
                disable_tqdm=True,
                **best,
            ),
            train_dataset=rows,
            data_collator=DataCollatorForSeq2Seq(loaded.tokenizer, model=loaded.model),
            marks=(task.skipped, task.updates),
        )
        start = time.perf_counter()
        trainer.train()
        wall = time.perf_counter() - start
    timed = Timed(
        task.updates - task.skipped,
        *trainer.clock.between(task.skipped, task.updates),
        int(sum(trainer.tokens[task.skipped :])),
    )
    return run_of(task, loaded, task_examples(corpus), timed, wall=wall)


def recipe(task: Task) -> Run:
    """All stages of the recipe that the side is named after. What a stage's timed updates take stands for all of its
    updates, so that a few tell what many take."""
    loaded, corpus, settings = loaded_of(task), corpus_of(task), settings_of(task)
    chosen = RECIPES[task.side]
    whole = Timed(0, 0, 0, 0)
    start = time.perf_counter()
    for stage, updates in zip(chosen.stages, stage_updates(chosen, task.updates, settings.restore_share), strict=True):
        kinds = [(examples_of(kind, task, corpus), share) for kind, share in stage.mixture.items()]
        timed = timed_stage(task, loaded, mixed_examples(kinds, seed=1) if len(kinds) > 1 else kinds[0][0], updates)
        whole = whole.plus(timed.times(updates / timed.updates))
    return run_of(task, loaded, task_examples(corpus), whole, wall=time.perf_counter() - start)


def examples_of(kind: str, task: Task, corpus: Corpus) -> Examples:
    """The examples of a kind; those of words in another language by the lexicons in `work`."""
    if kind == "task":
        return task_examples(corpus)
    german, english = (read_lexicon(Path(task.work) / f"{direction}.tsv") for direction in ("de-en", "en-de"))
    segmenters = (word_segmenter("de"), word_segmenter("en"))
    if kind == "gloss":
        glosser = Glosser((segmenters[1], segmenters[0]), english, GlossSettings())
        return gloss_examples(list(corpus.targets()), ("de", "en"), glosser, seed=1)
    switchers = make_switchers(segmenters, (german, english), SwitchingSettings(), alignment=None, mask="", seed=1)
    return restore_examples(corpus, switchers, seed=1)


def loss(task: Task) -> Run:
    """The loss alone, with its gradients, on states and labels drawn at random; `tokens` of them."""
    torch.manual_seed(1)
    pieces, width = task.shape.rows or 0, task.shape.width
    states = torch.randn(task.tokens, width)
    matrix = torch.randn(pieces, width).mul_(width**-0.5)
    labels = torch.randint(0, pieces, (task.tokens,))
    states.requires_grad_()
    matrix.requires_grad_()
    before = peak_mib()
    clock = Clock()
    for number in range(task.updates + 1):
        clock.mark(number)
        if task.side == "chunks":
            value = label_smoothed_nll(states, matrix, labels, 0.2).loss
        else:
            value = cross_entropy(states @ matrix.T, labels, label_smoothing=0.2, reduction="sum")
        value.backward()
        del value
        states.grad = matrix.grad = None
    clock.mark(task.updates + 1)
    # The first is for warming up.
    seconds = clock.between(1, task.updates + 1)
    tokens = task.tokens * task.updates
    figures = {"mib_beyond_states_and_matrix": peak_mib() - before}
    rates = (tokens / seconds[0], tokens / seconds[1])
    return Run(task.side, peak_mib(), *seconds, seconds[0], tokens, *rates, task.tokens, pieces, 0.0, figures)


def run_of(task: Task, loaded: Loaded, examples: Examples, timed: Timed, *, wall: float) -> Run:
    ratio = source_per_target(loaded, examples)
    run = Run(
        task.side,
        peak_mib(),
        timed.seconds,
        timed.processor_seconds,
        wall,
        timed.tokens,
        timed.tokens / timed.seconds,
        timed.tokens / timed.processor_seconds,
        timed.tokens / timed.updates,
        loaded.model.config.vocab_size,
        ratio,
    )
    if not torch.cuda.is_available():
        return run
    rate = matrix_rate()
    used = run.tokens_per_second * flops_per_target_token(loaded, ratio) / rate
    return replace(run, figures={"matrix_tflops": rate / 1e12, "share_of_matrix_rate": used})


def source_per_target(loaded: Loaded, examples: Examples) -> float:
    made = [examples.make(0, index) for index in range(min(2000, examples.count))]
    encoded = loaded.layout.batch_encode(made, max_tokens=POSITIONS)
    return sum(len(ids.input_ids) for ids in encoded) / sum(len(ids.labels) for ids in encoded)


def flops_per_target_token(loaded: Loaded, source_tokens: float) -> float:
    """Of the products with weights, forward and backward: 6 a weight and token. Attention weights, padding and whatever
    is computed twice are not counted."""
    config: Any = loaded.model.config
    square = config.d_model**2
    # The keys and values of cross-attention are made from source tokens.
    of_source = config.encoder_layers * (4 * square + 2 * config.d_model * config.encoder_ffn_dim)
    of_source += config.decoder_layers * 2 * square
    of_target = config.decoder_layers * (6 * square + 2 * config.d_model * config.decoder_ffn_dim)
    of_target += config.vocab_size * config.d_model
    return float(6 * (source_tokens * of_source + of_target))


def matrix_rate() -> float:
    """FLOP/s of bf16 products of large square matrices on this GPU."""
    one, other = (torch.randn(MATRIX_SIZE, MATRIX_SIZE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    rates = []
    for _ in range(5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(20):
            one @ other
        torch.cuda.synchronize()
        rates.append(20 * 2 * MATRIX_SIZE**3 / (time.perf_counter() - start))
    return median(rates)


SIDES: Mapping[str, Callable[[Task], Run]] = {
    "plain": plain,
    "ours": ours,
    "ours, trimmed": ours,
    "standard": recipe,
    "csr": recipe,
    "csr+": recipe,
    "torch": loss,
    "chunks": loss,
}


# --- rows ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    sides: tuple[str, ...]
    """The first one is what the others are divided by; of plain batches the size is set by the run before."""
    shape: Shape
    tokens: int
    updates: int
    skipped: int
    gpu: bool = False


SMALL, LARGE = Shape(512, 6, 8), Shape(1024, 12, 16, 250_054)
ROWS: Mapping[str, Row] = {
    "small-cpu": Row(("plain", "ours"), SMALL, 2048, 24, 4),
    "large-cpu": Row(("plain", "ours", "ours, trimmed"), LARGE, 1024, 4, 1),
    "large-gpu": Row(("plain", "ours", "ours, trimmed"), LARGE, 16_384, 60, 20, gpu=True),
    "recipes": Row(("standard", "csr", "csr+"), SMALL, 1024, 60, 2),
    "loss-16k": Row(("torch", "chunks"), replace(SMALL, rows=16_000), 2048, 5, 0),
    "loss-250k": Row(("torch", "chunks"), LARGE, 512, 2, 0),
}


def prepare(work: Path, data: Path) -> float:
    """The tokenizer and the lexicons in `work`, where they are not there yet; the seconds that the lexicons took."""
    started = work / "lexicon_seconds.json"
    if not started.exists():
        corpus = corpus_of(Task("", str(data), str(work), None, SMALL, 0, 1, 0))
        size = SizeSettings(width=8, feed_forward=8, heads=1, encoder_layers=1, decoder_layers=1, pieces=16_000)
        texts = {"de": corpus.sources(), "en": corpus.targets()}
        save_model(new_model("mbart", size, texts, seed=1), work / "tokenizer", "de", "en")
        start = time.perf_counter()
        material = corpus_material(corpus, (word_segmenter("de"), word_segmenter("en")))
        for lexicon in build(material, LexiconSettings(method="align")).lexicons:
            write_lexicon(lexicon, work / f"{lexicon.source_language}-{lexicon.target_language}.tsv")
        write_json(started, time.perf_counter() - start)
    seconds: float = read_json(started)
    return seconds


def in_process(task: Task) -> Run:
    with tempfile.TemporaryDirectory(dir=task.work) as folder:
        answer = Path(folder) / "run.json"
        command = [sys.executable, __file__, "--side", json.dumps(asdict(task)), "--answer", str(answer)]
        subprocess.run(command, check=True)
        return Run(**read_json(answer))


def measure(name: str, asked: argparse.Namespace, lexicon_seconds: float) -> None:
    row = ROWS[name]
    shape = row.shape
    if asked.large is not None and shape == LARGE:
        width, layers, rows = asked.large
        shape = Shape(width, layers, max(1, width // 64), rows)
    task = Task(
        "",
        str(asked.data),
        str(asked.work),
        asked.limit,
        shape,
        asked.tokens or row.tokens,
        asked.updates or row.updates,
        row.skipped,
    )
    # Ours goes first: its budget gives the tokens of an update, and plain batches are made to have as many.
    order = sorted(row.sides, key=lambda side: side == "plain")
    runs: list[Run] = []
    for _ in range(asked.repeats):
        for side in order:
            changes: dict[str, Any] = {"side": side}
            if side == "plain":
                changes["tokens_per_update"] = median(run.tokens_per_update for run in runs if run.side == "ours")
            if side == "ours, trimmed":
                changes |= {"model": asked.trimmed} if asked.trimmed else {"shape": replace(shape, rows=None)}
            runs.append(in_process(replace(task, **changes)))
            print(f"{name:<10}{describe(runs[-1])}", flush=True)
            save(name, asked, task, row, runs, lexicon_seconds)
    print(f"{name:<10}{json.dumps(ratios(row, runs))}", flush=True)


def describe(run: Run) -> str:
    figures = "".join(f"  {name} {value:.3g}" for name, value in run.figures.items())
    return (
        f"{run.side:<14}{run.tokens_per_second:10,.0f} tokens/s  {run.tokens_per_update:8,.0f} an update  "
        f"{run.seconds:7.1f} s ({run.processor_seconds:.1f} of the processor)  peak {run.peak_mib:8,.0f} MiB  "
        f"vocabulary {run.vocabulary:,}{figures}"
    )


def ratios(row: Row, runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Medians of each side over those of the first one."""
    kinds = (
        "tokens_per_second",
        "tokens_per_processor_second",
        "seconds",
        "processor_seconds",
        "wall_seconds",
        "peak_mib",
    )

    def medians(side: str) -> dict[str, float]:
        found = [asdict(run) for run in runs if run.side == side]
        names = [*kinds, *(f"figures.{name}" for name in found[0]["figures"])] if found else []
        return {name: median(value_of(run, name) for run in found) for name in names}

    base = medians(row.sides[0])
    return {
        side: {kind: value / base[kind] for kind, value in medians(side).items() if base.get(kind)}
        for side in row.sides[1:]
    }


def value_of(run: Mapping[str, Any], name: str) -> float:
    kind, _, inner = name.partition(".")
    value: float = run[kind][inner] if inner else run[kind]
    return value


def save(
    name: str, asked: argparse.Namespace, task: Task, row: Row, runs: Sequence[Run], lexicon_seconds: float
) -> None:
    """After every run: they take their time."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    shown = {"shape": asdict(task.shape), "tokens": task.tokens, "updates": task.updates, "skipped": task.skipped}
    write_json(
        asked.out / f"training.{name}.json",
        {
            "settings": {**shown, "limit": task.limit, "trimmed": asked.trimmed, "repeats": asked.repeats},
            "machine": {**machine("torch", "transformers"), "gpu": gpu},
            "lexicon_seconds": lexicon_seconds,
            "ratios": ratios(row, runs),
            "runs": [asdict(run) for run in runs],
        },
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--data", type=Path, help="folder with translation/de-en")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for training.ROW.json")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-training"), help="folder for what is made")
    parser.add_argument("--updates", type=int, help="of each side, in place of the row's own")
    parser.add_argument("--tokens", type=int, help="budget of an update, in place of the row's own")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--limit", type=int, help="only the first so many pairs")
    parser.add_argument("--trimmed", help="folder of the model of the large rows, trimmed")
    parser.add_argument(
        "--large", type=int, nargs=3, metavar=("WIDTH", "LAYERS", "ROWS"), help="another shape for the large rows"
    )
    parser.add_argument("--side", help="what one process does, as JSON")
    parser.add_argument("--answer", type=Path, help="where that process writes what it found")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    if asked.side is not None:
        values = json.loads(asked.side)
        task = Task(**{**values, "shape": Shape(**values["shape"])})
        write_json(asked.answer, asdict(SIDES[task.side](task)))
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.work = asked.work.resolve()
    for name in asked.rows:
        if ROWS[name].gpu and not torch.cuda.is_available():
            print(f"{name:<10}no GPU here")
        else:
            measure(name, asked, prepare(asked.work, asked.data))


if __name__ == "__main__":
    main()
