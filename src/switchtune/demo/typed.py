"""What is typed: the language that it is in, and how much of it a model reads."""

from bisect import bisect_right
from collections.abc import Collection
from itertools import islice

from switchtune.corpus.documents import document_sentences
from switchtune.corpus.identify import label_of, likeliest, script_of
from switchtune.languages import find_language
from switchtune.models.layout import Layout
from switchtune.scoring.in_language import scripts_of


def likeliest_of(text: str, languages: Collection[str]) -> str | None:
    """The language of a text, of some that are named by their codes; None where it cannot be told.

    Languages in the script of most of its letters are told apart by the identifier, if it knows all of them.
    """
    scripts = {code: scripts_of(find_language(code).script) for code in languages}
    letters = [script_of(letter) for letter in text if letter.isalpha()]
    # Where no table knows the script of a language, any letter may be its own.
    own = {code: sum(not names or letter in names for letter in letters) for code, names in scripts.items()}
    most = max(own.values(), default=0)
    alike = [code for code, count in own.items() if count == most]
    if not most or len(alike) == 1:
        return alike[0] if most else None
    codes = {label: code for code in alike if (label := label_of(code)) is not None}
    if len(codes) < len(alike):
        return None
    found = likeliest(text, codes)
    return None if found is None else codes[found]


def read_part(text: str, layout: Layout, languages: tuple[str, str]) -> str:
    """As much of a text, from its beginning, as a model has positions for, with the tags of its two languages."""

    def size(end: int) -> int:
        return len(layout.encode_source(text[:end], *languages))

    if layout.positions is None or size(len(text)) <= layout.positions:
        return text
    return text[: bisect_right(range(len(text)), layout.positions, key=size) - 1]


def unread(text: str, read: str) -> str:
    """The end of a text of which a part was read, with other white space and other marks between its sentences."""
    letters = sum(not letter.isspace() for sentence in document_sentences(read) for letter in sentence)
    places = (place for place, letter in enumerate(text) if not letter.isspace())
    return text[next(islice(places, letters, None), len(text)) :]
