"""Stage 1 for anybody's own trainer: a data collator that switches and encodes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import TrainerCallback

from switchtune.errors import SwitchtuneError
from switchtune.examples import Example
from switchtune.models.layout import Layout
from switchtune.switching.switcher import example_key


class RestoreCollator:
    """Makes the batches of stage 1 (paper eq. 3) from plain sentences, for transformers' `Seq2SeqTrainer`.

    A feature is a sentence, `{"text": …, "language": …}`, or a pair, of which both sides are restored:
    `{"source": …, "target": …}` with `languages` given, or `{"translation": {language: text, …}}`.

        collator = RestoreCollator(layout, {"de": from_german.sentence, "en": from_english.sentence}, seed=1)
        arguments = Seq2SeqTrainingArguments(..., remove_unused_columns=False)
        epochs = collator.follow_epochs()
        Seq2SeqTrainer(model, arguments, train_dataset=rows, data_collator=collator, callbacks=[epochs])

    How a sentence is switched depends on the seed, the epoch and the sentence alone, whatever the worker and the order.
    """

    def __init__(
        self,
        layout: Layout,
        switchers: Mapping[str, Callable[..., str]],
        *,
        seed: int,
        max_tokens: int = 256,
        languages: tuple[str, str] | None = None,
    ) -> None:
        """Bind the collator to a model.

        Args:
            layout: of the model, `load_model(…).layout`.
            switchers: of each language that occurs: `Switcher.sentence`, or a function of text and `key` to draw by.
            max_tokens: longest encoder input and labels; longer sentences are cut.
            languages: of `source` and `target`.
        """
        self.epoch = 0
        """Passes over the data so far; to be set at the start of each epoch, which `follow_epochs` does."""
        self._layout = layout
        self._switchers = switchers
        self._seed = seed
        self._max_tokens = max_tokens
        self._languages = languages

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """The batch that restores every sentence, as `Layout.collate` gives it.

        Raises:
            SwitchtuneError: a feature without sentences, or of a language without a switcher.
        """
        sentences = [sentence for feature in features for sentence in self._sentences(feature)]
        examples = [self._example(text, language) for text, language in sentences]
        return self._layout.collate(self._layout.batch_encode(examples, max_tokens=self._max_tokens))

    def follow_epochs(self) -> TrainerCallback:
        """A callback that keeps `epoch` in step with a trainer (whose data workers must not be persistent)."""
        return _EpochCallback(self)

    def _sentences(self, feature: Mapping[str, Any]) -> list[tuple[str, str]]:
        if "text" in feature and "language" in feature:
            return [(feature["text"], feature["language"])]
        if "translation" in feature:
            return [(text, language) for language, text in feature["translation"].items()]
        if "source" in feature and "target" in feature and self._languages is not None:
            return [(feature["source"], self._languages[0]), (feature["target"], self._languages[1])]
        raise SwitchtuneError(
            f"A feature has the columns {sorted(feature)}; expected text and language, or translation, or (with the "
            "argument `languages`) source and target. Where the data set has them, set remove_unused_columns=False in "
            "the training arguments: the trainer drops columns that the model itself does not take."
        )

    def _example(self, text: str, language: str) -> Example:
        if language not in self._switchers:
            raise SwitchtuneError(f"No switcher for {language!r}; there are some for {sorted(self._switchers)}.")
        content = int.from_bytes(hashlib.sha256(f"{language}\t{text}".encode()).digest()[:8], "big")
        key = example_key(self._seed, self.epoch, content)
        return Example(self._switchers[language](text, key=key), language, text, language)


class _EpochCallback(TrainerCallback):
    def __init__(self, collator: RestoreCollator) -> None:
        self._collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # After a resumption the state may stand in the middle of an epoch, or a rounding error before its start.
        self._collator.epoch = int((state.epoch or 0.0) + 1e-6)
