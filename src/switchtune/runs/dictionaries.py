"""Lexicons out of dictionaries alone, into languages of which a run has no pairs, kept in its folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from switchtune.config.lexicon import LexiconSettings
from switchtune.events import Event, OnEvent
from switchtune.files import fingerprint
from switchtune.lexicon.files import hash_with_edits, require_unedited, take_over_edits, write_lexicon
from switchtune.lexicon.text import MonolingualText
from switchtune.run_dir import RunDir
from switchtune.runs.paths import lexicon_files, lexicon_folder
from switchtune.switching.make import dictionary_lexicon


@dataclass(frozen=True)
class DictionaryLexicons:
    """Makes lexicons from the language of a text, where they are not there yet."""

    text: Callable[[], MonolingualText]
    """That decides how its words are usually cased; asked for where a lexicon is made."""
    fingerprint: str
    """Of the text."""
    language: str
    run: RunDir
    on_event: OnEvent

    def into(self, target: str, settings: LexiconSettings) -> Path:
        """The lexicon into a language, by its dictionaries."""
        pair = f"{self.language}-{target}"
        inputs = {
            "settings": settings.built_from,
            "files": [hash_with_edits(Path(path)) for path in settings.files if Path(path).is_file()],
            "text": self.fingerprint,
        }
        name = f"dictionary-{fingerprint(inputs)[:8]}"
        path, _ = lexicon_files(lexicon_folder(self.run.path, pair, name), self.language, target)
        step = f"lexicon.{pair}.{name}"
        require_unedited(path)
        if self.run.result(step, inputs) is None or not path.exists():
            built = dictionary_lexicon(self.text(), target, settings)
            if not path.exists():  # else it may have been edited, and be of an earlier version
                write_lexicon(built, path)
            take_over_edits(path)
            self.run.finish(step, inputs, len(built))
            self.on_event(Event(target, f"{path}: {len(built):,} words from {', '.join(settings.files)}"))
        return path
