"""The same month by its jobs alone: every name that is enqueued has its task, and each step brings on the next."""

from __future__ import annotations

from sqlalchemy import select

from portal.billing.books import stripe_tie_out
from portal.ledger.models import Period
from portal.notifications.mail import Message
from portal.payments.actions import receive
from portal.payments.models import CashReceipt, Intent
from portal.settlement import actions, queries
from portal.settlement.books import all_problems
from portal.worker.registry import Edges
from portal.worker.running import perform
from tests.support.billed import BILLED_AT, paid_case, settled, worked
from tests.support.payments import connected, open_books
from tests.support.settling import CLOSED_AT, NEXT_CLOSED_AT, REVIEWED_AT, approve, statement_of


class Kept:
    """A mailer that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


def test_a_month_goes_from_work_to_transfer_by_its_jobs(
    work_engine, work_session, settings, run_jobs, cast, gateway, standin, receiver
):
    mailer = Kept()

    def run(now):
        return run_jobs(now, gateway=gateway, mailer=mailer)

    march = open_books(work_session, cast)
    connected(work_session, gateway, standin, cast.integrator)
    case = paid_case(work_session, cast, nte_minor=400_000)
    worked(work_session, cast, case, minutes=600)
    settled(work_session, cast, case)
    work_session.commit()
    run(BILLED_AT)
    actions.request_close(work_session, cast.fay, march, now=CLOSED_AT)
    work_session.commit()
    assert {"close_period", "perform_intent"} <= set(run(CLOSED_AT))
    invoice = work_session.scalars(select(Intent).where(Intent.kind == "invoice")).one()
    work_session.refresh(invoice)
    standin.control.pay_invoice(invoice.provider_object_id)
    standin.control.drain()
    for one in receiver.at("/snapshot"):
        receive(work_session, one.body, one.signature, ("whsec_tests",), style="snapshot")
    work_session.commit()
    assert {"handle_provider_event", "apply_cash"} <= set(run(CLOSED_AT))
    assert len(work_session.scalars(select(CashReceipt)).all()) == 1
    april = work_session.scalars(
        select(Period.id).where(Period.manufacturer_id == cast.factory.id, Period.state == "open")
    ).one()
    actions.request_close(work_session, cast.fay, april, now=NEXT_CLOSED_AT)
    work_session.commit()
    assert "notify_statement" in run(NEXT_CLOSED_AT)
    later = NEXT_CLOSED_AT + (REVIEWED_AT - CLOSED_AT)
    for party in (cast.integrator, cast.factory):
        approve(work_session, cast, statement_of(work_session, april, party.id), later)
    work_session.commit()
    assert {"dispose_approval", "perform_intent"} <= set(run(later))
    (sent,) = queries.transfers(work_session, cast.ivo)
    assert sent.state == "succeeded"
    edges = Edges(settings, work_engine, lambda: later, gateway=gateway)
    for name in ("poll_events", "import_balance_movements", "retry_waiting_transfers", "sweep_payments"):
        perform(edges, name, {})
    run(later)
    assert all_problems(work_session) == []
    assert stripe_tie_out(work_session) == []
    assert any("Statement NOR-S" in message.subject for message in mailer.messages)
