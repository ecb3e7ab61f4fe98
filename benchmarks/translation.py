"""How fast beam search is on a CPU: ours by CTranslate2 and by transformers, against plain `model.generate`.

    python benchmarks/translation.py MODEL ../shared/data/translation/de-en --threads 2

Every side translates the same sentences with the same beams, the same batches (by the same rule and budget) and the
same longest outputs, but that plain `generate` knows only the longest of a batch. Sides take turns, each measurement in
a process of its own, so that no threads of one library stand in the way of another's. Loading and converting the model
is not part of the time; converting is reported beside it. Both clocks are reported: where other work
shares the machine, the processor time of a run with one thread is the one to trust, since threads that wait for one
another spin. Results of other numbers of threads in the same file stay.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, machine

from switchtune.config.training import GenerationSettings
from switchtune.corpus.read import read_lines
from switchtune.files import write_json
from switchtune.generation import translate
from switchtune.generation.by_ct2 import Converted, convert, open_converted
from switchtune.models.forward import longest_first
from switchtune.models.load import Loaded, load_model
from switchtune.scoring.metrics import bleu

SIDES = ("generate", "transformers", "ct2 float32", "ct2 int8")
SETTINGS = GenerationSettings()


def by_generate(loaded: Loaded, sentences: Sequence[str], source: str, target: str) -> list[str]:
    """What one writes without switchtune: `generate`, sentences of similar length together."""
    layout, model = loaded.layout, loaded.model
    ids = layout.batch_encode_source(sentences, source, target, max_tokens=layout.positions)
    outputs: dict[int, str] = {}
    for batch in longest_first([len(each) for each in ids], SETTINGS.tokens_per_batch):
        longest = int(SETTINGS.max_length_ratio * len(ids[batch[0]])) + SETTINGS.max_length_extra
        rows = model.generate(
            **layout.collate_source([ids[place] for place in batch]),
            **layout.generation_settings(target),
            **SETTINGS.search,
            max_length=min(1 + longest, layout.positions or 1 + longest),
        )
        outputs.update(zip(batch, layout.batch_decode(rows.tolist()), strict=True))
    return [outputs[place] for place in range(len(sentences))]


def opened(loaded: Loaded, compute_type: Any, workers: tuple[int, int]) -> Converted:
    """The converted model with so many batches at a time and so many threads each."""
    import ctranslate2

    with tempfile.TemporaryDirectory() as folder:
        convert(loaded, Path(folder))
        made = open_converted(Path(folder), loaded.layout, compute_type)
        translator = ctranslate2.Translator(
            folder, compute_type=compute_type, inter_threads=workers[0], intra_threads=workers[1]
        )
    return Converted(translator, made.layout, made.tokens)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(options.threads)
    source, target = options.folder.name.split("-")
    sentences = read_lines(options.folder / f"test.{source}.xz")[: options.sentences]
    loaded = load_model(options.model)
    model: Loaded | Converted = loaded
    begun = time.perf_counter()
    if options.one.startswith("ct2"):
        model = opened(loaded, options.one.split()[1], tuple(options.workers or (options.threads, 1)))
    ready = time.perf_counter() - begun
    run: Callable[..., list[str]] = by_generate
    arguments: list[Any] = [loaded, sentences, source, target]
    if options.one != "generate":
        run, arguments = translate, [model, sentences, source, target, SETTINGS]
    run(arguments[0], sentences[:8], *arguments[2:])  # what is made on first use is not measured
    begun, processor = time.perf_counter(), time.process_time()
    outputs = run(*arguments)
    return {
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - processor,
        "converting_seconds": ready,
        "outputs": outputs,
    }


def measured(options: argparse.Namespace, side: str, workers: tuple[int, int] | None = None) -> dict[str, Any]:
    command = [sys.executable, __file__, str(options.model), str(options.folder), "--one", side]
    command += ["--threads", str(options.threads), "--sentences", str(options.sentences)]
    command += ["--workers", *map(str, workers)] if workers else []
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(side, workers or "", {key: round(value, 2) for key, value in result.items() if key != "outputs"}, flush=True)
    return result


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("seconds", "processor_seconds")
    return {key: round(statistics.median(run[key] for run in runs), 2) for key in keys} | {
        "runs": [[round(run[key], 2) for key in keys] for run in runs]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a fine-tuned model")
    parser.add_argument("folder", type=Path, help="folder of a pair (de-en), with test.{de,en}.xz")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "translation.json")
    parser.add_argument("--one", choices=SIDES, help="measure one side in this process and print it (internal)")
    parser.add_argument("--workers", type=int, nargs=2, help="CTranslate2's inter_threads and intra_threads (internal)")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    target = options.folder.name.split("-")[1]
    references = read_lines(options.folder / f"test.{target}.xz")[: options.sentences]
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side in SIDES:
            runs[side].append(measured(options, side))
    plain = runs["generate"][0]["outputs"]
    medians = {side: summary(each) for side, each in runs.items()}
    rows = {
        side: {
            **medians[side],
            "times_as_fast": round(medians["generate"]["seconds"] / medians[side]["seconds"], 2),
            "times_as_fast_by_processor_time": round(
                medians["generate"]["processor_seconds"] / medians[side]["processor_seconds"], 2
            ),
            "converting_seconds": round(statistics.median(run["converting_seconds"] for run in each), 2),
            "bleu": round(bleu(each[0]["outputs"], references, target).value, 2),
            "same_as_generate": sum(map(str.__eq__, each[0]["outputs"], plain)),
        }
        for side, each in runs.items()
    }
    workers = {
        f"{inter} batches at a time, {intra} threads each": summary(
            [measured(options, "ct2 float32", (inter, intra)) for _ in range(options.rounds)]
        )
        for inter, intra in sorted({(1, 1), (options.threads, 1), (1, options.threads)})
    }
    by_threads = json.loads(options.out.read_text(encoding="utf-8"))["by_threads"] if options.out.exists() else {}
    by_threads[str(options.threads)] = {
        "machine": machine("torch", "transformers", "ctranslate2"),
        "corpus": options.folder.name,
        "sentences": len(plain),
        "settings": SETTINGS.model_dump(),
        "bleu_signature": bleu(plain, references, target).signature,
        "sides": rows,
        "ct2_float32_workers": workers,
    }
    write_json(options.out, {"by_threads": by_threads})
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
