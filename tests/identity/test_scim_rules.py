"""Patches in every legal shape, and filters: tables of what goes in and what comes out."""

from __future__ import annotations

from typing import Any

import pytest

from portal.identity.scim.rules import filters, patches, resources, schemas
from portal.identity.scim.rules.errors import ScimRefused

ANN = {
    "userName": "ann@x.example",
    "name": {"givenName": "Ann", "familyName": "Berg"},
    "emails": [
        {"value": "ann@x.example", "type": "work", "primary": True},
        {"value": "ann@home.example", "type": "home"},
    ],
    "active": True,
}
WORK, HOME = ANN["emails"]
NEW = {"value": "new@x.example", "type": "other"}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    return patches.patched(ANN, {"Operations": list(operations)}, schemas.USER)


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ({"op": "replace", "path": "active", "value": False}, {"active": False}),
        ({"op": "Replace", "path": "ACTIVE", "value": "False"}, {"active": False}),
        ({"op": "replace", "value": {"active": False}}, {"active": False}),
        ({"op": "replace", "path": f"{schemas.USER}:active", "value": False}, {"active": False}),
        ({"op": "replace", "value": {schemas.USER: {"active": False}}}, {"active": False}),
        ({"op": "add", "path": "title", "value": "Ms"}, {"title": "Ms"}),
        ({"op": "add", "value": {"title": "Ms", "nickName": "A"}}, {"title": "Ms", "nickName": "A"}),
        (
            {"op": "replace", "path": "name.givenName", "value": "Anna"},
            {"name": {"givenName": "Anna", "familyName": "Berg"}},
        ),
        (
            {"op": "replace", "value": {"name.givenName": "Anna"}},
            {"name": {"givenName": "Anna", "familyName": "Berg"}},
        ),
        (
            {"op": "replace", "path": "name", "value": {"givenName": "Anna"}},
            {"name": {"givenName": "Anna", "familyName": "Berg"}},
        ),
        ({"op": "add", "path": "emails", "value": [NEW]}, {"emails": [WORK, HOME, NEW]}),
        ({"op": "add", "path": "emails", "value": NEW}, {"emails": [WORK, HOME, NEW]}),
        ({"op": "add", "path": "emails", "value": [WORK]}, {}),
        ({"op": "replace", "path": "emails", "value": [NEW]}, {"emails": [NEW]}),
        (
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@x.example"},
            {"emails": [{**WORK, "value": "a@x.example"}, HOME]},
        ),
        (
            {"op": "add", "path": 'emails[type eq "mobile"].value', "value": "m@x.example"},
            {"emails": [WORK, HOME, {"type": "mobile", "value": "m@x.example"}]},
        ),
        (
            {"op": "replace", "path": 'emails[type eq "home"]', "value": {"primary": True}},
            {"emails": [{**WORK, "primary": False}, {**HOME, "primary": True}]},
        ),
        ({"op": "remove", "path": 'emails[type eq "home"]'}, {"emails": [WORK]}),
        ({"op": "remove", "path": 'emails[type eq "home"].type'}, {"emails": [WORK, {"value": "ann@home.example"}]}),
        ({"op": "Remove", "path": "emails", "value": [{"value": "ann@home.example"}]}, {"emails": [WORK]}),
        ({"op": "remove", "path": "emails"}, {"emails": None}),
        ({"op": "remove", "path": "name.familyName"}, {"name": {"givenName": "Ann"}}),
        ({"op": "remove", "path": "title"}, {}),
        ({"op": "replace", "path": "title", "value": None}, {}),
        (
            {
                "op": "replace",
                "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
                "value": "1",
            },
            {},
        ),
        ({"op": "add", "path": "shoeSize", "value": 44}, {}),
        ({"op": "add", "value": {"shoeSize": 44, "id": "x", "meta": {}}}, {}),
    ],
    ids=str,
)
def test_a_patch_changes_what_it_says_and_nothing_else(operation, changes):
    expected = {**ANN, **changes}
    assert patched(operation) == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "move", "path": "title"}, "invalidSyntax"),
        ({"path": "title", "value": "x"}, "invalidSyntax"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "value": "x"}, "invalidSyntax"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "add", "path": "groups", "value": [{"value": "x"}]}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": 'emails[type eq "fax"]', "value": {"value": "x"}}, "noTarget"),
        ({"op": "replace", "path": "emails[type eq", "value": {"value": "x"}}, "invalidPath"),
        ({"op": "replace", "path": "emails[type zz 1].value", "value": "x"}, "invalidFilter"),
        ({"op": "replace", "path": "title.part", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ("replace", "invalidSyntax"),
    ],
    ids=str,
)
def test_a_patch_that_cannot_be_taken_says_why(operation, kind):
    with pytest.raises(ScimRefused) as refused:
        patched(operation)
    assert refused.value.kind == kind


def test_operations_apply_in_order_and_leave_the_resource_given_alone():
    changed = patched({"op": "add", "path": "title", "value": "A"}, {"op": "replace", "path": "title", "value": "B"})
    assert changed["title"] == "B"
    assert "title" not in ANN


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ('userName eq "ANN@X.EXAMPLE"', True),
        ('userName ne "ann@x.example"', False),
        ('name.familyName sw "be"', True),
        ('emails.value ew "home.example"', True),
        ('emails[type eq "home" and primary eq true]', False),
        ("title pr", False),
        ("not (title pr)", True),
        ('title pr or active eq true and userName co "ann"', True),
        ('(title pr or active eq true) and userName co "bob"', False),
        (f'{schemas.USER}:userName eq "ann@x.example"', True),
        ('userName gt "a" and userName le "b"', True),
        ("title eq null", True),
    ],
)
def test_a_filter_accepts_what_it_means(written, fits):
    assert filters.read_filter(written)(ANN) is fits


@pytest.mark.parametrize(
    "written",
    ["", "userName", "userName eq", 'eq "x"', 'userName eq "x', "userName eq x", '(userName eq "x"', 'a eq "b" c', "("],
)
def test_a_filter_that_cannot_be_read_is_refused(written):
    with pytest.raises(ScimRefused):
        filters.read_filter(written)


@pytest.mark.parametrize(
    "written", ["(" * 500 + "a pr" + ")" * 500, "not (" * 50 + "a pr" + ")" * 50, "a pr or " * 900]
)
def test_a_filter_that_only_costs_is_refused(written):
    with pytest.raises(ScimRefused):
        filters.read_filter(written)


@pytest.mark.parametrize(
    ("attributes", "address"),
    [
        (ANN, "ann@x.example"),
        ({"userName": "bob@x.example"}, "bob@x.example"),
        ({"userName": "bob"}, ""),
        ({"userName": "b", "emails": [{"value": "b@x.example"}]}, "b@x.example"),
        ({"userName": "b", "emails": [{"value": "not an address"}]}, ""),
        ({"userName": "a@b.example, c@d.example"}, ""),
    ],
)
def test_an_address_is_found_where_there_is_one(attributes, address):
    assert resources.address_of(attributes) == address


@pytest.mark.parametrize(
    ("start", "count", "page"),
    [(None, None, (1, 200)), ("0", "-3", (1, 0)), ("7", "9999", (7, 200)), ("x", [], (1, 200))],
)
def test_a_page_makes_sense_of_nonsense(start, count, page):
    assert resources.page_of(start, count) == page


@pytest.mark.parametrize(
    ("written", "equals"),
    [
        ('userName eq "ann"', filters.Equals("username", "ann")),
        (r' externalId EQ "a\"b" ', filters.Equals("externalid", 'a"b')),
        ('emails.value eq "ann"', None),
        ('userName eq "ann" and active eq true', None),
        (r'userName eq "\x"', None),
    ],
)
def test_a_filter_of_one_comparison_is_told_apart(written, equals):
    assert filters.simple_equals(written) == equals


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ('emails eq "ann@home.example"', True),
        ("active gt false", False),
        ("userName gt 5", False),
        ("title eq null and title ne null", True),
        ("logins ge 3 and logins lt 4", True),
        ('logins co "3"', False),
        ("logins sw 3", False),
        ('externalId eq "E-1"', True),
        ('externalId eq "e-1"', False),
        ("name.familyName.deeper pr", False),
    ],
)
def test_a_comparison_is_of_like_with_like(written, fits):
    person = {
        "userName": "ann",
        "externalId": "E-1",
        "active": True,
        "logins": 3,
        "name": {"familyName": "Berg"},
        "emails": [{"value": "ann@home.example"}],
    }
    assert filters.read_filter(written)(person) is fits


@pytest.mark.parametrize("written", ["userName eq ?", "userName [", '"a" eq "b"', 'userName eq "\\x"', "not a pr"])
def test_marks_where_none_belong_are_refused(written):
    with pytest.raises(ScimRefused):
        filters.read_filter(written)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({}, "invalidSyntax"),
        ({"Operations": []}, "invalidSyntax"),
        ({"Operations": [{"op": "add"}] * 501}, "invalidSyntax"),
        ({"Operations": [{"op": "add", "path": "meta", "value": {}}]}, "mutability"),
        ({"Operations": [{"op": "add", "path": 'title[value eq "x"]', "value": {}}]}, "invalidPath"),
        ({"Operations": [{"op": "add", "path": 'emails[type eq "home"]', "value": "x"}]}, "invalidValue"),
        ({"Operations": [{"op": "add", "path": 'emails[type ne "home"]', "value": {"value": "x"}}]}, "noTarget"),
    ],
)
def test_a_message_that_is_no_patch_is_refused(message, kind):
    with pytest.raises(ScimRefused) as refused:
        patches.patched({"userName": "ann"}, message, schemas.USER)
    assert refused.value.kind == kind


ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ({"op": "add", "path": f"{ENTERPRISE}:manager", "value": "x"}, {}),
        ({"op": "add", "path": "name.shoeSize", "value": "43"}, {}),
        ({"op": "add", "value": {ENTERPRISE: {"manager": "x"}, "groups": [], "id": "9"}}, {}),
        ({"op": "add", "value": {schemas.USER: {"title": "Lead"}}}, {"title": "Lead"}),
        ({"op": "replace", "path": "emails.value", "value": "a@x.example"}, {"emails": [{"value": "a@x.example"}]}),
        ({"op": "remove", "path": "name.givenName"}, {"name": {"familyName": "Berg"}}),
    ],
)
def test_directories_of_every_make_are_understood(operation, changes):
    person = {"userName": "ann", "name": {"givenName": "Ann", "familyName": "Berg"}}
    assert patches.patched(person, {"operations": [operation]}, schemas.USER) == {**person, **changes}


def test_a_value_that_becomes_primary_takes_it_from_the_others():
    person = {"userName": "a", "emails": [{"value": "h", "type": "home"}, {"value": "w", "type": "w", "primary": True}]}
    operation = {"op": "replace", "path": 'emails[type eq "home"].primary', "value": "True"}
    assert patches.patched(person, {"operations": [operation]}, schemas.USER)["emails"] == [
        {"value": "w", "type": "w", "primary": False},
        {"value": "h", "type": "home", "primary": True},
    ]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("emails.type", [{"value": "h"}, {"value": "w"}]),
        ('emails[type eq "home"].type', [{"value": "h"}, {"value": "w", "type": "work"}]),
        ('emails[type eq "home"]', [{"value": "w", "type": "work"}]),
        ("emails[value pr]", None),
    ],
)
def test_a_part_or_a_value_is_taken_away(path, left):
    person = {"userName": "a", "emails": [{"value": "h", "type": "home"}, {"value": "w", "type": "work"}]}
    changed = patches.patched(person, {"operations": [{"op": "remove", "path": path}]}, schemas.USER)
    assert changed.get("emails") == left
