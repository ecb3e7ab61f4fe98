"""The data of a run is checked before anything is made of it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from switchtune.check.characters import UNKNOWN, Pieces
from switchtune.check.checks import Checked, checked, said_of, tell_or_stop
from switchtune.check.records import RawCorpus, SetName, read_raw
from switchtune.config.run import NO_PAIRS, TAKEN, PairSettings, RunConfig
from switchtune.corpus.columns import Request
from switchtune.corpus.read import corpus_identity
from switchtune.events import Event, OnEvent
from switchtune.languages import find_language
from switchtune.models.layout import token_ids
from switchtune.models.load import load_layout
from switchtune.run_dir import RunDir
from switchtune.runs.splits import located
from switchtune.runs.tasks import TASKS


def pieces_of(model: str) -> Pieces:
    """What cuts text into a model's pieces, those that it does not know written as `UNKNOWN`."""
    layout = load_layout(model)
    ids, unknown = token_ids(layout.tokenizer), layout.tokenizer.unk_token

    def cut(texts: Sequence[str]) -> list[list[str]]:
        lines = layout.segmented(texts)
        return [[UNKNOWN if piece == unknown or piece not in ids else piece for piece in line] for line in lines]

    return cut


def check_pair(config: RunConfig, pair: PairSettings, folder: Path, pieces: Pieces | None = None) -> Checked:
    """Look at the corpora of a pair as they lie there, with what `folder` has room for."""
    languages = (pair.source, pair.target)
    locations: dict[SetName, str] = {"train": pair.train, "valid": pair.valid, "test": pair.test}
    corpora: list[RawCorpus] = [
        read_raw(name, location, languages, folder, columns=pair.columns, document=pair.document)
        for name, location in locations.items()
        if location not in (NO_PAIRS, TAKEN)
    ]
    return checked(corpora, pieces, parallel=TASKS[config.task].parallel)


def tell_of_data(config: RunConfig, pair: PairSettings, run: RunDir, cache_dir: Path, on_event: OnEvent) -> None:
    """Tell what is not well with the data of a pair, found out once for a folder. Raises as `tell_or_stop`."""
    if config.check == "off":
        return
    pair = located(pair, cache_dir)
    request = Request(find_language(pair.source), find_language(pair.target), pair.columns)
    locations = [name for name in (pair.train, pair.valid, pair.test) if name != NO_PAIRS]
    step, inputs = (
        f"check.{pair.name}",
        {
            "corpora": [corpus_identity(each, request) for each in locations],
            "model": config.model.name,
            "version": 2,  # of what is looked for
        },
    )
    said = run.result(step, inputs)
    if said is None:
        with tempfile.TemporaryDirectory() as folder:
            found = check_pair(config, pair, Path(folder), pieces_of(config.model.name))
        # That there is too little is told with the figures of what was read.
        said = said_of(each for each in found.problems if each.kind != "few")
        run.finish(step, inputs, said)
    tell = lambda problem: on_event(Event(pair.name, problem))  # noqa: E731
    tell_or_stop(said, config.check, pair.name, tell, setting="check: ")
