"""Configuration files: what is refused, and how it is said."""

import math
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from switchtune.config.base import Settings
from switchtune.config.inference import NliConfig
from switchtune.config.load import load_config, load_run_config, parse_config
from switchtune.config.pretrain import PretrainConfig
from switchtune.config.run import RunConfig
from switchtune.config.switching import GlossSettings
from switchtune.config.training import GenerationSettings, TrainingSettings
from switchtune.errors import SwitchtuneError, UsageError

PLAIN = "model: m\npairs: [{source: de, target: en, train: t, valid: v, test: x}]\n"
PAIR = {"source": "de", "target": "en", "train": "t", "valid": "v", "test": "x"}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def config(**values: object) -> RunConfig:
    return parse_config(RunConfig, {"model": "m", "pairs": [PAIR], **values})


def refused(**values: object) -> str:
    with pytest.raises(UsageError) as caught:
        config(**values)
    return str(caught.value)


def test_defaults_are_the_papers() -> None:
    made = config()
    assert [arm.name for arm in made.arms] == ["standard", "csr"]
    assert (made.switching.rate, made.switching.mean_span, made.lexicon.k) == (0.35, 3.5, 3)
    training = made.training
    assert (training.warmup, training.label_smoothing, training.dropout) == (2500, 0.2, 0.3)
    assert training.updates * training.restore_share == pytest.approx(5000)
    assert made.generation.beams == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 1}, "unknown key 'seed'; here it is seeds (a list: [1, 2])"),
        ({"training": {"learning_rate": 1}}, "unknown key 'training.learning_rate'; here it is training.lr"),
        ({"training": {"label_smooth": 1}}, "unknown key 'training.label_smooth'; did you mean 'label_smoothing'?"),
        ({"pairs": [{**PAIR, "sorce": "de"}]}, "unknown key 'pairs.0.sorce'; did you mean 'source'?"),
        ({"arms": ["standard", {"recipe": "csr", "nme": "x"}]}, "did you mean 'name'?"),
        ({"training": {"updates": 0}}, "training.updates: Input should be greater than or equal to 1 (found 0)"),
        ({"arms": ["csr"]}, "baseline: 'standard' is not among the arms"),
        ({"arms": ["standard", "csr", "csr"]}, "'csr' appears twice"),
        ({"arms": ["standard", {"recipe": "csr", "training": {"updates": 5}}]}, "the same total of updates"),
        (
            {"arms": ["standard", {"recipe": "csr", "lexicon": {"metod": "align"}}]},
            "arms.csr.lexicon: unknown key 'metod'; did you mean 'method' or 'mode'?",
        ),
        ({"arms": ["standard", {"recipe": "csr", "name": "a/b"}]}, "cannot name a folder"),
        ({"training": {"average": 3, "keep": "best"}}, "average: the last checkpoints are averaged, and keep is best"),
        ({"training": {"best_by": "chrf"}}, "best_by: chrf has no effect without keep: best or patience"),
        ({"training": {"least_updates": 5}}, "least_updates has no effect without patience"),
        ({"pairs": []}, "pairs: "),
        ({"training": {"lora": {"rnk": 8}}}, "unknown key 'training.lora.rnk'; did you mean 'rank'?"),
        ({"training": {"snapshots": True, "lora": {}}}, "snapshots: checkpoints of adapters are not models"),
        ({"training": {"average": 2, "lora": {}}}, "the mean of adapters is not the mean of what they add"),
        ({"training": {"optimizer": "sgd"}}, "training.optimizer: Input should be 'auto', 'adamw', 'adafactor'"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(values: dict[str, object], message: str) -> None:
    assert message in refused(**values)


def test_a_model_is_a_name_or_a_block() -> None:
    assert config(model="m").model == config(model={"name": "m"}).model
    block = config(model={"name": "m", "trim": "on", "text": ["more.txt"]}).model
    assert (block.name, block.trim, block.text) == ("m", "on", ("more.txt",))
    assert "model: text is for trimming" in refused(model={"name": "m", "trim": "off", "text": ["more.txt"]})
    assert "unknown key 'model.trm'; did you mean 'trim'?" in refused(model={"name": "m", "trm": "off"})


@pytest.mark.parametrize("trim", ["off", "on", "auto"])
def test_off_and_on_are_words_in_a_file(trim: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"model: {{name: m, trim: {trim}}}\npairs: [{{source: de, target: en, train: t, valid: v, test: x}}]\n"
    )
    assert load_config(RunConfig, path).model.trim == trim


def test_a_linear_schedule_may_have_its_former_name() -> None:
    assert config(training={"schedule": "polynomial"}).training.schedule == config().training.schedule == "linear"


def test_an_unknown_language_names_the_nearest() -> None:
    assert "germn" in refused(pairs=[{**PAIR, "source": "germn"}])


def test_all_problems_are_told_at_once() -> None:
    assert len(refused(training={"updates": 0, "lr": -1}, seed=1).splitlines()) == 3


def test_arms_take_over_the_runs_settings() -> None:
    made = config(
        lexicon={"k": 5},
        arms=[
            "standard",
            {"recipe": "csr", "name": "piece", "switching": {"unit": "piece"}, "lexicon": {"seed": 7}},
        ],
    )
    standard, piece = made.arms
    assert (piece.lexicon.k, piece.lexicon.seed) == (5, 7)
    assert (piece.switching.unit, standard.switching.unit) == ("piece", "word")
    other = made.model_copy(update={"lexicon": made.lexicon.model_copy(update={"k": 2})})
    assert [arm.lexicon.k for arm in (*made.arms, *other.arms)] == [5, 5, 2, 2]


@pytest.mark.parametrize("key", ["arms", "recipes"])
@pytest.mark.parametrize("other", ["arms", "recipes"])
def test_the_rows_of_a_comparison_may_have_their_former_name(tmp_path: Path, key: str, other: str) -> None:
    (tmp_path / "c.yaml").write_text(f"{PLAIN}{key}: [standard, csr]\n")
    made = load_config(RunConfig, tmp_path / "c.yaml", [f"{other}.1.training.lr=1e-3"])
    assert [arm.training.lr for arm in made.arms] == [None, 1e-3]
    assert yaml.safe_load(made.as_yaml())["arms"][1]["training"] == {"lr": 1e-3}
    assert "unknown key 'arms.0.nam'; did you mean 'name'" in refused(**{key: [{"recipe": "csr", "nam": 1}]})
    assert "keep one of the two" in refused(arms=["standard"], recipes=["standard"])


def test_overrides_reach_blocks_lists_and_new_keys(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: m\npairs: [{source: de, target: en, train: t, valid: v, test: x}]\n")
    made = load_config(RunConfig, path, ["training.lr=1e-4", "pairs.0.limit=10", "seeds=[3, 4]", "model=other"])
    assert (made.training.lr, made.pairs[0].limit, made.seeds, made.model.name) == (1e-4, 10, (3, 4), "other")


def test_adapters_are_asked_for_by_one_setting_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: m\npairs: [{source: de, target: en, train: t, valid: v, test: x}]\n")
    assert load_config(RunConfig, path).training.lora is None
    lora = load_config(RunConfig, path, ["training.lora.rank=8", "training.lora.targets=[q_proj]"]).training.lora
    assert lora is not None
    assert (lora.rank, lora.alpha, lora.targets) == (8, 32, ("q_proj",))


def test_yaml_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: m\npairs: [{source: no, target: en, train: t, valid: v, test: x}]\ntraining:\n")
    made = load_config(RunConfig, str(path), ["training.lr=1e-4"])
    assert (made.pairs[0].source, made.training.lr) == ("no", 1e-4)


def test_pretraining_keeps_its_own_defaults_beside_a_setting() -> None:
    values = {"texts": [{"language": "de", "path": "x"}], "training": {"updates": 7}}
    training = parse_config(PretrainConfig, values).training
    assert (training.updates, training.lr, training.dropout, training.label_smoothing) == (7, 5e-4, 0.1, 0.0)
    assert training.optimizer == "adamw"


def test_an_override_reaches_into_a_block_that_is_written_in_short(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "model: m\npairs: [{source: de, target: en, train: t, valid: v, test: x}]\narms: [standard, csr]\n"
        "lexicon: {method: dictionary, dictionaries: [a.tsv]}\n"
    )
    overrides = ["model.trim=off", "arms.1.name=mine", "lexicon.dictionaries.0.weight=2", "training.updates=7"]
    made = load_config(RunConfig, path, overrides)
    assert (made.model.name, made.model.trim) == ("m", "off")
    assert [(arm.recipe, arm.name) for arm in made.arm_settings] == [("standard", "standard"), ("csr", "mine")]
    assert [(each.path, each.weight) for each in made.lexicon.dictionaries] == [("a.tsv", 2.0)]
    assert made.training.updates == 7


def test_summaries_are_searched_as_the_paper_does_unless_told_otherwise() -> None:
    pair = {"source": "en", "target": "zh", "train": "t", "valid": "v", "test": "x"}
    values = {"model": "m", "pairs": [pair], "task": "summarization", "generation": {"beams": 2}}
    generation = parse_config(RunConfig, values).generation
    assert (generation.beams, generation.longest_output(7, "zh"), generation.longest_output(7, "en")) == (2, 160, 130)
    translation = parse_config(RunConfig, {**values, "task": "translation"}).generation
    assert translation.longest_output(100, "zh") == 160
    assert translation.longest_output(10, "en") == 25
    made = parse_config(RunConfig, {**values, "gloss": GlossSettings(k=1)})
    assert (made.generation.longest_output(7, "zh"), made.gloss) == (160, GlossSettings(k=1))
    made = parse_config(RunConfig, {**values, "generation": GenerationSettings(beams=2), "gloss": {"k": 1}})
    assert (made.generation.fixed_length("zh"), made.gloss.rate) == (None, 0.35)
    aligned = {**values, "arms": ["standard", {"recipe": "csr", "switching": {"source": "aligned"}}]}
    with pytest.raises(UsageError, match="a summary is not a translation"):
        parse_config(RunConfig, aligned)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("arms=[standard", "not valid YAML"),
        ("training.lr", "expected key=value"),
        ("pairs.5.limit=1", "expected a position from 0 to 0, found '5'"),
        ("model.name.x=1", "inside a plain value"),
    ],
)
def test_wrong_overrides_are_explained(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: m\npairs: [{source: de, target: en, train: t, valid: v, test: x}]\n")
    with pytest.raises(UsageError, match=r"--set") as caught:
        load_config(RunConfig, path, [override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "values", "verb"), [(PretrainConfig, {"pairs": []}, "run"), (RunConfig, {"texts": []}, "pretrain")]
)
def test_settings_of_another_verb_are_told_once(kind: type[Settings], values: dict[str, Any], verb: str) -> None:
    with pytest.raises(
        UsageError, match=f"^configuration: with '[a-z]+', these are settings of `switchtune {verb}`\\.$"
    ):
        parse_config(kind, {**values, "jobs": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "not valid YAML"),
        (b"- 1\n", "expected a mapping of settings, found list"),
        (b"", "found an empty file"),
        (b"a: b\n---\na: b\n", "expected a single document"),
        (b"\ta: b", "line 1: it is indented with a tab"),
        (b"a: \0", "unacceptable character #x0000"),
        (b"\x7fELF\xd0\0", "not valid YAML"),
        (PLAIN.encode("utf-16-le"), "not valid YAML"),
        (b"#" * 2**19 + b"\n", "524,289 bytes, where at most 524,288 are expected. Give the YAML file of settings"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_config(RunConfig, path)


def test_pipes_devices_and_folders_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, said in {"pipe": "a pipe", "/dev/zero": "a device", "": "a folder", "loop": "itself"}.items():
        path = tmp_path / path
        with pytest.raises(UsageError, match=said):
            load_run_config(path)
    with pytest.raises(UsageError, match=r"cannot be opened \(File name too long\)"):
        load_run_config(tmp_path / ("x" * 300))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_other_editors(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "c.yaml").write_text(PLAIN.replace("train: t", "train: Ä"), encoding=encoding)
    assert load_config(RunConfig, tmp_path / "c.yaml").pairs[0].train == "Ä"


def laughs(value: str) -> str:
    """A short document whose aliases stand for 10 ** 12 values."""
    lines = [f"a0: &a0 [{', '.join([value] * 10)}]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs("x"), "more than 100,000 keys and values"),
        (re.sub(r"\[([*].*)\]", r"{<<: [\1]}", laughs("x")), "more than 100,000 keys and values"),
        ("a: &a [*a]", "a block in itself"),
        ("a: &a {<<: *a}", "a block in itself"),
        ("- " * 10_000, "more than 32 nested blocks"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99)), "more than 32 nested blocks"),
        ("a: x\nb:\n  c: x\n  d: x\n  c: y\n", "'c' appears twice, first in line 3"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "'<<' appears twice, first in line 3"),
        ("a: x\n1: x", "line 2"),
        ("null: x", "a key that is not text: put it in quotes"),
        ("[a]: x", "a key that is not text"),
        ("a: !!int abc", "the tag '!!int' does not fit"),
        ("a: !!int ''", "the tag '!!int' does not fit"),
        ("a: !!binary aGk=", "the tag '!!binary' does not fit"),
        ("a: !!set {a}", "the tag '!!set' does not fit"),
        ("a: !!python/object/apply:os.system [ls]", "the tag '!!python/object/apply:os.system' does not fit"),
        (r'a: "\0"', r"a control character in '\x00'"),
        (r'a: "\ud800"', r"a control character in '\ud800'"),
    ],
)
def test_what_yaml_could_do_but_is_not_to(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_run_config(tmp_path / "c.yaml")
    assert message in str(caught.value)
    (tmp_path / "c.yaml").write_text(PLAIN)
    with pytest.raises(UsageError, match="--set training") as caught:
        load_run_config(tmp_path / "c.yaml", [f"training={text}"])
    assert message.replace("line 2", "not text") in str(caught.value)


def test_aliases_and_merge_keys_as_people_use_them(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "model: m\npairs:\n- &de {source: de, target: en, train: t, valid: v, test: x}\n- {<<: *de, source: it}\n"
        "arms: [standard, {recipe: csr, training: &slow {lr: 1e-5}}, {recipe: random, training: *slow}]\n"
    )
    made = load_config(RunConfig, tmp_path / "c.yaml", ["arms.1.training.lr=1e-3"])
    assert [(pair.source, pair.train) for pair in made.pairs] == [("de", "t"), ("it", "t")]
    assert [arm.training.lr for arm in made.arms] == [None, 1e-3, 1e-5]


@pytest.mark.parametrize(
    ("text", "value"), [("010", 10), ("1_000", 1000), ("1e3", 1000), ("1.0e+3", 1000), ("+5", 5), ("'7'", 7)]
)
def test_whole_numbers_as_people_write_them(tmp_path: Path, text: str, value: int) -> None:
    (tmp_path / "c.yaml").write_text(f"{PLAIN}training: {{updates: {text}}}")
    assert load_config(RunConfig, tmp_path / "c.yaml").training.updates == value


@pytest.mark.parametrize(
    "text",
    ["2024-13-45", "2024-01-01", "1:30", "0x10", ".inf", ".nan", "1e400", "9" * 5000, "1.5", "~", "[1]", "{a: 1}"],
)
def test_what_is_no_whole_number_is_told_with_its_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(f"{PLAIN}training: {{updates: {text}}}")
    with pytest.raises(UsageError, match=r"c.yaml: training.updates: .*\(found ") as caught:
        load_config(RunConfig, tmp_path / "c.yaml")
    assert len(str(caught.value)) < 500


def test_a_date_may_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(PLAIN.replace("model: m", "model: 2024-01-01"))
    assert load_config(RunConfig, tmp_path / "c.yaml").model.name == "2024-01-01"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": [1]}, "model: expected a block of settings (name, add, trim, text) (found [1])"),
        ({"model": ""}, "model.name: String should have at least 1 character"),
        ({"pairs": {}}, "pairs: expected a list (found {})"),
        ({"arms": ["standard"] * 100_000}, "arms: List should have at most 1000 items"),
        ({"pairs": [PAIR] * 100_000}, "pairs: List should have at most 1000 items"),
        ({"seeds": list(range(100_000))}, "seeds: List should have at most 1000 items"),
        ({"seeds": list(range(1000)), "arms": [{"recipe": "csr", "name": f"a{n}"} for n in range(11)]}, "baseline"),
        (
            {
                "seeds": list(range(1000)),
                "baseline": "a0",
                "arms": [{"recipe": "csr", "name": f"a{n}"} for n in range(11)],
            },
            "11,000 trainings (pairs × arms × seeds); a run has at most 10,000",
        ),
        ({"arms": ["csx"] * 30}, "10 more like these"),
        ({"arms": [{"recipe": "standard", "name": "a" * 101}]}, "100 at most"),
        ({"training": {"adam_betas": [-1, 5]}}, "training.adam_betas.1: Input should be less than 1 (found 5)"),
        ({"training": {"lora": {"targets": 5}}}, "training.lora.targets: Input should be 'auto' (found 5)"),
        ({"arms": ["standard", {"recipe": "csr", "training": {"lr": math.nan}}]}, "arms.csr.training: lr: "),
    ],
)
def test_what_could_only_go_wrong_later(values: dict[str, object], message: str) -> None:
    assert message in refused(**values)


def test_an_unknown_key_in_a_dictionary_of_a_language(tmp_path: Path) -> None:
    text = "task: nli\nmodel: m\nlanguages: [de]\ndata: {train: a, valid: b, test: 'c*'}\n"
    (tmp_path / "c.yaml").write_text(f"{text}lexicon: {{dictionaries: {{de: {{pth: x}}}}}}")
    with pytest.raises(UsageError, match=r"unknown key 'lexicon.dictionaries.de.0.pth'; did you mean 'path'"):
        load_run_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 30, "heads": 4}, "size: width 30 cannot be shared out evenly among 4 heads"),
        ({"pieces": 1e9}, "size.pieces: Input should be less than or equal to 1000000"),
    ],
)
def test_sizes_that_do_not_fit_together(values: dict[str, int], message: str) -> None:
    pretraining = {"family": "mt5", "size": values, "texts": [{"language": "de", "path": "x"}]}
    with pytest.raises(UsageError, match=message):
        parse_config(PretrainConfig, pretraining)


def is_block(part: Any) -> bool:
    return hasattr(part, "model_fields")


def parts_of(annotation: Any) -> list[Any]:
    """All types that an annotation is made of, with those of the fields of blocks."""
    inner = [field.annotation for field in getattr(annotation, "model_fields", {}).values()] or get_args(annotation)
    return [annotation, *(part for each in inner for part in parts_of(each))]


BLOCKS = {part for kind in (RunConfig, NliConfig, PretrainConfig) for part in parts_of(kind) if is_block(part)}


@pytest.mark.parametrize("block", sorted(BLOCKS, key=str), ids=lambda block: block.__name__)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e300, -1e300, 10**12, -(10**12)])
def test_every_number_has_bounds(block: type[BaseModel], value: float) -> None:
    for name, field in block.model_fields.items():
        own = [part for part in parts_of(field.annotation) if not is_block(part)]
        if not {int, float} & set(own) or own != parts_of(field.annotation):
            continue
        for given_value in (value, [value], [value, value], {"zh": value}, {"align": value}):
            with pytest.raises(ValidationError) as caught:
                block.model_validate({name: given_value})
            assert name in {error["loc"][0] for error in caught.value.errors()}, name


def test_the_bounds_themselves_are_settings_that_work() -> None:
    generation = parse_config(GenerationSettings, {"beams": 1000, "length_penalty": -10, "max_length_extra": 100_000})
    assert generation.longest_output(5, "de") == 100_007


texts = st.text(max_size=200) | st.text("ab:-[]{}&*<!|>#?'\"%@`,\n\t 019.e~=", max_size=200)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=5),
    max_leaves=15,
)
KEYS = sorted({name for block in BLOCKS for name in block.model_fields} | {"0", "1", "de", "", "x"})
overrides = st.lists(
    st.builds(
        "{}={}".format,
        st.lists(st.sampled_from(KEYS), max_size=4).map(".".join) | st.text(max_size=20),
        texts | trees.map(partial(yaml.dump, default_flow_style=True)),
    ),
    max_size=3,
)
EXAMPLE_TEXTS = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.rglob("*.yaml"))]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """An example with some of its lines replaced, repeated, moved or torn."""
    lines = draw(st.sampled_from(EXAMPLE_TEXTS)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        key = lines[place].partition(":")[0]
        value = trees.map(partial(yaml.dump, default_flow_style=True))
        torn = st.sampled_from([lines[place][:length] for length in range(len(lines[place]) + 1)])
        new = draw(st.builds("{}: {}".format, st.just(key), value) | texts | st.sampled_from(lines) | torn)
        lines[place : place + draw(st.integers(0, 1))] = [new]
    return "\n".join(lines)


def works_or_is_told(path: Path, sets: Sequence[str] = ()) -> None:
    pretraining = partial(load_config, PretrainConfig)
    loads: list[Callable[[Path, Sequence[str]], object]] = [load_run_config, pretraining]
    for load in loads:
        with suppress(SwitchtuneError):
            load(path, sets)


@settings.get_profile("fuzz")
@given(texts.map(str.encode) | st.binary(max_size=200) | trees.map(yaml.dump).map(str.encode), overrides)
def test_any_file_works_or_is_told(tmp_path: Path, content: bytes, sets: list[str]) -> None:
    (tmp_path / "c.yaml").write_bytes(content)
    works_or_is_told(tmp_path / "c.yaml", sets)


@settings.get_profile("fuzz")
@given(mutated(), overrides)
def test_any_edit_of_an_example_works_or_is_told(tmp_path: Path, content: str, sets: list[str]) -> None:
    (tmp_path / "c.yaml").write_text(content, encoding="utf-8", errors="surrogatepass")
    works_or_is_told(tmp_path / "c.yaml", sets)


@settings.get_profile("fuzz")
@given(st.sampled_from([RunConfig, NliConfig, PretrainConfig]), st.dictionaries(st.sampled_from(KEYS), trees))
def test_any_values_work_or_are_told(kind: type[RunConfig], values: dict[str, Any]) -> None:
    with suppress(SwitchtuneError):
        parse_config(kind, {"model": "m", "pairs": [PAIR], **values})


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").touch()
    with pytest.raises(UsageError, match=r"Did you mean 'quickstart\.yaml'"):
        load_config(RunConfig, tmp_path / "quickstrat.yaml")


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    if path.stem.endswith("pretrain"):
        load_config(PretrainConfig, path)
    else:
        load_run_config(path)


def test_a_task_that_there_is_not_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("task: nlii\n", encoding="utf-8")
    with pytest.raises(UsageError, match="task: did you mean 'nli'"):
        load_run_config(tmp_path / "c.yaml")


def test_inference_given_to_a_command_for_pairs_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("task: nli\nlanguages: [de]\ndata: {}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="task: nli is for `switchtune run`, `train` and `show-batch` alone") as caught:
        load_config(RunConfig, tmp_path / "c.yaml")
    assert "unknown key" not in str(caught.value)


def test_every_training_field_is_documented() -> None:
    undocumented = {name for name, field in TrainingSettings.model_fields.items() if not field.description}
    assert undocumented <= {"weight_decay", "adam_betas", "adam_epsilon"}


@pytest.mark.parametrize(
    ("changes", "field", "matters"),
    [
        ({}, "evaluate_every", False),
        ({"patience": 2}, "evaluate_every", True),
        ({}, "checkpoint_every", False),
        ({"keep": "best", "average": 1, "snapshots": True}, "checkpoint_minutes", False),
        ({"keep": "best"}, "checkpoint_every", True),
        ({"average": 2}, "checkpoint_every", True),
        ({"keep": "best"}, "valid_sentences", False),
        ({"keep": "best", "best_by": "chrf"}, "valid_sentences", True),
    ],
)
def test_what_makes_no_difference_trains_nothing_anew(changes: dict[str, object], field: str, matters: bool) -> None:
    assert (field in config(training=changes).training.decisive) == matters


def test_a_mixture_is_the_same_in_any_order() -> None:
    pair = {"source": "en", "target": "zh", "train": "t", "valid": "v", "test": "x"}
    shares = {"task": 0.5, "gloss": [0.3, 0.1], "restore": 0.2, "denoise": 0}
    mixtures = [
        parse_config(
            RunConfig, {"model": "m", "pairs": [pair], "arms": ["standard", {"recipe": "csr+", "mixture": mixture}]}
        )
        .arms[1]
        .recipe.stages[0]
        .mixture
        for mixture in (shares, dict(reversed(shares.items())))
    ]
    assert [list(mixture.items()) for mixture in mixtures] == [
        [("task", 0.5), ("restore", 0.2), ("gloss", (0.3, 0.1))]
    ] * 2


def test_a_mask_that_only_the_reverse_model_is_given_is_needed_too() -> None:
    pair = {"source": "en", "target": "zh", "train": "t", "valid": "v", "test": "x", "monolingual": {"zh": "m"}}
    own = {"recipe": "csr+bt", "name": "own", "mixture": {"task": 0.5, "backtranslated": 0.5}}
    values = {"model": "m", "pairs": [pair], "arms": [own, "bt"], "baseline": "bt", "gloss": {"unknown": "mask"}}
    assert [arm.needs_mask for arm in parse_config(RunConfig, values).arms] == [True, False]


def test_terms_take_a_share_of_the_examples_of_the_task_in_any_recipe() -> None:
    arms = ["standard", "csr", "csr+", {"recipe": "csr+bt", "name": "own", "terms": {"tag": True}}, "auto"]
    pair = PAIR | {"monolingual": {"en": "more"}}
    made = config(pairs=[pair], arms=arms, terms=0.5).arms
    mixtures = [[dict(stage.mixture) for stage in arm.recipe.stages] for arm in made]
    assert mixtures[0] == [{"task": 0.5, "terms": 0.5}]
    assert mixtures[1] == [{"restore": 1.0}, {"task": 0.5, "terms": 0.5}]
    assert mixtures[2] == [{"task": (0.15, 0.5), "gloss": (0.7, 0.0), "terms": (0.15, 0.5)}]
    assert (made[3].terms.share, made[3].terms.mark, made[2].terms.mark) == (0.5, "|", "")
    assert all(any("terms" in stage.mixture for stage in recipe.stages) for recipe in made[4].choices)
    assert all(arm.needs_alignments and arm.needs_lexicons for arm in made[:4])
    reverse = made[3].reverse
    assert reverse is not None and not reverse.has_terms and not reverse.aligns_all


def test_glosses_are_learned_from_alignments_where_the_lexicon_is_aligned_and_meant() -> None:
    arms = [
        "csr+",
        {"recipe": "csr+", "name": "words", "gloss": {"reorder": False, "language_model": 0}},
        {"recipe": "csr+", "name": "vecmap", "lexicon": {"method": "vecmap"}},
        {"recipe": "csr+", "name": "anti", "switching": {"source": "anti"}},
        "csr",
    ]
    made = config(arms=arms, baseline="csr").arms
    assert [arm.learns_glosses for arm in made] == [True, False, False, False, False]
    assert [arm.needs_alignments for arm in made] == [True, False, False, False, False]
    assert [arm.models_source for arm in made] == [True, False, True, True, False]


def test_a_reverse_model_of_several_rounds_has_no_terms_and_as_much_of_the_task() -> None:
    pair = PAIR | {"monolingual": {"en": "more", "de": "mehr"}}
    without, made = (
        config(pairs=[pair], arms=["csr+bt"], baseline="csr+bt", back_translation={"rounds": 2}, terms=share)
        .arms[0]
        .reverse
        for share in (0.0, 0.5)
    )
    assert made is not None and without is not None
    assert made.recipe == without.recipe


def test_a_mixture_can_have_terms_of_its_own() -> None:
    own = {"recipe": "csr+", "name": "own", "mixture": {"terms": 0.5, "task": 0.5}}
    (_, arm) = config(arms=["standard", own]).arms
    assert dict(arm.recipe.stages[0].mixture) == {"task": 0.5, "terms": 0.5}
    assert arm.has_terms


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arms": ["standard", "iaft"], "terms": 0.3}, "arms.iaft.terms: its recipe has no examples of the task"),
        ({"task": "summarization", "terms": 0.3}, "arms.standard.terms: the task has no translations"),
        ({"terms": 1.5}, "terms.share"),
        ({"terms": 0.3, "switching": {"unit": "piece"}}, "terms are made of words, and switching.unit is piece"),
        (
            {"arms": ["standard", {"recipe": "csr", "terms": {"tag": True}}]},
            "arms.csr.terms: it has none; give their share",
        ),
        (
            {"arms": ["standard", {"recipe": "csr+", "terms": 0.3, "mixture": {"task": 0.5, "terms": 0.5}}]},
            "terms.share and mixture both say how many terms there are",
        ),
    ],
)
def test_terms_that_cannot_be(values: dict[str, object], message: str) -> None:
    assert message in refused(**values)
