"""A place is two numbers of degrees, and nothing else."""

import pytest

from geo.point import NotAPlace, Point, degrees

NO_NUMBERS = [
    pytest.param("", id="nothing"),
    pytest.param("north", id="a-word"),
    pytest.param("42,35", id="a-decimal-comma"),
    pytest.param("42.35N", id="a-hemisphere"),
    pytest.param("42°21'", id="degrees-and-minutes"),
    pytest.param("nan", id="nan"),
    pytest.param("inf", id="infinity"),
    pytest.param("-Infinity", id="minus-infinity"),
    pytest.param("1e999", id="overflow"),
    pytest.param("4_2", id="an-underscore"),
    pytest.param("٤٢", id="arabic-digits"),
    pytest.param("４２", id="full-width-digits"),
    pytest.param("0x2A", id="hexadecimal"),
    pytest.param("1" * 400, id="400-digits"),
]


@pytest.mark.parametrize("name", ["lat", "long"])
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_text_that_is_no_number_of_degrees_is_refused_with_the_name_and_the_text(name: str, text: str):
    with pytest.raises(NotAPlace) as refused:
        degrees(name, text)

    assert str(refused.value).startswith(f"{name} must be a number from -")
    assert str(refused.value).endswith(f"got {text!r}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("lat", "90.0000001", id="beyond-the-north-pole"),
        pytest.param("lat", "-91", id="beyond-the-south-pole"),
        pytest.param("long", "180.5", id="east-of-the-date-line"),
        pytest.param("long", "-181", id="west-of-the-date-line"),
    ],
)
def test_degrees_out_of_range_are_refused(name: str, text: str):
    with pytest.raises(NotAPlace, match=f"{name} must be a number from -"):
        degrees(name, text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param("lat", "42.3474", 42.3474, id="plain"),
        pytest.param("lat", " 42.3474 ", 42.3474, id="spaces-around"),
        pytest.param("lat", "+42", 42.0, id="a-plus"),
        pytest.param("lat", "4.2e1", 42.0, id="an-exponent"),
        pytest.param("lat", "90", 90.0, id="the-north-pole"),
        pytest.param("long", "-180", -180.0, id="the-date-line"),
        pytest.param("long", "-71.0944", -71.0944, id="west"),
    ],
)
def test_degrees_are_read_from_text(name: str, text: str, value: float):
    assert degrees(name, text) == value


def test_a_point_takes_its_degrees_by_name_only():
    with pytest.raises(TypeError):
        Point(-71.0944, 42.3474)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("long", "lat"),
    [
        pytest.param(float("nan"), 0.0, id="nan"),
        pytest.param(0.0, float("inf"), id="infinity"),
        pytest.param(181.0, 0.0, id="long-out-of-range"),
        pytest.param(0.0, -90.5, id="lat-out-of-range"),
    ],
)
def test_a_point_of_impossible_degrees_cannot_be_made(long: float, lat: float):
    with pytest.raises(NotAPlace):
        Point(long=long, lat=lat)
