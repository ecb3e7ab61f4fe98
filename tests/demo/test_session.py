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
    found = session.switch(pair="de-en", language=language, text=text, rate=rate, draw=draw)
    (line,) = found["lines"]
    return {**line, "measure": found["measure"]}


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
    found = list(session.translate(pair="de-en", text=GERMAN[0]))
    expected = [
        {
            "arm": arm,
            "text": translate(load_model(str(folder / path)), [GERMAN[0]], "de", "en", session.config.generation)[0],
        }
        for arm, path in (("standard", "de-en/standard/seed1/task/model"), ("csr", "de-en/csr/seed2/task/model"))
    ]
    assert [{"arm": each["arm"], "text": each["text"]} for each in found] == expected
    assert all(each["parts"] == [{"text": each["text"], "term": False}] for each in found)
    assert expected[0] != expected[1]


def test_terms_are_put_into_the_sentence_and_told_in_its_translation(session: DemoSession) -> None:
    def asked(*terms: tuple[str, str]) -> dict[str, Any]:
        given = [{"term": term, "translation": translation} for term, translation in terms]
        output = next(session.translate(pair="de-en", text=GERMAN[0], terms=given))
        assert "".join(part["text"] for part in output["parts"]) == output["text"]
        return output

    assert asked(("Wiese", "field"))["given"] == "Ein Hund läuft über die field."
    found = asked(("Katze", "dog runs"), ("Haus", "meadow"))
    assert (found["given"], found["text"]) == (None, ENGLISH[0])
    assert [part["text"] for part in found["parts"] if part["term"]] == ["dog runs", "meadow"]
    with pytest.raises(ValidationError):
        asked(("Hund", ""))


def test_terms_are_in_every_translation_where_that_is_asked_for(session: DemoSession) -> None:
    given = [{"term": "Wiese", "translation": "ice cream"}, {"term": "Hund", "translation": "dog"}]
    for output in session.translate(pair="de-en", text=GERMAN[0], terms=given, constrained=True):
        assert sorted(part["text"].lower() for part in output["parts"] if part["term"]) == ["dog", "ice cream"]


def test_stage_1_restores_in_the_language_of_the_sentence(session: DemoSession, folder: Path) -> None:
    (found,) = session.restore(pair="de-en", language="de", text="Ein dog läuft.")
    model = load_model(str(folder / "de-en/csr/seed2/restore/model"))
    assert found["text"] == translate(model, ["Ein dog läuft."], "de", "de", session.config.generation)[0]


def test_a_document_is_restored_sentence_by_sentence(session: DemoSession, folder: Path) -> None:
    config = session.config.model_copy(update={"task": "summarization"})
    summarising = DemoSession(session.run, config)
    (found,) = summarising.restore(pair="de-en", language="de", text="Ein dog läuft. Er kam am 3. Mai.")
    model = load_model(str(folder / "de-en/csr/seed2/restore/model"))
    sentences = ["Ein dog läuft.", "Er kam am 3. Mai."]
    assert found["text"] == " ".join(translate(model, sentences, "de", "de", config.generation))
    assert (summarising.wording()["Text"], session.wording()["Text"]) == ("Document", "Sentences, one a line")


def test_each_line_is_answered_by_a_line(session: DemoSession) -> None:
    lines = [GERMAN[0], "", f"  {GERMAN[2]} "]
    text = "\r\n".join(lines)
    found = [each["text"] for each in session.translate(pair="de-en", text=text) if each["arm"] == "standard"]
    assert found == [ENGLISH[0], "", ENGLISH[2]]
    switched = session.switch(pair="de-en", language="de", text=text, rate=0.0, draw=1)["lines"]
    assert [line["text"] for line in switched] == [line.strip() for line in lines]
    assert len(list(session.restore(pair="de-en", language="de", text=text))) == 3


def test_what_switching_made_longer_is_restored_too(session: DemoSession) -> None:
    (found,) = session.restore(pair="de-en", language="de", text=GERMAN[0] + " Hund" * LONGEST_TEXT)
    assert found["text"]


def test_lines_are_translated_as_they_are_asked_for(session: DemoSession, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = session.translate(pair="de-en", text=f"{GERMAN[0]}\n{GERMAN[2]}")
    assert next(answers)["text"] == ENGLISH[0]
    monkeypatch.setattr("switchtune.demo.session.translate", lambda *_: ["later"])
    assert [each["text"] for each in answers] == ["later"] * 3


def test_the_end_that_a_model_does_not_read_is_told(session: DemoSession) -> None:
    long = " ".join(GERMAN[:6])
    short, cut = (next(session.translate(pair="de-en", text=text)) for text in (GERMAN[0], long))
    assert short["cut"] == ""
    assert long.endswith(cut["cut"])
    read = long.removesuffix(cut["cut"])
    layout = load_model(str(session.run.folder / "de-en/standard/seed1/task/model")).layout
    assert layout.positions is not None
    assert len(layout.encode_source(read, "de", "en")) <= layout.positions
    assert len(layout.encode_source(read + cut["cut"][:8], "de", "en")) > layout.positions


def test_the_language_of_a_text_is_told(session: DemoSession) -> None:
    def detected(text: str) -> Any:
        return session.detect(pair="de-en", text=text)

    assert detected(GERMAN[3]) == {"language": "de", "name": "German", "of_pair": True}
    assert detected(ENGLISH[3])["language"] == "en"
    assert detected("犬が草原を走っている。") == {"language": None, "name": None, "of_pair": False}


def test_the_example_is_of_the_test_set_if_that_is_still_there(
    session: DemoSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examples(session: DemoSession) -> list[str]:
        return [each["example"] for each in session.about()[0]["languages"]]

    def gone(*_: Any) -> Any:
        raise SwitchtuneError("test.de: is not there")

    assert examples(session) == [GERMAN[10], ENGLISH[10]]
    monkeypatch.setattr("switchtune.demo.session.read_texts", gone)
    assert examples(session) == [GERMAN[10], ENGLISH[10]]
    assert examples(DemoSession(session.run, session.config)) == ["", ""]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    bare = open_session(make_run(tmp_path / "mine"))
    assert bare.about()[0]["missing"] == [
        "There is no model of stage 1: nothing can be restored.",
        "There is no model of standard: it cannot translate.",
        "There is no model of csr: it cannot translate.",
    ]
    assert [each["text"] for each in bare.translate(pair="de-en", text="x")] == [None, None]
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
