"""A whole document in words: every part in its order, rows by what tells them apart, shares as percentages."""

from __future__ import annotations

from portal.contracts.agreement import parse_agreement
from portal.contracts.policy import Policy, parse_policy
from portal.contracts.wording import outline
from tests.support.cast import DOCUMENTS

POLICY = parse_policy((DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8"))
AGREEMENT = parse_agreement((DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text("utf-8"))


def lines_of(document, title):
    part = next(part for part in outline(document) if part.title == title)
    return {line.name: line.text for line in part.lines}


def test_every_part_of_a_policy_is_said_once_in_its_order():
    titles = [part.title for part in outline(POLICY)]
    assert titles[0] == "In general"
    assert len(titles) == len(set(titles))
    said = {*titles, *(line.name for line in outline(POLICY)[0].lines)}
    assert len(said) == 1 + len(Policy.model_fields)


def test_rows_are_named_by_what_tells_them_apart():
    assert "per hour 90.00" in lines_of(POLICY, "Rates")["Modes travel"]
    assert "price per month 290.00" in lines_of(POLICY, "Plans")["Assured"]
    assert lines_of(POLICY, "Rounding")["Increment minutes"] == "15"


def test_basis_points_read_as_percentages():
    shares = " ".join(lines_of(AGREEMENT, "Shares").values())
    assert "%" in shares
    assert lines_of(POLICY, "House terms")["Fallback"] == "integrator 30.00 %, manufacturer 70.00 %"
