"""Does a converted model do what the model did? The same sentences by both, and what each thinks of the outputs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, cast

from switchtune.config.training import GenerationSettings
from switchtune.errors import SwitchtuneError
from switchtune.generation import best_outputs
from switchtune.generation.by_ct2 import Converted
from switchtune.generation.by_ct2 import token_log_probabilities as ct2_log_probabilities
from switchtune.models.forward import evaluating, longest_first, on_device_of
from switchtune.models.load import Loaded
from switchtune.scoring.metrics import Score, bleu, chrf

TIE = 1e-3
"""A converted model's output counts as good as the model's own whose score, by the model, is at most this lower. Scores
are log probabilities per token (with the usual length penalty)."""

LARGEST_DIFFERENCE = 1e-2
"""Largest difference of a token's log probability between the engines, in float32; what is found is near 1e-5."""

LEAST_AS_GOOD = 0.95
"""Least share of sentences whose output is the same or as good, in float32. The others are those where CTranslate2 ends
its search before transformers does."""

_LOGITS_AT_ONCE = 1 << 27
_LINES_SHOWN = 5


class ParityError(SwitchtuneError):
    """A converted model does not do what the model did."""


@dataclass(frozen=True)
class ParityLine:
    """One sentence, translated by the model itself in transformers (expected) and by the converted model (found).

    Scores are the model's own: sum of log probabilities / tokens ** length_penalty. Where that of what was found is the
    larger one, the converted model found the better output.
    """

    sentence: str
    expected: str
    found: str
    expected_score: float
    found_score: float

    @property
    def identical(self) -> bool:
        return self.expected == self.found

    @property
    def as_good(self) -> bool:
        """Whether the outputs are the same, or the converted model's has no lower score (but for `TIE`)."""
        return self.identical or self.found_score >= self.expected_score - TIE


@dataclass(frozen=True)
class Parity:
    """What a comparison found.

    `largest_difference` is between the engines, of the log probability of a token of the expected outputs; `bleu` and
    `chrf` are of what was found, with what was expected as the reference.
    """

    lines: tuple[ParityLine, ...]
    largest_difference: float
    bleu: Score
    chrf: Score

    @property
    def identical(self) -> int:
        """Number of sentences with the same output."""
        return sum(line.identical for line in self.lines)

    @property
    def as_good(self) -> int:
        """Number of sentences with the same output or one as good."""
        return sum(line.as_good for line in self.lines)

    def describe(self) -> str:
        return (
            f"{self.identical} of {len(self.lines)} outputs identical, {self.as_good} identical or as good by the "
            f"model's own score; BLEU {self.bleu.value:.1f}, chrF++ {self.chrf.value:.1f} against the model's; largest "
            f"difference of a token's log probability {self.largest_difference:.1g}"
        )

    def record(self) -> dict[str, Any]:
        return {
            "sentences": len(self.lines),
            "identical": self.identical,
            "as_good": self.as_good,
            "largest_difference": self.largest_difference,
            "bleu": {"value": self.bleu.value, "signature": self.bleu.signature},
            "chrf": {"value": self.chrf.value, "signature": self.chrf.signature},
            "lines": [{**asdict(line), "identical": line.identical} for line in self.lines],
        }


def compare_engines(
    loaded: Loaded,
    converted: Converted,
    sentences: Sequence[str],
    source_language: str,
    target_language: str,
    settings: GenerationSettings,
) -> Parity:
    """Translate sentences, none blank, by a model and by its converted form, and score both outputs by the model."""
    layout = converted.layout
    sources = layout.batch_encode_source(sentences, source_language, target_language, max_tokens=layout.positions)
    expected, found = (
        [ids for _, ids in sorted(chain.from_iterable(best_outputs(model, sources, target_language, settings)))]
        for model in (loaded, converted)
    )
    forced = len(converted.forced(target_language))
    scores: list[list[float]] = [[0.0] * len(sources), [0.0] * len(sources)]
    largest = 0.0
    for outputs, values in zip((expected, found), scores, strict=True):
        for batch in longest_first([len(ids) for ids in outputs], max(1, _LOGITS_AT_ONCE // len(converted.tokens))):
            of_batch = [sources[row] for row in batch], [outputs[row] for row in batch], target_language
            by_model = _token_log_probabilities(loaded, *of_batch)
            for row, tokens in zip(batch, by_model, strict=True):
                values[row] = sum(tokens[forced:]) / len(tokens) ** settings.length_penalty
            if outputs is expected:
                by_ct2 = chain.from_iterable(ct2_log_probabilities(converted, *of_batch))
                pairs = zip(chain.from_iterable(by_model), by_ct2, strict=True)
                largest = max(largest, *(abs(one - other) for one, other in pairs))
    texts = layout.batch_decode(expected), layout.batch_decode(found)
    metrics = (metric(texts[1], texts[0], target_language) for metric in (bleu, chrf))
    return Parity(tuple(map(ParityLine, sentences, *texts, *scores)), largest, *metrics)


def require_parity(parity: Parity) -> None:
    """Raise ParityError where a model converted in float32 does not do what the model did; the message shows where."""
    if parity.largest_difference <= LARGEST_DIFFERENCE and parity.as_good >= LEAST_AS_GOOD * len(parity.lines):
        return
    worse = [line for line in parity.lines if not line.as_good]
    shown = "".join(
        f"\n  {line.sentence}\n    transformers ({line.expected_score:.3f}): {line.expected}"
        f"\n    CTranslate2 ({line.found_score:.3f}): {line.found}"
        for line in worse[:_LINES_SHOWN]
    )
    raise ParityError(
        f"The converted model does not do what the model did: {parity.describe()}. Expected: at least "
        f"{LEAST_AS_GOOD:.0%} identical or as good, and no difference above {LARGEST_DIFFERENCE:g}. Translate with the "
        f"engine transformers. {len(worse)} outputs are worse{', the first ones:' if shown else '.'}{shown}"
    )


def _token_log_probabilities(
    loaded: Loaded, sources: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]], target_language: str
) -> list[list[float]]:
    """The log probability of each token of each output, by the model itself."""
    model: Any = loaded.model
    layout = loaded.layout
    start = cast("int", layout.generation_settings(target_language)["decoder_start_token_id"])
    decoder = layout.collate_source([[start, *ids[:-1]] for ids in outputs])["input_ids"]
    with evaluating(model):
        inputs = on_device_of(model, {**layout.collate_source(sources), "decoder_input_ids": decoder})
        values = model(**inputs).logits.float().log_softmax(-1).cpu()
    return [values[row, range(len(ids)), ids].tolist() for row, ids in enumerate(outputs)]
