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
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields
from itertools import chain, islice, product
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from record import RESULTS, machine
from study_page import BLEU, Part, Trials, beside, packed, write_page

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.events import Event
from switchtune.evidence import Evidence, takes_monolingual
from switchtune.files import read_json, write_json, write_text
from switchtune.models.load import model_fingerprint
from switchtune.recipes import RECIPES
from switchtune.results.comparison import Row
from switchtune.run_dir import RunDir, RunLockedError
from switchtune.runs.experiment import run_experiment

RECORD = RESULTS / "study.json"
EVIDENCE = Path(__file__).parents[1] / "src" / "switchtune" / "evidence.tsv"
FLAT = 0.05
"""In nats per token: a curve is flat where the validation loss falls by less than this between two evaluations."""
RESTORE = "Restore it, or give another file with --record."


@dataclass(frozen=True)
class Run:
    """One arm on one direction, or on several at once, with so many pairs of each."""

    record: str  # What else it has in common with the trainings that are recorded beside it
    pair: str  # Or several, with a plus between
    size: int
    seed: int
    arm: str
    arm_settings: Mapping[str, Any]
    settings: Mapping[str, Any]
    tested_on: str  # `valid` where settings are chosen, else `test`
    test_sentences: int

    @property
    def folder(self) -> str:
        return f"{self.place(self.pair)}/{folder_name(self.arm)}"

    @property
    def pairs(self) -> list[str]:
        return self.pair.split("+")

    def place(self, pair: str) -> str:
        """What one of its directions is recorded as."""
        return f"{self.record}/{pair}.{self.size}/seed{self.seed}"


def queued(grid: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> Iterator[Run]:
    """The runs of entries of the queue; an arm that is no one model of several directions has a run for each."""
    for entry in entries:
        settings = merged(grid["settings"], entry.get("settings", {}))
        tested = entry.get("test_sentences", grid["test_sentences"])
        for seed, size, pair, arm in product(entry["seeds"], entry["sizes"], entry["pairs"], entry["arms"]):
            own = grid["arms"][arm]
            for each in [pair] if "together" in own else pair.split("+"):
                yield Run(
                    recorded_as(entry), each, size, seed, arm, own, settings, entry.get("tested_on", "test"), tested
                )


def recorded_as(entry: Mapping[str, Any]) -> str:
    """The part of the record that has the trainings of an entry: one for all that differ in nothing but the arm."""
    return str(entry["name"]) if entry.keys() & {"settings", "tested_on", "test_sentences"} else "main"


def merged(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others in their place, block by block."""
    return {**settings, **{key: {**settings.get(key, {}), **value} for key, value in own.items()}}


def config_of(run: Run, grid: Mapping[str, Any], out: Path) -> RunConfig:
    """What `switchtune run` would be given."""
    pairs = [pair_of(run, pair, grid, out) for pair in run.pairs]
    _, first = corpus_of(run.pairs[0], grid)
    arm = json.dumps({"name": folder_name(run.arm), **run.arm_settings})
    if dictionary := first.get("dictionary"):
        arm = arm.replace("SHUFFLED", str(shuffled(Path(dictionary), out))).replace("DICTIONARY", dictionary)
    own = {"arms": [json.loads(arm)], "seeds": [run.seed], "baseline": folder_name(run.arm)}
    return parse_config(
        RunConfig,
        {**run.settings, "pairs": pairs, **own},
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


def shuffled(path: Path, out: Path) -> Path:
    """A dictionary whose words have the translations of other words."""
    words, translations = zip(
        *(line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()), strict=True
    )
    translations = random.Random(0).sample(translations, len(translations))
    entries = [f"{word}\t{translation}\n" for word, translation in zip(words, translations, strict=True)]
    return written(out / "text" / f"shuffled.{path.name}", entries)


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
    base = model_fingerprint(grid["settings"]["model"]["name"])
    locks = RunDir(out / "locks")
    for run in queued(grid, grid["queue"]):
        with suppress(RunLockedError), locks.lock(run.folder.replace("/", "."), patience_seconds=0):
            known = recorded(record)
            if all(run.arm in known.get(run.place(pair), ()) for pair in run.pairs):
                continue
            results = trained(run, grid, out)
            with locks.lock("record"):
                known = recorded(record)
                about = {"base": base, "machine": machine("torch", "transformers")}
                for pair, result in results.items():
                    known.setdefault(run.place(pair), {})[run.arm] = {**about, **result}
                write_json(record, known)
            print(f"{run.folder}: done", flush=True)


def recorded(record: Path) -> dict[str, Any]:
    return read_json(record, remedy=RESTORE) if record.exists() else {}


def trained(run: Run, grid: Mapping[str, Any], out: Path) -> dict[str, dict[str, Any]]:
    """What is recorded of a run, by direction."""

    def told(event: Event) -> None:
        if not event.updates:
            print(f"{run.folder} {event.subject}: {event.what}", flush=True)

    summary = run_experiment(config_of(run, grid, out), out / run.folder, on_event=told)
    return {row.pair: trial_record(row) for row in summary.rows}


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


def trials_of(name: str, record: Mapping[str, Any]) -> dict[tuple[str, int], Trials]:
    """The trainings of one part of the record, by direction and number of pairs."""
    trials: dict[tuple[str, int], Trials] = {}
    for place, arms in record.items():
        part, (pair, size), seed = (each.split(".") for each in place.split("/"))
        if part == [name]:
            known = trials.setdefault((pair, int(size)), {})
            for arm, trial in arms.items():
                known.setdefault(arm, {})[int(seed[0].removeprefix("seed"))] = trial
    return trials


def parts_of(grid: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Part]:
    """The parts of the page: of what the entries of a name queue, what is recorded."""
    parts = {}
    for name in dict.fromkeys(entry["name"] for entry in grid["queue"]):
        entries = [entry for entry in grid["queue"] if entry["name"] == name]
        trials = trials_of(recorded_as(entries[0]), record)
        if recorded_as(entries[0]) == "main":  # the record of several parts
            wanted = {(pair, run.size): None for run in queued(grid, entries) for pair in run.pairs}
            arms = dict.fromkeys(arm for entry in entries for arm in entry["arms"])
            trials = {
                key: {arm: trials[key][arm] for arm in arms if arm in trials[key]} for key in wanted if key in trials
            }
        elsewhere = {parts["main"].baseline, *parts["main"].arms} if "main" in parts else set()
        own = {arm for entry in entries for arm in entry["arms"]} - elsewhere
        if trials and (not own or any(own & arms.keys() for arms in trials.values())):
            parts[name] = Part(trials)
    return parts


def evidence_of(record: Mapping[str, Any], grid: Mapping[str, Any]) -> Iterator[Evidence]:
    """What each recipe gained over `standard` at equal total cost, with monolingual text and without."""
    trials = chain.from_iterable(trials_of(part, record).items() for part in ("main", "longer"))
    for (direction, pairs), arms in trials:
        for name in arms:
            if (own := grid["arms"][name])["recipe"] == "standard" or not is_evidence(own):
                continue
            further = own.get("monolingual", True) and takes_monolingual(own["recipe"])
            monolingual = grid["monolingual_sentences"] if further else 0
            gains = [BLEU(trial) - BLEU(base) for trial, base in beside(arms, name, "standard") if has_flattened(base)]
            if gains:
                yield Evidence(own["recipe"], monolingual, pairs, direction, round(mean(gains), 2), len(gains))


def has_flattened(trial: Mapping[str, Any]) -> bool:
    """Whether a training had learned nearly all it could; if not, too few updates are compared and not recipes."""
    *_, (_, before), (_, last) = trial["valid_nll"]
    return bool(before - last < FLAT)


def is_evidence(arm: Mapping[str, Any]) -> bool:
    """Whether an arm is a recipe as it comes, and has no more updates than `standard`, reverse model included."""
    within = arm.get("back_translation", {}).get("within", False)
    return not arm.keys() - {"recipe", "monolingual", "back_translation"} and within == bool(
        RECIPES[arm["recipe"]].reverse
    )


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
        write_page(parts_of(grid, record))


if __name__ == "__main__":
    sys.exit(main())
