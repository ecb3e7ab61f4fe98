"""How near `switchtune plan` comes: memory and speed that it says before, against a training that is then measured.

    python benchmarks/plan.py ../shared/data/translation/de-en

Each row is a model of random weights and a few updates on the corpus, an epoch of it. The plan is made by the command
itself; the training runs in a process of its own, whose largest resident size and whose curve are what was measured.
The base (interpreter, libraries, corpus) is measured in the training's process before the model is there. Ratios are
measured / planned. Speed is only worth comparing on a machine that does nothing else.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import yaml
from record import RESULTS, machine
from transformers import AutoTokenizer

from switchtune.config.load import load_config
from switchtune.config.pretrain import FamilyName, SizeSettings
from switchtune.config.run import RunConfig
from switchtune.corpus.read import read_corpus, read_lines
from switchtune.examples import task_examples
from switchtune.files import read_json, write_json
from switchtune.models.load import load_model, model_config
from switchtune.models.new import new_model
from switchtune.training.curve import CURVE_FILE, read_metrics
from switchtune.training.trainer import train_stage

GB = 10**9


@dataclass(frozen=True)
class Row:
    """A model and how it is trained."""

    name: str
    family: FamilyName
    width: int
    layers: int
    """On each side."""
    rows: int
    """Of the embeddings; about half of them have a piece of text, which makes no difference here."""
    tokens_per_batch: int
    training: Mapping[str, Any] = field(default_factory=dict)


ROWS = (
    Row("mbart-256-16k", "mbart", 256, 3, 16_000, 2000),
    Row("mbart-256-16k-4-parts", "mbart", 256, 3, 16_000, 4000, {"accumulation": 4}),
    Row("mbart-512-64k", "mbart", 512, 6, 64_000, 1000),
    Row("mbart-512-16k-no-attention-dropout", "mbart", 512, 6, 16_000, 1000, {"attention_dropout": 0}),
    Row("m2m100-256-64k-bf16", "m2m100", 256, 3, 64_000, 1000, {"precision": "bf16"}),
    Row("mt5-256-16k", "mt5", 256, 3, 16_000, 2000),
    Row("mt5-512-64k", "mt5", 512, 6, 64_000, 1000),
    Row("mbart-768-64k", "mbart", 768, 6, 64_000, 1000),
)
BATCHES = 4
"""About so many parts of updates make an epoch of each row, so that the heaviest of them is met."""
PASSAGES = 40_000


def write_model(row: Row, corpus: Path, folder: Path) -> None:
    """A folder with a configuration and a tokenizer, and no weights: nobody reads any."""
    vocabulary = folder.parent / f"vocabulary-{row.family}-{row.rows}"
    if not vocabulary.exists():
        source, target = corpus.name.split("-")
        # The tokenizer must know half of the rows, which the corpus alone has no pieces for.
        mono = corpus.parent.parent / "mono"
        texts = {
            code: [line for line in read_lines(mono / f"{code}.txt.xz")[:PASSAGES] if line] for code in (source, target)
        }
        size = SizeSettings(
            width=16, feed_forward=16, encoder_layers=1, decoder_layers=1, heads=1, pieces=row.rows // 2 + 500
        )
        made = new_model(row.family, size, texts, seed=1)
        made.tokenizer.save_pretrained(vocabulary)
        made.model.config.save_pretrained(vocabulary)
    AutoTokenizer.from_pretrained(vocabulary).save_pretrained(folder)
    config: Any = model_config(str(vocabulary))
    sizes = {
        "vocab_size": row.rows,
        "d_model": row.width,
        "d_kv": 64,
        "d_ff": 4 * row.width,
        "num_layers": row.layers,
        "num_decoder_layers": row.layers,
        "num_heads": row.width // 64,
        "encoder_layers": row.layers,
        "decoder_layers": row.layers,
        "encoder_ffn_dim": 4 * row.width,
        "decoder_ffn_dim": 4 * row.width,
        "encoder_attention_heads": row.width // 64,
        "decoder_attention_heads": row.width // 64,
    }
    for name, value in sizes.items():
        if hasattr(config, name):
            setattr(config, name, value)
    config.save_pretrained(folder)


def write_config(row: Row, corpus: Path, model: Path, path: Path) -> None:
    source, target = corpus.name.split("-")
    parts = row.training.get("accumulation", 1)
    pair = {
        "source": source,
        "target": target,
        **{part: str(corpus / f"{part}.{{{source},{target}}}.xz") for part in ("train", "valid", "test")},
        # A pair of captions is some 18 tokens long.
        "limit": BATCHES * row.tokens_per_batch // parts // 18,
    }
    updates = -(-BATCHES // parts) + 2
    training = {"updates": updates, "tokens_per_batch": row.tokens_per_batch, "evaluate_every": 1000, **row.training}
    # What is trained here is the whole vocabulary.
    values = {
        "model": {"name": str(model), "trim": "off"},
        "pairs": [pair],
        "recipes": ["standard"],
        "jobs": 1,
        "training": training,
    }
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def train(config: RunConfig, folder: Path) -> dict[str, float]:
    """Train as `switchtune run` does, in this process, and say what that took."""
    (pair,) = config.pairs
    read = {"columns": pair.columns, "limit": pair.limit}
    examples = task_examples(read_corpus(pair.train, pair.source, pair.target, **read))  # type: ignore[arg-type]
    AutoTokenizer.from_pretrained(config.model.name)
    base = psutil.Process().memory_info().rss
    settings = config.training
    rates = {"dropout": settings.dropout, "attention_dropout": settings.attention_dropout}
    loaded = load_model(config.model.name, init="random", seed=1, **rates)
    train_stage(loaded, examples, valid=None, settings=settings, updates=settings.updates, seed=1, folder=folder)
    entries = [entry for entry in read_metrics(folder / CURVE_FILE) if "tokens" in entry]
    # The first update makes the optimizer's state and whatever else is made once.
    first, last = entries[0], entries[-1]
    return {
        "base_gb": base / GB,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GB,
        "tokens_per_second": (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"]),
    }


def compare(row: Row, corpus: Path, work: Path) -> dict[str, Any]:
    model, config = work / row.name, work / f"{row.name}.yaml"
    write_model(row, corpus, model)
    write_config(row, corpus, model, config)
    planned = json.loads(output(["-m", "switchtune", "plan", str(config), "--json"]))["stages"][0]
    measured = json.loads(output([__file__, str(corpus), "--train", str(config)]))
    memory = planned["memory"]
    beyond_base = (measured["peak_gb"] - measured["base_gb"]) / (memory["peak_gb"] - memory["base_gb"])
    return {
        **asdict(row),
        "planned": planned,
        "measured": measured,
        "load_average": os.getloadavg()[0],
        "ratios": {
            "memory_beyond_base": beyond_base,
            "peak_memory": measured["peak_gb"] / memory["peak_gb"],
            "tokens_per_second": measured["tokens_per_second"] / planned["tokens_per_second"],
        },
    }


def output(arguments: Sequence[str]) -> str:
    done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "corpus", type=Path, help="folder of a pair, with train.{de,en}.xz; mono/ stands beside its own"
    )
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], default=[row.name for row in ROWS])
    parser.add_argument("--out", type=Path, default=RESULTS / "plan.json")
    parser.add_argument("--work", type=Path, help="folder for models, kept from call to call")
    parser.add_argument("--train", type=Path, help="train by this configuration and print what it took (internal)")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        if asked.train is not None:
            print(json.dumps(train(load_config(RunConfig, asked.train), Path(temporary))))
            return
        work = asked.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        kept = read_json(asked.out)["rows"] if asked.out.exists() else []
        for row in ROWS:
            if row.name not in asked.rows:
                continue
            found = compare(row, asked.corpus, work)
            print(row.name, {name: round(ratio, 3) for name, ratio in found["ratios"].items()}, flush=True)
            kept = [other for other in kept if other["name"] != row.name] + [found]
            order = [each.name for each in ROWS]
            kept.sort(key=lambda each: order.index(each["name"]))
            ratios = {name: [each["ratios"][name] for each in kept] for name in found["ratios"]}
            summary = {
                name: {"least": min(each), "median": median(each), "most": max(each)} for name, each in ratios.items()
            }
            write_json(asked.out, {"machine": machine("torch", "transformers"), "summary": summary, "rows": kept})


if __name__ == "__main__":
    main()
