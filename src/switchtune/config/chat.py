"""What a model that chats is asked, in examples that other tools train it on."""

from string import Formatter
from typing import Annotated

from pydantic import AfterValidator

from switchtune.config.base import Settings
from switchtune.errors import nearest


def _with_names(*names: str) -> AfterValidator:
    """Have a text hold `{text}`, and in braces nothing but these names."""

    def check(template: str) -> str:
        braces = "braces go around a name, as in {text}; write {{ and }} for literal braces"
        try:
            parts = [(name, form, kind) for _, name, form, kind in Formatter().parse(template) if name is not None]
        except ValueError as error:
            raise ValueError(f"{error}: {braces}") from error
        for name, form, kind in parts:
            if form or kind:
                raise ValueError(f"{{{name}}} takes nothing after the name")
            if name not in names:
                raise ValueError(f"{{{name}}}: {nearest(name, names)}; {braces}" if name else braces)
        if "text" not in (name for name, _, _ in parts):
            raise ValueError("the placeholder {text} is missing")
        return template

    return AfterValidator(check)


class ChatSettings(Settings):
    """What the user asks in the chats of `switchtune export --to chat`; languages are named in English."""

    restore: Annotated[str, _with_names("text", "language", "other")] = (
        "Some words of this {language} text are in {other}. Write all of it in {language}.\n\n{text}"
    )
    """Request to restore a text from its switched form: {text}, {language}, {other}."""
    translate: Annotated[str, _with_names("text", "source", "target")] = (
        "Translate this text from {source} into {target}.\n\n{text}"
    )
    """Request to translate, for pairs, glosses and lexicon entries alike: {text}, {source}, {target}."""
    summarize: Annotated[str, _with_names("text", "source", "target")] = (
        "Summarize this {source} text in {target}.\n\n{text}"
    )
    """Request to summarize: {text}, {source}, {target}."""
