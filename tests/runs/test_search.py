"""The grid: the same points for every arm, none trained twice, and a configuration with what was best."""

import json
from pathlib import Path

import pytest

from switchtune.config.load import load_config, parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from switchtune.runs import search as module
from switchtune.runs.search import Point, SearchResult, Tried, best_config, grid, search, search_table
from tests.miniature import ENGLISH, GERMAN


def config_of(model: Path, folder: Path, **changes: object) -> RunConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines[:6]), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    values: dict[str, object] = {
        "model": str(model),
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "recipes": ["standard", {"recipe": "csr", "training": {"lr": 1.0, "dropout": 0.1}}],
        "jobs": 1,
        "lexicon": {"accept": True},
        "training": {"updates": 4, "restore_share": 0.5, "tokens_per_batch": 200, "schedule": "constant"},
        "generation": {"beams": 1, "max_length": 8},
    }
    return parse_config(RunConfig, {**values, **changes})


@pytest.mark.slow
def test_every_arm_is_tried_at_every_point_and_the_best_are_written(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, search={"lr": [1e-5, 1e-2], "updates": [2, 4]})
    result = search(config, tmp_path / "out")
    points = [Point(updates, 200, lr) for updates in (2, 4) for lr in (1e-5, 1e-2)]
    assert [(each.arm, each.point) for each in result.tried] == [
        (arm, point) for arm in ("standard", "csr") for point in points
    ]
    # So few updates at so small a rate change next to nothing.
    standard = {each.point: each.nll for each in result.tried if each.arm == "standard"}
    assert standard[points[3]] < standard[points[1]] < standard[points[0]]
    assert [(each.point.updates, each.point.lr) for each in result.best] == [(4, 1e-2)] * 2
    best = load_config(RunConfig, tmp_path / "out/best.yaml")
    assert best.training.updates == 4
    assert [arm.training.lr for arm in best.arms] == [1e-2, 1e-2]
    assert [arm.training.dropout for arm in best.arms] == [0.3, 0.1]
    assert not list((tmp_path / "out").rglob("model.safetensors"))
    assert json.loads((tmp_path / "out/search.json").read_text(encoding="utf-8"))["updates"] == 4
    page = (tmp_path / "out/search.md").read_text(encoding="utf-8")
    assert "| csr | 4 | 200 | 0.01 |" in page
    for arm in ("standard", "csr"):
        edge = f"{arm}: the best learning rate, 0.01, is the largest that was tried: a larger one may be better."
        assert edge in page


@pytest.mark.slow
def test_a_stopped_search_goes_on(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(model, tmp_path, recipes=["standard"], search={"lr": [1e-4, 1e-3, 1e-2]})
    trained: list[str] = []
    real = module.train_trial

    def train(*arguments: object) -> object:
        trained.append(Path(str(arguments[2])).name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "train_trial", train)
    with pytest.raises(KeyboardInterrupt):
        search(config, tmp_path / "out")
    mine = tmp_path / "out/standard/updates4-tokens200-lr0.001/backup/model"
    mine.mkdir(parents=True)
    (mine / "weights").touch()
    result = search(config, tmp_path / "out")
    second = "updates4-tokens200-lr0.001"
    assert (mine / "weights").exists()
    assert trained == ["updates4-tokens200-lr0.0001", second, second, "updates4-tokens200-lr0.01"]
    assert search(config, tmp_path / "out") == result
    assert len(trained) == 4


def test_one_number_of_updates_is_chosen_for_all_arms() -> None:
    losses = {("a", 1, 1e-3): 2.0, ("a", 2, 1e-3): 1.0, ("b", 1, 1e-3): 1.0, ("b", 2, 1e-3): 1.9, ("b", 2, 1e-4): 1.8}
    tried = tuple(Tried(arm, Point(updates, 64, lr), nll) for (arm, updates, lr), nll in losses.items())
    result = SearchResult("de-en", 1, tried)
    assert result.updates == 2
    assert [(each.arm, each.point.lr, each.nll) for each in result.best] == [("a", 1e-3, 1.0), ("b", 1e-4, 1.8)]
    marks = [row[-1] for row in search_table(result)[1]]
    assert marks == ["", "best", "", "", "best"]


def test_a_grid_without_choice_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"training\.lr names none"):
        grid(config_of(model, tmp_path, search={"updates": [2, 4]}))
    with pytest.raises(UsageError, match="the grid has one point"):
        grid(config_of(model, tmp_path, search={"lr": [1e-4]}))


def test_what_was_given_stands_though_it_is_the_default_of_another_task(tmp_path: Path) -> None:
    given = {"task": "summarization", "gloss": {"rate": 1.0}, "generation": {"beams": 5}, "recipes": ["standard"]}
    config = config_of(tmp_path, tmp_path, **given)
    point = Point(4, 200, 1e-2)
    tried = (Tried("standard", point, 1.0),)
    best = parse_config(RunConfig, best_config(config, SearchResult("de-en", 1, tried)))
    assert (best.gloss, best.generation) == (config.gloss, config.generation)
    assert best.training == config.training
