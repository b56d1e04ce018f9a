"""open311 query: saved, listed, dropped."""

from tests.cli.conftest import Run, good, told
from tests.small_city import SmallCity

OF = ("--jurisdiction", "small.gov")


def test_a_query_is_saved_listed_and_dropped(run: Run, folder: SmallCity):
    good(run("city", "load", folder.path))
    save = ("query", "save", "west", "district=ward:W&status=open", *OF, "--title", "In the west", "--by", "Ann")

    assert "/open311/v2/queries/west.rss?jurisdiction_id=small.gov" in good(run(*save))
    assert "In the west" in good(run("query", "list", *OF))
    assert "query saved" in good(run("user", "log"))
    good(run("query", "drop", "west", *OF))
    assert "In the west" not in good(run("query", "list", *OF))
    assert "west" in told(run("query", "drop", "west", *OF))


def test_one_that_is_wrong_is_told(run: Run, folder: SmallCity):
    good(run("city", "load", folder.path))

    assert "bbox must be" in told(run("query", "save", "west", "bbox=1", *OF, "--title", "T"))
