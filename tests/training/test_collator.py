"""The collator for other people's trainers: reproducible, new in every epoch, and it fits into `Seq2SeqTrainer`."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerState
from transformers.trainer_callback import PrinterCallback

from switchtune.errors import SwitchtuneError
from switchtune.examples import Example
from switchtune.training.collator import RestoreCollator
from tests.miniature import ENGLISH, GERMAN, miniature


def shuffled(text: str, *, key: int) -> str:
    return " ".join(np.random.default_rng(key).permutation(text.split()))


def collator(**changes: Any) -> RestoreCollator:
    arguments = {"layout": miniature().layout, "switchers": {"de": shuffled, "en": shuffled}, "seed": 1, **changes}
    return RestoreCollator(**arguments)


SENTENCES = [{"text": text, "language": "de"} for text in GERMAN[:4]]


def decoded(batch: dict[str, torch.Tensor], name: str) -> list[str]:
    return miniature().layout.batch_decode(batch[name].tolist())


def test_the_labels_are_the_sentence_and_the_input_its_switched_form() -> None:
    layout = miniature().layout
    batch = collator(switchers={"de": lambda text, *, key: text.replace("Hund", "dog")})(SENTENCES[:1])
    ids = layout.encode(Example(GERMAN[0].replace("Hund", "dog"), "de", GERMAN[0], "de"), max_tokens=256)
    expected = layout.collate([ids])
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_all_forms_of_a_pair_restore_both_sides() -> None:
    plain = [{"text": GERMAN[0], "language": "de"}, {"text": ENGLISH[0], "language": "en"}]
    expected = collator()(plain)
    for feature in ({"translation": {"de": GERMAN[0], "en": ENGLISH[0]}}, {"source": GERMAN[0], "target": ENGLISH[0]}):
        batch = collator(languages=("de", "en"))([feature])
        assert all(torch.equal(batch[name], expected[name]) for name in expected)


def test_a_sentence_is_switched_alike_wherever_it_stands() -> None:
    together = decoded(collator()(SENTENCES), "input_ids")
    assert [decoded(collator()([sentence]), "input_ids")[0] for sentence in SENTENCES] == together
    assert decoded(collator()(SENTENCES[::-1]), "input_ids") == together[::-1]


def test_epochs_and_seeds_switch_anew() -> None:
    first, other_seed, later = collator(), collator(seed=2), collator()
    later.epoch = 1
    inputs = [decoded(made(SENTENCES), "input_ids") for made in (first, other_seed, later)]
    assert inputs[0] != inputs[1]
    assert inputs[0] != inputs[2]
    assert decoded(later(SENTENCES), "labels") == decoded(first(SENTENCES), "labels")


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({}, r"columns \[\]; expected text and language.*remove_unused_columns=False"),
        ({"source": "a", "target": "b"}, r"with the argument `languages`"),
        ({"text": "a", "language": "fr"}, r"No switcher for 'fr'; there are some for \['de', 'en'\]"),
    ],
)
def test_what_it_cannot_use_is_refused(feature: dict[str, str], message: str) -> None:
    with pytest.raises(SwitchtuneError, match=message):
        collator()([feature])


@pytest.mark.parametrize(("reached", "epoch"), [(None, 0), (0.0, 0), (2.4, 2), (2.9999999999, 3), (3.0, 3)])
def test_the_callback_knows_the_epoch_after_a_resumption(reached: float | None, epoch: int) -> None:
    made = collator()
    made.follow_epochs().on_epoch_begin(args=None, state=TrainerState(epoch=reached), control=None)
    assert made.epoch == epoch


def test_it_drops_into_a_plain_trainer(tmp_path: Path) -> None:
    epochs = []

    class Watched(RestoreCollator):
        def __call__(self, features: Any) -> dict[str, torch.Tensor]:
            epochs.append(self.epoch)
            return super().__call__(features)

    made = Watched(miniature().layout, {"de": shuffled}, seed=1)
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=2,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_strategy="no",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )
    trainer = Seq2SeqTrainer(
        copy.deepcopy(miniature().model),
        arguments,
        train_dataset=SENTENCES,
        data_collator=made,
        callbacks=[made.follow_epochs()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    assert epochs == [0, 0, 1, 1]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 4
    assert json.dumps(losses).count("NaN") == 0
