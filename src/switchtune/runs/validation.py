"""chrF++ of what a model writes while it is trained, which tells more of it than the validation loss."""

from collections.abc import Callable
from statistics import mean

from switchtune.config.training import GenerationSettings
from switchtune.examples import Example, Examples
from switchtune.generation import translate
from switchtune.models.load import Loaded
from switchtune.scoring.metrics import chrf


def chrf_validation(examples: Examples, sentences: int, generation: GenerationSettings) -> Callable[[Loaded], float]:
    """How to score a model on a stage's own validation examples: chrF++ of its greedy outputs.

    Where the examples are of several directions (both sides are restored in stage 1) it is their mean.

    Args:
        examples: the first of their epoch 0 are used.
        sentences: at most so many.
        generation: but for the beams.
    """
    greedy = generation.model_copy(update={"beams": 1})
    directions: dict[tuple[str, str], list[Example]] = {}
    for index in range(min(sentences, examples.count)):
        example = examples.make(0, index)
        directions.setdefault((example.source_language, example.target_language), []).append(example)

    def validate(loaded: Loaded) -> float:
        return mean(
            chrf(
                translate(loaded, [example.source for example in group], source, target, greedy),
                [example.target for example in group],
                target,
            ).value
            for (source, target), group in directions.items()
        )

    return validate
