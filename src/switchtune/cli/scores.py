"""The verbs that score outputs of any system, and compare those of two."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from switchtune.cli.options import FILE, AsJson, Seed, frequencies, json_text, print_json, setting
from switchtune.cli.terminal import print_line
from switchtune.config.run import EvaluationSettings
from switchtune.errors import UsageError

if TYPE_CHECKING:
    from switchtune.scoring.assess import MetricInputs


Lang = Annotated[str, typer.Option(help="Language of the outputs: decides how they are tokenised.")]
References = Annotated[Path, typer.Argument(help="References, one per line.", **FILE)]
Train = Annotated[
    Path | None,
    typer.Option(help="Target side of the training text, for word accuracy by frequency in it.", **FILE),
]
Buckets = Annotated[str, typer.Option(metavar="N,N…", help="Frequencies at which buckets of words begin.")]
Tokenised = Annotated[
    bool, typer.Option("--tokenised", help="The texts are already tokenised: with --train, words are split at spaces.")
]
Source = Annotated[
    Path | None,
    typer.Option(
        help="The texts that were translated, for COMET and terms; also scored as if they were outputs.", **FILE
    ),
]
TermFile = Annotated[
    str | None, typer.Option("--glossary", help="Terms and their translations, to count in the outputs.")
]
From = Annotated[str | None, typer.Option("--from", help="With --glossary: language of --source.")]
CometEnvironment = Annotated[
    Path | None, typer.Option("--comet-env", metavar="FOLDER", help="Virtual environment with unbabel-comet.")
]
CometModel = Annotated[
    str | None, typer.Option(metavar="MODEL", help="COMET model; by default Unbabel/wmt22-comet-da.")
]


_DEFAULT = EvaluationSettings()


def _inputs(options: Mapping[str, Any]) -> "MetricInputs":
    """What some metrics need besides the outputs and references, from the options of a verb."""
    from switchtune.corpus.read import read_lines
    from switchtune.lexicon.glossary import read_glossary
    from switchtune.scoring.assess import MetricInputs
    from switchtune.scoring.comet import DEFAULT_MODEL

    train, source, glossary, language = (options[name] for name in ("train", "source", "glossary", "from_language"))
    if glossary is not None and (source is None or language is None):
        raise UsageError(
            "--glossary: give the sentences that were translated, and their language: --source FILE --from de"
        )
    return MetricInputs(
        training=None if train is None else read_lines(train),
        frequencies=frequencies(options["buckets"]),
        tokenised=options["tokenised"],
        sources=None if source is None else read_lines(source),
        comet_environment=options["comet_env"],
        comet_model=options["comet_model"] or DEFAULT_MODEL,
        glossary=None if glossary is None else read_glossary(glossary, (language, options["lang"])),
    )


def score(
    ctx: typer.Context,
    hypotheses: Annotated[Path, typer.Argument(help="Outputs (translations, summaries), one per line.", **FILE)],
    references: References,
    *,
    lang: Lang,
    metric: Annotated[
        list[str],
        typer.Option(help="BLEU, spBLEU, chrF++, ROUGE, word-F, COMET, terms, in-language; repeat it for more."),
    ] = [],  # noqa: B006
    train: Train = None,
    buckets: Buckets = "100,1000",
    tokenised: Tokenised = False,
    source: Source = None,
    glossary: TermFile = None,
    from_language: From = None,
    comet_env: CometEnvironment = None,
    comet_model: CometModel = None,
    as_json: AsJson = False,
) -> None:
    """Score outputs: by default BLEU, chrF++ and the share in the right language, and empty or repetitive ones.

    With --train, also the accuracy of rare and frequent words; with --comet-env and --source, also COMET; with
    --glossary, --source and --from, also the share of its terms found in the outputs, as given and in any form.

    Example: `switchtune score runs/quickstart/comparison/de-en/csr/seed1/hypotheses.txt
    runs/quickstart/comparison/de-en/test.en --lang en`
    """
    from switchtune.corpus.read import read_lines
    from switchtune.results.assessment import assessment_record, assessment_text
    from switchtune.scoring.assess import assess

    texts = read_lines(hypotheses), read_lines(references)
    assessment = assess(*texts, lang, metrics=metric, inputs=_inputs(ctx.params))
    for name, reason in assessment.left_out.items():
        print_line(f"{name} is left out: {reason}", err=True)
    print_line(json_text(assessment_record(assessment)) if as_json else assessment_text(assessment))


def compare(
    ctx: typer.Context,
    hypotheses_a: Annotated[Path, typer.Argument(help="Outputs of system A (the baseline), one per line.", **FILE)],
    hypotheses_b: Annotated[Path, typer.Argument(help="Outputs of system B.", **FILE)],
    references: References,
    *,
    lang: Lang,
    metric: Annotated[
        str,
        typer.Option(
            help="Metric to compare: BLEU, spBLEU, chrF++, ROUGE, ROUGE-1, ROUGE-2, ROUGE-L, word-F, COMET, terms."
        ),
    ] = "BLEU",
    test: Annotated[
        Literal["bootstrap", "randomisation", "sacrebleu"],
        typer.Option(
            help="Resample the test set, shuffle the outputs of A and B, or use sacrebleu's (half of a) p-value."
        ),
    ] = "bootstrap",
    resamples: Annotated[int | None, setting(EvaluationSettings, "resamples")] = None,
    seed: Seed = _DEFAULT.seed,
    train: Train = None,
    buckets: Buckets = "100,1000",
    tokenised: Tokenised = False,
    source: Source = None,
    glossary: TermFile = None,
    from_language: From = None,
    comet_env: CometEnvironment = None,
    comet_model: CometModel = None,
    as_json: AsJson = False,
) -> None:
    """Is B better than A? A paired test over the outputs: bootstrap resampling or approximate randomisation.

    Example: `switchtune compare runs/quickstart/comparison/de-en/standard/seed1/hypotheses.txt
    runs/quickstart/comparison/de-en/csr/seed1/hypotheses.txt runs/quickstart/comparison/de-en/test.en --lang en`
    """
    from switchtune.corpus.read import read_lines
    from switchtune.results.assessment import compared_text
    from switchtune.scoring.assess import compare_outputs
    from switchtune.scoring.metrics import lacks_words
    from switchtune.scoring.outputs import empty_outputs

    a, b = read_lines(hypotheses_a), read_lines(hypotheses_b)
    settings: Any = {"metric": metric, "test": test, "resamples": resamples, "seed": seed}
    comparisons = compare_outputs(a, b, read_lines(references), lang, inputs=_inputs(ctx.params), **settings)
    if any(each.metric == "BLEU" for each in comparisons) and (said := lacks_words(lang)):
        print_line(said, err=True)
    for name, outputs in (("A", a), ("B", b)):
        if empty := empty_outputs(outputs):
            print_line(f"{name}: {empty:,} of {len(outputs):,} outputs are empty: they count as wrong", err=True)
    if as_json:
        print_json([asdict(each) for each in comparisons] if len(comparisons) > 1 else asdict(comparisons[0]))
    else:
        print_line("\n".join(map(compared_text, comparisons)))
