"""Resources as directories send them and as they are answered; what the service says of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portal.identity.scim import description
from portal.identity.scim.rules import resources, schemas
from portal.identity.scim.rules.errors import ScimRefused

MADE = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
BASE = "https://portal.example/scim/v2"
HOME, WORK = {"value": "ann@home.example", "type": "home"}, {"value": "ann@x.example", "type": "work"}
ANN: dict[str, Any] = {
    "userName": "ann",
    "name": {"givenName": "Ann", "familyName": "Berg"},
    "emails": [HOME, WORK],
    "active": True,
}


def answered(schema: str = schemas.USER) -> dict[str, Any]:
    return resources.answered(ANN, schema=schema, key="7", base=BASE, version=3, made=MADE, changed=MADE)


@pytest.mark.parametrize(("schema", "place"), [(schemas.USER, "Users/7"), (schemas.GROUP, "Groups/7")])
def test_a_resource_is_answered_with_its_address_and_version(schema, place):
    meta = answered(schema)["meta"]
    assert (meta["location"], meta["version"], meta["created"]) == (f"{BASE}/{place}", 'W/"3"', MADE.isoformat())


@pytest.mark.parametrize(
    ("only", "shown"),
    [
        (["userName"], {"userName": "ann"}),
        (["name.familyName"], {"name": {"familyName": "Berg"}}),
        (["name", "name.familyName"], {"name": ANN["name"]}),
        (["EMAILS.VALUE"], {"emails": [{"value": "ann@home.example"}, {"value": "ann@x.example"}]}),
        ([f"{schemas.USER}:active"], {"active": True}),
        (["active.part"], {"active": True}),
        (["nothing"], {}),
    ],
)
def test_only_what_was_asked_for_is_shown_beside_the_id(only, shown):
    assert resources.shown(answered(), only=only, without=[]) == {"schemas": [schemas.USER], "id": "7", **shown}


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        (["meta", "emails"], {"meta", "emails"}),
        (["id", "schemas"], set()),
        (["nothing"], set()),
    ],
)
def test_what_was_not_wanted_is_left_out_but_the_id_never(without, missing):
    assert set(answered()) - set(resources.shown(answered(), only=[], without=without)) == missing


def test_a_part_that_was_not_wanted_is_left_out_of_each_value():
    shown = resources.shown(answered(), only=[], without=["emails.type", "name.givenName"])
    assert shown["emails"] == [{"value": "ann@home.example"}, {"value": "ann@x.example"}]
    assert shown["name"] == {"familyName": "Berg"}


def test_a_page_of_a_list_counts_itself_and_all():
    page = resources.listed([ANN, ANN], total=7, start=3)
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (7, 3, 2)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({**ANN, "displayName": "A. Berg"}, "A. Berg"),
        ({**ANN, "name": {"formatted": "Dr. Ann Berg"}}, "Dr. Ann Berg"),
        (ANN, "Ann Berg"),
        ({"userName": "ann", "name": {"familyName": "Berg"}}, "Berg"),
        ({"userName": "ann"}, "ann"),
        ({"displayName": "x" * 101}, "x" * 100),
    ],
)
def test_a_person_is_called_by_the_best_name_that_was_sent(attributes, name):
    assert resources.name_of(attributes) == name


@pytest.mark.parametrize(("attributes", "belongs"), [({}, True), ({"active": True}, True), ({"active": False}, False)])
def test_who_is_not_said_to_have_left_belongs(attributes, belongs):
    assert resources.is_active(attributes) is belongs


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"username": " ann "}, {"userName": "ann"}),
        ({f"{schemas.USER}:title": "Lead"}, {"title": "Lead"}),
        ({"shoeSize": 43, "groups": [{"value": "g"}], "title": None, "emails": [], "name": {}}, {}),
        ({"emails": "ann@x.example"}, {"emails": [{"value": "ann@x.example"}]}),
        ({"emails": [{}, {"value": None}, HOME]}, {"emails": [HOME]}),
        ({"name": {"familyName": "Berg", "shoeSize": 43}}, {"name": {"familyName": "Berg"}}),
        ({"active": "False"}, {"active": False}),
        ({"title": "a\x00b"}, {"title": "ab"}),
        (
            {"emails": [{**HOME, "primary": True}, {**WORK, "primary": "true"}]},
            {"emails": [{**HOME, "primary": False}, {**WORK, "primary": True}]},
        ),
    ],
)
def test_known_attributes_are_kept_under_their_own_names(given, kept):
    assert schemas.cleaned({"userName": "ann", **given}, schemas.USER) == {"userName": "ann", **kept}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "userName is required."),
        ({"userName": ""}, "userName is required."),
        ({"userName": "ann", "name": "Ann"}, "name has to be an object."),
        ({"userName": "ann", "active": "perhaps"}, "active has to be true or false."),
        ({"userName": True}, "userName has to be a text."),
        ({"userName": ["ann"]}, "userName has to be a text."),
        ({"userName": "a" * 1_001}, "userName is longer than 1000 characters."),
        ({"userName": "ann", "emails": [HOME] * 1_001}, "emails has more than 1000 values."),
    ],
)
def test_a_resource_that_cannot_be_kept_is_refused_by_attribute(given, said):
    with pytest.raises(ScimRefused) as refused:
        schemas.cleaned(given, schemas.USER)
    assert refused.value.sentence == said


def test_the_service_describes_each_attribute_it_keeps():
    users, groups = description.all_schemas(BASE)
    by_name = {attribute["name"]: attribute for attribute in users["attributes"]}
    assert set(by_name) == {attribute.name for attribute in schemas.USER_ATTRIBUTES}
    assert by_name["userName"]["required"]
    assert [part["name"] for part in by_name["emails"]["subAttributes"]] == ["value", "display", "type", "primary"]
    assert groups["attributes"][-1]["subAttributes"][-1]["referenceTypes"] == ["User"]
    assert [kind["endpoint"] for kind in description.resource_types(BASE)] == ["/Users", "/Groups"]
    assert description.config(BASE)["filter"] == {"supported": True, "maxResults": schemas.PAGE}
