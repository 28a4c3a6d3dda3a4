"""Parts that the customer bears: a line of its bill at their list price, within what it authorized, and whose it is."""

from __future__ import annotations

import json

import pytest

from portal.contracts.agreement import parse_agreement
from portal.contracts.policy import parse_policy
from portal.errors import DocumentInvalid
from portal.quoting.bill import rated
from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote
from portal.rating.explanation import explain, replay
from tests.support.documents import KESSLER, POLICY, changed

TABLE = """
[[parts]]
causes = ["operation"]
borne_by = "customer"

[[parts]]
dispositions = ["returned"]
borne_by = "companies"

[[warranty]]"""
SHARED = """
[[shares]]
revenues = ["materials"]
tranches = [{ to = "party", party = "operator", bp = 1000 }, { to = "supplier", bp = 9000 }]

[settlement]"""
# A Tuesday at 10:00 in Berlin: 60 minutes of remote help cost 150.00.
CASE = {
    "opened_at": "2026-03-10T10:00:00",
    "product_line": "DoorController",
    "cause": "configuration",
    "last_action": "part_replaced",
    "work": [{"minutes": 60}],
}
OURS = {"part": "Power supply, serial 4711", "price": "80.00", "supplier": "manufacturer"}
THEIRS = {"part": "Strike", "price": "41.00", "supplier": "integrator"}


def said(*parts, terms=(), **changes):
    """The quote of the case with these parts."""
    signed = parse_agreement(changed(KESSLER, *terms))
    return quote(parse_policy(changed(POLICY)), signed, case_from_values({**CASE, "parts": parts, **changes}))


def of_parts(found):
    return [(line["kind"], line["detail"], line["amount"]) for line in found["bill"]["lines"] if line["detail"]]


def table():
    """The policy with a table of parts, before the first table of warranty alone."""
    text = changed(POLICY).replace("\n[[warranty]]", TABLE, 1)
    return parse_policy(text)


def by_table(*parts, **changes):
    return quote(table(), parse_agreement(changed(KESSLER)), case_from_values({**CASE, "parts": parts, **changes}))


def test_a_part_is_a_line_of_the_bill_and_its_suppliers_whole_share():
    without, found = said(), said(OURS, THEIRS)
    assert of_parts(found) == [("material", OURS["part"], "80.00"), ("material", "Strike", "41.00")]
    assert float(found["bill"]["amount"]) == float(without["bill"]["amount"]) + 121
    shares = {(each["party"], each["amount"]) for each in found["shares"] if each["revenue"] == "materials"}
    assert shares == {("manufacturer", "80.00"), ("integrator", "41.00")}
    others = [each for each in found["shares"] if each["revenue"] != "materials"]
    assert others == without["shares"]
    assert "Strike, supplied by the integrator, at its list price: 41.00 EUR." in found["bill"]["words"]


def test_parts_are_shared_as_the_agreement_says_where_it_does():
    found = said(OURS, THEIRS, terms=(("\n[settlement]", SHARED),))
    shares = {each["party"]: each["amount"] for each in found["shares"] if each["revenue"] == "materials"}
    assert shares == {"operator": "12.10", "manufacturer": "72.00", "integrator": "36.90"}


@pytest.mark.parametrize(
    ("changes", "part", "line"),
    [
        # Who recorded it says.
        ({}, {}, ("material", "80.00")),
        ({}, {"borne_by": "companies"}, None),
        # The policy's table says.
        ({}, {"disposition": "returned"}, ("free", "0.00")),
        ({"cause": "operation"}, {"disposition": "returned"}, ("material", "80.00")),
        ({"cause": "operation"}, {"borne_by": "companies"}, ("material", "80.00")),
        # What makes work free makes the part free.
        ({"cause": "firmware_defect"}, {}, ("free_cause", "0.00")),
        # The integrator that pays is charged no part; what the policy puts on the customer is on its bill all the same.
        ({"cause": "installation"}, {}, None),
        # Nobody had said yes.
        ({}, {"authorized": False}, ("unauthorized", "0.00")),
        ({"cause": "operation"}, {"authorized": False}, ("unauthorized", "0.00")),
        # The limit counts the part: what the work leaves does not pay for it, and no part is billed in part.
        ({"nte": "200.00"}, {"fitted_at": "2026-03-10T12:00:00"}, ("beyond_nte", "0.00")),
        ({"nte": "230.00"}, {"fitted_at": "2026-03-10T12:00:00"}, ("material", "80.00")),
    ],
)
def test_who_bears_a_part(changes, part, line):
    found = of_parts(by_table({**OURS, **part}, **changes))
    assert [(kind, amount) for kind, _, amount in found] == ([line] if line else [])


def test_a_part_is_neither_a_fee_nor_capped_nor_paid_by_hours_left():
    found = said(OURS, plan="assured")
    assert of_parts(found) == [("material", OURS["part"], "80.00")]
    assert found["bill"]["amount"] == "80.00"
    assert found["bill"]["fees"] == {}
    alone = said(OURS, work=[])
    assert alone["bill"]["amount"] == "80.00"


def test_the_explanation_replays_to_the_same_lines():
    case = case_from_values({**CASE, "parts": [OURS, THEIRS], "nte": "200.00"})
    result = rated(table(), parse_agreement(changed(KESSLER)), case, ())
    assert replay(json.loads(json.dumps(explain(result)))).lines == result.lines


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ('[[parts]]\ncauses = ["wear"]\nborne_by = "customer"\n', "wear"),
        ('[[parts]]\nborne_by = "customer"\n[[parts]]\nborne_by = "companies"\n', "never"),
    ],
)
def test_a_table_of_parts_that_cannot_hold_is_refused(rows, sentence):
    with pytest.raises(DocumentInvalid) as refused:
        parse_policy(changed(POLICY).replace("[[warranty]]", rows + "\n[[warranty]]", 1))
    assert any(sentence in problem.message for problem in refused.value.problems)


def test_only_parts_have_a_supplier():
    with pytest.raises(DocumentInvalid) as refused:
        parse_agreement(changed(KESSLER, ('{ to = "worked_time", bp = 5700 }', '{ to = "supplier", bp = 5700 }')))
    assert "have a supplier" in refused.value.problems[0].message
