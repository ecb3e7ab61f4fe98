"""chrF++ as a measure of a training: on the examples of the stage, each direction for itself."""

from collections.abc import Sequence

import pytest

from switchtune.config.training import GenerationSettings
from switchtune.examples import Example, Examples
from switchtune.models.load import Loaded
from switchtune.runs import stages
from switchtune.runs.stages import chrf_validation
from switchtune.scoring.metrics import chrf
from tests.miniature import ENGLISH, GERMAN, miniature


def restored(epoch: int, index: int) -> Example:
    row, side = divmod(index, 2)
    text, language = (ENGLISH[row], "en") if side else (GERMAN[row], "de")
    return Example(f"{text} {epoch}", language, text, language)


def test_it_is_the_mean_over_directions_of_greedy_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def first_half(
        loaded: Loaded, sentences: Sequence[str], source: str, target: str, settings: GenerationSettings
    ) -> list[str]:
        asked.append((list(sentences), source, target, settings.beams, settings.max_length_ratio))
        return [sentence[: len(sentence) // 2] for sentence in sentences]

    monkeypatch.setattr(stages, "translate", first_half)
    validate = chrf_validation([Examples(32, restored)], 5, GenerationSettings(beams=4, max_length_ratio=1.25))
    found = validate(miniature())
    german, english = [f"{line} 0" for line in GERMAN[:3]], [f"{line} 0" for line in ENGLISH[:2]]
    assert asked == [(german, "de", "de", 1, 1.25), (english, "en", "en", 1, 1.25)]
    scores = [
        chrf([line[: len(line) // 2] for line in written], references, language).value
        for written, references, language in ((german, GERMAN[:3], "de"), (english, ENGLISH[:2], "en"))
    ]
    assert found == pytest.approx(sum(scores) / 2)
    assert 0 < found < 100


def test_few_examples_are_all_used() -> None:
    assert 0 <= chrf_validation([Examples(2, restored)], 500, GenerationSettings())(miniature()) <= 100


def test_outputs_of_no_use_are_told_while_the_model_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "translate", lambda loaded, sentences, *settings: [""] * len(sentences))
    said: list[str] = []
    validate = chrf_validation([Examples(32, restored)], 5, GenerationSettings(), said.append)
    assert validate(miniature()) == validate(miniature()) == 0
    assert said == [
        "validation: the outputs in de are of no use yet (usual at first): 3 of 3 outputs are empty",
        "validation: the outputs in en are of no use yet (usual at first): 2 of 2 outputs are empty",
    ]
