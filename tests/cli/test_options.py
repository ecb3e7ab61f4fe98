"""Options that several verbs share."""

import pytest

from switchtune.cli.options import language_pair
from switchtune.errors import UsageError


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("de-en", ("de", "en")),
        ("zh-Hant-en", ("zh_Hant", "en")),
        ("en-zh-Hant", ("en", "zh_Hant")),
        ("zh-Hant-TW-pt-BR", ("zh_Hant", "pt")),
        ("deu_Latn-eng_Latn", ("de", "en")),
        ("English-German", ("en", "de")),
        ("hsb-tyv_Cyrl", ("hsb", "tyv")),
        ("sr-Latn-RS-en", ("sr_Latn", "en")),
    ],
)
def test_languages_of_a_pair_may_have_hyphens(text: str, pair: tuple[str, str]) -> None:
    assert language_pair(text) == pair


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("de", "--langs de: German alone; expected two languages joined by a hyphen, as in de-en"),
        ("de-de", "both are de"),
        ("sr-Cyrl-RS", "Serbian alone"),
        ("sr-Latn-RS", r"Serbian \(Latin script\) alone"),
        ("de-klingonese", "unknown language 'klingonese'"),
        ("pt-br-en", "A region is written in capitals: pt-BR"),
    ],
)
def test_what_is_no_pair_is_answered_with_what_is_right(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        language_pair(text)
