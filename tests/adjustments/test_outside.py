"""Refunds and credit notes made in Stripe's own dashboard: somebody's work until they are adopted or explained."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from portal.adjustments.actions import adopting, asking, carrying_out
from portal.adjustments.models import Adjustment, OutsideChangeEnd
from portal.errors import Conflict, Invalid, NotAllowed, RuleBroken
from portal.payments import handling, queries
from portal.payments.models import Intent, OutsideChange
from portal.settlement import tie_out
from portal.settlement.books import all_problems
from portal.settlement.reconciling import find_differences
from tests.support.going_back import Desk, paid_invoice

REASON = "Agreed on the phone"


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


def both(desk: Desk) -> int:
    return sum(desk.payable(party) for party in (desk.cast.integrator.id, desk.cast.factory.id))


def made_there(desk: Desk, **refund: object) -> OutsideChange:
    """Somebody refunds in the dashboard, and we are told."""
    desk.standin.client().v1.refunds.create(refund)
    desk.news()
    return desk.session.scalars(select(OutsideChange)).one()


def asked(desk: Desk, change: OutsideChange, bearer: str = "signed") -> Adjustment:
    """Fay asks for it to be taken into the books."""
    wanted = adopting.wanted_of(change, reason=REASON, bearer=bearer)
    return adopting.adopt(desk.session, desk.cast.fay, change.id, wanted, now=desk.now)


def decided(desk: Desk, made: Adjustment, outcome: str = "yes") -> None:
    """Fin says yes, or no."""
    why = "" if outcome == "yes" else "Of another invoice."
    asking.decide(desk.session, desk.cast.fin, made.id, outcome=outcome, explanation=why, now=desk.now)
    desk.jobs()


def adopt(desk: Desk, change: OutsideChange, bearer: str = "signed") -> Adjustment:
    made = asked(desk, change, bearer)
    decided(desk, made)
    return made


def test_a_refund_of_the_dashboard_is_adopted_with_the_splits_of_one_asked_for_here(desk) -> None:
    invoice = paid_invoice(desk)
    before = both(desk)
    change = made_there(desk, charge=desk.receipt(invoice).provider_object_id, amount=2_000)
    assert (change.kind, change.invoice_id, change.amount_minor) == ("refund", invoice.id, 2_000)
    assert any("made at Stripe" in message.subject for message in desk.mailer.sent)
    handling.import_movements(desk.engine, desk.gateway, desk.now)
    assert find_differences(desk.session, now=desk.now) == 1
    (difference,) = tie_out.open_differences(desk.session, desk.cast.fay)
    assert (difference.kind, difference.expected_minor) == ("movement_unposted", -2_000)
    with pytest.raises(Invalid):
        adopt(desk, change, bearer="integrator")
    with pytest.raises(NotAllowed):
        adopting.outside_changes(desk.session, desk.cast.ivo)
    adopting.own_change(desk.session, desk.cast.fay, change.id, now=desk.now)
    assert adopting.change_seen(desk.session, desk.cast.fin, change.id).owner_id == desk.cast.fay.person_id
    desk.allow()
    declined = asked(desk, change)
    desk.jobs()
    # Whatever the limit: nothing is taken until another person has said yes, and who asked never is that one.
    assert (both(desk), desk.session.scalars(select(OutsideChangeEnd)).all()) == (before, [])
    with pytest.raises(NotAllowed):
        asking.decide(desk.session, desk.cast.fay, declined.id, outcome="yes", explanation="", now=desk.now)
    for again in (lambda: asked(desk, change), lambda: explain(desk, change, "A test payment.")):
        with pytest.raises(Conflict, match="another person decides"):
            again()
    decided(desk, declined, "no")
    assert (desk.outcome(declined), both(desk)) == ("declined", before)
    made = adopt(desk, change)
    assert (desk.outcome(made), both(desk)) == ("done", before - 2_000)
    (end,) = desk.session.scalars(select(OutsideChangeEnd))
    assert (end.adjustment_id, end.ended_by) == (made.id, desk.cast.fin.person_id)
    assert desk.standin.control.counters().get("refund") == 1
    with pytest.raises(Conflict):
        adopt(desk, change)
    # Told again, nothing happens twice; nothing is missing in the reconciliation any more.
    handling.going_back.refresh_refund(desk.engine, desk.gateway, change.provider_object_id, desk.now)
    desk.news()
    assert find_differences(desk.session, now=desk.now) == 0
    assert desk.session.scalar(text("SELECT count(*) FROM outside_change")) == 1
    desk.check()


def explain(desk: Desk, change: OutsideChange, explanation: str) -> None:
    adopting.explain(desk.session, desk.cast.fay, change.id, explanation=explanation, now=desk.now)


def test_an_adoption_whose_job_was_lost_is_found_by_the_sweep(desk) -> None:
    invoice = paid_invoice(desk)
    change = made_there(desk, charge=desk.receipt(invoice).provider_object_id, amount=1_000)
    made = asked(desk, change, "manufacturer")
    asking.decide(desk.session, desk.cast.fin, made.id, outcome="yes", explanation="", now=desk.now)
    desk.session.execute(text("DELETE FROM procrastinate_jobs"))
    assert carrying_out.sweep(desk.session) == 1
    desk.jobs()
    assert desk.outcome(made) == "done"
    assert carrying_out.sweep(desk.session) == 0
    assert desk.standin.control.counters().get("refund") == 1
    with pytest.raises(IntegrityError, match="adoption_takes_two"):
        desk.session.execute(
            text(
                "INSERT INTO adjustment (manufacturer_id, payer_id, invoice_id, receipt_id, kind, bearer, payout_order,"
                " needs_second, currency, amount_minor, reason, outside_change_id, asked_by, asked_at)"
                " SELECT manufacturer_id, payer_id, invoice_id, receipt_id, kind, bearer, payout_order, false,"
                " currency, amount_minor, reason, outside_change_id, asked_by, asked_at FROM adjustment"
            )
        )
    desk.session.rollback()
    desk.check()


def test_a_refund_of_the_dashboard_that_leaves_in_another_currency_is_adopted(desk) -> None:
    desk.standin.control.exchange("eur", "usd", "1.1")
    invoice = paid_invoice(desk)
    before = both(desk)
    made = adopt(desk, made_there(desk, charge=desk.receipt(invoice).provider_object_id, amount=2_000))
    assert (desk.outcome(made), both(desk)) == ("done", before - 2_000)
    handling.import_movements(desk.engine, desk.gateway, desk.now)
    assert all_problems(desk.session) == []
    assert [tie for tie in queries.tie_out(desk.session) if tie.difference_minor] == []


def test_a_credit_note_of_the_dashboard_is_adopted_and_lowers_what_is_owed(desk) -> None:
    invoice = paid_invoice(desk, pay=False)
    at_stripe = desk.session.get_one(Intent, invoice.intent_id).provider_object_id
    desk.standin.client().v1.credit_notes.create({"invoice": at_stripe, "amount": 1_500, "memo": "By hand"})
    desk.news()
    (found,) = adopting.outside_changes(desk.session, desk.cast.fay, open_only=True)
    assert (found.row.kind, found.row.about) == ("credit_note", "By hand")
    owed = desk.held("receivable")
    made = adopt(desk, found.row)
    assert (made.kind, desk.outcome(made), desk.held("receivable")) == ("credit", "done", owed + 1_500)
    desk.check()


def test_what_is_not_in_these_books_is_explained(desk) -> None:
    invoice = paid_invoice(desk)
    change = made_there(desk, charge=desk.receipt(invoice).provider_object_id, amount=500)
    with pytest.raises(Invalid):
        adopting.explain(desk.session, desk.cast.fay, change.id, explanation=" ", now=desk.now)
    adopting.explain(desk.session, desk.cast.fay, change.id, explanation="A test payment.", now=desk.now)
    with pytest.raises(Conflict):
        adopting.explain(desk.session, desk.cast.fin, change.id, explanation="Again", now=desk.now)
    unknown = OutsideChange(
        provider_object_id="re_unknown", kind="refund", manufacturer_id=desk.cast.factory.id, currency="EUR",
        amount_minor=1, about="ch_unknown", livemode=False, made_at=desk.now, recorded_at=desk.now,
    )  # fmt: skip
    desk.session.add(unknown)
    desk.session.flush()
    with pytest.raises(RuleBroken, match="not in these books"):
        adopt(desk, unknown)
