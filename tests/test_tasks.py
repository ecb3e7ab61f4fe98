"""A model that summarises is asked as it was trained; any other takes sentences as they stand."""

from pathlib import Path

from switchtune.config import GenerationSettings, RunConfig, parse_config
from switchtune.tasks import note_task, ready_to_translate


def test_documents_are_prepared_for_a_model_that_summarises(tmp_path: Path) -> None:
    pair = {"source": "en", "target": "de", "train": "t", "valid": "v", "test": "x"}
    values = {
        "model": "m",
        "pairs": [pair],
        "summarization": {"document_words": 4},
        "generation": {"no_repeat_ngram": 3},
    }
    settings = GenerationSettings(beams=2)
    lines = ["A dog ran. It was late.", ""]
    note_task(parse_config(RunConfig, values), tmp_path)
    assert ready_to_translate(str(tmp_path), lines, "en", settings) == (lines, settings)
    note_task(parse_config(RunConfig, {**values, "task": "summarization"}), tmp_path)
    texts, search = ready_to_translate(str(tmp_path), lines, "en", settings)
    assert texts == ["A dog ran. </s> It", ""]
    assert (search.beams, search.no_repeat_ngram, search.fixed_length("de")) == (2, 3, 130)
