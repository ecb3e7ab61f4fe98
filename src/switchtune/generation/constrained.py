"""Beam search for outputs that hold given phrases, each where the model thinks it best.

Hypotheses open a constraint, go on with it and end only when all are met, as in grid beam search (Hokamp and Liu,
Lexically Constrained Decoding for Sequence Generation Using Grid Beam Search, ACL 2017). In place of a beam for each
number of constraint tokens that are there, one beam is shared out among these numbers, so that the cost does not grow
with the constraints (Post and Vilar, Fast Lexically Constrained Decoding with Dynamic Beam Allocation, NAACL 2018). The
hypotheses of many sentences are one batch of the model, with its cache (Hu et al., Improved Lexically Constrained
Decoding for Translation and Monolingual Rewriting, NAACL 2019). A constraint may have several forms, of which one is
enough (Li et al., Guided Generation of Cause and Effect, IJCAI 2020).

Candidates, scores, and when a search is over are those of transformers' beam search, which this is where a sentence has
no constraints.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeAlias

import torch
from transformers import DynamicCache, EncoderDecoderCache, NoRepeatNGramLogitsProcessor
from transformers.modeling_outputs import BaseModelOutput

from switchtune.config.training import GenerationSettings
from switchtune.generation.constraints import Constraint, Ids
from switchtune.generation.search import BatchOutputs, cache_argument
from switchtune.models.forward import encoder_states, evaluating, longest_first, on_device_of
from switchtune.models.load import Loaded
from switchtune.models.text import WordEnds

WIDER = 2
"""How many times as many hypotheses a sentence with constraints has: some of them do not have all of these yet."""
_NEVER = float("-inf")

_Opened: TypeAlias = tuple[int, Ids, int]
"""A constraint that is being written, by its number, in which form, and how many tokens of that are there."""


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    tokens: Ids
    """From after the decoder start."""
    score: float
    """Sum of log probabilities."""
    met: frozenset[int] = frozenset()
    """Numbers of the constraints that are there."""
    open: _Opened | None = None
    closed: bool = False
    """Whether a constraint stands at its end, of which a letter would make another word."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A hypothesis with one token more."""

    row: int
    """Place of the hypothesis in the batch."""
    hypothesis: _Hypothesis
    token: int
    score: float
    opened: _Opened | None
    """Where the token is of a constraint: that, with this token."""


@dataclass
class _Sentence:
    """The search for one sentence's output."""

    constraints: tuple[Constraint, ...]
    limit: int
    """The longest output, in tokens without the decoder start."""
    width: int
    """How many hypotheses there are at most."""
    running: list[_Hypothesis]
    prefix: Ids
    """What its outputs begin with: a forced tag."""
    rows: list[int] = field(default_factory=list)
    """Place of each in the batch of the step before."""
    finished: list[tuple[float, Ids]] = field(default_factory=list)
    """Outputs that hold all constraints, with their scores: the best ones, in their order."""
    over: bool = False

    @property
    def complete(self) -> int:
        """The bank of what has all constraints."""
        return sum(constraint.shortest for constraint in self.constraints)

    def bank(self, met: frozenset[int], opened: _Opened | None) -> int:
        """How many tokens of the constraints are there."""
        tokens = sum(self.constraints[number].shortest for number in met)
        if opened is None:
            return tokens
        number, form, done = opened
        shortest = self.constraints[number].shortest
        return tokens + (shortest if done == len(form) else min(done, shortest - 1))

    def offered(self, hypothesis: _Hypothesis) -> Iterator[_Opened]:
        """What of its constraints a hypothesis may go on with."""
        if hypothesis.open is not None:
            number, form, done = hypothesis.open
            yield number, form, done + 1
            return
        equal = set[Constraint]()  # of which the first that is not met is enough
        begins = len(hypothesis.tokens) == len(self.prefix)
        for number, constraint in enumerate(self.constraints):
            if number not in hypothesis.met and constraint not in equal:
                equal.add(constraint)
                for form in constraint.forms + constraint.initial * begins:
                    yield number, form, 1

    def best(self) -> Ids:
        """The best output; where none holds all constraints, one that holds most of them."""
        if self.finished:
            return self.finished[0][1]
        return max(self.running, key=lambda each: (self.bank(each.met, each.open), each.score)).tokens


def shared_out(candidates: Sequence[int], width: int) -> list[int]:
    """How many places of a beam each bank gets, by the number of its candidates: as even as these allow.

    What is left over goes to the banks that have most of the constraints.
    """
    places, left = [0] * len(candidates), width
    while left and (spare := [bank for bank, count in enumerate(candidates) if count > places[bank]]):
        share = max(1, left // len(spare))
        for bank in reversed(spare):
            taken = min(share, candidates[bank] - places[bank], left)
            places[bank], left = places[bank] + taken, left - taken
    return places


def search_constrained(
    loaded: Loaded,
    sources: Sequence[Sequence[int]],
    limits: Sequence[int],
    constraints: Sequence[tuple[Constraint, ...]],
    target_language: str,
    settings: GenerationSettings,
) -> Iterator[BatchOutputs]:
    """The best output of each source that holds its constraints, batch by batch.

    Args:
        sources: encoder inputs.
        limits: the longest output of each, in tokens without the decoder start. One whose constraints need more may be
            as long as these need.
    """
    with evaluating(loaded.model):
        for batch in longest_first([len(ids) for ids in sources], settings.tokens_per_batch // WIDER):
            given = loaded.layout.generation_settings(target_language)
            forced = given["forced_bos_token_id"]
            prefix = () if forced is None else (forced,)
            sentences = [
                _Sentence(
                    constraints[place],
                    max(limits[place], len(prefix) + sum(each.longest for each in constraints[place]) + 1),
                    settings.beams * (WIDER if constraints[place] else 1),
                    [_Hypothesis(prefix, 0.0)],
                    prefix,
                )
                for place in batch
            ]
            _search(loaded, [sources[place] for place in batch], sentences, given["decoder_start_token_id"], settings)
            yield [(place, list(sentence.best())) for place, sentence in zip(batch, sentences, strict=True)]


def _search(
    loaded: Loaded,
    sources: Sequence[Sequence[int]],
    sentences: Sequence[_Sentence],
    start: int | None,
    settings: GenerationSettings,
) -> None:
    decoder, ends, eos = _Decoder(loaded, sources), loaded.layout.word_ends, loaded.layout.eos_id
    no_repeat = NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram) if settings.no_repeat_ngram else None
    while rows := [
        (number, each) for number, sentence in enumerate(sentences) if not sentence.over for each in sentence.running
    ]:
        hypotheses = [each for _, each in rows]
        parents = [row for sentence in sentences if not sentence.over for row in sentence.rows]
        inputs = torch.tensor([[start, *each.tokens] for each in hypotheses], device=loaded.model.device)
        scores = decoder.log_probabilities(inputs, parents, [number for number, _ in rows])
        offered = [list(sentences[number].offered(each)) for number, each in rows]
        found = _of_constraints(hypotheses, offered, scores)
        if no_repeat is not None:
            scores = no_repeat(inputs, scores)
        may_end = [len(each.met) == len(sentences[number].constraints) for number, each in rows]
        most = max(sentence.width for sentence in sentences) + 1  # with the end of the sentence
        free = _unconstrained(hypotheses, may_end, scores, ends, eos, most)
        for number, group in groupby(range(len(rows)), key=lambda row: rows[row][0]):
            candidates = [each for row in group for each in (*free[row], *found[row])]
            _advance(sentences[number], candidates, ends, eos, settings)


def _of_constraints(
    hypotheses: Sequence[_Hypothesis], offered: Sequence[Sequence[_Opened]], scores: torch.Tensor
) -> list[list[_Candidate]]:
    """Each hypothesis with the next token of a constraint. `scores`: log probabilities [hypotheses, vocabulary]."""
    places = [
        (row, form[done - 1], (number, form, done)) for row, of in enumerate(offered) for number, form, done in of
    ]
    found: list[list[_Candidate]] = [[] for _ in hypotheses]
    if places:
        rows, tokens, _ = zip(*places, strict=True)
        for (row, token, opened), value in zip(places, scores[list(rows), list(tokens)].tolist(), strict=True):
            found[row].append(_Candidate(row, hypotheses[row], token, hypotheses[row].score + value, opened))
    return found


def _unconstrained(
    hypotheses: Sequence[_Hypothesis],
    may_end: Sequence[bool],
    scores: torch.Tensor,
    ends: WordEnds,
    eos: int,
    most: int,
) -> list[list[_Candidate]]:
    """Each hypothesis with its likeliest tokens, where no constraint is open. `scores`, which change, as above."""
    device = scores.device
    scores += torch.tensor([each.score for each in hypotheses], device=device)[:, None]
    scores[torch.tensor([not each for each in may_end], device=device), eos] = _NEVER
    closed = [row for row, each in enumerate(hypotheses) if each.closed]
    if closed:
        lengthening = torch.tensor(ends.lengthening, device=device)
        scores[torch.tensor(closed, device=device)[:, None], lengthening] = _NEVER
    values, tokens = scores.topk(min(most, scores.shape[1]))
    return [
        [] if each.open else [_Candidate(row, each, token, value, None) for token, value in likeliest if value > _NEVER]
        for row, (each, likeliest) in enumerate(
            zip(hypotheses, map(zip, tokens.tolist(), values.tolist()), strict=True)
        )
    ]


def _advance(
    sentence: _Sentence, candidates: Sequence[_Candidate], ends: WordEnds, eos: int, settings: GenerationSettings
) -> None:
    """Go on with the best of the candidates, each bank with its share; and see whether the search is over."""
    banks: list[list[_Candidate]] = [[] for _ in range(sentence.complete + 1)]
    for each in candidates:
        banks[sentence.bank(each.hypothesis.met, each.opened)].append(each)
    length = len(candidates[0].hypothesis.tokens) + 1
    at_limit, penalty = length >= sentence.limit, length**settings.length_penalty
    sentence.running, sentence.rows = [], []
    for number, places in enumerate(shared_out([len(bank) for bank in banks], sentence.width)):
        taken, complete = 0, number == sentence.complete
        for rank, each in enumerate(sorted(banks[number], key=lambda each: -each.score)):
            if each.token == eos or (complete and at_limit):
                if rank < places:
                    sentence.finished.append((each.score / penalty, (*each.hypothesis.tokens, each.token)))
            elif taken < places:
                taken += 1
                sentence.running.append(_extended(sentence, each, ends))
                sentence.rows.append(each.row)
    sentence.finished = sorted(sentence.finished, reverse=True)[: settings.beams]
    complete_ones = (each.score for each in sentence.running if len(each.met) == len(sentence.constraints))
    possible = max(complete_ones, default=_NEVER) / penalty
    ended = len(sentence.finished) == settings.beams and possible <= sentence.finished[-1][0]
    sentence.over = at_limit or ended or not sentence.running


def _extended(sentence: _Sentence, candidate: _Candidate, ends: WordEnds) -> _Hypothesis:
    hypothesis, opened = candidate.hypothesis, candidate.opened
    tokens = (*hypothesis.tokens, candidate.token)
    if opened is None:
        closed = hypothesis.closed and candidate.token in ends.transparent
        return _Hypothesis(tokens, candidate.score, hypothesis.met, None, closed)
    number, form, done = opened
    if done < len(form):
        return _Hypothesis(tokens, candidate.score, hypothesis.met, opened)
    closed = sentence.constraints[number].ends_word
    return _Hypothesis(tokens, candidate.score, hypothesis.met | {number}, None, closed)


class _Decoder:
    """A model with what it has computed for the hypotheses of some sentences."""

    def __init__(self, loaded: Loaded, sources: Sequence[Sequence[int]]) -> None:
        self._model: Any = loaded.model
        inputs = on_device_of(loaded.model, loaded.layout.collate_source(sources))
        self._states, self._mask = encoder_states(loaded.model, inputs), inputs["attention_mask"]
        config = loaded.model.config
        self._cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        self._sentences = list(range(len(sources)))

    def log_probabilities(self, inputs: torch.Tensor, parents: Sequence[int], sentences: list[int]) -> torch.Tensor:
        """Of the next token of each hypothesis: float32, [hypotheses, vocabulary].

        Args:
            inputs: the hypotheses, of equal lengths, with the decoder start.
            parents: where each stood, with one token less, in the call before; nothing in the first call.
            sentences: the number of the sentence of each.
        """
        if parents:
            rows = torch.tensor(parents, device=inputs.device)
            self._cache.self_attention_cache.batch_select_indices(rows)
            if sentences != self._sentences:  # hypotheses of a sentence have the same keys and values of its source
                self._cache.cross_attention_cache.batch_select_indices(rows)
                self._states, self._mask, self._sentences = self._states[rows], self._mask[rows], sentences
        outputs = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._states),
            attention_mask=self._mask,
            decoder_input_ids=inputs[:, -1:] if parents else inputs,
            use_cache=True,
            **{cache_argument(self._model): self._cache},
        )
        scores: torch.Tensor = outputs.logits[:, -1].float().log_softmax(-1)
        return scores
