"""Parameters are read strictly: what Stripe would refuse is refused, with its code and the parameter's name."""

from decimal import Decimal

import pytest

from portal.standin import forms
from portal.standin.parameters import (
    boolean,
    currency_code,
    decimal_number,
    group,
    integer,
    many,
    merged_metadata,
    metadata,
    moment_or_range,
    read_parameters,
    text,
)
from portal.standin.refusals import Refusal

FIELDS = {
    "amount": integer(1, required=True),
    "currency": currency_code(),
    "live": boolean(),
    "unit": decimal_number(),
    "note": text(longest=5),
    "mode": text("a", "b"),
    "names": many(text(), most=2),
    "inner": group({"x": integer(), "y": text(required=True)}),
    "metadata": metadata(),
    "created": moment_or_range(),
}


@pytest.mark.parametrize(
    ("pairs", "decoded"),
    [
        ([("a", "1")], {"a": "1"}),
        ([("a[b][c]", "1"), ("a[b][d]", "2")], {"a": {"b": {"c": "1", "d": "2"}}}),
        ([("a[0]", "1"), ("a[1]", "2")], {"a": {"0": "1", "1": "2"}}),
        ([("a[]", "1"), ("a[]", "2")], {"a": {"0": "1", "1": "2"}}),
        ([("a[0][b]", "1")], {"a": {"0": {"b": "1"}}}),
    ],
)
def test_brackets_nest(pairs, decoded):
    assert forms.decode(pairs) == decoded


@pytest.mark.parametrize(
    "pairs",
    [
        [("a[", "1")],
        [("[a]", "1")],
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "2"), ("a", "1")],
        [("a" + "[b]" * 10, "1")],
    ],
)
def test_malformed_names_are_refused(pairs):
    with pytest.raises(Refusal) as caught:
        forms.decode(pairs)
    assert caught.value.status == 400


def test_values_are_read_from_text_as_what_they_are():
    raw = {
        "amount": "7",
        "currency": "USD",
        "live": "true",
        "unit": "12.5",
        "names": {"1": "b", "0": "a"},
        "inner": {"x": "-1", "y": "z"},
        "metadata": {"0": "zero", "gone": ""},
        "created": {"gte": "5"},
    }
    assert read_parameters(FIELDS, raw) == {
        "amount": 7,
        "currency": "usd",
        "live": True,
        "unit": Decimal("12.5"),
        "names": ["a", "b"],
        "inner": {"x": -1, "y": "z"},
        "metadata": {"0": "zero", "gone": None},
        "created": {"gte": 5},
    }


def test_a_single_moment_is_a_range_of_one():
    assert read_parameters(FIELDS, {"amount": "1", "created": "5"})["created"] == {"gte": 5, "lte": 5}


def test_no_is_read_as_no():
    assert read_parameters(FIELDS, {"amount": "1", "live": "false"})["live"] is False


def test_an_empty_text_unsets_an_optional_value():
    assert read_parameters(FIELDS, {"amount": "1", "note": ""}) == {"amount": 1, "note": None}


@pytest.mark.parametrize(
    ("raw", "param", "code"),
    [
        ({}, "amount", "parameter_missing"),
        ({"amount": ""}, "amount", "parameter_invalid_empty"),
        ({"amount": "x"}, "amount", "parameter_invalid_integer"),
        ({"amount": "1_000"}, "amount", "parameter_invalid_integer"),
        ({"amount": " 1"}, "amount", "parameter_invalid_integer"),
        ({"amount": "1.0"}, "amount", "parameter_invalid_integer"),
        ({"amount": "1", "unit": "1e9"}, "unit", "parameter_invalid_decimal"),
        ({"amount": True}, "amount", "parameter_invalid_integer"),
        ({"amount": "0"}, "amount", "parameter_invalid_integer"),
        ({"amount": "99999999999"}, "amount", None),
        ({"amount": "1", "metadata": {"a": {"b": "c"}}}, "metadata[a]", None),
        ({"amount": "1", "nope": "1"}, "nope", "parameter_unknown"),
        ({"amount": "1", "inner": {"z": "1"}}, "inner[z]", "parameter_unknown"),
        ({"amount": "1", "inner": {}}, "inner[y]", "parameter_missing"),
        ({"amount": "1", "inner": "x"}, "inner", None),
        ({"amount": "1", "currency": "dollars"}, "currency", None),
        ({"amount": "1", "live": "perhaps"}, "live", None),
        ({"amount": "1", "unit": "NaN"}, "unit", "parameter_invalid_decimal"),
        ({"amount": "1", "unit": "x"}, "unit", "parameter_invalid_decimal"),
        ({"amount": "1", "unit": "1." + "1" * 13}, "unit", "parameter_invalid_decimal"),
        ({"amount": "1", "note": "too long"}, "note", None),
        ({"amount": "1", "note": {"a": "b"}}, "note", "parameter_invalid_string"),
        ({"amount": "1", "mode": "c"}, "mode", None),
        ({"amount": "1", "names": "x"}, "names", None),
        ({"amount": "1", "names": ["a", "b", "c"]}, "names", None),
        ({"amount": "1", "metadata": "x"}, "metadata", None),
        ({"amount": "1", "metadata": {"k": "v" * 501}}, "metadata[k]", None),
        ({"amount": "1", "metadata": {"k" * 41: "v"}}, f"metadata[{'k' * 41}]", None),
        ({"amount": "1", "metadata": {str(number): "v" for number in range(51)}}, "metadata", None),
        ({"amount": "1", "created": {"after": "1"}}, "created[after]", "parameter_unknown"),
    ],
)
def test_what_is_wrong_is_refused_by_name(raw, param, code):
    with pytest.raises(Refusal) as caught:
        read_parameters(FIELDS, raw)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)
    assert not caught.value.kept


def test_metadata_merges_key_by_key_and_an_empty_value_removes():
    assert merged_metadata({"a": "1", "b": "2"}, {"b": None, "c": "3"}) == {"a": "1", "c": "3"}
    assert merged_metadata({"a": "1"}, None) == {}
