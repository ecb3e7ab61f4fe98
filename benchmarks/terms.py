"""Do models keep the terms that they are given, and what does it cost? Beside constrained search and post-editing.

    python benchmarks/terms.py runs/terms --seeds 1 2 3
    python benchmarks/terms.py runs/terms --pairs de-en --arms standard standard-terms --sentences 200

For each pair, arm and seed of a finished run. Terms are words and phrases of the test set's sources with the words of
the references that they are aligned to (test and training set are aligned together; links of a probability of 0.6 or
more). They are held out: each has a source word that is in no term which training could have put in, in any form. None
has a very frequent word in it. A sentence has two terms at most. They are given in the form of the reference, and once
more in that of the lexicon, where it has another.

Every model translates the sentences without terms (`none`) and with them put in (`put in`, `base forms`), whether it
was trained so or not: of an arm without terms that is plain fine-tuning with the same replacement. Of these arms there
are also `constrained` (grid beam search, Hokamp and Liu, 2017: transformers 5 has no constrained beam search any more,
and what stands in for it on the Hub is code that this package does not run) and `replaced` (what the same model makes
of the term alone is looked for in its output, and replaced by the term).

Columns: the share of terms in the outputs as they were given, in any form, and as the reference has them; window
overlap (Alam et al., 2021: words beside the term, two on each side, that the output has beside it too); BLEU and chrF++
of these sentences, and of the whole test set without terms. `--speed` compares times with a glossary of 10,000 terms.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from record import RESULTS, machine

from switchtune.config.load import load_config
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.switching import TermSettings
from switchtune.config.training import GenerationSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import lower_case, word_segmenter
from switchtune.files import write_json
from switchtune.generation import translate
from switchtune.generation.keeping import Keeper, term_settings_of
from switchtune.lexicon.alignment import Alignment, align, divided
from switchtune.lexicon.build import lexicons_from_corpus
from switchtune.lexicon.forms import endless
from switchtune.lexicon.glossary import Glossary
from switchtune.lexicon.terms import TermFinder
from switchtune.lexicon.text import monolingual_text
from switchtune.models.forward import evaluating
from switchtune.models.load import Loaded, load_model
from switchtune.runs.folder import Training, trainings_of
from switchtune.runs.paths import CONFIG, CORPORA
from switchtune.runs.tasks import read_pair
from switchtune.scoring.metrics import bleu, chrf
from switchtune.switching.terms import AlignedTerms, GlossaryTerms, Placed, frequent_words, put_in

LEAST_PROBABILITY = 0.6
MOST_TERMS = 2


@dataclass(frozen=True)
class Case:
    """A test sentence with terms."""

    row: int
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


def held_out_cases(config: RunConfig, train: Corpus, test: Corpus, *, seen: bool, seed: int) -> list[Case]:
    """Test sentences with terms that training cannot have put in; with `seen` those that it can."""
    languages = (train.source_language, train.target_language)
    segmenters = (word_segmenter(languages[0]), word_segmenter(languages[1]))
    lines = ([*train.sources(), *test.sources()], [*train.targets(), *test.targets()])
    source, target = (
        monolingual_text(side, language, segmenter).encoded
        for side, language, segmenter in zip(lines, languages, segmenters, strict=True)
    )
    of_train, of_test = map(confident, divided(align(source, target, seed=seed), [len(train), len(test)]))
    lexicons = lexicons_from_corpus(train, segmenters, config.lexicon)
    vocabularies = (source.vocabulary, target.vocabulary)
    made = AlignedTerms(segmenters, of_train, lexicons, vocabularies, TermSettings(share=1.0))

    def keys(text: str, place: Placed) -> list[str]:
        return [lower_case(word, languages[0]) for word in segmenters[0].split(text).words[place.begin : place.end]]

    known = {
        stem
        for row, pair in enumerate(train)
        for place in made.all_terms(pair.source, pair.target, row)
        for key in keys(pair.source, place)
        for stem in endless(key, languages[0])
    }
    frequent = frequent_words(source.vocabulary)

    def is_wanted(words: Sequence[str]) -> bool:
        is_new = any(known.isdisjoint(endless(word, languages[0])) for word in words)
        return is_new != seen and frequent.isdisjoint(words)

    made, rng, cases = replace(made, alignment=of_test), np.random.default_rng(seed), list[Case]()
    for row, pair in enumerate(test):
        terms, base = (made.all_terms(pair.source, pair.target, row, base=each) for each in (False, True))
        chosen, taken = list[int](), set[int]()
        for number in rng.permutation(len(terms)).tolist():
            span = range(terms[number].begin, terms[number].end)
            if len(chosen) < MOST_TERMS and taken.isdisjoint(span) and is_wanted(keys(pair.source, terms[number])):
                chosen.append(number)
                taken.update(span)
        if chosen:
            both = (tuple(side[number] for number in chosen) for side in (terms, base))
            cases.append(Case(row, pair.source, pair.target, *both))
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

    def put_in(self, cases: Sequence[Case], *, base: bool = False) -> list[str]:
        """Translations of the sources with their terms in them."""
        segmenter = word_segmenter(self.languages[0])
        places = [case.base if base else case.terms for case in cases]
        split = [segmenter.split(case.source) for case in cases]
        return self.translated([segmenter.join(put_in(*pair, self.mark)) for pair in zip(split, places, strict=True)])

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

    def constrained(self, cases: Sequence[Case]) -> list[str]:
        """Translations by a search that may not end before all terms are there."""
        return [grid_search(self, case.source, [place.text for place in case.terms]) for case in cases]


@dataclass(frozen=True)
class _Hypothesis:
    tokens: tuple[int, ...]
    score: float
    met: frozenset[int]
    open: tuple[int, int] | None
    """The constraint that is being written, and how many of its tokens are there."""

    def covered(self, constraints: Sequence[Sequence[int]]) -> int:
        return sum(len(constraints[each]) for each in self.met) + (self.open[1] if self.open else 0)


def _extended(
    hypothesis: _Hypothesis, row: torch.Tensor, constraints: Sequence[Sequence[int]], beams: int, eos: int
) -> Iterator[_Hypothesis]:
    """A hypothesis with one token more: the likeliest, or one of a constraint."""
    if hypothesis.open is not None:
        which, done = hypothesis.open
        yield _continued(hypothesis, row, constraints, which, done)
        return
    scores, tokens = row.topk(beams + 1)
    for score, token in zip(scores.tolist(), tokens.tolist(), strict=True):
        if token != eos or len(hypothesis.met) == len(constraints):
            yield _Hypothesis((*hypothesis.tokens, token), hypothesis.score + score, hypothesis.met, None)
    for which in range(len(constraints)):
        if which not in hypothesis.met:
            yield _continued(hypothesis, row, constraints, which, 0)


def _continued(
    hypothesis: _Hypothesis, row: torch.Tensor, constraints: Sequence[Sequence[int]], which: int, done: int
) -> _Hypothesis:
    token, whole = constraints[which][done], done + 1 == len(constraints[which])
    met = hypothesis.met | {which} if whole else hypothesis.met
    score = hypothesis.score + float(row[token])
    return _Hypothesis((*hypothesis.tokens, token), score, met, None if whole else (which, done + 1))


def grid_search(system: System, source: str, terms: Sequence[str]) -> str:
    """The best output by grid beam search: a beam for each number of tokens of the constraints that are there."""
    loaded, (source_language, target_language), settings = system.loaded, system.languages, system.settings
    layout, model = loaded.layout, loaded.model
    ids = layout.encode_source(source, source_language, target_language, max_tokens=layout.positions or 1024)
    constraints = [_plain_ids(system, term) for term in terms]
    constraints = [each for each in constraints if each]
    given = layout.generation_settings(target_language)
    forced = given.get("forced_bos_token_id")
    start = (given["decoder_start_token_id"], *([forced] if forced is not None else []))
    limit = max(settings.longest_output(len(ids), target_language), len(start) + sum(map(len, constraints)) + 2)
    wanted, finished = sum(map(len, constraints)), list[tuple[float, tuple[int, ...]]]()
    banks = {0: [_Hypothesis(start, 0.0, frozenset(), None)]}
    with evaluating(model):
        inputs = {name: value.to(model.device) for name, value in layout.collate_source([ids]).items()}
        states = model.get_encoder()(**inputs).last_hidden_state
        while banks and len(next(iter(banks.values()))[0].tokens) < limit and len(finished) < settings.beams:
            running = [each for bank in banks.values() for each in bank]
            count = len(running)
            logits = (
                model(
                    encoder_outputs=(states.expand(count, -1, -1),),
                    attention_mask=inputs["attention_mask"].expand(count, -1),
                    decoder_input_ids=torch.tensor([each.tokens for each in running], device=model.device),
                )
                .logits[:, -1]
                .float()
            )
            rows = logits.log_softmax(-1).cpu()
            banks = {}
            for hypothesis, row in zip(running, rows, strict=True):
                for each in _extended(hypothesis, row, constraints, settings.beams, layout.eos_id):
                    banks.setdefault(each.covered(constraints), []).append(each)
            for number, bank in list(banks.items()):
                best = sorted(bank, key=lambda each: -each.score)[: settings.beams]
                ended = [each for each in best if each.tokens[-1] == layout.eos_id]
                finished += [(each.score / len(each.tokens) ** settings.length_penalty, each.tokens) for each in ended]
                banks[number] = [each for each in best if each.tokens[-1] != layout.eos_id]
            banks = {number: bank for number, bank in banks.items() if bank}
    if not finished:  # as a search of transformers that reaches its limit
        whole = banks.get(wanted) or [each for bank in banks.values() for each in bank]
        finished = [(each.score, each.tokens) for each in whole]
    return " ".join(layout.decode(max(finished)[1][1:]).splitlines())


def _plain_ids(system: System, text: str) -> list[int]:
    """The pieces of a text without what a family puts before and behind a source."""
    layout, language = system.loaded.layout, system.languages[1]
    empty, whole = (layout.encode_source(each, language, language) for each in ("", text))
    before = next((n for n, (a, b) in enumerate(zip(empty, whole, strict=False)) if a != b), len(empty))
    behind = len(empty) - before
    return list(whole[before : len(whole) - behind])


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


def measured(training: Training, config: RunConfig, test: Corpus, cases: Sequence[Case], beams: int) -> dict[str, Any]:
    """The figures of a model by each way to have terms."""
    folder, languages = training.model(training.stages[-1]), (test.source_language, test.target_language)
    trained, settings = term_settings_of(str(folder)), config.generation.model_copy(update={"beams": beams})
    system = System(load_model(str(folder)), languages, settings, trained.mark if trained else "")
    ways = {"none": system.translated([case.source for case in cases]), "put in": system.put_in(cases)}
    if trained is None:
        ways |= {"constrained": system.constrained(cases), "replaced": system.replaced(cases)}
    found = {way: figures(cases, outputs, languages[1]) for way, outputs in ways.items()}
    found["base forms"] = figures(cases, system.put_in(cases, base=True), languages[1], base=True)
    whole = system.translated(test.sources())
    metrics = {
        name: metric(whole, test.targets(), languages[1]).value for name, metric in (("BLEU", bleu), ("chrF++", chrf))
    }
    return {"trained with terms": trained is not None, "ways": found, "whole test set, no terms": metrics}


def speed(training: Training, config: RunConfig, train: Corpus, test: Corpus) -> dict[str, float]:
    """Seconds of the test set without a glossary and with one of 10,000 terms, the better of two rounds each."""
    languages = (test.source_language, test.target_language)
    words = dict.fromkeys(word for line in train.sources() for word in word_segmenter(languages[0]).split(line).words)
    terms = [*((word, word) for word in words), *((f"{word} {word}", word) for word in words)][:10_000]
    terms += [(f"unheard{number}", "x") for number in range(10_000 - len(terms))]
    loaded = load_model(str(training.model(training.stages[-1])))
    seconds = dict[str, list[float]]()
    for _ in range(2):
        for name in ("without", "with"):
            put = GlossaryTerms(Glossary("terms", languages, tuple(terms))) if name == "with" else None
            begun = time.perf_counter()
            Keeper(put).translated(
                test.sources(), lambda texts: translate(loaded, texts, *languages, config.generation)
            )
            seconds.setdefault(name, []).append(time.perf_counter() - begun)
    best = {name: min(each) for name, each in seconds.items()}
    return best | {"ratio": best["with"] / best["without"]}


def of_pair(run: Path, config: RunConfig, pair: PairSettings, asked: argparse.Namespace) -> dict[str, Any]:
    """All that is measured on a pair."""
    train, _, test = read_pair(config, pair, run / CORPORA)
    cases = held_out_cases(config, train, test, seen=asked.seen, seed=1)[: asked.sentences]
    terms = [place for case in cases for place in case.terms]
    sources = [word_segmenter(pair.source).split(case.source).words for case in cases]
    sample = [
        " ".join(words[place.begin : place.end]) + " = " + place.text
        for words, case in zip(sources[:20], cases, strict=False)
        for place in case.terms
    ]
    result: dict[str, Any] = {"sentences": len(cases), "terms": len(terms), "sample": sample, "trainings": {}}
    result["other base form"] = sum(a != b for case in cases for a, b in zip(case.terms, case.base, strict=True))
    print(f"{pair.name}: {len(terms)} terms in {len(cases)} sentences: {'; '.join(sample[:10])}", flush=True)
    if not cases:
        return result
    for training in trainings_of(run, config):
        named = training.pair == pair.name and (not asked.arms or training.arm in asked.arms)
        if not named or training.seed not in asked.seeds or not training.stages:
            continue
        found = measured(training, config, test, cases, asked.beams)
        result["trainings"][training.name] = found
        for way, row in found["ways"].items():
            print(
                f"{training.name:<36} {way:<12}", *(f"{name} {value:.1f}  " for name, value in row.items()), flush=True
            )
        print(f"{training.name:<36} whole, no terms", found["whole test set, no terms"], flush=True)
        if asked.speed:
            found["speed"] = speed(training, config, train, test)
            print(f"{training.name:<36} speed", found["speed"], flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--pairs", nargs="*", help="by default all")
    parser.add_argument("--arms", nargs="*", help="by default all")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--sentences", type=int, default=500, help="with terms, at most")
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--seen", action="store_true", help="terms that training can have put in, in place of others")
    parser.add_argument("--speed", action="store_true", help="compare the time with a glossary of 10,000 terms")
    parser.add_argument("--out", type=Path, default=RESULTS / "terms.json")
    asked = parser.parse_args()
    config = load_config(RunConfig, asked.run / CONFIG)
    pairs = [pair for pair in config.pairs if not asked.pairs or pair.name in asked.pairs]
    made = {pair.name: of_pair(asked.run, config, pair, asked) for pair in pairs}
    write_json(asked.out, {"seen": asked.seen, "beams": asked.beams, "pairs": made, **machine("transformers", "torch")})


if __name__ == "__main__":
    main()
