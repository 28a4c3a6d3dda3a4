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
    return {line.name: line.text or {inner.name: inner.text for inner in line.lines} for line in part.lines}


def test_every_part_of_a_policy_is_said_once_in_its_order():
    titles = [part.title for part in outline(POLICY)]
    assert titles[0] == "In general"
    assert len(titles) == len(set(titles))
    general = {line.name: line.text for line in outline(POLICY)[0].lines}
    left_open = general.pop("Not stated").split(", ")
    assert len({*titles, *general, *left_open}) == 1 + len(Policy.model_fields)


def test_rows_are_named_by_what_tells_them_apart():
    assert "per hour 90.00" in lines_of(POLICY, "Rates")["Modes travel"]
    assert lines_of(POLICY, "Plans")["Assured"]["Price per month"] == "290.00"
    assert lines_of(POLICY, "Causes")["Wiring or installation"] == {}
    assert lines_of(POLICY, "Rounding")["Increment minutes"] == "15"


def test_basis_points_read_as_percentages():
    shares = next(part for part in outline(AGREEMENT) if part.title == "Shares")
    assert " %" in str(shares)
    assert lines_of(POLICY, "House terms")["Fallback"] == "integrator 30.00 %, manufacturer 70.00 %"


def test_codes_of_the_documents_own_tables_read_as_their_names():
    assert "free causes Hardware defect, Firmware or software defect" in lines_of(POLICY, "Warranty")["All other"]


def test_a_code_that_two_tables_name_differently_stays_a_code():
    assert "calendar business" in lines_of(POLICY, "Bands")["Business hours"]


def test_a_table_within_a_row_is_told_in_lines_of_its_own():
    plans = next(part for part in outline(POLICY) if part.title == "Plans")
    assured = next(line for line in plans.lines if line.name == "Assured")
    targets = next(line for line in assured.lines if line.name == "Targets")
    assert any("minutes 30" in target.text for target in targets.lines)
