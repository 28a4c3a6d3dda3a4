"""Invoices that Stripe taxes, through the stand-in: asked, waited for, paid in parts, taken back, never shared."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.adjustments.actions import asking
from portal.adjustments.actions.asking import Wanted
from portal.billing.actions import gather_invoices
from portal.billing.models import Invoice, InvoiceItem
from portal.billing.overviews import receivables
from portal.billing.reading import invoice as invoice_row
from portal.billing.taxed import Parties, seller_of_record, tax_status
from portal.db import Base
from portal.errors import Invalid, NotAllowed, NotFound
from portal.metering.parts import NewPart, record_part
from portal.payments import calls, cash, queries
from portal.payments.models import Intent
from portal.payments.provider import Unknown
from portal.payments.taxing.locating import keep_address, waiting_invoices
from portal.payments.taxing.models import InvoiceItemTax, InvoiceTax, PayerAddress
from portal.payments.taxing.rules import Address
from portal.selling.actions import keep_exemption
from portal.taxes.actions import keep_details, record_registration
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cast import NOW, hours_later
from tests.support.documents import POLICY, changed
from tests.support.going_back import Desk, paid_invoice, pay_invoice
from tests.support.versions import signed_text

BERLIN = Address("Ringstr. 1", "10115", "Berlin", "", "DE")
TAX_BP = 825


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


def placed(desk: Desk, address: Address = BERLIN) -> None:
    keep_address(desk.session, desk.cast.fay, desk.cast.factory.id, desk.cast.customer.id, address, now=desk.now)
    desk.jobs()


@pytest.fixture
def invoice(desk) -> Invoice:
    made = paid_invoice(desk, pay=False, taxed=True)
    placed(desk)
    return made


def tax_on(minor: int) -> int:
    return (minor * TAX_BP + 5_000) // 10_000


def payable(desk: Desk) -> int:
    return sum(desk.payable(party) for party in (desk.cast.integrator.id, desk.cast.factory.id))


def test_an_invoice_waits_for_an_address_and_is_taxed_when_somebody_says_it(desk, cast) -> None:
    invoice = paid_invoice(desk, pay=False, taxed=True)
    intent = desk.session.get_one(Intent, invoice.intent_id)
    assert (intent.state, "payer's address" in intent.failure) == ("planned", True)
    for who in (cast.fay, cast.bea):
        (waiting,) = waiting_invoices(desk.session, who)
        assert (waiting.name, waiting.net_minor, waiting.address) == (invoice.name, invoice.total_minor, None)
    with pytest.raises(NotAllowed):
        waiting_invoices(desk.session, cast.tom)
    # Nobody has said anything: nothing is asked of Stripe again, and what is there already stays the only one.
    before = desk.standin.control.counters()
    assert calls.perform(desk.engine, desk.gateway, intent.id, desk.now) == "planned"
    assert desk.standin.control.counters() == before
    with pytest.raises(Invalid) as refused:
        keep_address(
            desk.session, cast.bea, cast.factory.id, cast.customer.id, Address("", "", "", "", "US"), now=desk.now
        )
    assert set(refused.value.fields) == {"postal_code"}
    for who, payer, error in ((cast.tom, cast.customer, NotAllowed), (cast.fay, cast.integrator, NotFound)):
        with pytest.raises(error):
            keep_address(desk.session, who, cast.factory.id, payer.id, BERLIN, now=desk.now)
    assert keep_address(desk.session, cast.bea, cast.factory.id, cast.customer.id, BERLIN, now=desk.now) == 1
    desk.jobs()
    desk.session.refresh(intent)
    at_stripe = desk.gateway.retrieve_invoice(str(intent.provider_object_id))
    tax = tax_on(invoice.total_minor)
    assert (intent.state, intent.failure, at_stripe.total_minor) == ("succeeded", "", invoice.total_minor + tax)
    assert (desk.standin.control.counters()["invoice"], waiting_invoices(desk.session, cast.fay)) == (1, [])
    row, _ = invoice_row(desk.session, cast.fay, invoice.id)
    assert (row.tax_minor, row.total_minor, row.open_minor) == (tax, at_stripe.total_minor, at_stripe.total_minor)
    assert receivables(desk.session, cast.fay, today=date(2026, 3, 20))[0].total_minor == at_stripe.total_minor
    assert (desk.held("tax"), desk.held("receivable")) == (tax, -at_stripe.total_minor)
    desk.check()


def test_the_tax_is_nobodys_share_however_the_invoice_is_paid(desk, invoice, cast) -> None:
    """A part outside Stripe makes payable its part of what is charged; the rest leaves no remainder."""
    tax = tax_on(invoice.total_minor)
    said = {"method": "wire", "reference": "W1", "received_at": desk.now, "now": desk.now}
    record = cash.record_payment(desk.session, cast.fay, invoice_id=invoice.id, amount_minor=10_000, **said)
    cash.confirm_payment(desk.session, cast.fin, record.id, livemode=False, now=desk.now)
    desk.jobs()
    paid = round(10_000 * invoice.total_minor / (invoice.total_minor + tax))
    assert payable(desk) == paid
    desk.check()
    rest = queries.invoice_facts(desk.session, invoice.id)
    assert cash.still_open_minor(desk.session, rest) == invoice.total_minor + tax - 10_000
    said["reference"] = "W2"
    record = cash.record_payment(
        desk.session, cast.fay, invoice_id=invoice.id, amount_minor=invoice.total_minor + tax - 10_000, **said
    )
    cash.confirm_payment(desk.session, cast.fin, record.id, livemode=False, now=desk.now)
    desk.jobs()
    assert (payable(desk), desk.held("payable_accrued"), desk.held("receivable")) == (invoice.total_minor, 0, 0)
    assert desk.held("tax") == tax
    desk.check()


def test_refunds_take_the_tax_back_in_proportion_and_all_of_it_at_last(desk, invoice) -> None:
    pay_invoice(desk, invoice)
    whole = desk.receipt(invoice).amount_minor
    assert (payable(desk), whole - invoice.total_minor) == (invoice.total_minor, tax_on(invoice.total_minor))
    desk.allow()
    desk.refund(invoice, 3_333)
    desk.jobs()
    back = desk.held("tax")
    assert abs(back - tax_on(invoice.total_minor) * (whole - 3_333) / whole) <= 1
    assert payable(desk) == whole - 3_333 - back
    desk.check()
    rest = desk.refund(invoice, whole - 3_333)
    desk.jobs()
    assert (desk.outcome(rest), payable(desk), desk.held("tax")) == ("done", 0, 0)
    desk.check()


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_chargeback_holds_the_tax_and_gives_it_back_or_takes_it(desk, invoice, outcome) -> None:
    pay_invoice(desk, invoice)
    tax, whole = desk.held("tax"), desk.receipt(invoice).amount_minor
    dispute = desk.standin.control.dispute(desk.receipt(invoice).provider_object_id, amount=5_000)
    desk.news()
    taken = round(5_000 * tax / whole)
    assert (desk.held("tax"), payable(desk), desk.held("held")) == (tax - taken, whole - tax - 5_000 + taken, 5_000)
    desk.check()
    desk.standin.control.decide(dispute, outcome)
    desk.news()
    assert desk.held("tax") == (tax if outcome == "won" else tax - taken)
    desk.check()


@pytest.mark.parametrize("bearer", ["signed", "manufacturer"])
def test_a_credit_lowers_the_tax_but_what_somebody_bears_is_paid_with_its_tax(desk, invoice, bearer) -> None:
    desk.allow()
    wanted = Wanted("credit" if bearer == "signed" else "goodwill", 10_001, "The doors were ours", bearer)
    asking.ask(desk.session, desk.cast.fay, invoice.id, wanted, now=desk.now)
    desk.jobs()
    tax = tax_on(invoice.total_minor)
    row, _ = invoice_row(desk.session, desk.cast.fay, invoice.id)
    assert row.open_minor == invoice.total_minor + tax - 10_001
    taken = round(10_001 * tax / (invoice.total_minor + tax))
    assert desk.held("tax") == (tax - taken if bearer == "signed" else tax)
    desk.check()
    pay_invoice(desk, invoice)
    assert (desk.held("receivable"), desk.held("payable_accrued")) == (0, 0)
    desk.check()
    if bearer == "signed":
        desk.refund(invoice, desk.receipt(invoice).amount_minor)
        desk.jobs()
    assert desk.held("tax") == (0 if bearer == "signed" else tax)
    desk.check()


@pytest.mark.parametrize("path", ["/v1/customers/.*", "/v1/invoices/.*/finalize"])
def test_tax_is_posted_once_when_answers_are_lost(desk, path) -> None:
    invoice = paid_invoice(desk, pay=False, taxed=True)
    keep_address(desk.session, desk.cast.fay, desk.cast.factory.id, desk.cast.customer.id, BERLIN, now=desk.now)
    desk.session.commit()
    desk.standin.control.fault("lose_answer", method="POST", path=path)
    with pytest.raises(Unknown):
        calls.perform(desk.engine, desk.gateway, invoice.intent_id, desk.now)
    desk.standin.control.expire_keys()
    assert calls.perform(desk.engine, desk.gateway, invoice.intent_id, desk.now + timedelta(hours=30)) == "succeeded"
    assert desk.held("tax") == tax_on(invoice.total_minor)
    desk.jobs()
    desk.check()


def test_a_payers_certificate_is_honoured_and_said(desk, cast) -> None:
    days = {"valid_from": date(2026, 1, 1), "expires_on": date(2027, 1, 1)}
    keep_exemption(desk.session, cast.bea, jurisdiction="DE", number="1", **days, now=NOW)
    invoice = paid_invoice(desk, pay=False, taxed=True)
    placed(desk)
    kept = desk.session.scalars(select(InvoiceTax)).one()
    assert (kept.tax_minor, kept.reasons, desk.held("tax")) == (0, ["customer_exempt"], 0)
    pay_invoice(desk, invoice)
    assert payable(desk) == invoice.total_minor
    desk.check()


def test_stripe_is_told_of_a_payment_elsewhere_when_it_has_reckoned_and_not_before(desk, cast) -> None:
    """A draft would be numbered by that, without its tax."""
    days = {"valid_from": date(2026, 1, 1), "expires_on": date(2027, 1, 1)}
    keep_exemption(desk.session, cast.bea, jurisdiction="DE", number="1", **days, now=NOW)
    invoice = paid_invoice(desk, pay=False, taxed=True)
    said = {"method": "wire", "reference": "W1", "received_at": desk.now, "now": desk.now}
    record = cash.record_payment(
        desk.session, cast.fay, invoice_id=invoice.id, amount_minor=invoice.total_minor, **said
    )
    cash.confirm_payment(desk.session, cast.fin, record.id, livemode=False, now=desk.now)
    desk.jobs()
    told = select(Intent.state).where(Intent.kind == "out_of_band")
    assert (payable(desk), desk.session.scalars(told).all()) == (invoice.total_minor, [])
    placed(desk)
    at_stripe = str(desk.session.get_one(Intent, invoice.intent_id).provider_object_id)
    assert (desk.session.scalars(told).all(), desk.gateway.retrieve_invoice(at_stripe).status) == (
        ["succeeded"],
        "paid",
    )
    desk.check()


@pytest.mark.parametrize("is_taxed", [True, False])
def test_the_seller_and_its_registration_stand_on_the_invoice(desk, cast, is_taxed) -> None:
    said = {"legal_name": "Nordlicht GmbH", "address": "Werkstr. 1\nBerlin", "country": "DE"}
    keep_details(desk.session, cast.fay, **said, is_small_business=False, now=NOW)
    number = {"country": "DE", "number": "DE123456789", "valid_from": date(2026, 1, 1), "valid_to": None}
    record_registration(desk.session, cast.fay, **number, now=NOW)
    invoice = paid_invoice(desk, pay=False, taxed=is_taxed)
    draft = desk.session.get_one(Intent, invoice.intent_id).request["invoice"]
    fields = {field["name"]: field["value"] for field in draft["custom_fields"]}
    assert (fields["Seller"], fields["Seller's tax number"]) == ("Nordlicht GmbH", "DE123456789")
    assert draft.get("automatic_tax") == ({"enabled": True} if is_taxed else None)


def test_what_an_integrator_sells_on_is_taxed_between_the_companies_and_its_customer_by_itself(desk, cast) -> None:
    """A company abroad that is registered there accounts for the tax; where another sells, no tax is asked for."""
    for who, country, number in ((cast.fay, "DE", "DE123456789"), (cast.ivo, "AT", "ATU12345678")):
        said = {"legal_name": country, "address": "Ring 1", "country": country, "is_small_business": False}
        keep_details(desk.session, who, **said, now=NOW)
        since = {"country": country, "number": number, "valid_from": date(2026, 1, 1), "valid_to": None}
        record_registration(desk.session, who, **since, now=NOW)
    factory, integrator, customer = cast.factory.id, cast.integrator.id, cast.customer.id
    known = (("Seller", "DE"), ("Seller's tax number", "DE123456789"))
    assert said_of(desk, Parties(factory, integrator, integrator)) == ("reverse", known)
    assert said_of(desk, Parties(factory, customer, factory)) == ("none", known)
    theirs = (("Seller", "AT"), ("Seller's tax number", "ATU12345678"))
    assert said_of(desk, Parties(factory, customer, integrator)) == (None, theirs)


def said_of(desk, of: Parties) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    seller = seller_of_record(desk.session, of, now=NOW)
    return tax_status(desk.session, of, seller, now=NOW), seller.fields


LABOUR, GOODS = "txcd_20030000", "txcd_99999999"


def test_work_and_parts_of_a_case_are_taxed_each_by_its_class(desk, cast) -> None:
    """One line of ours is two at Stripe; its tax is their sum, and what goes back of it takes both in proportion."""
    codes = f'[tax_codes]\nsupport = "{LABOUR}"\nparts = "{GOODS}"\n'
    signed_text(desk.session, cast, f"{changed(POLICY)}\n{codes}")
    desk.standin.control.tax_rates({"tax_code": LABOUR, "rate_bp": 0}, {"tax_code": GOODS, "rate_bp": 1_900})
    open_books(desk.session, cast)
    case = paid_case(desk.session, cast)
    worked(desk.session, cast, case, minutes=60)
    part = NewPart("Power supply", 8_000, "manufacturer", "returned", on_customer=True)
    record_part(desk.session, cast.ana, case, part, fitted_at=hours_later(2), now=hours_later(5))
    settled(desk.session, cast, case)
    item = billed(desk.session, case)
    desk.standin.control.fund(100_000, "eur")
    (invoice,) = gather_invoices(desk.session, item.period_id, now=BILLED_AT, automatic_tax=True)
    desk.jobs()
    placed(desk)
    at_stripe = desk.session.get_one(Intent, invoice.intent_id).provider_object_id
    taxes = desk.gateway.taxes_of_lines(str(at_stripe))
    assert [(line.position, line.tax_minor) for line in taxes] == [("0-0", 0), ("0-1", 1_520)]
    (kept,) = desk.session.scalars(select(InvoiceItemTax.tax_minor))
    assert (kept, desk.held("tax"), invoice.total_minor) == (1_520, 1_520, 23_000)
    pay_invoice(desk, invoice)
    desk.check()
    desk.allow()
    desk.refund(invoice, (23_000 + 1_520) // 2)
    desk.jobs()
    assert (desk.held("tax"), payable(desk)) == (760, 11_500)
    desk.check()


def test_the_database_keeps_the_tax_of_lines_and_of_their_invoice_the_same(desk) -> None:
    invoice = paid_invoice(desk, pay=False)
    line = desk.session.scalars(select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id)).one()
    parties = {"manufacturer_id": invoice.manufacturer_id, "payer_id": invoice.payer_id}
    of_invoice = {"invoice_id": invoice.id, **parties, "recorded_at": desk.now}
    address = {**parties, **vars(BERLIN), "recorded_by": desk.cast.fay.person_id, "recorded_at": desk.now}
    broken = (
        (InvoiceTax, {**of_invoice, "currency": "EUR", "tax_minor": 1, "reasons": []}),
        (InvoiceTax, {**of_invoice, "currency": "EUR", "tax_minor": -1, "reasons": []}),
        (InvoiceItemTax, {**of_invoice, "invoice_item_id": line.id, "tax_minor": 1}),
        (InvoiceItemTax, {**of_invoice, "invoice_item_id": line.id, "tax_minor": line.amount_minor + 1}),
        (PayerAddress, {**address, "country": "Germany"}),
        (PayerAddress, {**address, "country": "US", "postal_code": "1011"}),
        (PayerAddress, {**address, "country": "CA", "postal_code": ""}),
    )
    for table, row in broken:
        assert refused(desk.session, table, row), (table, row)


def refused(session: Session, table: type[Base], row: dict[str, object]) -> bool:
    """Whether the database refuses a row, at the latest when it is committed."""
    with session.begin_nested() as savepoint:
        try:
            session.execute(insert(table), [row])
            session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        except IntegrityError:
            savepoint.rollback()
            return True
    return False
