"""Kill every verb that writes at random moments (SIGKILL), again and again, and look whether anything was lost.

    python benchmarks/kill_anywhere.py --out runs/kill-anywhere --kills 100

Each verb first makes an output A, then makes an output B in its place and is killed meanwhile. After each kill the
inputs, and files of the user's beside the output, must be what they were, and the output must be A or B, whole
(`run` goes on in its folder instead). The same command, left alone, must then end in B.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from record import machine

from switchtune.files import recover

PRETRAIN = {
    "size": {"width": 32, "feed_forward": 64, "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "pieces": 400},
    "texts": [{"language": code, "path": "embedded:news:train", "limit": 600} for code in ("de", "en")],
    "valid_lines": 20,
    "training": {"updates": 10, "tokens_per_batch": 500},
}
RUN = {
    "model": "inputs/pretrained/model",
    "pairs": [
        {
            "source": "de",
            "target": "en",
            "train": "embedded:kitchen:train",
            "valid": "embedded:kitchen:valid",
            "test": "embedded:kitchen:test",
            "limit": 300,
        }
    ],
    "jobs": 1,
    "lexicon": {"accept": True},
    "training": {"updates": 60, "tokens_per_batch": 500, "lr": 1e-3, "checkpoint_every": 5, "evaluate_every": 30},
    "generation": {"beams": 1},
}
HAND_EDIT = "Zebra\tzebra\n"


@dataclass(frozen=True)
class Verb:
    """A command that is killed, and how its output is looked at."""

    first: str
    """Makes output A."""
    second: str
    """Makes output B in the same place."""
    output: str
    whole: bool = True
    """Whether the output is A or B at any moment; otherwise it grows, and ends in B."""


LEXICON = "lexicon embedded:kitchen:train --langs de-en --out work/lexicon --accept-lexicon"
VERBS = {
    "run": Verb("--version", "run inputs/run.yaml --out work/run", "work/run", whole=False),
    "trim": Verb(
        "trim inputs/pretrained/model --text inputs/a.txt --langs de,en --out work/trimmed",
        "trim inputs/pretrained/model --text inputs/b.txt --langs de,en --out work/trimmed",
        "work/trimmed",
    ),
    "export": Verb(
        "export inputs/pretrained/model --langs de-en --out work/exported",
        "export inputs/pretrained/model --langs de-en --int8 --out work/exported",
        "work/exported",
    ),
    "report": Verb(
        "report inputs/finished --out work/report.html",
        "report inputs/finished inputs/again --out work/report.html",
        "work/report.html",
    ),
    "lexicon": Verb(f"{LEXICON} --k 1", f"{LEXICON} --k 3", "work/lexicon", whole=False),
}


def switchtune(words: str, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as stream:
        return subprocess.Popen([sys.executable, "-m", "switchtune", *words.split()], stdout=stream, stderr=stream)


def done(words: str, log: Path) -> float:
    """Run a command to its end; the seconds that it took."""
    start = time.monotonic()
    if switchtune(words, log).wait():
        raise SystemExit(f"`switchtune {words}` failed by itself; see {log}")
    return time.monotonic() - start


def content(path: Path, ignored: Callable[[Path], bool] = lambda path: False) -> dict[str, str]:
    """Names and hashes of all files."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if not ignored(file)}


def final(verb: str, output: Path) -> dict[str, str]:
    """What of an output must be the same however often its making was stopped."""
    if verb == "run":
        return content(output, lambda file: file.name not in {"hypotheses.txt", "model.safetensors"})
    return content(output, lambda file: file.name in {"metrics.jsonl"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=100, help="of all verbs together")
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the result")
    options = parser.parse_args()
    result_file = options.json and options.json.resolve()
    options.out.mkdir(parents=True)
    os.chdir(options.out)
    rng, log = random.Random(options.seed), Path("log").resolve()
    _prepare(log)
    inputs = content(Path("inputs"))
    kills: dict[str, int] = {}
    lost: list[str] = []
    for name in options.verbs:
        verb, output = VERBS[name], Path(VERBS[name].output)
        _fresh(verb, log)
        first = content(output)
        seconds = done(verb.second, log)
        expected, second = final(name, output), content(output)
        _fresh(verb, log)
        kills[name] = 0
        while kills[name] < options.kills // len(options.verbs):
            process = switchtune(verb.second, log)
            try:
                process.wait(timeout=rng.uniform(0.2, 1.0) * seconds)
                _fresh(verb, log)  # it came to its end
                continue
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            kills[name] += 1
            if content(Path("inputs")) != inputs or Path("work/thesis.txt").read_text() != "years of work":
                lost.append(f"{name}: kill {kills[name]}: files of the user's")
            if verb.whole:
                recover(output.resolve())
                if content(output) not in (first, second):
                    lost.append(f"{name}: kill {kills[name]}: the output is neither the old nor the new")
            if kills[name] % 5 == 0:
                done(verb.second, log)
                if final(name, output) != expected:
                    lost.append(f"{name}: after kill {kills[name]} the same command ends in something else")
                _fresh(verb, log)
        print(f"{name}: {kills[name]} kills, {seconds:.1f} s undisturbed; lost so far: {lost or 'nothing'}", flush=True)
    if result_file:
        result = {"machine": machine("torch"), "seed": options.seed, "kills": kills, "lost": lost}
        result_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if lost else 0)


def _prepare(log: Path) -> None:
    inputs = Path("inputs")
    inputs.mkdir()
    (inputs / "pretrain.yaml").write_text(yaml.safe_dump(PRETRAIN))
    (inputs / "run.yaml").write_text(yaml.safe_dump(RUN))
    (inputs / "a.txt").write_text("Ein Hund läuft über die Wiese.\nA dog runs across the meadow.\n", encoding="utf-8")
    (inputs / "b.txt").write_text("Zwei Männer sitzen auf einer Bank.\n", encoding="utf-8")
    done("pretrain inputs/pretrain.yaml --out inputs/pretrained", log)
    done("run inputs/run.yaml --out inputs/finished", log)
    shutil.copytree("inputs/finished", "inputs/again")


def _fresh(verb: Verb, log: Path) -> None:
    """Output A, beside a file of the user's; a lexicon with an edit by hand."""
    shutil.rmtree("work", ignore_errors=True)
    Path("work").mkdir()
    Path("work/thesis.txt").write_text("years of work")
    done(verb.first, log)
    for lexicon in Path("work").glob("lexicon/lexicon.de-en.tsv"):
        lexicon.with_name("lexicon.de-en.edits.tsv").write_text(HAND_EDIT, encoding="utf-8")


if __name__ == "__main__":
    main()
