"""Folders that translate without switchtune: the model in CTranslate2's form, its tokenizer, a proof and a script."""

import logging
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoTokenizer

from switchtune.config.switching import TermSettings
from switchtune.config.training import ComputeType, Engine, GenerationSettings
from switchtune.corpus.embedded import LANGUAGES as EMBEDDED_LANGUAGES
from switchtune.corpus.read import read_monolingual
from switchtune.errors import UsageError
from switchtune.files import atomic_path, read_json, write_json, write_text
from switchtune.generation.by_ct2 import Converted, convert, ct2, load_converted, open_converted
from switchtune.generation.keeping import term_settings_of, write_terms_note
from switchtune.generation.parity import Parity, ParityLine, compare_engines, require_parity
from switchtune.generation.search import ct2_options
from switchtune.languages import find_language, language_named
from switchtune.models.families import FAMILIES
from switchtune.models.files import explained, from_pretrained, quietly
from switchtune.models.layout import Layout
from switchtune.models.licence import write_card
from switchtune.models.load import (
    Loaded,
    direction,
    directions,
    load_layout,
    load_model,
    model_fingerprint,
    save_tokenizer,
    tried,
)

_LOGGER = logging.getLogger(__name__)
PROOF_SENTENCES = 100
_ABOUT = "switchtune.json"
_TEXT_TOKENIZER = "text_tokenizer.json"
_EXPORT_AGAIN = "Export the model again (`switchtune export`), or copy the folder again, with all files."


@dataclass(frozen=True)
class Exported:
    """A folder that was written."""

    folder: Path
    languages: tuple[str, str]
    """Short codes of the source and the target language."""
    int8: bool
    parity: Parity


def export_ct2(
    path: str,
    folder: Path,
    *,
    languages: tuple[str, str] | None = None,
    text: Path | None = None,
    int8: bool = False,
    settings: GenerationSettings | None = None,
    force: bool = False,
) -> Exported:
    """Write a model in CTranslate2's form, with its tokenizer, a proof that it does the same, and a script to use it.

    The folder, which replaces what was exported there, appears when all is written and, in float32, the proof holds; in
    int8, outputs do differ, and the proof says how much.

    Args:
        languages: source and target; by default those that the model was saved for.
        text: of the source language, a sentence a line: its first hundred are the proof's. By default embedded text.
        settings: of the search, for the proof and for the script.

    Raises UsageError where CTranslate2, languages or text are not to be had, ParityError where the proof fails.
    """
    ct2()
    layout, settings = load_layout(path), settings or GenerationSettings()
    source, target = languages = _languages(path, layout, languages)
    if text is None and source not in EMBEDDED_LANGUAGES:
        raise UsageError(
            f"There is no embedded text in {find_language(source).name} to prove on that the exported model does the "
            f"same. Give a file of {PROOF_SENTENCES} sentences in it, one per line: --text FILE."
        )
    warn_of_direction(path, layout, source, target)
    sentences = read_monolingual(text or "embedded:news:test", source, limit=PROOF_SENTENCES)
    loaded = load_model(path)
    with atomic_path(folder, verb="export", force=force) as temporary:
        convert(loaded, temporary, int8=int8)
        save_tokenizer(layout, temporary, source, target)
        write_card(temporary, loaded.licence)
        if layout.text_tokenizer is not None:
            write_text(temporary / _TEXT_TOKENIZER, layout.text_tokenizer.to_str())
        converted = open_converted(temporary, layout)
        about = {
            "family": layout.family.name,
            "positions": layout.positions,
            "languages": languages,
            "weights": "int8" if int8 else "float32",
            "made_from": model_fingerprint(path),
            "ctranslate2": ct2().__version__,
        }
        write_json(temporary / _ABOUT, about)
        parity = compare_engines(loaded, converted, sentences, source, target, settings)
        if not int8:
            require_parity(parity)
        origin = str(text) if text is not None else f"the embedded corpus ({source})"
        write_json(temporary / "parity.json", {**about, "text": origin, **parity.record()})
        write_text(temporary / "parity.md", _proof(parity, origin, int8=int8))
        terms = term_settings_of(path)
        if terms is not None:
            write_terms_note(temporary, terms)
        write_text(temporary / "translate.py", _script(converted, source, target, settings, terms))
    return Exported(folder, languages, int8, parity)


def _languages(path: str, layout: Layout, asked: tuple[str, str] | None) -> tuple[str, str]:
    """From which language to which: those that are asked for, or that the model was saved for; it has both."""
    told = asked or direction(layout)
    if told is None:
        raise UsageError(f"{path}: its tokenizer does not tell the languages; say them, as in --langs de-en.")
    source, target = find_language(told[0]).code, find_language(told[1]).code
    layout.code(source), layout.code(target)
    return source, target


def warn_of_direction(path: str, layout: Layout, source: str, target: str) -> None:
    """Say that a model was saved for other languages than it is to translate from and to, or for the way back."""
    asked, saved_for = (layout.code(source), layout.code(target)), directions(layout)
    if saved_for and asked not in saved_for:
        names = [" to ".join(getattr(language_named(code), "name", code) for code in pair) for pair in saved_for]
        wanted = " to ".join(getattr(language_named(code), "name", code) for code in asked)
        said = "%s was trained to translate from %s, but you asked for %s. Check the languages."
        _LOGGER.warning(said, path, " and from ".join(names), wanted)


def is_exported(path: str) -> bool:
    """Whether a model is a folder that `export_ct2` wrote."""
    return (Path(path) / _ABOUT).exists()


def open_model(path: str, engine: Engine | None, compute_type: ComputeType | None = None) -> Loaded | Converted:
    """Load a model for an engine: that of a model's folder or of the Hub, or one that `export_ct2` wrote.

    Args:
        engine: None: CTranslate2 for an exported folder, transformers for any other.
        compute_type: of CTranslate2; None: what an exported folder was written in, float32 for any other.
    """
    if is_exported(path):
        if engine == "transformers":
            raise UsageError(f"{path}: exported for CTranslate2; transformers needs the model that it was made from.")
        return _open_exported(Path(path), compute_type)
    if engine == "ct2":
        return load_converted(path, compute_type or "float32")
    if compute_type is not None:
        raise UsageError(f"{compute_type} is for the engine ct2 (--engine ct2); transformers computes in float32.")
    return load_model(path)


def _open_exported(folder: Path, compute_type: ComputeType | None) -> Converted:
    with quietly(), explained(str(folder), _ABOUT, remedy=_EXPORT_AGAIN):
        about = read_json(folder / _ABOUT, remedy=_EXPORT_AGAIN)
        family, positions = FAMILIES[about["family"]], about["positions"]
        layout = tried(str(folder), Layout(family, from_pretrained(AutoTokenizer, folder), positions))
        if not (positions is None or (isinstance(positions, int) and positions > 0)):
            raise ValueError(f"positions is {positions!r}")
    return open_converted(folder, layout, compute_type, remedy=_EXPORT_AGAIN)


def _proof(parity: Parity, origin: str, *, int8: bool) -> str:
    def row(line: ParityLine) -> str:
        texts = (line.sentence, line.expected, "=" if line.identical else line.found)
        cells = " | ".join(text.replace("|", "\\|") for text in texts)
        return f"| {cells} | {line.expected_score:.3f} | {line.found_score:.3f} |\n"

    return (
        f"# The exported model ({'int8' if int8 else 'float32'}) against the model in transformers\n\n"
        f"{parity.describe()}.\n\n"
        f"Text: {origin}. Differing outputs come first; `=` is the same output. Scores are log probabilities per token "
        "by the model in transformers: where CTranslate2's is not lower, its output is as good.\n\n"
        "| sentence | transformers | CTranslate2 | score | score |\n|-|-|-|-|-|\n"
        + "".join(map(row, sorted(parity.lines, key=lambda line: line.identical)))
    )


def _script(
    model: Converted,
    source_language: str,
    target_language: str,
    settings: GenerationSettings,
    terms: TermSettings | None,
) -> str:
    """A few lines that translate standard input as `translate` does, but a line at a time."""
    layout = model.layout
    frame = layout.tokens(layout.encode_source("", source_language, target_language))
    after = len(layout.family.after_source)
    pieces = "tokenizer.tokenize(line, split_special_tokens=True)"
    reader = "tokenizer"
    if layout.text_tokenizer is not None:
        reader = f"tokenizers.Tokenizer.from_file(folder + '/{_TEXT_TOKENIZER}')"
        pieces = "map(tokenizer.convert_ids_to_tokens, text.encode(line).ids)"
    fixed = settings.fixed_length(target_language)
    longest = (
        f"int({settings.max_length_ratio} * len(source)) + {settings.max_length_extra}" if fixed is None else str(fixed)
    )
    if layout.positions is not None:
        pieces = f"list({pieces})[:{layout.positions - len(frame)}]"
        longest = f"min({layout.positions - 1}, {longest})"
    options = ct2_options(settings) | {"num_hypotheses": 1}
    mark = f" {terms.mark} " if terms and terms.mark else ""
    return _SCRIPT.format(
        source_name=find_language(source_language).name,
        target_name=find_language(target_language).name,
        before="".join(f"{token!r}, " for token in frame[:-after]),
        after=", ".join(map(repr, frame[-after:])),
        pieces=pieces,
        reader=reader,
        search=", ".join(f"{name}={value}" for name, value in options.items()),
        longest=longest,
        prefix=model.prefix(target_language),
        forced=len(model.forced(target_language)),
        usage="python translate.py" + " [terms.tsv]" * bool(terms),
        terms=_TERMS.format(before=mark.lstrip(), after=mark.rstrip()) if terms else "",
        put_in="    line = with_terms(line)\n" if terms else "",
    )


_TERMS = """\
import re  # terms as they stand in the file, but for case; `switchtune translate --glossary` finds inflected ones too
if "--constrained" in sys.argv:
    sys.exit("--constrained is an option of `switchtune translate` alone: CTranslate2 has no search under constraints")
lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if sys.argv[1:] else []
rows = [line.split("\\t") for line in lines]
terms = {{row[0].strip().lower(): row[1].strip() for row in rows if len(row) > 1}}
either = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
def with_terms(line):
    replaced = lambda found: {before!r} + terms[found[0].lower()] + {after!r}
    return re.sub(rf"(?i)(?<!\\w)(?:{{either}})(?!\\w)", replaced, line) if terms else line
"""

_SCRIPT = """\
# {source_name} to {target_name}, a sentence a line: {usage} < text > translation
import pathlib, sys, ctranslate2, tokenizers, transformers
folder = str(pathlib.Path(__file__).parent)
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
text = {reader}  # to which </s> in a line is text
translator = ctranslate2.Translator(folder)
{terms}for line in map(str.strip, sys.stdin):
{put_in}    source = [{before}*{pieces}, {after}]
    longest = {longest}
    found = translator.translate_batch([source], [{prefix}], max_decoding_length=longest, {search})
    best = found[0].hypotheses[0][{forced}:]
    ids = tokenizer.convert_tokens_to_ids(best) if line else []
    print(*tokenizer.decode(ids, skip_special_tokens=True).splitlines())
"""
