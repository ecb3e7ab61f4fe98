"""A run as people watch it: progress bars on a terminal, a line a minute elsewhere; tables at the end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from switchtune.cli.terminal import TextConsole, print_line
from switchtune.errors import Stopped
from switchtune.events import Event, printable
from switchtune.lexicon.judge import DirectionJudgement
from switchtune.lexicon.records import BuildStep
from switchtune.results.accuracy import accuracy_table, accuracy_verdicts
from switchtune.results.comparison import Summary, comparison_table
from switchtune.results.matrix import Matrix, legend, matrix_table
from switchtune.results.text import verdict
from switchtune.runs.lexicon_folder import Made
from switchtune.runs.plan import HEADER, Plan, plan_cells, verdicts

SECONDS_BETWEEN_LINES = 60.0
"""Time between two progress lines of a stage where there is no terminal; its end has a line of its own."""


class _Bars:
    """Progress bars on a terminal, and messages; use it in a `with` block."""

    _on_stop = ""
    """Message where the work is stopped."""

    def __init__(self) -> None:
        self._console = TextConsole(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            # What others write during it is shown by the streams, not read as colours and links.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._progress.stop()
        if kind in (KeyboardInterrupt, Stopped) and self._on_stop:
            self.tell(self._on_stop)

    def tell(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


@dataclass
class _Lines:
    """The progress lines of a stage."""

    first_update: int
    """The first one that was told of: speed is measured from there, whatever was done before an interruption."""
    began_at: float
    shown_at: float

    def seconds_left(self, event: Event, now: float) -> float | None:
        done = event.update - self.first_update
        return (now - self.began_at) / done * (event.updates - event.update) if done > 0 else None


class Display(_Bars):
    """Shows events of a run as they come: bars on a terminal, a line a minute elsewhere."""

    _on_stop = "Stopped. Run the same command again to continue from the last checkpoints."

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._bars: dict[tuple[str, str], TaskID] = {}
        self._lines: dict[tuple[str, str], _Lines] = {}

    def show(self, event: Event) -> None:
        """Show a message, or how far a stage of a trial is."""
        if not event.updates:
            self.tell(f"{event.subject}: {event.what}")
            return
        key = (event.subject, event.what)
        values = (event.loss, event.tokens_per_second, event.padding, event.memory_gb)
        forms = ("loss {:.3f}", "{:,.0f} tokens/s", "{:.1%} padding", "{:.1f} GB")
        figures = ", ".join(form.format(v) for form, v in zip(forms, values, strict=True) if v is not None)
        if self._console.is_terminal:
            if key not in self._bars:
                subject = printable(f"{event.subject} {event.what}")
                self._bars[key] = self._progress.add_task(subject, total=event.updates, figures="")
            self._progress.update(self._bars[key], completed=event.update, figures=figures)
            return
        now = self._clock()
        lines = self._lines.setdefault(key, _Lines(event.update, now, now))
        ended = event.update == event.updates
        if ended or now - lines.shown_at >= SECONDS_BETWEEN_LINES:
            lines.shown_at = now
            left = None if ended else lines.seconds_left(event, now)
            told = ", ".join(filter(None, [figures, "" if left is None else f"{_duration(left)} left"]))
            self.tell(f"{event.subject} {event.what}: {event.update:,}/{event.updates:,} {told}".rstrip())


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h"


class BuildDisplay(_Bars):
    """Shows the steps of building a lexicon: bars on a terminal, nothing but what is told elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: TaskID | None = None
        self._shown: tuple[str, int] = ("", 0)

    def show(self, step: BuildStep) -> None:
        """Show how far the building is; a step with a lower number begins something new."""
        what, number = self._shown
        if self._bar is None or step.number <= number or (step.what != what and not step.total):
            self._bar = self._progress.add_task("", total=step.total or None, figures="")
        self._shown = (step.what, step.number)
        self._progress.update(
            self._bar, description=printable(step.what), completed=step.number, figures=printable(step.objective)
        )


def print_judgement(made: Made) -> None:
    for path, lexicon in zip(made.paths, made.lexicons, strict=True):
        translations = sum(len(entry.translations) for entry in lexicon.entries.values())
        print_line(f"{path}: {len(lexicon):,} words, {translations / max(1, len(lexicon)):.1f} translations each")
    judged = made.judged
    if judged is None:
        return
    print_line(f"method {judged.built.why}")
    for direction, phrases in zip(judged.judgement.directions, judged.built.compounds, strict=True):
        print_direction(direction)
        if phrases:
            shown = ", ".join(f"{compound.word} = {compound.phrase} ({compound.count})" for compound in phrases[:3])
            print_line(f"{len(phrases):,} words stand for phrases: {shown}")
    for step in judged.next_steps:
        print_line(f"next: {step}")


def print_direction(direction: DirectionJudgement) -> None:
    colour = {"green": "green", "amber": "yellow", "red": "red"}[direction.verdict]
    title = Text.assemble(printable(f"{direction.source}-{direction.target}: "), (direction.verdict, f"bold {colour}"))
    forms = {"entries": ",", "right": ".0%"} | dict.fromkeys(("lift", "yardstick"), ".3f")
    forms |= dict.fromkeys(("paired", "shuffled"), ".1%") | {"deviations": ".0f"}
    forms |= dict.fromkeys(("coverage", "stability"), ".1%")
    values = {name: getattr(direction, name) for name in forms}
    row = ["not known" if value is None else format(value, forms[name]) for name, value in values.items()]
    print_table(list(forms), [row], title=title, left=0)
    for reason in direction.reasons:
        print_line(f"because {reason}")
    for band in ("frequent", "middling", "rare"):
        entries = [
            f"{sample.word} → {', '.join(translation.word for translation in sample.translations)}"
            for sample in direction.samples
            if sample.band == band
        ]
        print_line(f"{band}: {'; '.join(entries)}")


def print_plan(planned: Plan) -> None:
    side_by_side = f", {planned.jobs} trainings side by side" if planned.jobs > 1 else ""
    title = f"{planned.device}, {planned.memory_gb:.0f} GB{side_by_side}; memory of each in GB"
    print_table(HEADER, list(map(plan_cells, planned.stages)), title=title, left=3)
    if planned.hours is not None:
        print_line(f"{planned.hours:.2f} hours of training in all, {planned.seeds} seed{'s' * (planned.seeds > 1)}")
    for line in (*verdicts(planned), *planned.advice, *planned.assumptions):
        print_line(line)


def print_summary(summary: Summary) -> None:
    for remark in summary.remarks:
        print_line(remark)
    for pair in dict.fromkeys(row.pair for row in summary.rows):
        rows = [row for row in summary.rows if row.pair == pair]
        print_table(*comparison_table(rows, summary.baseline), title=pair)
        for row in rows:
            if row.against_baseline is not None:
                print_line(verdict(row.shown_arm, summary.baseline, row.against_baseline))


def print_accuracies(summary: Summary) -> None:
    print_table(*accuracy_table(summary), title="accuracy")
    for line in (*accuracy_verdicts(summary), *summary.remarks):
        print_line(line)


def print_matrices(matrices: Sequence[Matrix]) -> None:
    for matrix in matrices:
        print_table(*matrix_table(matrix), title=matrix.title)
        print_line(matrix.verdict())
    print_line(legend(matrices))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | Text, left: int = 1) -> None:
    """Print a table, so many of its columns to the left and the others to the right."""
    table = Table(title=title, title_justify="left")
    for position, name in enumerate(heads):
        table.add_column(name, justify="left" if position < left else "right")
    for row in rows:
        table.add_row(*row)
    TextConsole().print(table)
