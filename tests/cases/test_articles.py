"""Which articles are pinned to a service, in which order and language."""

import pytest

from open311.cases.articles import UnknownArticle, articles_for, find_article
from open311.services import find_service
from tests.cases.working import Working


def key(trees: Working, service: str = "pothole") -> dict[str, int]:
    """What articles are looked for by."""
    found = find_service(trees.connection, service, jurisdiction_id=trees.city.id).new
    return {"jurisdiction_id": trees.city.id, "service_id": found.id}


def test_those_of_the_service_come_before_its_group_and_those_of_everything_last(trees: Working):
    found = articles_for(trees.connection, **key(trees), language="en")

    assert [each.code for each in found] == ["depth", "roads", "hours"]


def test_another_service_has_only_those_of_everything(trees: Working):
    assert [each.code for each in articles_for(trees.connection, **key(trees, "tree"))] == ["hours"]


def test_one_of_which_a_keyword_is_said_comes_first(trees: Working):
    found = articles_for(trees.connection, **key(trees), language="en", words="When are you OPEN?")

    assert [each.code for each in found] == ["hours", "depth", "roads"]


def test_everybody_is_shown_the_public_ones(trees: Working):
    found = articles_for(trees.connection, **key(trees), language="en", only_public=True)

    assert [each.code for each in found] == ["depth", "hours"]


@pytest.mark.parametrize(("language", "text"), [("es", "Desde dos"), ("en", "We fill holes"), ("fr", "We fill holes")])
def test_an_article_is_told_in_the_language_asked_for_else_in_english(trees: Working, language: str, text: str):
    assert find_article(trees.connection, "depth", **key(trees), language=language).text.startswith(text)


def test_an_article_of_another_service_is_none_of_this_one(trees: Working):
    with pytest.raises(UnknownArticle, match=r"one of those of the service \(hours\), got 'depth'"):
        find_article(trees.connection, "depth", **key(trees, "tree"))
