"""Invoices at Stripe: made step by step, each once; their cash taken in once however its events arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.db import Scope, transaction
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.ledger.rules import Document, Purpose
from portal.payments import calls, cash, handling, queries
from portal.payments.actions import invoice_intent, receive
from portal.payments.models import BalanceMovement, CashReceipt, Intent, ProviderEventOutcome
from portal.payments.provider import Busy, Unknown
from portal.payments.rules import InvoiceLine
from tests.support.cast import NOW
from tests.support.payments import balance_of, open_books, planned_invoice, state_of
from tests.support.queued import queued

TOTAL = 12_550
FEE = 394  # 2.9 % of 125.50 and 0.30


@pytest.fixture
def period_id(work_session, cast):
    return open_books(work_session, cast)


@pytest.fixture
def invoice(work_session, cast, period_id):
    made = planned_invoice(work_session, cast, period_id)
    work_session.commit()
    return made


@pytest.fixture
def issued(work_engine, work_session, gateway, invoice):
    """The invoice's id at Stripe, open."""
    calls.perform(work_engine, gateway, invoice.intent_id, NOW)
    return work_session.get_one(Intent, invoice.intent_id, populate_existing=True).provider_object_id


def deliver(work_session, receiver, style="snapshot"):
    """Take in everything that was delivered, as the web does; how much of it was new."""
    secrets = {"snapshot": ("whsec_tests",), "thin": ("whsec_tests_thin",)}[style]
    taken = [receive(work_session, one.body, one.signature, secrets, style=style) for one in receiver.at(f"/{style}")]
    work_session.commit()
    return sum(taken)


def handle_all(work_engine, work_session, gateway, *, newest_first=False):
    order = "DESC" if newest_first else "ASC"
    for event_id in work_session.scalars(text(f"SELECT id FROM provider_event ORDER BY received_at {order}, id")).all():
        handling.handle_event(work_engine, gateway, event_id, NOW)


def test_an_invoice_is_made_finalized_and_sent_when_all_is_well(work_engine, work_session, gateway, standin, invoice):
    assert calls.perform(work_engine, gateway, invoice.intent_id, NOW) == "succeeded"
    intent = work_session.get_one(Intent, invoice.intent_id, populate_existing=True)
    made = gateway.retrieve_invoice(intent.provider_object_id)
    assert (made.status, made.total_minor, made.currency) == ("open", TOTAL, "EUR")
    assert intent.progress["hosted_url"] == made.hosted_url
    assert standin.control.counters()["invoiceitem"] == 2
    assert [one.step for one in queries.attempts(work_session, intent.id) if one.outcome == "sent"] == [
        "invoice", "lines-0", "finalize", "send",
    ]  # fmt: skip


STEPS = [
    "/v1/customers",
    "/v1/invoices",
    "/v1/invoices/.*/add_lines",
    "/v1/invoices/.*/finalize",
    "/v1/invoices/.*/send",
]


@pytest.mark.parametrize("path", STEPS)
@pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(hours=30)])
def test_no_step_happens_twice_when_an_answer_is_lost(work_engine, gateway, standin, invoice, path, later):
    standin.control.fault("lose_answer", method="POST", path=path)
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, invoice.intent_id, NOW)
    if later > timedelta(hours=24):
        standin.control.expire_keys()
    assert calls.perform(work_engine, gateway, invoice.intent_id, NOW + later) == "succeeded"
    counters = standin.control.counters()
    assert (counters["customer"], counters["invoice"], counters["invoiceitem"]) == (1, 1, 2)


def test_a_long_invoice_has_each_line_once_when_answers_are_lost(
    work_engine, work_session, cast, gateway, standin, period_id
):
    long = planned_invoice(work_session, cast, period_id, amounts=(100,) * 249 + (-50,))
    work_session.commit()
    standin.control.fault("lose_answer", method="POST", path="/v1/invoices/.*/add_lines", times=2)
    for _ in range(2):
        with pytest.raises(Unknown):
            calls.perform(work_engine, gateway, long.intent_id, NOW)
    standin.control.expire_keys()
    assert calls.perform(work_engine, gateway, long.intent_id, NOW + timedelta(hours=30)) == "succeeded"
    intent = work_session.get_one(Intent, long.intent_id, populate_existing=True)
    assert gateway.retrieve_invoice(intent.provider_object_id).total_minor == long.total_minor == 24_850
    assert gateway.invoice_line_positions(intent.provider_object_id) == {str(position) for position in range(250)}
    assert standin.control.counters()["invoiceitem"] == 250


def test_lines_that_stripe_has_only_in_part_are_not_sent_again(work_engine, work_session, gateway, standin, invoice):
    standin.control.fault("lose_answer", method="POST", path="/v1/invoices/.*/add_lines")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, invoice.intent_id, NOW)
    client = standin.client()
    client.v1.invoice_items.delete(client.v1.invoice_items.list().data[0].id)
    for _ in range(2):
        with pytest.raises(Unknown, match="only some of the lines"):
            calls.perform(work_engine, gateway, invoice.intent_id, NOW + timedelta(hours=30))
    assert standin.control.counters()["invoiceitem"] == 1


def test_a_payer_is_registered_once_when_two_invoices_are_issued(
    work_engine, work_session, cast, gateway, standin, period_id
):
    two = [planned_invoice(work_session, cast, period_id, number=number) for number in (1, 2)]
    work_session.commit()
    assert [calls.perform(work_engine, gateway, one.intent_id, NOW) for one in two] == ["succeeded"] * 2
    assert standin.control.counters()["customer"] == 1


def test_an_invoice_fails_with_a_reason_when_stripe_refuses_it(work_engine, work_session, gateway, invoice):
    intent = work_session.get_one(Intent, invoice.intent_id)
    intent.request = {**intent.request, "invoice": {**intent.request["invoice"], "days_until_due": -1}}
    work_session.commit()
    assert calls.perform(work_engine, gateway, invoice.intent_id, NOW) == "failed"
    assert state_of(work_engine, invoice.intent_id)[1].startswith("Stripe refused")


def test_an_invoice_of_nothing_is_not_planned(cast):
    with pytest.raises(RuleBroken):
        invoice_intent(
            manufacturer_id=cast.factory.id, payer_id=cast.customer.id, currency="EUR",
            lines=[InvoiceLine("Nothing", 0)], days_until_due=30, document=Document("test", "1"), name="NOR-I1",
            livemode=False, now=NOW,
        )  # fmt: skip


@pytest.mark.parametrize("newest_first", [False, True])
def test_cash_is_taken_once_when_events_come_twice_and_out_of_order(
    work_engine, work_session, gateway, standin, receiver, issued, newest_first
):
    standin.control.delivery_policy(copies=2)
    standin.control.pay_invoice(issued)
    standin.control.drain()
    new = deliver(work_session, receiver)
    assert 0 < new < len(receiver.at("/snapshot"))
    handle_all(work_engine, work_session, gateway, newest_first=newest_first)
    handle_all(work_engine, work_session, gateway, newest_first=newest_first)
    receipt = work_session.scalars(select(CashReceipt)).one()
    assert (receipt.amount_minor, receipt.fee_minor, receipt.source) == (TOTAL, FEE, "stripe")
    assert queued(work_session, "apply_cash") == [("apply_cash", {"receipt_id": receipt.id})]
    assert balance_of(work_session, Purpose.RECEIVABLE) == 0
    assert balance_of(work_session, Purpose.STRIPE) == TOTAL - FEE
    assert balance_of(work_session, Purpose.FEES) == FEE


def test_cash_is_found_by_the_poll_when_every_delivery_was_lost(work_engine, work_session, gateway, standin, issued):
    standin.control.pay_invoice(issued)
    assert handling.poll_events(work_engine, gateway, NOW) > 0
    handle_all(work_engine, work_session, gateway)
    assert work_session.scalars(select(CashReceipt.amount_minor)).all() == [TOTAL]
    assert handling.poll_events(work_engine, gateway, NOW) == 0


def test_an_old_event_changes_nothing_when_the_invoice_was_paid_since(
    work_engine, work_session, gateway, standin, issued
):
    standin.control.pay_invoice(issued, outcome="failed")
    handling.poll_events(work_engine, gateway, NOW)
    handle_all(work_engine, work_session, gateway)
    intent = queries.intent_by_object(work_session, issued)
    assert (intent.progress["status"], intent.progress["payment_failed"]) == ("open", True)
    handling.refresh_invoice(work_engine, gateway, issued, NOW)
    assert queued(work_session, "notify_payment_failed") == [("notify_payment_failed", {"intent_id": str(intent.id)})]
    standin.control.pay_invoice(issued)
    handling.refresh_invoice(work_engine, gateway, issued, NOW)
    work_session.refresh(intent)
    assert (intent.progress["status"], intent.progress["payment_failed"]) == ("paid", False)


def test_a_delivery_is_refused_when_it_is_not_signed_with_a_known_secret(work_session, standin, receiver, issued):
    standin.control.drain()
    first = receiver.at("/snapshot")[0]
    for signature in ("", "t=1,v1=00", first.signature.replace("v1=", "v1=0")):
        with pytest.raises(Invalid):
            receive(work_session, first.body, signature, ("whsec_tests",), style="snapshot")
    with pytest.raises(Invalid):
        receive(work_session, first.body + b" ", first.signature, ("whsec_tests",), style="snapshot")
    with pytest.raises(Invalid):
        receive(work_session, first.body, first.signature, ("whsec_tests",), style="thin")


def test_both_secrets_are_taken_while_they_are_rotated(work_session, standin, receiver, issued):
    standin.control.secrets(snapshot=["whsec_new"])
    standin.control.drain()
    first = receiver.at("/snapshot")[0]
    with pytest.raises(Invalid):
        receive(work_session, first.body, first.signature, ("whsec_tests",), style="snapshot")
    assert receive(work_session, first.body, first.signature, ("whsec_tests", "whsec_new"), style="snapshot")
    standin.control.secrets(snapshot=["whsec_tests"])


def test_an_event_about_nothing_of_ours_is_kept_and_ignored(work_engine, work_session, gateway, standin, cast):
    standin.control.fund(100, "eur")
    standin.client().v1.customers.create({"name": "Somebody"})
    client = standin.client()
    customer = client.v1.customers.list().data[0].id
    client.v1.invoices.create({"customer": customer, "collection_method": "send_invoice", "days_until_due": 1})
    made = client.v1.invoices.list().data[0].id
    client.v1.invoices.finalize_invoice(made)
    handling.poll_events(work_engine, gateway, NOW)
    handle_all(work_engine, work_session, gateway)
    outcomes = set(work_session.scalars(select(ProviderEventOutcome.outcome)))
    assert "ignored: not ours" in outcomes
    assert work_session.scalars(select(CashReceipt)).all() == []


def record(session, cast, invoice, **changed):
    given = {"amount_minor": TOTAL, "method": "wire", "reference": "Bank 17", "received_at": NOW, **changed}
    return cash.record_payment(session, cast.fay, invoice_id=invoice.id, now=NOW, **given)


def test_a_payment_elsewhere_takes_two_people_and_is_told_to_stripe(
    work_engine, work_session, cast, gateway, standin, run_jobs, invoice, issued
):
    noted = record(work_session, cast, invoice)
    assert queries.payments_to_confirm(work_session, cast.fin) == [noted]
    with pytest.raises(NotAllowed):
        cash.confirm_payment(work_session, cast.fay, noted.id, livemode=False, now=NOW)
    receipt = cash.confirm_payment(work_session, cast.fin, noted.id, livemode=False, now=NOW)
    with pytest.raises(Conflict):
        cash.confirm_payment(work_session, cast.fin, noted.id, livemode=False, now=NOW)
    cash.book_cash(work_session, receipt.id, NOW)
    cash.book_cash(work_session, receipt.id, NOW)
    work_session.commit()
    assert balance_of(work_session, Purpose.BANK) == TOTAL
    assert balance_of(work_session, Purpose.RECEIVABLE) == 0
    planned = work_session.scalars(select(Intent).where(Intent.kind == "out_of_band")).one()
    standin.control.fault("lose_answer", method="POST", path="/v1/invoices/.*/pay")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, planned.id, NOW)
    assert calls.perform(work_engine, gateway, planned.id, NOW + timedelta(hours=25)) == "succeeded"
    assert gateway.retrieve_invoice(issued).status == "paid"
    assert handling.refresh_invoice(work_engine, gateway, issued, NOW).endswith("0 payments taken")


def test_finance_records_and_confirms_under_the_grants_of_the_web(web_session, work_session, cast, invoice):
    work_session.commit()
    first = web_session(Scope(cast.factory.id, cast.fay.person_id))
    noted = record(first, cast, invoice)
    first.commit()
    second = web_session(Scope(cast.factory.id, cast.fin.person_id))
    receipt = cash.confirm_payment(second, cast.fin, noted.id, livemode=False, now=NOW)
    second.commit()
    assert queued(work_session, "book_cash") == [("book_cash", {"receipt_id": receipt.id})]


def test_the_web_takes_a_delivery_in_without_any_scope(web_session, work_session, standin, receiver, issued):
    standin.control.drain()
    first = receiver.at("/snapshot")[0]
    session = web_session(None)
    assert receive(session, first.body, first.signature, ("whsec_tests",), style="snapshot")
    session.commit()
    assert len(queued(work_session, "handle_provider_event")) == 1


def test_part_of_an_invoice_paid_elsewhere_leaves_it_open_at_stripe(work_session, cast, invoice):
    noted = record(work_session, cast, invoice, amount_minor=550)
    receipt = cash.confirm_payment(work_session, cast.fin, noted.id, livemode=False, now=NOW)
    cash.book_cash(work_session, receipt.id, NOW)
    assert work_session.scalars(select(Intent).where(Intent.kind == "out_of_band")).all() == []
    assert balance_of(work_session, Purpose.RECEIVABLE) == TOTAL - 550


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount_minor": 0}, "amount"),
        ({"amount_minor": TOTAL + 1}, "amount"),
        ({"method": "gold"}, "method"),
        ({"reference": "  "}, "reference"),
        ({"received_at": NOW + timedelta(seconds=1)}, "received_at"),
    ],
)
def test_a_payment_elsewhere_is_refused_at_its_field_when_it_cannot_be(work_session, cast, invoice, changed, field):
    with pytest.raises(Invalid) as refused:
        record(work_session, cast, invoice, **changed)
    assert set(refused.value.fields) == {field}


def test_a_payment_is_recorded_once_and_only_by_the_manufacturers_finance(work_session, cast, invoice):
    record(work_session, cast, invoice)
    with pytest.raises(Conflict):
        record(work_session, cast, invoice)
    for actor in (cast.flo, cast.ivo, cast.ana):
        with pytest.raises(NotAllowed):
            cash.record_payment(
                work_session, actor, invoice_id=invoice.id, amount_minor=1, method="wire", reference="x",
                received_at=NOW, now=NOW,
            )  # fmt: skip
    with pytest.raises(NotFound):
        cash.record_payment(
            work_session, cast.fay, invoice_id=0, amount_minor=1, method="wire", reference="x", received_at=NOW,
            now=NOW,
        )  # fmt: skip


def test_stripes_books_and_ours_agree_when_all_is_imported(work_engine, work_session, gateway, standin, issued):
    standin.control.fund(5_000, "eur")
    standin.control.pay_invoice(issued)
    handling.refresh_invoice(work_engine, gateway, issued, NOW)
    assert handling.import_movements(work_engine, gateway, NOW) == 2
    assert handling.import_movements(work_engine, gateway, NOW) == 0
    assert [(one.currency, one.difference_minor) for one in queries.tie_out(work_session)] == [("EUR", 0)]
    assert queries.unmatched_movements(work_session) == []
    standin.control.set_available(1, "eur")
    handling.import_movements(work_engine, gateway, NOW)
    assert [one.category for one in queries.unmatched_movements(work_session)] == ["other_adjustment"]


def test_a_movement_waits_for_its_event_when_nobody_knows_its_source_yet(
    work_engine, work_session, gateway, standin, issued
):
    standin.control.pay_invoice(issued)
    assert handling.import_movements(work_engine, gateway, NOW) == 0
    handling.refresh_invoice(work_engine, gateway, issued, NOW)
    assert handling.import_movements(work_engine, gateway, NOW) == 1


def test_a_movement_waits_for_days_while_an_event_is_not_handled(work_engine, work_session, gateway, standin, issued):
    standin.control.pay_invoice(issued)
    handling.poll_events(work_engine, gateway, NOW)
    days_later = NOW + timedelta(days=3)
    assert handling.import_movements(work_engine, gateway, days_later) == 0
    assert handling.import_movements(work_engine, gateway, days_later + timedelta(days=3)) == 0
    handling.refresh_invoice(work_engine, gateway, issued, NOW)
    assert handling.import_movements(work_engine, gateway, days_later + timedelta(days=6)) == 1
    assert work_session.scalars(select(BalanceMovement.manufacturer_id)).all() != [None]


def test_the_sweep_finds_what_lost_its_job(work_session, cast, invoice, issued):
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    noted = record(work_session, cast, invoice)
    receipt = cash.confirm_payment(work_session, cast.fin, noted.id, livemode=False, now=NOW)
    other = planned_invoice(work_session, cast, invoice.period_id, number=2)
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    assert handling.sweep(work_session, NOW + timedelta(hours=1)) == 2
    assert queued(work_session) == [
        ("perform_intent", {"intent_id": str(other.intent_id)}),
        ("book_cash", {"receipt_id": receipt.id}),
    ]


def test_two_stores_of_one_event_leave_one_row(work_engine, work_session, gateway, standin, receiver, issued):
    standin.control.drain()
    assert deliver(work_session, receiver) > 0
    assert deliver(work_session, receiver) == 0
    with transaction(work_engine) as session:
        assert session.scalar(
            text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'handle_provider_event'")
        ) == (session.scalar(text("SELECT count(*) FROM provider_event")))


def test_an_event_is_handled_again_when_it_came_before_the_answer_was_written_down(
    work_engine, work_session, gateway, standin, invoice, issued
):
    intent = work_session.get_one(Intent, invoice.intent_id)
    intent.provider_object_id = None
    work_session.commit()
    standin.control.pay_invoice(issued)
    with pytest.raises(Busy):
        handling.refresh_invoice(work_engine, gateway, issued, NOW)
    work_session.refresh(intent)
    intent.provider_object_id = issued
    work_session.commit()
    assert handling.refresh_invoice(work_engine, gateway, issued, NOW) == "invoice paid, 1 payments taken"
