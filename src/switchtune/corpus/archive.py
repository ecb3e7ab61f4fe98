"""ZIP archives: which of their files are a corpus. OPUS has parallel text so, translation agencies their memories."""

import zipfile
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from switchtune.corpus.columns import CorpusError, Request
from switchtune.corpus.lines import Member, existing
from switchtune.languages import language_named

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 1


def members_of(path: Path, named: str | None, request: Request, suffixes: Collection[str]) -> tuple[Member, ...]:
    """The two files of a parallel text, source first, or the one file that ends in one of `suffixes`.

    `named` is the name of that file, or what the names of the two begin with.

    Raises CorpusError where the archive has none or several of them; the message lists them.
    """
    try:
        with zipfile.ZipFile(existing(path)) as archive:
            infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CorpusError(f"{path}: not a ZIP archive, or damaged ({error}). Fetch it again.") from error
    names = [name for name in infos if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    pairs = _pairs(names, request)
    single = [name for name in names if PurePosixPath(name).suffix.lower() in suffixes]
    if named is not None:
        choices = [pairs[stem] for stem in pairs if stem == named] + [(name,) for name in single if name == named]
    else:
        choices = list(pairs.values()) or [(name,) for name in single]
    if len(choices) != 1:
        raise CorpusError(f"{path}: {_which(path, named, [*pairs, *single], names, request)}")
    for name in choices[0]:
        if infos[name].flag_bits & _ENCRYPTED or infos[name].compress_type not in _METHODS:
            raise CorpusError(f"{path}: {name} is encrypted, or packed in an unusual way. Unpack it first.")
    return tuple(Member(path, name) for name in choices[0])


def _pairs(names: list[str], request: Request) -> dict[str, tuple[str, ...]]:
    """The names that differ in the ending alone, which says one of the two languages, by what they begin with."""
    sides = (request.source.code, request.target.code)
    by_stem = defaultdict[str, dict[str, str]](dict)
    for name in names:
        stem, _, ending = name.removesuffix(".txt").rpartition(".")
        language = language_named(ending)
        if stem and language is not None and language.code in sides:
            by_stem[stem][language.code] = name
    whole = {stem: found for stem, found in by_stem.items() if len(found) == 2}
    return {stem: tuple(found[code] for code in sides) for stem, found in whole.items()}


def _which(path: Path, named: str | None, known: list[str], names: list[str], request: Request) -> str:
    listed = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "") or "nothing"
    if known:
        found = f"no part {named!r} in it" if named is not None else "several parts of it could be meant"
        return f"{found}: {', '.join(map(repr, known[:12]))}. Say which, behind a #: {path.name}#{known[0]}"
    return (
        f"no corpus of {request.source.name} and {request.target.name} in it. Two files whose names end in "
        f".{request.source.code} and .{request.target.code} are expected, or one of another format; found {listed}."
    )
