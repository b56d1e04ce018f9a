"""open311 city export: what it says."""

from pathlib import Path

from tests.cli.conftest import Run, good, told

SEATTLE = ("--jurisdiction", "seattle.gov")


def test_a_city_is_written_into_a_folder_that_can_be_loaded(run: Run, tmp_path: Path):
    assert good(run("city", "export", tmp_path / "out", *SEATTLE)) == f"City of Seattle: written to {tmp_path / 'out'}\n"

    assert "services" in good(run("city", "load", tmp_path / "out"))


def test_a_folder_with_something_in_it_is_refused(run: Run, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")

    message = told(run("city", "export", tmp_path, *SEATTLE))

    assert message == f"{tmp_path} must be a folder that is empty, or not be there"


def test_a_place_that_cannot_be_written_is_told(run: Run, tmp_path: Path):
    (tmp_path / "file").write_text("")

    assert told(run("city", "export", tmp_path / "file" / "out", *SEATTLE)) == (
        f"{tmp_path / 'file' / 'out'} cannot be written: File exists"
    )


def test_a_city_that_is_not_there_is_told(run: Run, tmp_path: Path):
    message = told(run("city", "export", tmp_path / "out", "--jurisdiction", "nowhere.gov"))

    assert message == "no city here has the jurisdiction_id nowhere.gov"
