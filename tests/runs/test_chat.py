"""Examples of an arm's stages as chats for tools that train decoder-only models: the same that training would see."""

import json
from pathlib import Path

import pytest

from switchtune.config.chat import ChatSettings
from switchtune.config.inference import NliConfig
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from switchtune.models.load import load_layout
from switchtune.runs.chat import export_chat
from switchtune.runs.experiment import trial_to_look_at
from tests.miniature import ENGLISH, GERMAN
from tests.runs.test_experiment import config_of

DICTIONARY = {"hund": "dog", "mann": "man", "frau": "woman", "kind": "child", "ein": "a", "der": "the", "die": "the"}
TO_RESTORE = "Some words of this German text are in English. Write all of it in German.\n\n"
TO_TRANSLATE = "Translate this text from German into English.\n\n"


def lexicon(folder: Path) -> dict[str, object]:
    file = folder / "de-en.txt"
    file.write_text("".join(f"{german} {english}\n" for german, english in DICTIONARY.items()), encoding="utf-8")
    return {"method": "dictionary", "dictionaries": [str(file)], "accept": True}


def chats(file: Path) -> list[tuple[str, str]]:
    """What is asked and answered in each."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        (user, assistant) = json.loads(line)["messages"]
        assert (user["role"], assistant["role"], len(json.loads(line))) == ("user", "assistant", 1)
        found.append((user["content"], assistant["content"]))
    return found


def test_stages_are_written_as_training_would_see_them(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["csr"], baseline="csr", lexicon=lexicon(tmp_path))
    told: list[str] = []
    out = tmp_path / "chats"
    made = export_chat(config, out, epochs=2, on_event=lambda event: told.append(event.what))
    counts = {"restore.train": 24, "restore.valid": 12, "task.train": 12, "task.valid": 6}
    assert {file.path.name: file.examples for file in made.files} == {f"{name}.jsonl": n for name, n in counts.items()}
    assert f"{out}/restore.train.jsonl: 24 examples" in told
    with trial_to_look_at(config, config.arms[0], None, lambda event: None) as (experiment, trial, data, _):
        examples = experiment.examples(trial, data, load_layout(str(model)))
        stages = [examples.of_stage(stage) for stage in trial.arm.recipe.stages]
    restored = [stages[0].train.make(epoch, index) for epoch in (0, 1) for index in range(12)]
    german = [(TO_RESTORE + each.source, each.target) for each in restored if each.source_language == "de"]
    found = [chat for chat in chats(out / "restore.train.jsonl") if chat[0].startswith(TO_RESTORE)]
    assert sorted(found) == sorted(german)
    assert {answer for _, answer in found} == set(GERMAN[:6])
    assert any(asked.removeprefix(TO_RESTORE) != answer for asked, answer in found)
    pairs = [(TO_TRANSLATE + source, target) for source, target in zip(GERMAN[:6], ENGLISH[:6], strict=True)]
    assert chats(out / "task.valid.jsonl") == pairs
    both = chats(out / "task.train.jsonl")
    assert sorted(both[:6]) == sorted(both[6:]) == sorted(pairs)
    assert both[:6] != both[6:]  # each epoch has an order of its own
    about = json.loads((out / "chat.json").read_text())
    assert (about["pair"], about["arm"], about["seed"], about["epochs"]) == ("de-en", "csr", 1, 2)
    assert about["examples"]["task.train.jsonl"] == 12


def test_a_mixture_has_its_glosses_and_asks_what_the_configuration_says(model: Path, tmp_path: Path) -> None:
    asked = {"translate": "{source}>{target}: {text}"}
    even = {"recipe": "csr+", "mixture": {"task": 0.5, "gloss": 0.5}}
    config = config_of(model, tmp_path, arms=["standard", even], lexicon=lexicon(tmp_path), chat=asked)
    out = tmp_path / "chats"
    made = export_chat(config, out)
    assert [file.path.name for file in made.files] == ["mixture.train.jsonl", "mixture.valid.jsonl"]
    mixed = chats(out / "mixture.train.jsonl")
    assert all(question.startswith("German>English: ") for question, _ in mixed)
    sources = [question.removeprefix("German>English: ") for question, _ in mixed]
    assert len([source for source in sources if source in GERMAN[:6]]) == 6
    assert len(mixed) == 12
    made_again = export_chat(config, out)  # what this verb wrote is replaced
    assert made_again == made
    assert chats(out / "mixture.train.jsonl") == mixed


def test_a_folder_of_somebody_is_not_replaced(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="mine: holds files that switchtune did not make"):
        export_chat(config, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_what_is_no_plain_text_is_refused(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, recipes=["standard", "denoise", "iaft"])
    for arm in ("denoise", "iaft"):
        with pytest.raises(UsageError, match=rf"arms\.{arm}: its examples hold the mask token of the model"):
            export_chat(config, tmp_path / "chats", arm=arm)
    with pytest.raises(UsageError, match="--pair en-de: known: 'de-en'"):
        export_chat(config, tmp_path / "chats", arm="standard", pair="en-de")
    data = {"train": "a.tsv", "valid": "b.tsv", "test": "c.*.tsv"}
    nli = parse_config(NliConfig, {"model": "m", "languages": ["de"], "data": data, "recipes": ["standard"]})
    with pytest.raises(UsageError, match="task: nli: labels are no text to be written"):
        export_chat(nli, tmp_path / "chats")
    assert not (tmp_path / "chats").exists()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("Restore it.", r"restore: the placeholder \{text\} is missing"),
        ("{txt}", r"restore: \{txt\}: did you mean 'text'"),
        ("{text} {", "restore: .*braces go around a name"),
        ("{} {text}", "restore: braces go around a name"),
        ("{text!r}", r"restore: \{text\} takes nothing after the name"),
        ("{text.__class__}", r"restore: \{text\.__class__\}"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_config(ChatSettings, {"restore": template})


def test_braces_of_ones_own_are_kept() -> None:
    template = parse_config(ChatSettings, {"restore": '{{"text": "{text}"}}'}).restore
    assert template.format(text="{x}") == '{"text": "{x}"}'


def test_documents_are_asked_for_their_summaries_without_marks_between_sentences(model: Path, tmp_path: Path) -> None:
    rows = [{"document": f"{GERMAN[row]} {GERMAN[row + 1]}", "summary": ENGLISH[row]} for row in range(3)]
    file = tmp_path / "documents.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    pair = {"source": "de", "target": "en"} | dict.fromkeys(("train", "valid", "test"), str(file))
    given = {"model": str(model), "task": "summarization", "pairs": [pair], "arms": ["standard"]}
    export_chat(parse_config(RunConfig, given), tmp_path / "chats")
    asked, answer = chats(tmp_path / "chats/task.valid.jsonl")[0]
    assert asked == f"Summarize this German text in English.\n\n{GERMAN[0]} {GERMAN[1]}"
    assert answer == ENGLISH[0]
