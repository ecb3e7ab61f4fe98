"""Do models keep the terms that they are given, and what does it cost? Beside constrained search and post-editing.

    switchtune run benchmarks/study-terms.yaml --out runs/study/terms
    python benchmarks/terms.py runs/study/terms
    python benchmarks/terms.py runs/study/terms --pairs de-en --arms standard standard_with_terms --sentences 200

For each pair, arm and seed of runs, of which an arm was trained with terms; what is not finished is named.
Terms are words and phrases of the test set's sources with the words of the references that they are aligned to (test
and training set are aligned together; links of a probability of 0.6 or more). They are held out: each has a source word
that is in no term which training could have put in, in any form. None has a very frequent word in it. A sentence has
two terms at most. They are given in the form of the reference, and once more in that of the lexicon, where it has
another.

Every model translates the sentences without terms (`none`) and with them put in (`put in`, `base forms`), whether it
was trained so or not: of an arm without terms that is plain fine-tuning with the same replacement. `constrained` is the
search under constraints of `translate --constrained`, for all sentences and not only where a term is lacking, of the
sources as they are and with the terms put in. Of arms without terms there is also `replaced` (what the same model makes
of the term alone is looked for in its output, and replaced by the term).

Columns: the share of terms in the outputs as they were given, in any form, and as the reference has them; window
overlap (Alam et al., 2021: words beside the term, two on each side, that the output has beside it too); BLEU and chrF++
of these sentences, and of the whole test set without terms: what it costs where there are none. How long a glossary
takes is in benchmarks/glossary_speed.py.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from record import RESULTS, machine

from switchtune.config.load import load_config
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.switching import TermSettings
from switchtune.config.training import GenerationSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import lower_case, word_segmenter
from switchtune.errors import UsageError
from switchtune.files import write_json
from switchtune.generation import translate
from switchtune.generation.keeping import term_settings_of
from switchtune.lexicon.alignment import Alignment, align, divided, read_alignment
from switchtune.lexicon.build import lexicons_from_corpus
from switchtune.lexicon.forms import endless
from switchtune.lexicon.terms import TermFinder
from switchtune.lexicon.text import monolingual_text
from switchtune.models.load import Loaded, load_model
from switchtune.results.text import markdown_table
from switchtune.runs.folder import Training, trainings_of
from switchtune.runs.paths import CONFIG, CORPORA, lexicon_folder
from switchtune.runs.tasks import read_pair
from switchtune.scoring.metrics import bleu, chrf
from switchtune.switching.terms import AlignedTerms, Placed, frequent_words, put_in

LEAST_PROBABILITY = 0.6
MOST_TERMS = 2
WHOLE = "whole test set, no terms"
FIGURES = ("exact", "any form", "as reference", "window overlap", "BLEU", "chrF++")


@dataclass(frozen=True)
class Case:
    """A test sentence with terms."""

    source: str
    reference: str
    terms: tuple[Placed, ...]
    """In the form of the reference."""
    base: tuple[Placed, ...]
    """The same in that of the lexicon."""


def confident(alignment: Alignment) -> Alignment:
    """The links that are sure."""
    kept = alignment.probability >= LEAST_PROBABILITY
    starts = np.append(0, np.cumsum(kept))[alignment.starts]
    columns = (column[kept] for column in (alignment.source, alignment.target, alignment.probability))
    return Alignment(starts, *columns, alignment.left_out)


def keys(terms: AlignedTerms, text: str, place: Placed) -> list[str]:
    """The source words of a term, in lower case."""
    words = terms.segmenters[0].split(text).words[place.begin : place.end]
    return [lower_case(word, terms.lexicons[0].source_language) for word in words]


def trained_stems(run: Path, pair: PairSettings, train: Corpus, terms: AlignedTerms) -> set[str]:
    """What is left without their endings of all source words in whose place training can have put a term."""
    paths = sorted(lexicon_folder(run, pair.name).glob("alignment-*/train.npz"))
    if not paths:
        raise UsageError(f"{run}: none of its arms was trained with terms on {pair.name}. Give one of them terms: 0.3.")
    return {
        stem
        for put in (replace(terms, alignment=read_alignment(path)) for path in paths)
        for row, each in enumerate(train)
        for place in put.all_terms(each.source, each.target, row)
        for key in keys(put, each.source, place)
        for stem in endless(key, pair.source)
    }


def terms_of(config: RunConfig, pair: PairSettings, train: Corpus, test: Corpus) -> AlignedTerms:
    """The sure terms of the test set, found as training finds its own."""
    segmenters = (word_segmenter(pair.source), word_segmenter(pair.target))
    both, alone = (
        [
            monolingual_text([line for corpus in corpora for line in lines(corpus)], language, segmenter).encoded
            for lines, language, segmenter in zip(
                (Corpus.sources, Corpus.targets), (pair.source, pair.target), segmenters, strict=True
            )
        ]
        for corpora in ((train, test), (train,))
    )
    _, aligned = divided(align(both[0], both[1], seed=1), [len(train), len(test)])
    lexicons = lexicons_from_corpus(train, segmenters, config.lexicon)
    vocabularies = (alone[0].vocabulary, alone[1].vocabulary)
    return AlignedTerms(segmenters, confident(aligned), lexicons, vocabularies, TermSettings(share=1.0))


def cases_of(terms: AlignedTerms, test: Corpus, known: Set[str], *, seen: bool) -> list[Case]:
    """Test sentences with terms of which a word has none of the `known` stems; with `seen` those that have them all."""
    frequent, language = frequent_words(terms.vocabularies[0]), terms.lexicons[0].source_language

    def is_wanted(words: Sequence[str]) -> bool:
        is_new = any(known.isdisjoint(endless(word, language)) for word in words)
        return is_new != seen and frequent.isdisjoint(words)

    rng, cases = np.random.default_rng(1), list[Case]()
    for row, pair in enumerate(test):
        given, base = (terms.all_terms(pair.source, pair.target, row, base=each) for each in (False, True))
        chosen, taken = list[int](), set[int]()
        for number in rng.permutation(len(given)).tolist():
            span = range(given[number].begin, given[number].end)
            if (
                len(chosen) < MOST_TERMS
                and taken.isdisjoint(span)
                and is_wanted(keys(terms, pair.source, given[number]))
            ):
                chosen.append(number)
                taken.update(span)
        if chosen:
            both = (tuple(side[number] for number in chosen) for side in (given, base))
            cases.append(Case(pair.source, pair.target, *both))
    return cases


# Systems


@dataclass(frozen=True)
class System:
    """A model, and how it is searched."""

    loaded: Loaded
    languages: tuple[str, str]
    settings: GenerationSettings
    mark: str

    def translated(self, sources: Sequence[str]) -> list[str]:
        return translate(self.loaded, sources, *self.languages, self.settings)

    def with_terms(self, cases: Sequence[Case], *, base: bool = False) -> list[str]:
        """The sources with their terms in them."""
        segmenter = word_segmenter(self.languages[0])
        places = [case.base if base else case.terms for case in cases]
        split = [segmenter.split(case.source) for case in cases]
        return [segmenter.join(put_in(*pair, self.mark)) for pair in zip(split, places, strict=True)]

    def replaced(self, cases: Sequence[Case]) -> list[str]:
        """Translations in which what the model makes of each term alone is replaced by the term, where it is found."""
        language, segmenter = self.languages[1], word_segmenter(self.languages[1])
        words = [word_segmenter(self.languages[0]).split(case.source).words for case in cases]
        alone = [
            " ".join(each[place.begin : place.end])
            for each, case in zip(words, cases, strict=True)
            for place in case.terms
        ]
        own, outputs = iter(self.translated(alone)), list[str]()
        for output, case in zip(self.translated([case.source for case in cases]), cases, strict=True):
            text = output
            for place in case.terms:
                finder, split = TermFinder(language, segmenter, [next(own).strip(" .。")]), segmenter.split(text)
                found = finder.find(split)[:1]
                text = segmenter.join(put_in(split, [Placed(each.begin, each.end, place.text) for each in found]))
            outputs.append(text)
        return outputs

    def constrained(self, cases: Sequence[Case], sources: Sequence[str]) -> list[str]:
        """Translations of sources, with or without the terms in them, that hold all terms."""
        phrases = [[(place.text,) for place in case.terms] for case in cases]
        return translate(self.loaded, sources, *self.languages, self.settings, constraints=phrases)


# Figures


def figures(cases: Sequence[Case], outputs: Sequence[str], language: str, *, base: bool = False) -> dict[str, float]:
    """What became of the terms, and BLEU and chrF++."""
    segmenter, exact, forms, as_reference, overlaps = word_segmenter(language), 0, 0, 0, list[float]()
    for case, output in zip(cases, outputs, strict=True):
        words, reference = segmenter.split(output), segmenter.split(case.reference)
        for given, place in zip(case.base if base else case.terms, case.terms, strict=True):
            of_given, of_reference = (TermFinder(language, segmenter, [each.text]) for each in (given, place))
            counts = of_given.count(words, 0)
            exact, forms = exact + (counts[0] > 0), forms + (counts[1] > 0)
            as_reference += of_reference.count(words, 0)[0] > 0
            there, expected = of_reference.find(words)[:1], of_reference.find(reference)[:1]
            if there and expected:
                around = [
                    {*side.words[max(0, at.begin - 2) : at.begin], *side.words[at.end : at.end + 2]}
                    for side, at in ((words, there[0]), (reference, expected[0]))
                ]
                overlaps.append(len(around[0] & around[1]) / max(1, len(around[1])))
    total, references = sum(len(case.terms) for case in cases), [case.reference for case in cases]
    return {
        "exact": 100 * exact / total,
        "any form": 100 * forms / total,
        "as reference": 100 * as_reference / total,
        "window overlap": 100 * mean(overlaps) if overlaps else 0.0,
        "BLEU": bleu(outputs, references, language).value,
        "chrF++": chrf(outputs, references, language).value,
    }


def measured(training: Training, config: RunConfig, test: Corpus, cases: Sequence[Case]) -> dict[str, Any]:
    """The figures of a model by each way to have terms, and of its translations of the whole test set without any."""
    folder, languages = training.model(training.stages[-1]), (test.source_language, test.target_language)
    trained = term_settings_of(str(folder))
    system = System(load_model(str(folder)), languages, config.generation, trained.mark if trained else "")
    sources, with_terms = [case.source for case in cases], system.with_terms(cases)
    ways = {
        "none": system.translated(sources),
        "put in": system.translated(with_terms),
        "constrained": system.constrained(cases, sources),
        "put in, constrained": system.constrained(cases, with_terms),
    }
    if trained is None:
        ways["replaced"] = system.replaced(cases)
    found = {way: figures(cases, outputs, languages[1]) for way, outputs in ways.items()}
    base_forms = system.translated(system.with_terms(cases, base=True))
    found["base forms"] = figures(cases, base_forms, languages[1], base=True)
    whole = training.hypotheses or ()
    metrics = {
        name: metric(whole, test.targets(), languages[1]).value for name, metric in (("BLEU", bleu), ("chrF++", chrf))
    }
    return {"trained with terms": trained is not None, "ways": found, WHOLE: metrics}


def of_pair(run: Path, config: RunConfig, pair: PairSettings, asked: argparse.Namespace) -> dict[str, Any]:
    """All that is measured on a pair of a run."""
    train, _, test = read_pair(config, pair, run / CORPORA)
    terms = terms_of(config, pair, train, test)
    cases = cases_of(terms, test, trained_stems(run, pair, train, terms), seen=asked.seen)[: asked.sentences]
    sample = [
        " ".join(keys(terms, case.source, place)) + " = " + place.text for case in cases[:20] for place in case.terms
    ]
    result: dict[str, Any] = {
        "pairs": len(train),
        "sentences": len(cases),
        "terms": sum(len(case.terms) for case in cases),
        "other base form": sum(a != b for case in cases for a, b in zip(case.terms, case.base, strict=True)),
        "sample": sample,
        "trainings": {},
    }
    print(
        f"{run}, {pair.name}: {result['terms']} terms in {len(cases)} sentences: {'; '.join(sample[:10])}", flush=True
    )
    for training in trainings_of(run, config) if cases else ():
        if training.pair != pair.name or (asked.arms and training.arm not in asked.arms):
            continue
        if training.hypotheses is None:
            print(f"{run}, {training.name}: not finished, left out", flush=True)
            continue
        begun = time.perf_counter()
        result["trainings"][f"{training.arm}/seed{training.seed}"] = measured(training, config, test, cases)
        print(f"{training.name}: {time.perf_counter() - begun:.0f} s", flush=True)
    return result


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Means over seeds, a row for each pair, arm and way, in Markdown."""
    rows = defaultdict[tuple[str, ...], list[Mapping[str, float]]](list)
    for result in results:
        for name, found in result["trainings"].items():
            for way, figures in found["ways"].items():
                rows[result["pair"], f"{result['pairs']:,}", name.split("/")[0], way].append(figures)
            rows[result["pair"], f"{result['pairs']:,}", name.split("/")[0], WHOLE].append(found[WHOLE])
    heads = ["pair", "pairs", "arm", "terms", "seeds", *FIGURES]
    lines = [
        [
            *place,
            str(len(found)),
            *(f"{mean(each[name] for each in found):.1f}" if name in found[0] else "" for name in FIGURES),
        ]
        for place, found in sorted(rows.items(), key=lambda row: row[0][:2])
    ]
    return markdown_table(heads, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--pairs", nargs="*", help="by default all")
    parser.add_argument("--arms", nargs="*", help="by default all")
    parser.add_argument("--sentences", type=int, default=300, help="with terms, at most")
    parser.add_argument("--seen", action="store_true", help="terms that training can have put in, in place of others")
    parser.add_argument("--out", type=Path, default=RESULTS / "terms.json")
    asked = parser.parse_args()
    results = list[dict[str, Any]]()
    for run in asked.runs:
        config = load_config(RunConfig, run / CONFIG)
        for pair in config.pairs:
            if not asked.pairs or pair.name in asked.pairs:
                results.append({"run": str(run), "pair": pair.name, **of_pair(run, config, pair, asked)})
                about = {"seen": asked.seen, **machine("transformers", "torch", "ctranslate2")}
                write_json(asked.out, {"results": results, **about})  # at once: the next takes minutes
    print(table(results))


if __name__ == "__main__":
    main()
