"""The embedded corpus: parallel sentences in English, German and Turkish, for quickstarts and tests.

The folder `embedded` holds a compressed text file for each domain, split and language; its README says where they are
from. The corpus is no evidence for anything about real text.
"""

import lzma
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from switchtune.errors import SwitchtuneError, nearest

DOMAINS: Final = ("news", "kitchen")
LANGUAGES: Final = ("en", "de", "tr")
SIZES: Final = {"train": 12_000, "valid": 500, "test": 1_000}
"""Sentences of each split, in each domain."""
DEFAULT_SIZES: Final = {"train": 4_000, "valid": 200, "test": 400}
"""Sentences of each split that are read where no number is named."""

_FOLDER: Final = Path(__file__).parent / "embedded"


def embedded_sentences(
    domain: str, split: str, languages: Sequence[str], count: int | None = None
) -> list[tuple[str, ...]]:
    """The first `count` parallel sentences of a split, aligned over `languages`; None: as many as in `DEFAULT_SIZES`.

    No sentence of a valid or test split is in a train split of either domain, and none comes twice in a split.
    """
    for name, names, what in [
        (domain, DOMAINS, "domain"),
        (split, tuple(SIZES), "split"),
        *((language, LANGUAGES, "language") for language in languages),
    ]:
        if name not in names:
            raise SwitchtuneError(
                f"The embedded corpus has no {what} {name!r} (it has {', '.join(names)}): {nearest(name, names)}"
            )
    wanted = DEFAULT_SIZES[split] if count is None else count
    if not 0 <= wanted <= SIZES[split]:
        raise SwitchtuneError(
            f"embedded:{domain}:{split}: {wanted:,} sentences were asked for; ask for at most {SIZES[split]:,}."
        )
    columns = []
    for language in languages:
        with lzma.open(_FOLDER / f"{domain}.{split}.{language}.xz", "rt", encoding="utf-8", newline="\n") as lines:
            columns.append([line.removesuffix("\n") for line in islice(lines, wanted)])
    return list(zip(*columns, strict=True))
