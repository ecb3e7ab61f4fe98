"""All that is looked at in somebody's data, in a table, and what it comes to."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from switchtune.check.characters import Pieces, mixtures, oddities, unknown_pieces
from switchtune.check.drift import drifts
from switchtune.check.leaks import leaks, shared_documents
from switchtune.check.pairs import blank_pairs, copies, languages, odd_lengths, repetitions
from switchtune.check.records import Problem, RawCorpus, SetName, Severity
from switchtune.config.base import OnProblems
from switchtune.errors import SwitchtuneError
from switchtune.scoring.significance import FEW_SENTENCES

Said: TypeAlias = tuple[Severity, str]
"""How grave a problem is, and its paragraph."""
OfCorpus: TypeAlias = Callable[[RawCorpus], Iterator[Problem]]

CHECKS: Mapping[str, OfCorpus] = {
    "each side in its own language": languages,
    "lines of the two sides aligned": drifts,
    "no blank lines": blank_pairs,
    "no copies of the source": copies,
    "lengths in proportion": odd_lengths,
    "few repetitions and templates": repetitions,
    "no markup, escapes, control characters, wrong decoding or lookalikes": oddities,
    "one Unicode normal form, one kind of quotes": mixtures,
}
"""What holds where nothing is found, and what looks for it in one corpus."""
_THREADS = 2
"""Much of the work is numpy's and numba's, which let another thread run."""
FEW_PAIRS = 200
"""Fewer training pairs are too few. From 500 pairs of its narrow domain the small model of examples/quickstart.yaml
learns to translate, with scores that mean something; from 20 none of our models did."""
_STOPS_AT: Mapping[OnProblems, tuple[Severity, ...]] = {"stop": ("error",), "strict": ("error", "warning")}
_RANK: Mapping[Severity, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Checked:
    """What was looked at, and what was found, the worst first."""

    corpora: tuple[RawCorpus, ...]
    problems: tuple[Problem, ...]
    passed: tuple[str, ...]
    """Checks that found nothing, one line each."""

    def counted(self, severity: Severity) -> int:
        """Problems as grave as that."""
        return sum(problem.severity == severity for problem in self.problems)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "corpora": [
                {"corpus": each.corpus, "origin": each.origin, "sides": each.sides, "pairs": len(each)}
                for each in self.corpora
            ],
            "problems": [problem.record() for problem in self.problems],
            "passed": list(self.passed),
        }

    def verdict(self) -> str:
        """How many problems there are, in a line."""
        counts = Counter(problem.severity for problem in self.problems)
        said = [f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in _RANK if counts[name]]
        return ", ".join(said) if said else "nothing to mend"


def checked(corpora: Sequence[RawCorpus], pieces: Pieces | None = None, *, parallel: bool = True) -> Checked:
    """Look at a training set and what is held out from it, as far as they are there.

    Args:
        pieces: of the model that is to be trained.
        parallel: whether targets are translations; the length of a summary says nothing about its document's.
    """
    asked = list[tuple[str, Callable[[], Iterator[Problem]]]]()
    train = [each for each in corpora if each.corpus == "train"]
    held_out = [each for each in corpora if each.corpus != "train"]
    if train and held_out:
        asked.append(("no validation or test pairs in the training set", partial(leaks, train[0], held_out)))
    for raw in corpora:
        asked += [
            (f"{raw.corpus}: {looked_for}", partial(check, raw))
            for looked_for, check in CHECKS.items()
            if parallel or check not in (drifts, odd_lengths)
        ]
        asked.append((f"{raw.corpus}: {len(raw):,} pairs", partial(too_few, raw)))
        if pieces is not None:
            known = f"{raw.corpus}: no characters that the model does not know"
            asked.append((known, partial(unknown_pieces, raw, pieces)))
    if train and train[0].documents is not None:
        for raw in held_out:
            asked.append(
                (f"{raw.corpus}: none of its documents in the training set", partial(shared_documents, train[0], raw))
            )
    with ThreadPoolExecutor(_THREADS) as threads:
        found = list(threads.map(lambda each: list(each[1]()), asked))
    order = {name: place for place, name in enumerate(("train", "valid", "test"))}
    problems = sorted(chain.from_iterable(found), key=lambda each: (_RANK[each.severity], order[each.corpus]))
    passed = tuple(looked_for for (looked_for, _), here in zip(asked, found, strict=True) if not here)
    return Checked(tuple(corpora), tuple(problems), passed)


def too_few(raw: RawCorpus) -> Iterator[Problem]:
    """Too little to learn from, or to compare on."""
    least: Mapping[SetName, int] = {"train": FEW_PAIRS, "valid": FEW_SENTENCES, "test": FEW_SENTENCES}
    if len(raw) >= least[raw.corpus]:
        return
    what = "to learn from" if raw.corpus == "train" else "to measure anything on"
    said = (
        f"{len(raw):,} pairs are too few {what}.",
        f"Use at least {least[raw.corpus]:,}, and preferably many more.",
    )
    yield raw.problem("few", "warning", (), said)


def paragraph(problem: Problem) -> str:
    """A problem for people: what was found, where, what to do, and the first examples; a note is one line."""
    lines = f" Lines: {', '.join(f'{line:,}' for line in problem.lines)}{'…' * (problem.count > len(problem.lines))}."
    head = f"{problem.severity}: {problem.corpus}: {problem.file}: {problem.found}{lines * bool(problem.lines)}"
    if problem.severity == "note":
        return head
    return "\n".join([head, f"  {problem.advice}", *(f"  {example}" for example in problem.examples)])


def said_of(problems: Iterable[Problem]) -> list[Said]:
    """Errors and warnings for people, the worst first."""
    return [(each.severity, paragraph(each)) for each in problems if each.severity != "note"]


def tell_or_stop(
    found: Sequence[Said], check: OnProblems, subject: str, tell: Callable[[str], None], *, setting: str
) -> None:
    """Report problems, or stop at them if `check` says so.

    Args:
        setting: how the user sets `check`, up to its value: "check: ".

    Raises:
        SwitchtuneError: `check` stops at some of the problems; it has these.
    """
    grave = _STOPS_AT.get(check, ())
    stopping = [problem for severity, problem in found if severity in grave]
    for severity, problem in found:
        if severity not in grave:
            tell(problem)
    if stopping:
        weaker = "tell" if any(severity == "error" for severity, _ in found) else "stop"
        head = f"{subject}: stopped because of problems in the data."
        advice = f"Fix the data (see `switchtune check`), or set {setting}{weaker} to continue anyway."
        raise SwitchtuneError("\n".join([head, *stopping, advice]))
