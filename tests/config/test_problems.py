"""Answers to keys and values that people type: names of other programs, blocks and lists that are none."""

from pathlib import Path
from typing import Any

import pytest

from switchtune.config import problems
from switchtune.config.inference import NliConfig
from switchtune.config.load import load_config, parse_config
from switchtune.config.pretrain import PretrainConfig
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError

PAIR = {"source": "de", "target": "en", "train": "t.tsv"}
ROWS = [
    line.split("\t")
    for line in Path(problems.__file__).with_name("other_names.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def refused(kind: Any = RunConfig, **values: Any) -> str:
    with pytest.raises(UsageError) as caught:
        parse_config(kind, {"model": "m", "pairs": [PAIR], **values})
    return str(caught.value)


@pytest.mark.parametrize(("name", "key", "note"), ROWS, ids=["-".join(row[:2]) for row in ROWS])
def test_names_of_other_programs_lead_to_keys_that_there_are(name: str, key: str, note: str) -> None:
    said = refused(**{name: 1})
    assert f"unknown key '{name}'; here it is" in said
    assert f"{key} ({note})" if note else key in said
    *blocks, own = key.split(".")
    if not key.startswith("--"):
        nested: Any = {own: object()}  # of no type that a setting has
        for block in reversed(blocks):
            nested = [nested] if block == "pairs" else {block: nested}
        assert "unknown key" not in refused(**(nested if isinstance(nested, dict) else {"pairs": nested}))


def test_a_name_has_its_rows_together_and_each_once() -> None:
    names = [problems._plain(name) for name, _, _ in ROWS]
    assert len({tuple(row[:2]) for row in ROWS}) == len(ROWS)
    assert all(names.index(name) + names.count(name) - 1 == len(names) - 1 - names[::-1].index(name) for name in names)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lr": 1}, "unknown key 'lr'; here it is training.lr or search.lr"),
        ({"training": {"learningRate": 1}}, "unknown key 'training.learningRate'; here it is training.lr"),
        ({"training": {"per-device-train-batch-size": 8}}, "here it is training.tokens_per_batch (tokens of all"),
        ({"training": {"max_length": 8}}, "here it is training.max_tokens (of what is trained on)"),
        ({"max_length": 8}, "here it is training.max_tokens (of what is trained on) or generation.max_length (of out"),
        ({"generation": {"lr": 1}}, "unknown key 'generation.lr'; here it is training.lr or search.lr"),
        ({"training": {"lora": {"lora_r": 8}}}, "unknown key 'training.lora.lora_r'; here it is training.lora.rank"),
        ({"back_translation": {"num_beams": 1}}, "here it is back_translation.beams"),
        ({"pairs": [{**PAIR, "src": "de"}]}, "unknown key 'pairs.0.src'; here it is pairs.source"),
        ({"output_dir": "x"}, "here it is --out (an option of the command line)"),
        ({"arms": ["standard", {"recipe": "csr", "training": {"learning_rate": 1}}]}, "'learning_rate'; here it is lr"),
        ({"training": None}, "training: nothing is under it; indent the lines that belong to it by two spaces"),
        ({"training": 3}, "training: expected a block of settings (updates, restore_share, tokens_per_batch, "),
        (
            {"pairs": ["de-en"]},
            "pairs.0: expected a block of settings (source, target, train, valid, …) (found 'de-en'",
        ),
        (
            {"pairs": {**PAIR, "valid": "v.tsv", "test": "x.tsv"}},
            "pairs: expected a list: put a dash before the first key of each, and the others below it:\n"
            "  - source: de\n    target: en\n    train: t.tsv\n    valid: v.tsv",
        ),
        ({"pairs": {"de-en": PAIR}}, "pairs: expected a list, as in [de-en] (found {'de-en': "),
        ({"arms": "standard, csr"}, "arms: expected a list, as in [standard, csr] (found 'standard, csr')"),
        ({"seeds": 3}, "seeds: expected a list, as in [3] (found 3)"),
        ({"seeds": None}, "seeds: expected a list (found None)"),
        (
            {"pairs": [{"source": "de"}, {"target": "en"}]},
            "target stands alone under its dash, which begins a new item",
        ),
    ],
)
def test_what_people_type_is_answered(values: dict[str, Any], said: str) -> None:
    assert said in refused(**values)


def test_answers_are_of_the_kind_of_configuration_that_is_read() -> None:
    texts = [{"language": "de", "path": "text"}]
    with pytest.raises(UsageError, match=r"unknown key 'learning_rate'; here it is training\.lr$"):
        parse_config(PretrainConfig, {"texts": texts, "learning_rate": 1})
    with pytest.raises(UsageError, match=r"unknown key 'num_beams'; known: "):
        parse_config(PretrainConfig, {"texts": texts, "num_beams": 1})
    assert "here it is training.lr or classification.lr" in refused(NliConfig, learning_rate=1, lr=1)


DOCUMENT = "model: m\npairs:\n  - source: de\n    target: en\n    train: t.tsv\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            DOCUMENT.replace("    target", "     target"),
            4,
            "it is indented deeper than the line above, which has a value",
        ),
        (
            DOCUMENT.replace("    target", "   target"),
            4,
            "its indentation matches no block above it: keys of a block start in",
        ),
        (DOCUMENT.replace("    target", "  target"), 4, "its indentation matches no block above it"),
        (
            DOCUMENT.replace("    target", "\ttarget"),
            4,
            "it is indented with a tab (→); YAML allows only spaces\n  →target",
        ),
        (
            DOCUMENT.replace("  - source", "  source").replace("    target", "  - target"),
            4,
            "as do the dashes of a list",
        ),
        (DOCUMENT + "training\nlr: 3\n", 6, "neither a key with a colon (`key: value`) nor an item of a list"),
        (DOCUMENT + "arms: [standard, csr\nseeds: [1]\n", 6, "a bracket that is opened here is not closed"),
        (DOCUMENT + "arms: [", 6, "a bracket that is opened here is not closed"),
        (DOCUMENT + 'arms: ["standard, csr]\nseeds: [1]\n', 6, "a quotation mark that is opened here is not closed"),
        (DOCUMENT.replace("t.tsv", "*.tsv"), 5, "a value that begins with * must be in quotes"),
        (DOCUMENT.replace("t.tsv", "@t.tsv"), 5, "a value that begins with @ must be in quotes"),
        (
            DOCUMENT.replace("t.tsv", "{de,en}/t"),
            5,
            "text after a closing bracket or quotation mark; put the whole value",
        ),
        (DOCUMENT.replace("t.tsv", "t.de: t.en"), 5, "a second colon; put a value that has one in quotes"),
        (DOCUMENT + "model: n\n", 6, "the key 'model' appears twice, first in line 1"),
    ],
)
def test_faults_of_yaml_are_told_in_words_with_their_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_config(RunConfig, tmp_path / "c.yaml")
    assert f"c.yaml: not valid YAML: line {line}: " in str(caught.value)
    assert said in str(caught.value)


def test_a_colon_without_a_space(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model:x\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"expected a mapping of settings, found str\. Put a space after each key's colon"
    ):
        load_config(RunConfig, tmp_path / "c.yaml")
