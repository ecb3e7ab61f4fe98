"""Code-switching finetuning for multilingual sequence-to-sequence models.

Every name here is imported when it is first used, so `import switchtune` is quick and does not import torch.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from switchtune.config.lexicon import LexiconSettings
    from switchtune.config.load import load_config, parse_config
    from switchtune.config.pretrain import PretrainConfig
    from switchtune.config.run import EvaluationSettings, RunConfig
    from switchtune.config.switching import SwitchingSettings
    from switchtune.config.training import GenerationSettings, TrainingSettings
    from switchtune.corpus.columns import CorpusError
    from switchtune.corpus.read import Corpus, Pair, describe, read_corpus, read_monolingual
    from switchtune.corpus.words import Words, piece_segmenter, word_segmenter
    from switchtune.errors import SwitchtuneError, UsageError
    from switchtune.examples import (
        Example,
        Examples,
        denoise_examples,
        generator,
        iaft_examples,
        restore_examples,
        task_examples,
    )
    from switchtune.generation import translate
    from switchtune.generation.export import export_ct2
    from switchtune.generation.keeping import Keeper
    from switchtune.lexicon.alignment import Alignment
    from switchtune.lexicon.build import corpus_material, lexicons_from_corpus
    from switchtune.lexicon.files import read_lexicon, write_lexicon
    from switchtune.lexicon.glossary import Glossary, read_glossary
    from switchtune.lexicon.judge import Judgement, RejectedLexiconError, judge
    from switchtune.lexicon.judged import build_and_judge
    from switchtune.lexicon.records import Lexicon, LexiconError, randomised
    from switchtune.models.load import Loaded, load_model, save_model
    from switchtune.models.new import new_model
    from switchtune.recipes import RECIPES, Recipe
    from switchtune.runs.experiment import run_experiment
    from switchtune.runs.pretraining import pretrain
    from switchtune.runs.train import TrainedArm, train_arm
    from switchtune.scoring.assess import assess, compare_outputs
    from switchtune.scoring.comet import comet
    from switchtune.scoring.in_language import in_language
    from switchtune.scoring.metrics import Score, bleu, chrf, spbleu
    from switchtune.scoring.outputs import examine
    from switchtune.scoring.rouge import rouge
    from switchtune.scoring.significance import Comparison, compare_scores, compare_seeds, decide, share_interval
    from switchtune.scoring.terms import term_accuracy
    from switchtune.scoring.word_accuracy import count_words, word_accuracy, words_of
    from switchtune.switching.aligned import AlignedSwitcher
    from switchtune.switching.switcher import (
        Switched,
        Switcher,
        candidates,
        example_key,
        example_keys,
        from_lexicon,
        from_mask,
        switch,
        switch_all,
    )
    from switchtune.switching.terms import GlossaryTerms
    from switchtune.training.collator import RestoreCollator
    from switchtune.training.trainer import StageResult, train_stage

# The block above is the only list of public names; type checkers read it as it stands.
_MODULE_OF = {
    alias.name: str(node.module)
    for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    if isinstance(node, ast.ImportFrom) and str(node.module).startswith("switchtune.")
    for alias in node.names
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'switchtune' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
