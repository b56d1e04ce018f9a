"""GET services/{service_code}: what a service asks."""

import pytest

from tests.api.wire import BOSTON, SEATTLE, Api, in_both_formats

_DATATYPES = {"string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"}
_LISTS = {"singlevaluelist", "multivaluelist"}

in_each_city = pytest.mark.parametrize("city", [BOSTON, SEATTLE])


def _definitions(api: Api, city: str, format: str) -> list[dict[str, list[dict[str, object]]]]:
    codes = [row["service_code"] for row in api.get("services", city=city).rows]
    return [api.get(f"services/{code}", format, city=city).content for code in codes]


@pytest.mark.statement(19)
@in_both_formats
@pytest.mark.parametrize("code", ["noise", "dead-animal", "parking-patrol-tip", "public-disclosure"])
def test_a_definition_echoes_the_code(api: Api, code: str, format: str) -> None:
    answer = api.get(f"services/{code}", format)

    assert answer.status == 200
    assert answer.content["service_code"] == code
    assert isinstance(answer.content["attributes"], list)


@pytest.mark.statement(19)
def test_a_service_that_asks_nothing_has_an_empty_array_of_attributes(api: Api) -> None:
    assert api.get("services/dead-animal").content == {"service_code": "dead-animal", "attributes": []}
    assert api.get("services/dead-animal", "xml").body.endswith(
        b"<service_definition><service_code>dead-animal</service_code><attributes/></service_definition>"
    )


@pytest.mark.statement(20)
@in_both_formats
def test_each_attribute_has_every_field(api: Api, format: str) -> None:
    attributes = [each for definition in _definitions(api, SEATTLE, format) for each in definition["attributes"]]

    assert attributes
    for attribute in attributes:
        assert list(attribute) == [
            "variable",
            "code",
            "datatype",
            "required",
            "datatype_description",
            "order",
            "description",
            "values",
        ]
        assert attribute["datatype"] in _DATATYPES
        assert isinstance(attribute["variable"], bool)
        assert isinstance(attribute["required"], bool)
        assert isinstance(attribute["code"], str)
        assert isinstance(attribute["description"], str)


@pytest.mark.statement(20)
def test_the_demo_cities_show_every_datatype(api: Api) -> None:
    definitions = _definitions(api, SEATTLE, "json")

    assert {each["datatype"] for definition in definitions for each in definition["attributes"]} == _DATATYPES


@pytest.mark.statement(21)
@in_both_formats
@in_each_city
def test_order_counts_from_1_and_attributes_stand_in_it(api: Api, city: str, format: str) -> None:
    for definition in _definitions(api, city, format):
        orders = [each["order"] for each in definition["attributes"]]
        assert orders == list(range(1, len(orders) + 1))


@pytest.mark.statement(22)
@in_both_formats
@in_each_city
def test_lists_have_values_of_key_and_name_and_others_have_none(api: Api, city: str, format: str) -> None:
    for definition in _definitions(api, city, format):
        for attribute in definition["attributes"]:
            values = attribute["values"]
            assert isinstance(values, list)
            assert bool(values) == (attribute["datatype"] in _LISTS)
            for value in values:
                assert set(value) == {"key", "name"}
                assert all(isinstance(text, str) and text for text in value.values())


@pytest.mark.statement(22)
@in_both_formats
def test_values_stand_in_the_order_of_the_city(api: Api, format: str) -> None:
    surface = api.get("services/graffiti", format).content["attributes"][0]

    assert surface["values"] == [
        {"key": "building", "name": "Building or wall"},
        {"key": "pole", "name": "Pole, sign or signal box"},
        {"key": "pavement", "name": "Street or sidewalk"},
    ]


@pytest.mark.statement(22)
def test_an_attribute_that_is_no_list_has_an_empty_array_of_values(api: Api) -> None:
    assert b'"values":null' not in api.get("services/missed-garbage").body
    assert b"<values/>" in api.get("services/missed-garbage", "xml").body


@pytest.mark.statement(23)
@in_both_formats
@pytest.mark.parametrize("code", ["nothing", "NOISE", "noise%20", "noi%2Fse", "%F0%9F%95%B3", "noise.json"])
def test_an_unknown_code_is_404_and_the_error_names_service_code(api: Api, code: str, format: str) -> None:
    answer = api.ask(f"services/{code}.{format}?jurisdiction_id=seattle.gov", format)

    assert answer.status == 404
    assert "service_code" in answer.problem or "%2F" in code
