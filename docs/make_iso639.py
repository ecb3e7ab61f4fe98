"""Writes iso639.tsv, the languages of ISO 639-3 that languages.tsv lacks with names and usual script, and iso15924.tsv.

    pip install babel langcodes && python docs/make_iso639.py

Codes and names are those of IANA's Language Subtag Registry (public domain, CC0), which langcodes ships; scripts, and
which codes mean the same, are those of Unicode's CLDR (Unicode License v3: LICENSE-UNICODE), which Babel ships. Left
out are collections, what is no language, and every name that two languages share.
"""

import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from babel.core import get_global

FOLDER = Path(__file__).resolve().parents[1] / "src" / "switchtune"


def registry() -> Iterator[dict[str, list[str]]]:
    """The records of the registry: field → values."""
    text = files("langcodes").joinpath("data/language-subtag-registry.txt").read_text(encoding="utf-8")
    for record in text.replace("\n  ", " ").split("\n%%\n"):
        fields: dict[str, list[str]] = {}
        for line in record.splitlines():
            name, _, value = line.partition(": ")
            fields.setdefault(name, []).append(value)
        yield fields


def main() -> None:
    subtags = {(record["Type"][0], record["Subtag"][0]): record for record in registry() if "Subtag" in record}
    scripts = {code: record["Description"][0] for (kind, code), record in subtags.items() if kind == "script"}
    write("iso15924.tsv", "code\tname", [f"{code}\t{name}" for code, name in scripts.items() if ".." not in code])
    records = {code: record for (kind, code), record in subtags.items() if kind == "language" and ".." not in code}
    languages = {
        code: [re.sub(r"\s*/\s*", " ", name) for name in record["Description"]]
        for code, record in records.items()
        if record.get("Scope", ["macrolanguage"]) == ["macrolanguage"] and "Deprecated" not in record
    }
    same = dict(get_global("language_aliases"))
    same |= {code: record["Preferred-Value"][0] for code, record in records.items() if "Preferred-Value" in record}
    aliases: dict[str, set[str]] = {code: set() for code in languages}
    for code, preferred in same.items():
        if re.fullmatch("[a-z]{2,3}", code) and preferred in languages and code not in languages:
            aliases[preferred].add(code)
    codes, spoken = of_families()
    known = {code: names for code, names in languages.items() if not codes & {code, *aliases[code]}}
    bearers = Counter(name.lower() for names in known.values() for name in names)
    usual = {code: tag.split("_")[1] for code, tag in get_global("likely_subtags").items() if tag.count("_") == 2}
    lines = []
    for code, names in sorted(known.items()):
        own = [name for name in names if bearers[name.lower()] == 1 and name.lower() not in spoken] or names[:1]
        # The code of three letters comes first; a language with one of two letters has it among the aliases.
        iso = [code] * (len(code) == 3) + sorted(aliases[code]) or [code]
        script = usual.get(code) or usual.get(records[code].get("Macrolanguage", [""])[0], "")
        lines.append("\t".join((code, ",".join(iso), script, "/".join(own))))
    write("iso639.tsv", "code\tiso\tscript\tnames", lines)


def of_families() -> tuple[set[str], set[str]]:
    """The codes of the languages in languages.tsv, and their names in lower case."""
    rows = [line.split("\t") for line in (FOLDER / "languages.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    codes = {code for row in rows for code in (row[0], *row[1].split(","))}
    return codes, {name.lower() for row in rows for name in row[3].split("/")}


def write(name: str, header: str, lines: list[str]) -> None:
    (FOLDER / name).write_text("".join(f"{line}\n" for line in (header, *lines)), encoding="utf-8")
    print(f"{name}: {len(lines):,} lines")


if __name__ == "__main__":
    main()
