"""Documents: their sentences, cut to so many words, read with their summaries, in the ids of each family."""

import json
from pathlib import Path

import pytest

from switchtune.config.pretrain import FamilyName
from switchtune.corpus.documents import SENTENCE_END, document_sentences, read_documents, sentences_of, with_end_marks
from switchtune.corpus.words import word_segmenter
from switchtune.models.families import FAMILIES
from tests.miniature import miniature

TAGS = {
    "mbart": ("", ["</s>", "de_DE"]),
    "mbart50": ("de_DE", ["</s>"]),
    "nllb": ("deu_Latn", ["</s>"]),
    "m2m100": ("__de__", ["</s>"]),
    "small100": ("__en__", ["</s>"]),
    "madlad": ("<2en>", ["</s>"]),
    "byt5": ("translate German to English: ", ["</s>"]),
    **dict.fromkeys(("mt5", "umt5", "t5"), ("translate German to English:", ["</s>"])),
}
"""What stands before and behind a German text that becomes English, written out by hand."""


@pytest.mark.parametrize(
    ("language", "passage", "sentences"),
    [
        ("en", "One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("en", "#Person1#: Yes\n #Person2#: No. Why?", ["#Person1#: Yes", "#Person2#: No.", "Why?"]),
        ("en", "Mr. Smith left at 6 p.m. on Jan. 3. He sang.", ["Mr. Smith left at 6 p.m. on Jan. 3.", "He sang."]),
        ("en", "He left . She came !", ["He left .", "She came !"]),
        ("de", "Er kam am 3. Mai. Sie ging.", ["Er kam am 3. Mai.", "Sie ging."]),
        ("zh", "第一句。第二句？！ 第三", ["第一句。", "第二句？！", "第三"]),
        ("zh", "他说：“你好。”然后走了。", ["他说：“你好。”", "然后走了。"]),
        ("en", "v1.2 of 3.5 stays", ["v1.2 of 3.5 stays"]),
        ("ja", "彼は来た。", ["彼は来た。"]),
        ("no-such-language", "Foo. Bar.", ["Foo.", "Bar."]),
        ("en", " \n ", []),
    ],
)
def test_sentences(language: str, passage: str, sentences: list[str]) -> None:
    assert sentences_of(passage, language) == sentences


@pytest.mark.parametrize(
    ("language", "document", "words", "expected"),
    [
        ("en", "A dog ran. It was late.", 6, (f"A dog ran. {SENTENCE_END} It was late.", False)),
        ("en", "A dog ran. It was late.", 5, (f"A dog ran. {SENTENCE_END} It was", True)),
        ("en", "A dog ran. It was late.", 3, ("A dog ran", True)),
        ("zh", "我喜欢猫。我来到北京。", 4, (f"我喜欢猫。 {SENTENCE_END} 我", True)),
    ],
)
def test_the_first_words_with_the_ends_of_sentences_marked(
    language: str, document: str, words: int, expected: tuple[str, bool]
) -> None:
    assert with_end_marks(document, language, word_segmenter(language), words) == expected


def test_marked_sentences_are_found_again() -> None:
    text, _ = with_end_marks("One. Two!\nThree", "en", word_segmenter("en"), 9)
    assert document_sentences(text) == ["One.", "Two!", "Three"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_end_of_a_sentence_is_the_end_token_within_a_document(family: FamilyName) -> None:
    layout = miniature(family).layout
    text, _ = with_end_marks("Ein Hund läuft. Zwei Kinder spielen.", "de", word_segmenter("de"), 4)
    (ids,) = layout.batch_encode_source([text], "de", "en")
    before, behind = TAGS[family]
    first, last = (layout.tokenizer.tokenize(sentence) for sentence in ("Ein Hund läuft.", "Zwei"))
    expected = [*layout.tokenizer.tokenize(before), *first, "</s>", *last, *behind]
    # Some tokenizers make a piece of a space beside a special token.
    pieces = layout.tokenizer.convert_ids_to_tokens(list(ids))
    assert [piece for piece in pieces if piece != "▁"] == [piece for piece in expected if piece != "▁"]
    assert [number == layout.tokenizer.eos_token_id for number in ids].count(True) == 2


def test_documents_are_read_with_their_summaries(tmp_path: Path) -> None:
    rows = [
        {"document": "A: One two.\nB: Three four five six.", "summary": "Eins\nzwei."},
        {"document": "Short. Very short.", "summary": "Kurz."},
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    corpus = read_documents(path, "en", "de", words=5, cache_dir=tmp_path / "cache")
    assert list(corpus) == [
        (f"A: One two. {SENTENCE_END} B: Three", "Eins zwei."),
        (f"Short. {SENTENCE_END} Very short.", "Kurz."),
    ]
    assert "1 of 2 documents cut to 5 words" in corpus.origin
    again = read_documents(path, "en", "de", words=5, cache_dir=tmp_path / "cache")
    assert (list(again), again.origin) == (list(corpus), corpus.origin)
    assert read_documents(path, "en", "de", words=50, limit=1, cache_dir=tmp_path / "cache")[0].source.endswith("six.")
