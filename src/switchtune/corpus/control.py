"""Special tokens that the program itself puts into text, told from the same letters in somebody's text."""

CONTROL = "\ufdd0"
"""Stands before such a token: a code point that Unicode keeps for use within programs. Text that is read loses it."""


def control(token: str) -> str:
    """A special token to stand in text, as which it is parsed."""
    return CONTROL + token


def shown(text: str) -> str:
    """Text for people: special tokens as they are written."""
    return text.replace(CONTROL, "")
