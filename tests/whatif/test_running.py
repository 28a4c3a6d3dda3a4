"""A draft over billed cases: equal to the bills where it says the same, and what changes where it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.billing.actions import PackPrice, earn_packs, sell_pack
from portal.billing.models import BillItem, Share
from portal.contracts.copying import with_holidays
from portal.contracts.policy import parse_policy
from portal.entitlement.actions import end_grants
from portal.errors import RuleBroken
from portal.whatif.question import Question
from portal.whatif.running import compare
from tests.support.beginnings import begins_with
from tests.support.billed import billed, open_books, settled, worked
from tests.support.billed_log import billed_log
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast
from tests.support.documents import KESSLER, POLICY, agreement, changed
from tests.support.packs import PRICE_MINOR, bought, order_of
from tests.support.versions import signed_agreement

FROM, UNTIL = NOW - timedelta(days=10), NOW + timedelta(days=60)
OFF, LATE = 13_500, NOW + timedelta(days=370)


def drafted(*changes: tuple[str, str]):
    text = changed(POLICY, *changes)
    return with_holidays(parse_policy(text), text)


pytestmark = begins_with(billed_log)


@pytest.fixture
def log(cast: Cast) -> Cast:
    return cast


def question(cast: Cast, **draft: object) -> Question:
    return Question(cast.factory.id, FROM, UNTIL, **draft)


def test_the_sums_are_those_of_the_bill_items_when_the_draft_is_what_was_signed(work_session, work_engine, log):
    same = compare(work_engine, question(log, policy=drafted()))
    billed_minor = work_session.scalar(select(func.sum(BillItem.amount_minor)))
    assert same["total"] == {"cases": 5, "signed": billed_minor, "draft": billed_minor}
    sums = select(Share.party_id, func.sum(Share.amount_minor)).group_by(Share.party_id)
    by_party = dict(work_session.execute(sums).tuples().all())
    assert {row["id"]: row["draft"] for row in same["parties"]} == {k: v for k, v in by_party.items() if v}
    for part in ("parties", "plans", "customers", "payers", "integrators", "lines"):
        assert all(row["signed"] == row["draft"] for row in same[part]), part
    assert same["changed"] == same["refused"] == 0
    assert (same["cases"], same["warnings"]) == ([], [])


def test_a_dearer_draft_says_who_pays_and_who_gets_how_much_more(work_engine, log):
    prices = (('per_hour = "150.00"', 'per_hour = "450.00"'), ('per_hour = "225.00"', 'per_hour = "675.00"'))
    dearer = compare(work_engine, question(log, policy=drafted(*prices)))
    (customer,) = (row for row in dearer["customers"] if row["id"] == log.customer.id)
    assert customer["draft"] > 2 * customer["signed"] > 0
    assert {"kind": "doubled", "id": log.customer.id} in [
        {name: each[name] for name in ("kind", "id")} for each in dearer["warnings"]
    ]
    assert sum(row["draft"] - row["signed"] for row in dearer["parties"]) == customer["draft"] - customer["signed"]
    assert dearer["plans"][0]["plan"] == "complimentary"
    assert abs(dearer["cases"][0]["draft"] - dearer["cases"][0]["signed"]) > 0
    # What was authorized stays: what goes beyond it is the manufacturer's.
    assert any(row["kind"] == "beyond_nte" and row["draft_seconds"] for row in dearer["lines"])


def test_another_split_moves_shares_and_no_bill(work_engine, log):
    by_work = agreement(
        KESSLER, ('"worked_time", bp = 7000', '"worked_time", bp = 6000'), ("bp = 2000 },", "bp = 3000 },")
    )
    moved = compare(work_engine, question(log, integrator_id=log.integrator.id, agreement=by_work))
    assert moved["total"]["signed"] == moved["total"]["draft"]
    assert moved["changed"] > 0
    assert sum(row["draft"] - row["signed"] for row in moved["parties"]) == 0


def test_a_draft_that_cannot_bill_a_case_leaves_it_out_and_says_why(work_engine, log):
    dollars = drafted(('currency = "EUR"', 'currency = "USD"'))
    left_out = compare(work_engine, question(log, policy=dollars))
    assert (left_out["compared"], left_out["refused"]) == (0, 5)
    assert (
        left_out["warnings"][0]["sentence"] == "5 cases are left out: It was billed in EUR and the documents say USD."
    )


@begins_with(None)
def test_nothing_billed_is_said(work_engine, cast):
    with pytest.raises(RuleBroken, match="Nothing was billed in this period"):
        compare(work_engine, question(cast))


def test_a_strangers_partnership_is_empty(work_engine, log):
    with pytest.raises(RuleBroken, match="Nothing was billed"):
        compare(work_engine, question(log, integrator_id=log.other_integrator.id))


def test_progress_is_told(work_engine, log):
    told = []
    compare(work_engine, question(log), progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]


def by_party(cast: Cast, result: dict, *lists: str) -> dict[str, tuple[int, int]]:
    """What each party has in these parts of a result, signed and drafted."""
    names = {cast.integrator.id: "integrator", cast.factory.id: "manufacturer"}
    found: dict[str, list[int]] = {}
    for row in (row for part in lists for row in result[part]):
        sums = found.setdefault(names[row["id"]], [0, 0])
        sums[0] += row["signed"]
        sums[1] += row["draft"]
    return {party: (signed, draft) for party, (signed, draft) in found.items()}


@begins_with(None)
@pytest.mark.parametrize(
    ("bearer", "integrator", "manufacturer"),
    [
        # As the same pack is shared where it is signed: 135.00 commission, an hour used, the rest expired.
        ("shares", 44_758, 76_742),
        ("manufacturer", 49_731, 71_769),
        ("seller", 36_231, 85_269),
    ],
)
def test_who_bears_a_discount_is_computed_for_use_commission_and_expiry(
    work_session, work_engine, cast, bearer, integrator, manufacturer
):
    commission = ("[settlement]", "[selling]\ncommission_bp = 1000\n\n[settlement]")
    signed_agreement(work_session, cast, commission)
    open_books(work_session, cast)
    price = PackPrice(PRICE_MINOR - OFF, "EUR", cast.integrator.id, discount_minor=OFF)
    sell_pack(work_session, order_of(cast, site=cast.plain_site), price, now=NOW)
    case = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, case, minutes=60, start=NOW + timedelta(hours=1))
    settled(work_session, cast, case)
    billed(work_session, case)
    end_grants(work_session, LATE)
    earn_packs(work_session, cast.factory.id, now=LATE)
    work_session.commit()
    said = f'[selling]\ncommission_bp = 1000\ndiscounts_borne_by = "{bearer}"\n\n[settlement]'
    draft = agreement(KESSLER, ("[settlement]", said))
    found = compare(work_engine, question(cast, integrator_id=cast.integrator.id, agreement=draft))
    assert by_party(cast, found, "parties", "discounts") == {
        "integrator": (44_758, integrator), "manufacturer": (76_742, manufacturer),
    }  # fmt: skip
    assert sum(row["draft"] for row in found["parties"] + found["discounts"]) == PRICE_MINOR - OFF
    assert {row["currency"] for row in found["discounts"]} == {"EUR"}
    assert found["not_recomputed"] == []


def test_what_a_draft_does_not_recompute_is_said_with_its_sum_by_currency(work_session, work_engine, log):
    bought(work_session, log, price_minor=90_000)
    work_session.commit()
    dollars = compare(work_engine, question(log, policy=drafted(('currency = "EUR"', 'currency = "USD"'))))
    billed_minor = work_session.scalar(select(func.sum(BillItem.amount_minor)))
    left = dollars["not_recomputed"]
    said = {row["what"].split(":")[0]: (row["count"], row["currency"], row["amount"]) for row in left}
    assert said["Bills of cases that are left out"] == (None, "EUR", billed_minor)
    assert said["Packs sold"] == (1, "EUR", 90_000)
    same = compare(work_engine, question(log, policy=drafted()))
    assert [row["what"].split(":")[0] for row in same["not_recomputed"]] == ["Packs sold"]
