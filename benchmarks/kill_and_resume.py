"""Kill a run again and again, and compare its scores with those of a run left alone.

    python benchmarks/kill_and_resume.py examples/quickstart.yaml --out runs/kills --kills 10

The run is killed (the main process alone: its workers must notice; with `--signal INT` or TERM they write checkpoints)
at moments drawn at random, and started again with the same command, until it has been killed so often; then it may come
to its end.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from switchtune.training.curve import read_metrics


def scores(folder: Path) -> list[dict[str, Any]]:
    """What a run found, without the times that it took."""
    rows = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["rows"]
    return [{key: value for key, value in row.items() if key != "minutes"} for row in rows]


def last_update(folder: Path) -> str:
    """How far each training is, over all its stages, for the record of a kill."""
    reached = []
    for metrics in sorted(folder.rglob("metrics.jsonl")):
        updates = [entry["update"] for entry in read_metrics(metrics)]
        reached.append(f"{metrics.parent.relative_to(folder)}:{max(updates, default=0)}")
    return " ".join(reached) or "before the first stage"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument(
        "--delays",
        type=float,
        nargs=2,
        default=(0.05, 0.2),
        help="bounds of the time to a kill, in undisturbed durations",
    )
    parser.add_argument("--signal", choices=("KILL", "INT", "TERM"), default="KILL")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--json", type=Path, help="where to write the result")
    options = parser.parse_args()
    settings = [word for override in options.overrides for word in ("--set", override)]

    def command(out: Path) -> list[str]:
        return [sys.executable, "-m", "switchtune", "run", str(options.config), "--out", str(out), *settings]

    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    with (options.out / "undisturbed.log").open("w") as log:
        start = time.monotonic()
        subprocess.run(command(options.out / "undisturbed"), check=True, stdout=log, stderr=log)
        duration = time.monotonic() - start
    print(f"undisturbed: {duration:.0f} s", flush=True)

    rng = random.Random(options.seed)
    killed = options.out / "killed"
    kills = []
    while len(kills) < options.kills:
        with (options.out / f"killed{len(kills)}.log").open("w") as log:
            process = subprocess.Popen(command(killed), stdout=log, stderr=log)
            delay = rng.uniform(*options.delays) * duration
            try:
                process.wait(timeout=delay)
                if process.returncode != 0:
                    raise SystemExit(f"the run failed by itself; see {log.name}")
                raise SystemExit(
                    f"came to its end after {len(kills)} kills: give a longer training or shorter --delays"
                )
            except subprocess.TimeoutExpired:
                process.send_signal(signal.Signals[f"SIG{options.signal}"])
                process.wait()
        kills.append({"after_seconds": round(delay, 1), "reached": last_update(killed)})
        print(f"kill {len(kills)} after {delay:.1f} s, at {kills[-1]['reached']}", flush=True)
    with (options.out / "last.log").open("w") as log:
        subprocess.run(command(killed), check=True, stdout=log, stderr=log)
    same = scores(killed) == scores(options.out / "undisturbed")
    hypotheses = sorted((options.out / "undisturbed").rglob("hypotheses.txt"))
    again = [killed / path.relative_to(options.out / "undisturbed") for path in hypotheses]
    same_text = [path.read_bytes() for path in hypotheses] == [path.read_bytes() for path in again]
    result = {
        "config": str(options.config),
        "overrides": options.overrides,
        "machine": {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()},
        "undisturbed_seconds": round(duration, 1),
        "kills": kills,
        "same_scores": same,
        "same_translations": same_text,
    }
    print(f"{len(kills)} kills; scores the same: {same}; translations the same: {same_text}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if same and same_text else 1)


if __name__ == "__main__":
    main()
