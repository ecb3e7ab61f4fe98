"""Configuration files: what is refused, and how it is said."""

from pathlib import Path

import pytest

from switchtune.config import (
    PretrainConfig,
    RunConfig,
    TrainingSettings,
    load_config,
    load_run_config,
    parse_config,
)
from switchtune.errors import UsageError

PAIR = {"source": "de", "target": "en", "train": "t", "valid": "v", "test": "x"}
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def config(**values: object) -> RunConfig:
    return parse_config(RunConfig, {"model": "m", "pairs": [PAIR], **values})


def refused(**values: object) -> str:
    with pytest.raises(UsageError) as caught:
        config(**values)
    return str(caught.value)


def test_defaults_are_the_papers() -> None:
    made = config()
    assert [arm.name for arm in made.recipes] == ["standard", "csr"]
    assert (made.switching.rate, made.switching.mean_span, made.lexicon.k) == (0.35, 3.5, 3)
    training = made.training
    assert (training.warmup, training.label_smoothing, training.dropout) == (2500, 0.2, 0.3)
    assert training.updates * training.restore_share == pytest.approx(5000)
    assert made.generation.beams == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 1}, "unknown key 'seed'; did you mean 'seeds'?"),
        ({"training": {"learning_rate": 1}}, "unknown key 'training.learning_rate'; known: "),
        ({"training": {"label_smooth": 1}}, "unknown key 'training.label_smooth'; did you mean 'label_smoothing'?"),
        ({"pairs": [{**PAIR, "sorce": "de"}]}, "unknown key 'pairs.0.sorce'; did you mean 'source'?"),
        ({"recipes": ["standard", {"recipe": "csr", "nme": "x"}]}, "did you mean 'name'?"),
        ({"training": {"updates": 0}}, "training.updates: Input should be greater than or equal to 1 (found 0)"),
        ({"recipes": ["csr"]}, "baseline: 'standard' is not among the recipes"),
        ({"recipes": ["standard", "csr", "csr"]}, "'csr' stands twice"),
        ({"recipes": ["standard", {"recipe": "csr", "training": {"updates": 5}}]}, "the same total of updates"),
        (
            {"recipes": ["standard", {"recipe": "csr", "lexicon": {"metod": "align"}}]},
            "recipes.csr.lexicon: unknown key 'metod'; did you mean 'method' or 'mode'?",
        ),
        ({"recipes": ["standard", {"recipe": "csr", "name": "a/b"}]}, "cannot name a folder"),
        ({"training": {"average": 3, "keep": "best"}}, "average: the last checkpoints are averaged, and keep is best"),
        ({"training": {"best_by": "chrf"}}, "best_by: chrf decides nothing without keep: best or patience"),
        ({"training": {"least_updates": 5}}, "least_updates decides nothing without patience"),
        ({"pairs": []}, "pairs: "),
        ({"training": {"lora": {"rnk": 8}}}, "unknown key 'training.lora.rnk'; did you mean 'rank'?"),
        ({"training": {"snapshots": True, "lora": {}}}, "snapshots: the checkpoints of adapters are no models"),
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


def test_an_unknown_language_names_the_nearest() -> None:
    assert "germn" in refused(pairs=[{**PAIR, "source": "germn"}])


def test_all_problems_are_told_at_once() -> None:
    assert len(refused(training={"updates": 0, "lr": -1}, seed=1).splitlines()) == 3


def test_arms_take_over_the_runs_settings() -> None:
    made = config(
        lexicon={"k": 5},
        recipes=[
            "standard",
            {"recipe": "csr", "name": "piece", "switching": {"unit": "piece"}, "lexicon": {"seed": 7}},
        ],
    )
    arm = made.recipes[1]
    assert (made.lexicon_of(arm).k, made.lexicon_of(arm).seed) == (5, 7)
    assert (made.switching_of(arm).unit, made.switching_of(made.recipes[0]).unit) == ("piece", "word")


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
        "model: m\npairs: [{source: de, target: en, train: t, valid: v, test: x}]\nrecipes: [standard, csr]\n"
        "lexicon: {method: dictionary, dictionaries: [a.tsv]}\n"
    )
    overrides = ["model.trim=off", "recipes.1.name=mine", "lexicon.dictionaries.0.weight=2", "training.updates=7"]
    made = load_config(RunConfig, path, overrides)
    assert (made.model.name, made.model.trim) == ("m", "off")
    assert [(arm.recipe, arm.name) for arm in made.recipes] == [("standard", "standard"), ("csr", "mine")]
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
    aligned = {**values, "recipes": ["standard", {"recipe": "csr", "switching": {"source": "aligned"}}]}
    with pytest.raises(UsageError, match="a summary is no translation"):
        parse_config(RunConfig, aligned)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipes=[standard", "not valid YAML"),
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


@pytest.mark.parametrize(("text", "message"), [("a: [", "not valid YAML"), ("- 1\n", "expected a mapping")])
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_config(RunConfig, path)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").touch()
    with pytest.raises(UsageError, match=r"did you mean 'quickstart\.yaml'"):
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
    with pytest.raises(UsageError, match="task: nli is trained by `switchtune run` alone") as caught:
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
    assert (field not in config(training=changes).training.without_effect) == matters
