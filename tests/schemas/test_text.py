"""Text is kept without what cannot be printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.text import clean, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\r\nb\rc\nd", "a\nb\nc\nd", id="line-ends"),
        pytest.param("  a  b \n", "a  b", id="spaces-around"),
        pytest.param("a\tb", "a\tb", id="a-tab-stays"),
        pytest.param("a\x00b\x0bc\x0cd\x1be", "abcde", id="control-characters"),
        pytest.param("a\x7fb\x80c\x9fd", "abcd", id="delete-and-c1"),
        pytest.param("a\ud83db", "ab", id="half-a-surrogate-pair"),
        pytest.param("a\ufffeb\uffffc\ufdd0d", "abcd", id="non-characters"),
        pytest.param("Ä 日本 🕳️", "Ä 日本 🕳️", id="letters-of-the-world-and-pictures"),
        pytest.param("<b>&amp;</b>", "<b>&amp;</b>", id="markup-stays-text"),
        pytest.param("\x00 \x01", "", id="nothing-left"),
    ],
)
def test_text_is_cleaned(text: str, expected: str):
    assert clean(text) == expected


@pytest.mark.statement(6)
@given(text=st.text(alphabet=st.characters(exclude_categories=())))
def test_clean_text_can_stand_in_xml_and_in_utf_8_and_is_clean(text: str):
    cleaned = clean(text)

    element = etree.Element("description")
    element.text = cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert etree.fromstring(etree.tostring(element, encoding="utf-8")).text in (cleaned, None)
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("33 Beacon St  Boston\r\n MA\t02108 ", "33 Beacon St Boston MA 02108", id="white-space"),
        pytest.param("a\u2028b\u00a0c", "a b c", id="white-space-beyond-ascii"),
        pytest.param(" \n ", "", id="nothing-left"),
    ],
)
def test_one_line_has_single_spaces(text: str, expected: str):
    assert one_line(text) == expected
