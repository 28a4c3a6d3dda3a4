"""Payments at checkout that go back or that a bank takes: what was used stays used, and the hours shrink."""

from __future__ import annotations

from datetime import timedelta
from runpy import run_path

import pytest
from sqlalchemy import select, text

from portal.adjustments import queries
from portal.adjustments.actions import asking, evidence
from portal.adjustments.actions.asking import Wanted
from portal.adjustments.ahead import unused_minor
from portal.adjustments.models import Adjustment
from portal.billing.actions import open_month
from portal.billing.models import PlanSale
from portal.billing.packs.models import PackSale
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.withdrawals.models import GrantWithdrawal
from portal.errors import Invalid, NotFound
from portal.payments.models import CashReceipt, Chargeback
from portal.selling.actions import Place
from portal.selling.rules import State
from tests.adjustments.test_chargebacks import READER
from tests.payments.conftest import receiver
from tests.selling.conftest import shop
from tests.support.billed import billed, settled, worked
from tests.support.buying import MONTH_MINOR, PACK_MINOR, Shop, pack_order, plan_order
from tests.support.cases import accepted
from tests.support.cast import NOW
from tests.support.going_back import Desk
from tests.support.versions import signed_agreement

__all__ = ["receiver", "shop"]

HOUR = 3_600
LATER = NOW + timedelta(days=2)


@pytest.fixture
def desk(shop: Shop, work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    # What Stripe has to give back is there at once.
    standin.control.available_after(0)
    standin.control.fund(100_000, "eur")
    made = Desk(work_session, work_engine, cast, gateway, standin, run_jobs, now=LATER)
    made.allow()
    return made


def receipt_of(desk: Desk, purchase: object) -> CashReceipt:
    wanted = select(CashReceipt).where(CashReceipt.intent_id == purchase.intent_id).order_by(CashReceipt.id)
    return desk.session.scalars(wanted.limit(1)).one()


def refund(desk: Desk, receipt: CashReceipt, minor: int, **details: object) -> Adjustment:
    wanted = Wanted("refund", minor, "Bought twice", receipt_id=receipt.id, **details)
    asked = asking.ask(desk.session, desk.cast.fay, None, wanted, now=desk.now)
    desk.jobs()
    return asked


def left(desk: Desk) -> tuple[int, int]:
    """The seconds of the pack that are free, and those that went back."""
    desk.session.expire_all()
    sale = desk.session.scalars(select(PackSale)).one()
    gone = desk.session.scalars(select(GrantWithdrawal.seconds).where(GrantWithdrawal.grant_id == sale.grant_id))
    return desk.session.get_one(GrantBalance, sale.grant_id).free_seconds, sum(gone)


def used(desk: Desk, *, minutes: int, after: timedelta = timedelta(hours=1)) -> None:
    """Work at the site that draws from the pack."""
    case = accepted(desk.session, desk.cast, system_id=desk.cast.plain_system.id)
    worked(desk.session, desk.cast, case, minutes=minutes, start=NOW + after)
    settled(desk.session, desk.cast, case)
    billed(desk.session, case)
    desk.session.commit()


def disputed(desk: Desk, receipt: CashReceipt, **details: object) -> tuple[str, Chargeback]:
    desk.standin.control.set_clock(int(desk.now.timestamp()))
    dispute = desk.standin.control.dispute(receipt.provider_object_id, **details)
    desk.news()
    return dispute, desk.session.scalars(select(Chargeback).where(Chargeback.provider_object_id == dispute)).one()


def test_an_unused_pack_goes_back_in_parts_and_leaves_nothing(desk, shop, work_session, cast) -> None:
    signed_agreement(work_session, cast, ("[settlement]\n", "[selling]\ncommission_bp = 1_000\n\n[settlement]\n"))
    desk.jobs()
    purchase = shop.buy(pack_order(cast), place=Place("https://portal.example", automatic_tax=True))
    paid = receipt_of(desk, purchase)
    assert desk.payable(cast.integrator.id) == PACK_MINOR // 10
    assert unused_minor(desk.session, paid) == paid.amount_minor
    first = refund(desk, paid, 33_333)
    assert desk.outcome(first) == "done"
    free, gone = left(desk)
    assert (free + gone, gone > 0) == (10 * HOUR, True)
    lost = queries.losses(desk.session, cast.fay, "adjustment", first.id)
    assert {row.stage for row in lost} == {"commission", "deferred", "tax"}
    assert sum(row.amount_minor for row in lost) == 33_333
    desk.check()
    rest = refund(desk, paid, paid.amount_minor - 33_333)
    assert desk.outcome(rest) == "done"
    assert left(desk) == (0, 10 * HOUR)
    zero = ("deferred_revenue", "customer_prepaid", "tax", "refunds_promised")
    assert {purpose: desk.held(purpose) for purpose in zero} == dict.fromkeys(zero, 0)
    assert desk.payable(cast.integrator.id) == 0
    assert shop.seen(purchase).state is State.RETURNED
    desk.check()


def test_what_was_used_stays_used_unless_finance_says_why(desk, shop, cast) -> None:
    purchase = shop.buy(pack_order(cast))
    used(desk, minutes=240)
    paid = receipt_of(desk, purchase)
    rest = PACK_MINOR * 6 // 10
    assert unused_minor(desk.session, paid) == rest
    with pytest.raises(Invalid) as refused:
        refund(desk, paid, rest + 1)
    assert set(refused.value.fields) == {"amount", "beyond"}
    before = {party: desk.payable(party) for party in (cast.integrator.id, cast.factory.id)}
    asked = refund(desk, paid, rest)
    assert (desk.outcome(asked), left(desk)) == ("done", (0, 6 * HOUR))
    assert {party: desk.payable(party) for party in before} == before
    desk.check()
    beyond = refund(desk, paid, 10_000, beyond="The work was ours to do.")
    assert desk.outcome(beyond) == "done"
    # Operator 3 %, seller 12 %, worked time 85 %, as the use was shared.
    lost = {row.party_id: row.amount_minor for row in queries.losses(desk.session, cast.fay, "adjustment", beyond.id)}
    assert lost == {cast.integrator.id: 1_200, cast.factory.id: 8_800}
    desk.check()
    with pytest.raises(Invalid):
        refund(desk, paid, PACK_MINOR, beyond="All of it.")
    with pytest.raises(NotFound):
        asking.ask(desk.session, cast.fay, None, Wanted("refund", 1, "No", receipt_id=0), now=desk.now)


def test_what_is_left_is_earned_to_the_last_cent_after_a_part_went_back(desk, shop, cast) -> None:
    purchase = shop.buy(pack_order(cast))
    used(desk, minutes=60)
    refund(desk, receipt_of(desk, purchase), 12_345)
    free, _ = left(desk)
    used(desk, minutes=free // 60 - 1, after=timedelta(hours=3))
    desk.check()
    assert desk.held("deferred_revenue") < 1_000


def test_a_bank_that_takes_the_payment_of_a_pack_holds_hours_and_money_until_it_is_decided(desk, shop, cast) -> None:
    purchase = shop.buy(pack_order(cast))
    used(desk, minutes=60)
    paid = receipt_of(desk, purchase)
    before = {party: desk.payable(party) for party in (cast.integrator.id, cast.factory.id)}
    dispute, chargeback = disputed(desk, paid)
    assert (left(desk), desk.held("held"), desk.held("disputed")) == ((0, 9 * HOUR), PACK_MINOR, -PACK_MINOR)
    desk.check()
    said = evidence.evidence_said(evidence.proof_for(desk.session, chargeback), READER)
    assert said["cases"][0]["work"]
    assert cast.policy_version.sha256 in dict(said["facts"])["Ordered"]
    assert evidence.evidence_pdf(desk.session, cast.fay, chargeback.id, READER).startswith(b"%PDF-")
    desk.standin.control.decide(dispute, "won")
    desk.news()
    assert (left(desk), desk.held("held"), desk.held("disputed")) == ((9 * HOUR, 0), 0, 0)
    assert {party: desk.payable(party) for party in before} == before
    desk.check()


def test_a_lost_chargeback_returns_a_pack_and_its_fee_is_its_bearers(desk, shop, work_session, cast) -> None:
    signed_agreement(work_session, cast, ("[settlement]\n", '[settlement]\nchargeback_fees_borne_by = "integrator"\n'))
    desk.jobs()
    purchase = shop.buy(pack_order(cast))
    before = desk.payable(cast.integrator.id)
    dispute, _ = disputed(desk, receipt_of(desk, purchase))
    assert desk.payable(cast.integrator.id) == before - 1_500
    desk.standin.control.decide(dispute, "lost")
    desk.news()
    assert (left(desk), desk.held("held"), desk.held("disputed")) == ((0, 10 * HOUR), 0, 0)
    assert shop.seen(purchase).state is State.RETURNED
    desk.check()


def test_a_year_paid_ahead_gives_back_the_last_months_first(desk, shop, cast) -> None:
    wanted = plan_order(cast, interval="year", shown_minor=12 * MONTH_MINOR)
    purchase = shop.buy(wanted)
    open_month(desk.session, now=NOW)
    paid = receipt_of(desk, purchase)
    assert paid.bill_id is not None
    assert desk.held("customer_prepaid") == 11 * MONTH_MINOR
    asked = refund(desk, paid, 11 * MONTH_MINOR + 1_000)
    assert (desk.outcome(asked), desk.held("customer_prepaid")) == ("done", 0)
    # The other site's month is on an invoice.
    assert desk.held("deferred_revenue") == 2 * MONTH_MINOR - 1_000
    desk.check()
    months = select(PlanSale).where(PlanSale.paid_by == "ahead")
    open_month(desk.session, now=desk.session.scalars(months).one().ends_at + timedelta(days=1))
    assert len(desk.session.scalars(months).all()) == 1
    rest = refund(desk, paid, MONTH_MINOR - 1_000)
    assert desk.outcome(rest) == "done"
    assert shop.seen(purchase).state is State.RETURNED
    desk.news()
    assert desk.standin.client().v1.subscriptions.list({"status": "canceled"}).data
    desk.check()


def test_a_part_of_a_month_takes_its_unused_minutes_and_an_old_payment_finds_its_bill(
    desk, shop, cast, owner_session
) -> None:
    purchase = shop.buy(plan_order(cast))
    open_month(desk.session, now=NOW)
    paid = receipt_of(desk, purchase)
    named, receipt_id = paid.bill_id, paid.id
    desk.session.commit()
    for statement in (
        "ALTER TABLE cash_receipt DISABLE TRIGGER USER",
        "UPDATE cash_receipt SET bill_id = NULL",
        run_path("migrations/versions/0055_receipts_name_their_bill.py")["NAME_BILLS"],
        "ALTER TABLE cash_receipt ENABLE TRIGGER USER",
    ):
        owner_session.execute(text(statement))
    owner_session.commit()
    desk.session.expire_all()
    assert desk.session.get_one(CashReceipt, receipt_id).bill_id == named
    sale = desk.session.scalars(select(PlanSale).where(PlanSale.paid_by == "ahead")).one()
    grant = desk.session.scalars(select(UsageGrant).where(UsageGrant.plan_choice_id == sale.plan_choice_id)).one()
    half = refund(desk, paid, MONTH_MINOR // 2)
    assert desk.outcome(half) == "done"
    balance = desk.session.get_one(GrantBalance, grant.id, populate_existing=True)
    assert balance.free_seconds == grant.granted_seconds // 2
    desk.check()
    asked = refund(desk, paid, MONTH_MINOR // 2)
    assert (desk.outcome(asked), shop.seen(purchase).state) == ("done", State.RETURNED)
    assert desk.session.get_one(GrantBalance, grant.id, populate_existing=True).free_seconds == 0
    desk.check()


def test_the_database_takes_no_more_off_a_payment_than_was_paid(desk, shop, work_session, cast) -> None:
    refund(desk, receipt_of(desk, shop.buy(pack_order(cast))), 1_000)
    for table, column, says in (
        ("line_reduction", "amount_minor", "more than was paid would be taken off"),
        ("grant_withdrawal", "seconds", "more than was granted would be withdrawn"),
    ):
        names = work_session.scalars(
            text(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND table_name = :table AND column_name <> 'id'"
            ),
            {"table": table},
        ).all()
        values = [{column: "10000000", "cause_id": "0"}.get(name, name) for name in names]
        insert = f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table}"
        with pytest.raises(Exception, match=says):
            work_session.execute(text(insert))
        work_session.rollback()
