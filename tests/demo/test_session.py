"""What the demo does with a run is what the library does."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from switchtune.config.run import RunConfig
from switchtune.demo.session import (
    LONGEST_TEXT,
    DemoSession,
    EditedTranslation,
    open_session,
)
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import translate
from switchtune.lexicon.files import edits_path, read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.models.load import load_model
from switchtune.runs.run_files import read_run
from tests.miniature import ENGLISH, GERMAN
from tests.report.made_run import make_run

SENTENCE = "Ein Mann und ein Hund."


def switch(
    session: DemoSession, rate: float = 1.0, draw: int = 1, text: str = SENTENCE, language: str = "de"
) -> dict[str, Any]:
    return session.switch(pair="de-en", language=language, text=text, rate=rate, draw=draw)


def test_a_sentence_is_switched_word_by_word(session: DemoSession) -> None:
    found = switch(session)
    assert found["text"] == "A man und a dog."
    assert [word["replacement"] for word in found["words"]] == ["A", "man", None, "a", "dog"]
    assert found["words"][1]["candidates"] == [{"word": "man", "strength": 0.75}]
    assert found["words"][2]["candidates"] == []
    shown = "".join(word["gap"] + (word["replacement"] or word["word"]) for word in found["words"]) + found["end"]
    assert shown == found["text"]
    assert found["measure"] == "probability"


def test_a_rate_of_nothing_leaves_the_sentence(session: DemoSession) -> None:
    assert switch(session, rate=0.0)["text"] == SENTENCE


def test_another_draw_takes_other_words(session: DemoSession) -> None:
    texts = {switch(session, rate=0.4, draw=draw)["text"] for draw in range(8)}
    assert len(texts) > 1
    assert switch(session, rate=0.4, draw=3) == switch(session, rate=0.4, draw=3)


def test_either_side_is_switched(session: DemoSession) -> None:
    assert switch(session, text="The dog.", language="en")["text"] == "The Hund."


def test_both_systems_translate_as_the_library_does(session: DemoSession, folder: Path) -> None:
    found = session.translate(pair="de-en", text=GERMAN[0])
    expected = [
        {
            "arm": arm,
            "text": translate(load_model(str(folder / path)), [GERMAN[0]], "de", "en", session.config.generation)[0],
        }
        for arm, path in (("standard", "de-en/standard/seed1/task/model"), ("csr", "de-en/csr/seed2/task/model"))
    ]
    assert [{"arm": each["arm"], "text": each["text"]} for each in found["outputs"]] == expected
    assert all(each["parts"] == [{"text": each["text"], "term": False}] for each in found["outputs"])
    assert expected[0] != expected[1]


def test_terms_are_put_into_the_sentence_and_told_in_its_translation(session: DemoSession) -> None:
    def asked(*terms: tuple[str, str]) -> dict[str, Any]:
        given = [{"term": term, "translation": translation} for term, translation in terms]
        output: dict[str, Any] = session.translate(pair="de-en", text=GERMAN[0], terms=given)["outputs"][0]
        assert "".join(part["text"] for part in output["parts"]) == output["text"]
        return output

    assert asked(("Wiese", "field"))["source"] == "Ein Hund läuft über die field."
    found = asked(("Katze", "dog runs"), ("Haus", "meadow"))
    assert (found["source"], found["text"]) == (GERMAN[0], ENGLISH[0])
    assert [part["text"] for part in found["parts"] if part["term"]] == ["dog runs", "meadow"]
    with pytest.raises(ValidationError):
        asked(("Hund", ""))


def test_stage_1_restores_in_the_language_of_the_sentence(session: DemoSession, folder: Path) -> None:
    found = session.restore(pair="de-en", language="de", text="Ein dog läuft.")
    model = load_model(str(folder / "de-en/csr/seed2/restore/model"))
    assert found["text"] == translate(model, ["Ein dog läuft."], "de", "de", session.config.generation)[0]


def test_a_document_is_restored_sentence_by_sentence(session: DemoSession, folder: Path) -> None:
    config = session.config.model_copy(update={"task": "summarization"})
    summarising = DemoSession(session.run, config)
    found = summarising.restore(pair="de-en", language="de", text="Ein dog läuft. Er kam am 3. Mai.")
    model = load_model(str(folder / "de-en/csr/seed2/restore/model"))
    sentences = ["Ein dog läuft.", "Er kam am 3. Mai."]
    assert found["text"] == " ".join(translate(model, sentences, "de", "de", config.generation))
    assert (summarising.wording()["Text"], session.wording()["Text"]) == ("Document", "Sentence")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    bare = open_session(make_run(tmp_path / "mine"))
    assert bare.about()[0]["missing"] == [
        "There is no model of stage 1: nothing can be restored.",
        "There is no model of standard: it cannot translate.",
        "There is no model of csr: it cannot translate.",
    ]
    assert bare.translate(pair="de-en", text="x")["outputs"][0]["text"] is None
    with pytest.raises(UsageError, match="no model of stage 1"):
        bare.restore(pair="de-en", language="de", text="x")


def entries(session: DemoSession, query: str = "", start: int = 0) -> dict[str, Any]:
    return session.entries(pair="de-en", language="de", query=query, start=start)


def test_entries_are_found_by_word_and_translation(session: DemoSession) -> None:
    assert [each["word"] for each in entries(session, "KATZ")["entries"]] == ["Katze"]
    assert [each["word"] for each in entries(session, "dog")["entries"]] == ["Hund"]
    everything = entries(session)
    assert (everything["found"], everything["all"]) == (7, 7)
    assert entries(session, start=7)["entries"] == []


def edit(session: DemoSession, word: str, *translations: tuple[str, float]) -> dict[str, Any]:
    fields = [EditedTranslation(word=text, strength=strength) for text, strength in translations]
    return session.edit(pair="de-en", language="de", word=word, translations=fields)


def lexicon_path(folder: Path) -> Path:
    return folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"


def test_an_edit_is_beside_the_lexicon_and_in_the_next_sentence(session: DemoSession, folder: Path) -> None:
    before, built = read_lexicon(lexicon_path(folder)), lexicon_path(folder).read_bytes()
    assert edit(session, "hund", ("hound", 0.5), ("dog", 0.6)) == {"file": "lexicon.de-en.edits.tsv", "all": 7}
    after = read_lexicon(lexicon_path(folder))
    assert lexicon_path(folder).read_bytes() == built
    entry = after.entries["hund"]
    assert (entry.word, entry.count) == ("Hund", 20)
    assert [(each.word, each.strength, each.count) for each in entry.translations] == [
        ("dog", 0.6, 3),
        ("hound", 0.5, 0),
    ]
    assert {key: each for key, each in after.entries.items() if key != "hund"} == {
        key: each for key, each in before.entries.items() if key != "hund"
    }
    assert {switch(session, draw=draw)["words"][4]["replacement"] for draw in range(20)} == {"dog", "hound"}


def test_an_edit_by_another_hand_is_seen(session: DemoSession, folder: Path) -> None:
    entries(session)
    path = lexicon_path(folder)
    edits_path(path).write_text("# by hand\nBrot\tbread\t0.5\n", encoding="utf-8")
    assert entries(session, "brot")["found"] == 1
    edit(session, "Ball", ("ball", 0.5))
    assert edits_path(path).read_text(encoding="utf-8") == "# by hand\nBrot\tbread\t0.5\nBall\tball\t0.5\n"
    assert {"brot", "ball"} <= set(read_lexicon(path).entries)


def test_entries_come_and_go(session: DemoSession, folder: Path) -> None:
    edit(session, "Ball", ("ball", 0.5))
    edit(session, "Katze")
    assert {"ball"} == set(read_lexicon(lexicon_path(folder)).entries) - {
        "hund",
        "mann",
        "frau",
        "liest",
        "buch",
        "ein",
    }


@pytest.mark.parametrize(
    ("word", "translations"),
    [("a\tb", [("dog", 0.5)]), (" Hund", [("dog", 0.5)]), ("Hund", [("d\nog", 0.5)]), ("Hund", [("dog", -0.5)])],
)
def test_what_could_not_be_read_again_is_refused(
    session: DemoSession, folder: Path, word: str, translations: list[tuple[str, float]]
) -> None:
    with pytest.raises(LexiconError) as refused:
        edit(session, word, *translations)
    assert str(refused.value).startswith(str(edits_path(lexicon_path(folder))))
    assert not edits_path(lexicon_path(folder)).exists()


def test_the_last_entry_stays(session: DemoSession, folder: Path) -> None:
    for word in ("Katze", "Mann", "Frau", "liest", "Buch", "ein"):
        edit(session, word)
    with pytest.raises(LexiconError, match="no entries"):
        edit(session, "Hund")
    assert set(read_lexicon(lexicon_path(folder)).entries) == {"hund"}


def test_of_a_translation_given_twice_the_last_counts(session: DemoSession, folder: Path) -> None:
    edit(session, "Hund", ("dog", 0.5), ("dog", 0.9))
    assert [each.strength for each in read_lexicon(lexicon_path(folder)).entries["hund"].translations] == [0.9]


def test_pairs_and_languages_of_another_run_are_refused(session: DemoSession) -> None:
    with pytest.raises(UsageError, match="no such pair"):
        session.entries(pair="../..", language="de", query="", start=0)
    with pytest.raises(UsageError, match="no such language"):
        session.entries(pair="de-en", language="../de", query="", start=0)


def test_long_texts_are_refused(session: DemoSession) -> None:
    with pytest.raises(ValidationError):
        switch(session, text="a" * (LONGEST_TEXT + 1))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match="no run is there"):
        open_session(tmp_path)


def test_a_run_of_glosses_says_that_nothing_is_restored(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    resolved = yaml.safe_load((folder / "config.resolved.yaml").read_text(encoding="utf-8"))
    config = RunConfig.model_validate({**resolved, "arms": ["standard", "csr+"]})
    (folder / "config.resolved.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    (about,) = DemoSession(read_run(folder), config).about()
    assert "The run has no stage that restores what was switched: nothing can be restored." in about["missing"]
    assert "There is no model of csr+: it cannot translate." in about["missing"]
