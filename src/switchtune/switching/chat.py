"""Examples as messages of a user and an assistant, the form in which tools that train decoder-only models take them."""

import json

from switchtune.languages import find_language, language_named

ANOTHER = "another language"
"""What a language is called that a lexicon does not name."""


def chat_line(asked: str, answer: str) -> str:
    """A line of JSON with the two messages of one example."""
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}, ensure_ascii=False)


def asked_to_restore(template: str, text: str, language: str, other: str) -> str:
    """What is asked of a text with words in another language; both by any code, `other` perhaps unknown."""
    named = language_named(other)
    return template.format(
        text=text, language=find_language(language).name, other=ANOTHER if named is None else named.name
    )


def asked_for_task(template: str, text: str, source: str, target: str) -> str:
    """What is asked of a text that is to be translated, or to be summarised in another language."""
    return template.format(text=text, source=find_language(source).name, target=find_language(target).name)
