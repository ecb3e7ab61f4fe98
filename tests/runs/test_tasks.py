"""Summarisation from end to end; a model that summarises is asked as it was trained, any other with what there is."""

import json
from pathlib import Path

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.config.training import GenerationSettings
from switchtune.corpus.documents import SENTENCE_END
from switchtune.errors import UsageError
from switchtune.models.load import save_model
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.tasks import note_task, ready_to_translate
from tests.miniature import ENGLISH, GERMAN, miniature


@pytest.mark.slow
def test_a_run_that_summarises(tmp_path: Path) -> None:
    save_model(miniature(), tmp_path / "model", "de", "en")
    rows = [{"document": f"{GERMAN[n]}\n{GERMAN[n + 1]}", "summary": ENGLISH[n]} for n in range(8)]
    (tmp_path / "news.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"parallel.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    news = str(tmp_path / "news.jsonl")
    (tmp_path / "llm.txt").write_text("".join(f"{line}\n" for line in ENGLISH[:8]), encoding="utf-8")
    config = parse_config(
        RunConfig,
        {
            "task": "summarization",
            "model": str(tmp_path / "model"),
            "pairs": [{"source": "de", "target": "en", "train": news, "valid": news, "test": news}],
            "jobs": 1,
            "arms": ["standard", "csr", "csr+", {"name": "llm", "outputs": {"de-en": str(tmp_path / "llm.txt")}}],
            "lexicon": {"corpus": str(tmp_path / "parallel.{de,en}"), "accept": True},
            "summarization": {"document_words": 7},
            "training": {"updates": 4, "restore_share": 0.5, "tokens_per_batch": 200},
            "generation": {"beams": 1, "max_length": 9},
            "evaluation": {"resamples": 100},
        },
    )
    (mixture,) = batch_preview(config, arm="csr+", rows=8)
    assert mixture.startswith("stage 1: mixture (8 examples an epoch)")
    # Words of each sentence by itself, and what stands between the sentences stays.
    assert "source text     Ein Hund läuft über the Wiese. </s> Two\n" in mixture
    assert "target text     A dog runs across the meadow." in mixture.partition("kind            switched")[2]
    said: list[str] = []
    summary = run_experiment(config, tmp_path / "run", on_event=lambda event: said.append(event.what))
    standard, csr, mixed, llm = summary.rows
    assert llm.scores["ROUGE-1"][0].value == pytest.approx(100)
    assert mixed.stage_updates == {"mixture": 4}
    assert {language: rates.requested_rate for language, rates in mixed.rates.items()} == {"de": 0.35}
    assert list(csr.scores) == ["ROUGE-1", "ROUGE-2", "ROUGE-L"]
    assert csr.against_baseline is not None
    assert csr.against_baseline.metric == "ROUGE-1"
    assert csr.against_baseline.value_a == standard.scores["ROUGE-1"][0].value
    assert any("8 of 8 documents cut to 7 words" in line for line in said)
    # The lexicon is judged by pairs of its own corpus, held out: documents and summaries are none.
    assert any("lexicon by auto: the text is parallel, so align" in line for line in said)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))
    assert {"rouge_1", "rouge_2", "rouge_l", "in_language"} <= metrics["rows"][0].keys()
    page = (tmp_path / "run/comparison.md").read_text(encoding="utf-8")
    assert "| arm | updates | ROUGE-1 | ROUGE-2 | ROUGE-L |" in page
    assert "Test set of 8 documents" in page
    lines = (tmp_path / "run/de-en/csr/seed1/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["stage"] for line in lines} == {"restore", "task"}
    asked, search = ready_to_translate(
        str(tmp_path / "run/de-en/csr/seed1/task/model"), [GERMAN[0] + " " + GERMAN[1]], "de", None
    )
    assert asked == [f"Ein Hund läuft über die Wiese. {SENTENCE_END} Zwei"]
    assert search.max_length == 9


def test_documents_are_prepared_for_a_model_that_summarises(tmp_path: Path) -> None:
    pair = {"source": "en", "target": "de", "train": "t", "valid": "v", "test": "x"}
    values = {
        "model": "m",
        "pairs": [pair],
        "summarization": {"document_words": 4},
        "generation": {"no_repeat_ngram": 3},
    }
    lines = ["A dog ran. It was late.", ""]
    two = GenerationSettings(beams=2)
    note_task(parse_config(RunConfig, values), tmp_path)
    assert ready_to_translate(str(tmp_path), lines, "en", two) == (lines, two)
    note_task(parse_config(RunConfig, {**values, "task": "summarization"}), tmp_path)
    assert ready_to_translate(str(tmp_path), lines, "en", None)[1].beams == 6
    texts, search = ready_to_translate(str(tmp_path), lines, "en", two)
    assert texts == [f"A dog ran. {SENTENCE_END} It", ""]
    assert (search.beams, search.no_repeat_ngram, search.fixed_length("de")) == (2, 3, 130)


@pytest.mark.parametrize("note", ["{}", "[1]", '{"document_words": 4, "generation": {"beams": 1e9}}'])
def test_an_edited_note_of_the_task_is_told(tmp_path: Path, note: str) -> None:
    (tmp_path / "summarization.json").write_text(note, encoding="utf-8")
    with pytest.raises(UsageError, match=r"summarization\.json: "):
        ready_to_translate(str(tmp_path), ["A dog ran."], "en", None)
