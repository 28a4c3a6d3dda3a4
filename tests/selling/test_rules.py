"""What is sold, what covers a case now, and how a purchase stands: pure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.billing.rules.plans import month_of_bill_minor
from portal.calendars import Period
from portal.contracts.agreement import Agreement, parse_agreement
from portal.contracts.blocks import Mode, Recipient, Revenue, ShareRow, TaskClass, Tranche
from portal.contracts.entry import Opener
from portal.contracts.policy import Policy, parse_policy
from portal.entitlement.rules import CoverageFacts
from portal.errors import RuleBroken
from portal.selling.rules import (
    CheckoutFacts,
    Kind,
    State,
    catalogue,
    ceiling_minor,
    cures,
    integrator_shares,
    item_named,
    payment_steps,
    state_of,
    total_minor,
)

DOCUMENTS = Path(__file__).resolve().parents[2] / "portal" / "demo" / "documents"
POLICY = parse_policy((DOCUMENTS / "nordlicht_policy.toml").read_text())
AGREEMENT = parse_agreement((DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text())
BY_DAY = datetime(2026, 3, 10, 9, tzinfo=UTC)
BY_NIGHT = datetime(2026, 3, 10, 20, tzinfo=UTC)


def facts(**changed: object) -> CoverageFacts:
    asked = {"opener": Opener.TECHNICIAN, "certified": True, "severity": 2, "product_line": "DoorController"}
    return CoverageFacts(**{**asked, **changed})


def with_packs(**changed: object) -> Policy:
    packs = tuple(pack.model_copy(update=changed) for pack in POLICY.packs if pack.code == "hours_10")
    return POLICY.model_copy(update={"packs": packs})


def codes(found: object) -> list[str]:
    return [cure.item.code for cure in found]


def test_the_catalogue_has_paid_plans_by_month_and_year_and_packs_with_a_price():
    found = [(item.kind, item.code, item.interval, item.price_minor) for item in catalogue(POLICY)]
    assert ("plan", "assured", "month", 29_000) in found
    assert ("plan", "assured", "year", 348_000) in found
    assert ("pack", "hours_10", "once", 135_000) in found
    assert "complimentary" not in [code for _, code, _, _ in found]
    unpriced = with_packs(price=None)
    assert [item for item in catalogue(unpriced) if item.kind is Kind.PACK] == []


def test_what_is_not_sold_or_not_so_many_times_is_refused():
    pack = item_named(POLICY, "pack", "hours_10", "once")
    plan = item_named(POLICY, "plan", "assured", "year")
    assert (total_minor(pack, 3), total_minor(plan, 1)) == (405_000, 348_000)
    for item, quantity in ((pack, 0), (pack, 101), (plan, 2)):
        with pytest.raises(RuleBroken):
            total_minor(item, quantity)
    with pytest.raises(RuleBroken, match="no longer"):
        item_named(POLICY, "plan", "assured", "once")


def test_the_ceiling_is_the_agreements():
    resale = AGREEMENT.resale.model_copy(update={"ceiling_bp": 12_000})
    assert ceiling_minor(AGREEMENT.model_copy(update={"resale": resale}), 10_001) == 12_001
    without = AGREEMENT.model_copy(update={"resale": resale.model_copy(update={"ceiling_bp": None})})
    assert ceiling_minor(without, 10_000) is None
    assert ceiling_minor(None, 10_000) is None


def shared(*tranches: Tranche) -> Agreement:
    row = ShareRow(revenues=(Revenue.PACK_USE, Revenue.SUBSCRIPTION), tranches=tranches)
    return AGREEMENT.model_copy(update={"shares": (row,)})


@pytest.mark.parametrize(
    ("tranche", "sold_by_integrator", "has_share"),
    [
        (Tranche(to=Recipient.PARTY, party="integrator", bp=10_000), False, True),
        (Tranche(to=Recipient.PARTY, party="manufacturer", bp=10_000), True, False),
        (Tranche(to=Recipient.SELLER, bp=10_000), True, True),
        (Tranche(to=Recipient.SELLER, bp=10_000), False, False),
        (Tranche(to=Recipient.WORKED_TIME, bp=10_000), False, True),
        (Tranche(to=Recipient.RESOLVER, bp=10_000), False, True),
    ],
)
def test_whether_the_integrator_gets_a_share_is_read_from_the_tranches(tranche, sold_by_integrator, has_share):
    for kind in Kind:
        assert integrator_shares(POLICY, shared(tranche), kind, sold_by_integrator=sold_by_integrator) is has_share


def test_a_tranche_of_nothing_is_no_share():
    none = Tranche.model_construct(to=Recipient.WORKED_TIME, bp=0, party=None, cap=None)
    rest = Tranche(to=Recipient.PARTY, party="manufacturer", bp=10_000)
    row = ShareRow.model_construct(revenues=(Revenue.PACK_USE,), tranches=(none, rest))
    agreement = AGREEMENT.model_copy(update={"shares": (row,)})
    assert not integrator_shares(POLICY, agreement, Kind.PACK, sold_by_integrator=True)


def test_by_night_a_pack_covers_and_the_cheapest_stands_first():
    found = cures(facts(), POLICY, AGREEMENT, now=BY_NIGHT)
    prices = [cure.item.price_minor for cure in found]
    assert "hours_10" in codes(found)
    assert prices == sorted(prices)
    assert "assured" not in codes(found)
    assert next(cure.free_seconds for cure in found if cure.item.code == "hours_10") == 36_000


def test_by_day_the_plan_covers_too_by_its_month():
    found = cures(facts(), POLICY, AGREEMENT, now=BY_DAY)
    assert codes(found)[0] == "assured"
    assert [cure.item.interval for cure in found if cure.item.code == "assured"] == ["month"]


def test_nothing_is_shown_where_it_is_covered_or_somebody_else_pays():
    assert cures(facts(bought_seconds_left=3_600), POLICY, AGREEMENT, now=BY_NIGHT) == ()
    assert cures(facts(task_class=TaskClass.HOW_TO, certified=False), POLICY, AGREEMENT, now=BY_DAY) == ()


@pytest.mark.parametrize(
    ("changed", "now", "shown"),
    [
        ({"modes": (Mode.ON_SITE,)}, BY_DAY, False),
        ({"modes": (Mode.REMOTE,)}, BY_DAY, True),
        ({"calendar": "business"}, BY_DAY, True),
        ({"calendar": "business"}, BY_NIGHT, False),
        ({"certified_only": True}, BY_DAY, True),
    ],
)
def test_a_pack_is_shown_only_where_it_serves_the_case(changed, now, shown):
    assert ("hours_10" in codes(cures(facts(), with_packs(**changed), AGREEMENT, now=now))) is shown


def test_a_pack_for_certified_technicians_is_not_shown_to_others():
    found = cures(facts(certified=False), with_packs(certified_only=True), AGREEMENT, now=BY_DAY)
    assert "hours_10" not in codes(found)


def test_a_bill_is_for_its_months_to_the_last_unit():
    year = Period(datetime(2026, 3, 10, tzinfo=UTC), datetime(2027, 3, 10, tzinfo=UTC))
    middles = [datetime(2026 + month // 12, month % 12 + 1, 25, tzinfo=UTC) for month in range(2, 14)]
    parts = [month_of_bill_minor(100_001, year, middle) for middle in middles]
    assert (sum(parts), len(set(parts))) == (100_001, 2)
    month = Period(datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert month_of_bill_minor(29_000, month, datetime(2026, 3, 15, tzinfo=UTC)) == 29_000


@pytest.mark.parametrize(
    ("known", "steps"),
    [
        (CheckoutFacts(), ()),
        (CheckoutFacts("expired"), ("expired",)),
        (CheckoutFacts("complete"), ("paying",)),
        (CheckoutFacts("complete", debit_failed=True), ("paying", "failed")),
        (CheckoutFacts("complete", "paid"), ("paid",)),
        (CheckoutFacts("complete", "no_payment_required"), ("paid",)),
        (CheckoutFacts("expired", has_cash=True), ("paid",)),
    ],
)
def test_paying_takes_the_steps_that_are_known(known, steps):
    assert payment_steps(known) == steps


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ((), State.OPEN),
        (("paying",), State.PAYING),
        (("paying", "failed"), State.FAILED),
        (("paying", "failed", "paid"), State.PAID),
        (("paid", "sold"), State.ACTIVE),
        (("paid", "unsaleable"), State.UNSALEABLE),
        (("paid", "sold", "lapsed"), State.LAPSED),
        (("paid", "sold", "ended"), State.ENDED),
        (("expired",), State.EXPIRED),
    ],
)
def test_the_furthest_step_says_how_it_stands(steps, state):
    assert state_of(steps) is state
