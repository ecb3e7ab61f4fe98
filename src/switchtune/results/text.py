"""Scores, differences and decisions as people read them, the same wherever they are shown."""

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from switchtune.scoring.significance import Comparison

if TYPE_CHECKING:
    from jinja2 import Environment

SHARES = {"accuracy", "in-language", "in-script"}
"""Metrics from 0 to 1, shown in percent."""

_TESTS = {
    "bootstrap": "paired bootstrap",
    "randomisation": "paired approximate randomisation",
    "sacrebleu": "sacrebleu's paired bootstrap, about half of a two-sided p",
}


def arrow(pair: str) -> str:
    """The name of a pair, or of several that one model learns (`group_name`), as people read it: de→en, tr→en."""
    return ", ".join("→".join(each.split("-", 1)) for each in pair.split("+"))


def score_text(metric: str, value: float, digits: int = 1) -> str:
    """A score; a share in percent."""
    return f"{value:.1%}" if metric in SHARES else f"{value:.{digits}f}"


def scores_text(metric: str, values: Sequence[float]) -> str:
    """Mean and, over several seeds, sample standard deviation."""
    figures = (mean(values), *([stdev(values)] if len(values) > 1 else []))
    return " ± ".join(score_text(metric, figure) for figure in figures)


def language_text(scores: Sequence[Mapping[str, Any]]) -> str:
    """The share of outputs in the right language, mean over seeds, beside that of the references."""
    beside = [f"references {each['references']:.1%}" for each in scores[:1] if "references" in each]
    beside += ["script only" for each in scores[:1] if each["metric"] == "in-script"]
    return f"{mean(each['value'] for each in scores):.1%}" + (f" ({', '.join(beside)})" if beside else "")


def signed(difference: float, digits: int = 1) -> str:
    """A difference with its sign; +0.0 for one that rounds to nothing, whichever way it goes."""
    return f"{round(difference, digits) + 0.0:+.{digits}f}"


def difference_text(comparison: Comparison) -> str:
    """A difference with its sign and metric; shares differ by percentage points."""
    return f"{_signed(comparison, comparison.difference)} {unit(comparison)}"


def interval_text(comparison: Comparison) -> str:
    """The interval of a difference."""
    return " to ".join(_signed(comparison, end) for end in comparison.interval)


def _signed(comparison: Comparison, difference: float) -> str:
    return signed(100 * difference if comparison.metric in SHARES else difference)


def unit(comparison: Comparison) -> str:
    """What a difference is counted in."""
    return f"points of {comparison.metric}" if comparison.metric in SHARES else comparison.metric


def arm_text(arm: str, recipe: str | None) -> str:
    """An arm for people, with the recipe that was chosen for it."""
    return f"{arm} ({recipe})" if recipe else arm


def p_text(comparison: Comparison, before: str = "") -> str:
    """The p-value, what it is adjusted to, and `before` it where it is not below 0.001."""
    adjusted = f" ({_p(comparison.adjusted_p_value)} adjusted)" if comparison.comparisons > 1 else ""
    return (before if comparison.p_value >= 0.001 else "") + _p(comparison.p_value) + adjusted


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def verdict(arm: str, baseline: str, comparison: Comparison) -> str:
    """The decision about an arm in one sentence, with all that it rests on, and what is to be done."""
    scores = " against ".join(
        score_text(comparison.metric, value) for value in (comparison.value_b, comparison.value_a)
    )
    if comparison.answer == "not comparable":
        figures = f"{comparison.metric} {scores}; {comparison.n:,} test examples"
        return f"{arm} and {baseline}: {nothing_to_compare(comparison, baseline, arm)}; {figures}. {comparison.advice}"
    difference = difference_text(comparison)
    decision = {
        "better": f"is better than {baseline} by {difference.lstrip('+')}",
        "worse": f"is worse than {baseline} by {difference.lstrip('-')}",
        "undecided": f"shows no significant difference from {baseline} ({difference})",
    }[comparison.answer.split()[0]]
    return (
        f"{arm} {decision}{' on this one training' if comparison.one_training else ''}: {scores}; 95 % interval of the "
        f"difference {interval_text(comparison)}; p {p_text(comparison, '= ')}; {comparison.n:,} test examples."
        f"{f' {comparison.advice}' if comparison.advice else ''}"
    )


def nothing_to_compare(comparison: Comparison, a: str, b: str) -> str:
    """Why no answer is given: which of two systems has what faults, or that the test set is too small."""
    faults = {a: comparison.faults_a, b: comparison.faults_b}
    faulty = [name for name, said in faults.items() if said]
    if not faulty:
        return "the test set is too small"
    verbs = {"accuracy": ("classifies", "classify"), "ROUGE": ("summarises", "summarise")}
    does, do = verbs.get(comparison.metric.split("-")[0], ("translates", "translate"))
    who = f"neither {a} nor {b} {does} yet" if len(faulty) == 2 else f"{faulty[0]} does not {do} yet"
    return f"{who} ({'; '.join(f'{name}: ' + ', '.join(faults[name]) for name in faulty)})"


def wins_and_losses(comparisons: Sequence[Comparison]) -> dict[str, int]:
    """In how many an arm scores higher and lower than the baseline, by however little, and how many are decided."""
    return {
        "wins": sum(each.difference > 0 for each in comparisons),
        "significant_wins": sum(each.answer.startswith("better") for each in comparisons),
        "losses": sum(each.difference < 0 for each in comparisons),
        "significant_losses": sum(each.answer.startswith("worse") for each in comparisons),
    }


def better_and_worse(comparisons: Sequence[Comparison], of_how_many: str = "") -> str:
    """`wins_and_losses` in words."""
    text = (
        "better in {wins}{of} ({significant_wins} significantly), worse in {losses} ({significant_losses} "
        "significantly)"
    )
    one = " on this one training" if all(each.one_training for each in comparisons) else ""
    return text.format(of=of_how_many, **wins_and_losses(comparisons)) + one


def marked(comparison: Comparison) -> str:
    """The difference as a number, with an asterisk where it is decided: `+1.5*`, of one training `+1.5(*)`."""
    marks = {"undecided": "", "not comparable": "", "better": "*", "worse": "*"}
    return _signed(comparison, comparison.difference) + marks.get(comparison.answer, "(*)")


def tested_by(comparison: Comparison) -> str:
    """What the p-values come from, and what they are adjusted for."""
    several = f"; adjusted for {comparison.comparisons} comparisons (Holm)" if comparison.comparisons > 1 else ""
    over = "test examples, of one training each" if comparison.one_training else "test examples and seeds"
    if not comparison.runs_a and not comparison.runs_b:
        over = "test examples"
    return f"{_TESTS[comparison.test]} over {over}{several}"


def updates_text(stages: Mapping[str, int]) -> str:
    """The updates of an arm's stages."""
    return " + ".join(f"{updates:,}" for updates in stages.values()) or "–"


def minutes_text(minutes: float | None) -> str:
    """Training time; None where nothing was trained."""
    return "–" if minutes is None else f"{minutes:.1f}"


def outputs_text(outputs: Mapping[str, Any]) -> str:
    """What is to be known of an arm whose outputs were given, a sentence or two."""
    blank = f", {outputs['blank']:,} of them blank, which count as wrong" if outputs["blank"] else ""
    said = f"outputs as they are in {outputs['file']}{blank}. Nothing was trained: "
    if outputs.get("samples", 1) > 1:
        return f"{said}each file takes the place of a seed."
    return (
        f"{said}the same outputs are compared with every seed of a trained arm, and how much another run of that "
        "system would differ is not known."
    )


def markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["-"] * len(heads), *lines))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("switchtune.results")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    functions = (interval_text, markdown_table, marked, outputs_text, p_text, score_text, tested_by, verdict)
    environment.globals |= {function.__name__: function for function in functions}
    return environment


def render_markdown(template: str, **content: Any) -> str:
    """A Markdown page from the templates beside this module."""
    return _environment().get_template(template).render(content)
