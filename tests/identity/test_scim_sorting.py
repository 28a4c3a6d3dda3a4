"""Sorting of a directory's list: by any attribute, whatever lacks it at the end."""

from __future__ import annotations

import pytest

from portal.identity.scim.rules.errors import ScimRefused
from portal.identity.scim.rules.schemas import USER
from portal.identity.scim.rules.sorting import Sorting, positions, sorting_of

ANN = {
    "id": "b",
    "userName": "ann",
    "name": {"familyName": "Öberg"},
    "emails": [{"value": "z@home.example"}, {"value": "a@work.example", "primary": True}],
    "meta": {"created": "2026-03-10T09:00:00+00:00"},
    "active": True,
}
BEN = {"id": "B", "userName": "Ben", "name": {"familyName": "berg"}, "emails": [{"value": "m@x.example"}], "age": 7}
CAL = {"id": "a", "userName": "cal", "emails": [], "name": "no parts", "active": False, "age": 6.5}
PEOPLE = [CAL, BEN, ANN]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("userName", ["ann", "Ben", "cal"]),
        ("USERNAME", ["ann", "Ben", "cal"]),
        (f"{USER}:userName", ["ann", "Ben", "cal"]),
        ("name.familyName", ["Ben", "ann", "cal"]),
        ("emails", ["ann", "Ben", "cal"]),
        ("emails.value", ["ann", "Ben", "cal"]),
        ("id", ["Ben", "cal", "ann"]),
        ("active", ["cal", "ann", "Ben"]),
        ("age", ["cal", "Ben", "ann"]),
        ("meta.created", ["ann", "cal", "Ben"]),
        ("nothing", ["cal", "Ben", "ann"]),
        ("name.familyName.deeper", ["cal", "Ben", "ann"]),
    ],
)
def test_a_list_is_sorted_by_an_attribute(path, names):
    assert [PEOPLE[place]["userName"] for place in positions(PEOPLE, Sorting(path))] == names


def test_from_the_end_what_lacks_the_attribute_comes_first():
    placed = positions(PEOPLE, Sorting("name.familyName", is_descending=True))
    assert [PEOPLE[place]["userName"] for place in placed] == ["cal", "ann", "Ben"]


@pytest.mark.parametrize(
    ("by", "order", "sorting"),
    [
        (None, None, None),
        ("", "descending", None),
        (" userName ", None, Sorting("userName")),
        ("userName", "", Sorting("userName")),
        ("userName", "Ascending", Sorting("userName")),
        ("userName", "DESCENDING", Sorting("userName", is_descending=True)),
    ],
)
def test_what_is_asked_is_read(by, order, sorting):
    assert sorting_of(by, order) == sorting


@pytest.mark.parametrize(
    ("by", "order"), [("userName", "up"), ("userName", 1), (7, None), (["userName"], None), ("x" * 201, None)]
)
def test_what_cannot_be_sorted_by_is_refused(by, order):
    with pytest.raises(ScimRefused) as refused:
        sorting_of(by, order)
    assert refused.value.kind == "invalidValue"
