"""When do the recipes make better models? A grid of corpora, sizes, arms and seeds, worked through in the background.

    switchtune pretrain benchmarks/study-base.yaml --out runs/study/base
    python benchmarks/study.py work benchmarks/study.yaml --out runs/study
    python benchmarks/study.py write benchmarks/study.yaml

`work` runs the queue of the file in its order, one seed of all arms after the other, and resumes where it was stopped.
Start it as often as there are cores: each takes the next runs that no other has. What is finished is recorded in
benchmarks/results/study.json, with what BLEU needs to know of each sentence, so that seeds can be added on another day
and another base. `write` makes of that record docs/results.md with its pictures, and src/switchtune/evidence.tsv, by
which the program chooses recipes (`recipe: auto`).

The pairs of a run are the first `size` of its corpus. What follows them is the monolingual text: of every two further
pairs the first gives its source and the second its target, so that no pair is hidden in it; where both directions are
in one run (`de-en+en-de`), the first gives the language that the corpus names first. A run of several directions is
recorded as one of each.
"""

import argparse
import json
import lzma
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields
from itertools import islice, product
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from record import RESULTS, machine
from study_page import BLEU, beside, packed, trials_of, write_page

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.events import Event
from switchtune.evidence import Evidence, takes_monolingual
from switchtune.files import read_json, write_json, write_text
from switchtune.models.load import model_fingerprint
from switchtune.results.comparison import Row
from switchtune.run_dir import RunDir, RunLockedError
from switchtune.runs.experiment import run_experiment

RECORD = RESULTS / "study.json"
EVIDENCE = Path(__file__).parents[1] / "src" / "switchtune" / "evidence.tsv"
EVIDENT = ("main", "sizes")
"""Parts of the study whose arms differ in recipe, monolingual text, and the training that was tuned for each, alone."""
RESTORE = "Restore it, or give another file with --record."


@dataclass(frozen=True)
class Run:
    """One comparison of the study: arms on one direction, or on several at once, with so many pairs of each."""

    name: str  # Of the part of the study that it belongs to
    pair: str  # Or several, with a plus between
    size: int
    arms: Mapping[str, Mapping[str, Any]]
    seed: int
    settings: Mapping[str, Any]
    tested_on: str  # `valid` where settings are chosen, else `test`
    test_sentences: int

    @property
    def folder(self) -> str:
        return self.place(self.pair)

    @property
    def pairs(self) -> list[str]:
        return self.pair.split("+")

    def place(self, pair: str) -> str:
        """What one of its directions is recorded as."""
        return f"{self.name}/{pair}.{self.size}/seed{self.seed}"


def queued(grid: Mapping[str, Any]) -> Iterator[Run]:
    """The runs in the order of importance."""
    for entry in grid["queue"]:
        settings = merged(grid["settings"], entry.get("settings", {}))
        tested = entry.get("test_sentences", grid["test_sentences"])
        arms = {name: grid["arms"][name] for name in entry["arms"]}
        for seed, size, pair in product(entry["seeds"], entry["sizes"], entry["pairs"]):
            yield Run(entry["name"], pair, size, arms, seed, settings, entry.get("tested_on", "test"), tested)


def merged(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others in their place, block by block."""
    return {**settings, **{key: {**settings.get(key, {}), **value} for key, value in own.items()}}


def config_of(run: Run, grid: Mapping[str, Any], out: Path) -> RunConfig:
    """What `switchtune run` would be given."""
    pairs = [pair_of(run, pair, grid, out) for pair in run.pairs]
    _, first = corpus_of(run.pairs[0], grid)
    arms = json.loads(
        json.dumps([{"name": folder_name(name), **settings} for name, settings in run.arms.items()]).replace(
            "DICTIONARY", first.get("dictionary", "")
        )
    )
    return parse_config(
        RunConfig,
        {**run.settings, "pairs": pairs, "arms": arms, "seeds": [run.seed], "baseline": arms[0]["name"]},
        origin=run.folder,
    )


def corpus_of(pair: str, grid: Mapping[str, Any]) -> tuple[list[str], Mapping[str, str]]:
    """The languages of the corpus of a direction, in its own order, and where it is."""
    corpora = ((name.split("-"), each) for name, each in grid["corpora"].items())
    return next((languages, each) for languages, each in corpora if set(languages) == set(pair.split("-")))


def pair_of(run: Run, pair: str, grid: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """One direction as `switchtune run` would be given it."""
    (source, target), (languages, corpus) = pair.split("-"), corpus_of(pair, grid)
    path, most = Path(corpus["path"]), grid["monolingual_sentences"]
    halves = languages if len(run.pairs) > 1 else [source, target]
    further = {
        language: further_text(path / f"train.{language}.xz", run.size, halves.index(language), most, out)
        for language in (source, target)
    }
    test = {
        language: test_set(path / f"{run.tested_on}.{language}.xz", run.test_sentences, out) for language in further
    }
    return {
        "source": source,
        "target": target,
        "train": f"{path}/train.{{{source},{target}}}.xz",
        "valid": f"{path}/valid.{{{source},{target}}}.xz",
        "test": str(test[source]).replace(f".{source}.", f".{{{source},{target}}}."),
        "limit": run.size,
        "monolingual": {language: str(text) for language, text in further.items()},
    }


def folder_name(arm: str) -> str:
    return arm.replace(" ", "_")


def further_text(path: Path, size: int, half: int, most: int, out: Path) -> Path:
    """A file of every second sentence after the first `size`; the halves 0 and 1 have no pair in common."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        sentences = list(islice(lines, size + half, size + 2 * most, 2))
    return written(
        out / "text" / f"{path.parent.name}.{size}.{half}" / f"further.{path.suffixes[0][1:]}.txt", sentences
    )


def test_set(path: Path, most: int, out: Path) -> Path:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        sentences = list(islice(lines, most))
    return written(out / "text" / path.parent.name / str(most) / path.with_suffix(".txt").name, sentences)


def written(path: Path, lines: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(lines))
    return path


def work(grid: Mapping[str, Any], out: Path, record: Path) -> None:
    """Run what is queued and not yet recorded, and record each result."""
    base = model_fingerprint(grid["settings"]["model"])
    locks = RunDir(out / "locks")
    for run in queued(grid):
        with suppress(RunLockedError), locks.lock(run.folder.replace("/", "."), patience_seconds=0):
            known = recorded(record)
            if all(set(run.arms) <= set(known.get(run.place(pair), {}).get("arms", ())) for pair in run.pairs):
                continue
            about = {"base": base, "machine": machine("torch", "transformers")}
            results = {run.place(pair): {**about, "arms": arms} for pair, arms in trained(run, grid, out).items()}
            with locks.lock("record"):
                write_json(record, {**recorded(record), **results})
            print(f"{run.folder}: done", flush=True)


def recorded(record: Path) -> dict[str, Any]:
    return read_json(record, remedy=RESTORE) if record.exists() else {}


def trained(run: Run, grid: Mapping[str, Any], out: Path) -> dict[str, dict[str, Any]]:
    """What is recorded of each arm of a run, by direction."""

    def told(event: Event) -> None:
        if not event.updates:
            print(f"{run.folder} {event.subject}: {event.what}", flush=True)

    summary = run_experiment(config_of(run, grid, out), out / run.folder, on_event=told)
    rows = {(row.pair, row.arm): row for row in summary.rows}
    return {pair: {name: trial_record(rows[pair, folder_name(name)]) for name in run.arms} for pair in run.pairs}


def trial_record(row: Row) -> dict[str, Any]:
    """What is kept of one training."""
    first, second = (row.scores[metric][0] for metric in ("BLEU", "chrF++"))
    return {
        "bleu": packed(first),
        "chrf": second.value,
        "in_language": row.in_language[0].value,
        "valid_nll": row.valid_nll,
        "updates": row.stage_updates,
        "minutes": row.minutes,
        "back_translation": row.back_translation and asdict(row.back_translation),
        **row.details,  # the pairs that one model learned, where there are several
    }


def evidence_of(record: Mapping[str, Any], grid: Mapping[str, Any]) -> Iterator[Evidence]:
    """What each recipe gained over `standard`, with monolingual text and without, in all directions and sizes."""
    for (direction, pairs), arms in (each for part in EVIDENT for each in trials_of(part, record).items()):
        for name in arms:
            recipe, further = grid["arms"][name]["recipe"], grid["arms"][name].get("monolingual", True)
            if name == "standard" or grid["arms"][name].keys() - {"recipe", "monolingual", "training"}:
                continue
            monolingual = grid["monolingual_sentences"] if further and takes_monolingual(recipe) else 0
            gains = [BLEU(own) - BLEU(base) for own, base in beside(arms, name, "standard")]
            yield Evidence(recipe, monolingual, pairs, direction, round(mean(gains), 2), len(gains))


def evidence_table(evidence: Iterable[Evidence]) -> str:
    """The content of `evidence.tsv`."""
    heads = [each.name for each in fields(Evidence)]
    lines = [heads, *sorted((list(map(str, astuple(each))) for each in evidence), key=lambda line: line[:4])]
    return "".join("\t".join(line) + "\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("work", "write"))
    parser.add_argument("grid", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--record", type=Path, default=RECORD, help="file of the results")
    arguments = parser.parse_args()
    grid = yaml.safe_load(arguments.grid.read_text(encoding="utf-8"))
    if arguments.what == "work":
        work(grid, arguments.out, arguments.record)
    else:
        record = read_json(arguments.record, remedy=RESTORE)
        write_text(EVIDENCE, evidence_table(evidence_of(record, grid)))
        write_page(record)


if __name__ == "__main__":
    sys.exit(main())
