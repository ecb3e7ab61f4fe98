"""Code-switching finetuning for multilingual sequence-to-sequence models.

Every name here is imported when it is first used, so `import switchtune` is quick and does not import torch.
"""

from importlib import import_module
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
    from switchtune.lexicon.alignment import Alignment
    from switchtune.lexicon.build import corpus_material, lexicons_from_corpus
    from switchtune.lexicon.files import read_lexicon, write_lexicon
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
    from switchtune.scoring.metrics import Score, bleu, chrf, in_language, spbleu
    from switchtune.scoring.outputs import examine
    from switchtune.scoring.rouge import rouge
    from switchtune.scoring.significance import Comparison, compare_scores, compare_seeds, decide, share_interval
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
    from switchtune.training.collator import RestoreCollator
    from switchtune.training.trainer import StageResult, train_stage

_HOMES = {
    "switchtune.config.lexicon": "LexiconSettings",
    "switchtune.config.load": "load_config parse_config",
    "switchtune.config.pretrain": "PretrainConfig",
    "switchtune.config.run": "EvaluationSettings RunConfig",
    "switchtune.config.switching": "SwitchingSettings",
    "switchtune.config.training": "GenerationSettings TrainingSettings",
    "switchtune.corpus.columns": "CorpusError",
    "switchtune.corpus.read": "Corpus Pair describe read_corpus read_monolingual",
    "switchtune.corpus.words": "Words piece_segmenter word_segmenter",
    "switchtune.errors": "SwitchtuneError UsageError",
    "switchtune.examples": "Example Examples denoise_examples generator iaft_examples restore_examples task_examples",
    "switchtune.generation": "translate",
    "switchtune.generation.export": "export_ct2",
    "switchtune.lexicon.alignment": "Alignment",
    "switchtune.lexicon.build": "corpus_material lexicons_from_corpus",
    "switchtune.lexicon.files": "read_lexicon write_lexicon",
    "switchtune.lexicon.judge": "Judgement RejectedLexiconError judge",
    "switchtune.lexicon.judged": "build_and_judge",
    "switchtune.lexicon.records": "Lexicon LexiconError randomised",
    "switchtune.models.load": "Loaded load_model save_model",
    "switchtune.models.new": "new_model",
    "switchtune.recipes": "RECIPES Recipe",
    "switchtune.runs.experiment": "run_experiment",
    "switchtune.runs.pretraining": "pretrain",
    "switchtune.runs.train": "TrainedArm train_arm",
    "switchtune.scoring.assess": "assess compare_outputs",
    "switchtune.scoring.comet": "comet",
    "switchtune.scoring.metrics": "Score bleu chrf in_language spbleu",
    "switchtune.scoring.outputs": "examine",
    "switchtune.scoring.rouge": "rouge",
    "switchtune.scoring.significance": "Comparison compare_scores compare_seeds decide share_interval",
    "switchtune.scoring.word_accuracy": "count_words word_accuracy words_of",
    "switchtune.switching.aligned": "AlignedSwitcher",
    "switchtune.switching.switcher": (
        "Switched Switcher candidates example_key example_keys from_lexicon from_mask switch switch_all"
    ),
    "switchtune.training.collator": "RestoreCollator",
    "switchtune.training.trainer": "StageResult train_stage",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'switchtune' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
