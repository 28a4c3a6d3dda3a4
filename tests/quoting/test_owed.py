"""The quote says what the companies owe each other beside the shares, by the same tables as the portal."""

from __future__ import annotations

import pytest

from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote
from tests.contracts.test_owing import TABLES
from tests.support.documents import KESSLER, agreement, policy

CASE = {
    "opened_at": "2026-03-10T10:00:00",
    "product_line": "DoorController",
    "cause": "hardware_defect",
    "warranty_from_on": "2026-01-01",
    "warranty_until_on": "2029-01-01",
}


def owed(*claims, terms=True, **changes):
    signed = agreement(KESSLER, ("[settlement]", TABLES)) if terms else None
    return quote(policy(), signed, case_from_values({**CASE, **changes, "claims": list(claims)}))["dues"]["owed"]


@pytest.mark.parametrize(
    ("claim", "amount", "debtor"),
    [
        ({"kind": "labour", "trips": 1}, "165.00", "manufacturer"),
        ({"kind": "referral", "amount": "4000.00"}, "100.00", "manufacturer"),
        ({"kind": "material", "amount": "99.00"}, "99.00", "manufacturer"),
        (
            {"kind": "material", "amount": "99.00", "disposition": "lost", "supplier": "manufacturer"},
            "99.00",
            "integrator",
        ),
    ],
)
def test_what_is_owed_by_the_agreement(claim, amount, debtor):
    (found,) = owed(claim)
    assert (found["amount"], found["debtor"]) == (amount, debtor)
    assert found["because"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"terms": False}, "The agreement credits no labour for such a case."),
        ({"warranty_until_on": "2026-02-01"}, "The agreement credits no labour for such a case."),
        ({"days": 90}, "It comes too late: 90 days after, and the agreement gives 60."),
    ],
)
def test_why_nothing_is_owed(changes, sentence):
    days = changes.pop("days", 0)
    assert owed({"kind": "labour", "days": days}, **changes) == [
        {"kind": "labour", "amount": "0.00", "because": sentence}
    ]


def test_a_case_without_claims_owes_nothing_beside():
    dues = quote(policy(), agreement(), case_from_values(CASE))["dues"]
    assert "owed" not in dues
