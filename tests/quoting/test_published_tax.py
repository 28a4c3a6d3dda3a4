"""Published cases of tax on what is billed or taken back: once on the sum, and the gross is net and tax."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portal.contracts.policy import parse_policy
from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "money_vectors.json").read_text(encoding="utf-8"))
VECTORS = {vector["id"]: vector for vector in PUBLISHED["vectors"]}

FLAT = """
title = "Flat"
currency = "EUR"
zone = "UTC"

[[rates]]
per_hour = "0"

[[fees]]
code = "flat"
label = "Flat"
amount = "{amount}"

[tax]
label = "VAT"
percent = "{percent}"
"""


def taxed(minor: int, percent: str) -> dict[str, int]:
    """Net, tax and gross of a bill of one amount, in minor units."""
    policy = parse_policy(FLAT.format(amount=f"{minor // 100}.{minor % 100:02}", percent=percent))
    bill = quote(policy, None, case_from_values({"opened_at": "2026-03-10T09:00:00"}))["bill"]
    return {name: int(bill[name].replace(".", "")) for name in ("net", "tax", "gross")}


@pytest.mark.parametrize("name", ["tax-003", "tax-004"])
def test_gross_is_net_and_tax(name):
    given, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    assert taxed(given["subtotal_minor"], "25") == {
        "net": given["subtotal_minor"],
        "tax": given["tax_minor"],
        "gross": expected["total_minor"],
    }
    assert expected["total_minor"] != given["proposed_total_minor"]


def test_parts_that_are_taxed_apart_come_to_a_cent_too_much():
    """tax-002: the vector's own note says that its sum is a cent too high; once on the sum it is the noted amount."""
    vector = VECTORS["tax-002"]
    apart = [taxed(minor, "20")["gross"] for minor in vector["input"]["items_minor"]]
    assert apart == vector["expected"]["totals_minor"]
    assert sum(apart) == vector["expected"]["sum_minor"]
    once = taxed(sum(vector["input"]["items_minor"]), "20")["gross"]
    assert once == vector["expected"]["sum_minor"] - 1
    assert f"so that the sum is {once}" in vector["note"]
