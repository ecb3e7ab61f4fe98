"""The house: imports follow the way of the data, the front door is light, the public names exist."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import switchtune

PACKAGE = Path(switchtune.__file__).parent

ORDER = (
    "errors terminal languages files run_dir growing records config corpus.words corpus.vocabulary corpus.syntax "
    "corpus.grammar corpus.formats corpus.read corpus.documents lexicon lexicon.block lexicon.hmm lexicon.fertility "
    "lexicon.alignment lexicon.cooccurrence lexicon.align lexicon.map lexicon.neighbours lexicon.embed lexicon.plm "
    "lexicon.combine lexicon.judge lexicon.build switching in_context examples models.chunks models.families "
    "models.load models.states models.adapters models.vocabulary models.trim training.loss training.batches "
    "training.stopping training.distributed training.checkpoints training.curve training.watch training.sharding "
    "training.trackers training.recipes training.collator training.memory training.energy training.finite "
    "training.precision training.optimizers training.schedule training.resumable training.loop training.trainer "
    "training.footprint training.devices generation.batching generation.by_transformers generation.by_ct2 generation "
    "scoring.metrics scoring.units scoring.rouge scoring.significance scoring.word_accuracy scoring.outputs "
    "scoring.comet scoring.assess report.table report.matrix report.html report.charts report.lexicon_page "
    "lexicon_folder validation pretraining tasks trial experiment search nli.data nli.switching nli.classifier "
    "nli.training report.accuracy nli.experiment train analysis.run analysis.distance analysis.figures "
    "analysis.projection analysis.frequency analysis.dynamics analysis.cost analysis.cases analysis.analyse zeroshot "
    "plan parity export preview report.run_files report.headline report.sentences report.parts report.run_page "
    "demo.workshop demo.server progress cli_options cli_lexicon cli_model cli_report cli_scores cli_analysis cli"
).split()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py") if path.stat().st_size and path.parent != PACKAGE}
MODULES |= {path.stem: path for path in PACKAGE.glob("*.py") if path.stem not in {"__init__", "__main__"}}


def imports_of(path: Path) -> set[str]:
    """Modules of the package that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.removeprefix("switchtune.") for name in names if name.startswith("switchtune.")} & set(MODULES)


def test_every_module_has_its_place() -> None:
    assert sorted(MODULES) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_what_stands_before_it(name: str) -> None:
    later = {other for other in imports_of(MODULES[name]) if ORDER.index(other) >= ORDER.index(name)}
    assert not later


@pytest.mark.parametrize("statement", ["import switchtune", "import switchtune.cli.main", "import switchtune.config"])
def test_the_front_door_is_light(statement: str) -> None:
    program = (
        f"{statement}; import sys; heavy = {{'torch', 'transformers', 'datasets', 'gensim', 'pyarrow', 'sacrebleu'}}; "
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_is_there_and_typed() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(switchtune.__all__)
    for name in switchtune.__all__:
        assert getattr(switchtune, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        switchtune.no_such_name  # noqa: B018
