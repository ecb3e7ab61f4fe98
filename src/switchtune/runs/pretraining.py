"""Denoising pretraining on monolingual text (paper eq. 2): small models for the quickstart and for experiments."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from switchtune.config.pretrain import PretrainConfig, TextSettings
from switchtune.config.training import GenerationSettings
from switchtune.corpus.read import read_monolingual
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError
from switchtune.events import Progress
from switchtune.examples import denoise_examples
from switchtune.files import fingerprint, write_text
from switchtune.models.load import load_model, save_model
from switchtune.models.new import new_model, require_size
from switchtune.run_dir import RunDir, claim_folder
from switchtune.runs.paths import CONFIG
from switchtune.runs.stages import chrf_validation
from switchtune.runs.workers import require_one_process
from switchtune.training.checkpoints import remove_checkpoints
from switchtune.training.curve import CURVE_FILE, StageLog
from switchtune.training.trackers import require_trackers
from switchtune.training.trainer import StageResult, train_stage


@dataclass(frozen=True)
class Passages:
    """Monolingual text of one language, cut into training and validation."""

    language: str
    train: tuple[str, ...]
    valid: tuple[str, ...]
    too_long: int


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model on disk."""

    folder: Path
    """Loads with `load_model`, or plainly with transformers."""
    passages: int
    too_long: int
    """Passages left out for their length."""
    set_aside: Path | None
    """Where a pretraining with other inputs was moved to that stood in the same folder."""
    training: StageResult


def read_passages(settings: TextSettings, *, valid_lines: int) -> Passages:
    """Read one language's text; its last `valid_lines` passages, half of it at most, are kept for validation."""
    lines = read_monolingual(settings.path, settings.language)
    longest = settings.max_characters
    fitting = [line for line in lines if longest is None or len(line) <= longest]
    kept = fitting if settings.limit is None else fitting[: settings.limit]
    if len(kept) < 2 * valid_lines:
        raise SwitchtuneError(
            f"{settings.path}: {len(kept):,} passages remain, and {valid_lines:,} are wanted for validation alone. "
            "Give more text, raise max_characters, or lower valid_lines."
        )
    train, valid = tuple(kept[:-valid_lines]), tuple(kept[-valid_lines:])
    return Passages(settings.language, train, valid, len(lines) - len(fitting))


def require_possible(config: PretrainConfig) -> None:
    """Refuse a size that the family cannot have, and trackers that are not there, before a folder is made."""
    require_size(config.family, config.size)
    require_trackers(config.training.report_to)


def pretrain(
    config: PretrainConfig,
    folder: Path | str,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] = lambda message: None,
) -> Pretrained:
    """Make a model of `config.family` with random weights and train it to restore noised text.

    The model is written to `folder`/model. Called again after an interruption it goes on from the last checkpoint;
    called again when done it returns at once.

    Raises:
        SwitchtuneError: text that cannot be read, or too little of it, or another process is working in `folder`.
    """
    folder = Path(folder)
    require_one_process("pretrain", "It trains in one; start it by itself, without torchrun or srun.")
    require_possible(config)
    claim_folder(folder, "pretrain", inputs=config.inputs)
    run = RunDir(folder, on_message)
    with run.lock():
        texts = [read_passages(text, valid_lines=config.valid_lines) for text in config.texts]
        decisive = {
            **config.model_dump(mode="json", exclude={"texts", "training"}),
            "training": config.training.decisive,
            "updates": config.training.updates,
        }
        inputs = {"config": decisive, "text": fingerprint([asdict(text) for text in texts])}
        made = (folder / "model",)
        result = run.result("pretrain", inputs, made=made)
        set_aside = None
        if result is None:
            set_aside = run.begin("pretrain", inputs, folder / "work", made=made)
            write_text(folder / CONFIG, config.as_yaml())
            result = asdict(_train(config, texts, folder, fingerprint(inputs), on_progress, on_message))
            run.finish("pretrain", inputs, result, made=made)
        remove_checkpoints(folder / "work" / "training")
        return Pretrained(
            folder / "model",
            passages=sum(len(text.train) for text in texts),
            too_long=sum(text.too_long for text in texts),
            set_aside=set_aside,
            training=StageResult.from_record(result),
        )


def _train(
    config: PretrainConfig,
    texts: Sequence[Passages],
    folder: Path,
    origin: str,
    on_progress: Callable[[Progress], None] | None,
    on_message: Callable[[str], None],
) -> StageResult:
    """Make the model with random weights, train it and save it."""
    initial, training = folder / "work" / "initial", config.training
    languages = (texts[0].language, texts[-1].language)
    if not initial.exists():
        words: dict[str, list[str]] = {}
        for text in texts:
            words.setdefault(text.language, []).extend(text.train)
        save_model(new_model(config.family, config.size, words, seed=config.seed), initial, *languages)
    loaded = load_model(str(initial), **training.dropouts, seed=config.seed)
    segmenters = [word_segmenter(text.language) for text in texts]
    noise: dict[str, Any] = {"mask": loaded.layout.mask_token, "rate": config.mask_rate, "mean_span": config.mean_span}
    train, valid = (
        denoise_examples([(text.language, part(text)) for text in texts], segmenters, **noise, seed=config.seed)
        for part in (attrgetter("train"), attrgetter("valid"))
    )
    stage = train_stage(
        loaded,
        train,
        valid=valid,
        settings=training,
        updates=training.updates,
        seed=config.seed,
        folder=folder / "work" / "training",
        origin=origin,
        log=StageLog(folder / CURVE_FILE, "denoise"),
        validate=chrf_validation([valid], training.valid_sentences, GenerationSettings(), on_message),
        on_progress=on_progress,
        on_message=on_message,
    )
    save_model(loaded, folder / "model", *languages)
    return stage
