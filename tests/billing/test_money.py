"""From bill item to cash: shares decided late, bills made again, invoices, receipts; the books right at every step."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.adjustments.actions import asking, carrying_out
from portal.adjustments.actions.asking import Wanted
from portal.adjustments.models import AdjustmentPart
from portal.billing.actions import (
    PackOrder,
    PackPrice,
    apply_cash,
    decide_shares,
    gather_invoices,
    rebill,
    rebill_case,
    sell_pack,
)
from portal.billing.books import check_books
from portal.billing.models import BillItem, CashApplication, Invoice, InvoiceItem, Share
from portal.billing.queries import live_items
from portal.cases import actions as cases
from portal.cases.models import Resolution, ResolutionAnswer, SupportCase
from portal.contracts import actions as contracts
from portal.contracts import queries as contracts_queries
from portal.ledger.models import Period
from portal.ledger.queries import balances
from portal.metering.actions import Work, approve_time, correct_entry
from portal.metering.models import TimeEntry
from portal.payments.cash import book_cash
from portal.payments.models import CashReceipt, Intent
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, shares_of, worked
from tests.support.cases import accepted
from tests.support.cast import DOCUMENTS, SIGNED_AT, Cast, hours_later
from tests.support.versions import signed_policy

PAID_AT = BILLED_AT + timedelta(days=3)


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def held(session: Session, cast: Cast) -> dict[tuple[str, int | None], int]:
    return balances(session, manufacturer_id=cast.factory.id, currency="EUR")


def invoiced(session: Session, cast: Cast) -> list[Invoice]:
    period_id = session.scalars(select(Period.id).where(Period.manufacturer_id == cast.factory.id)).one()
    return gather_invoices(session, period_id, now=PAID_AT)


def paid(session: Session, invoice: Invoice, amount_minor: int, *, fee_minor: int = 0) -> CashReceipt:
    """Cash of a card payment, booked and applied as its jobs do."""
    number = session.scalar(select(func.count()).select_from(CashReceipt))
    receipt = CashReceipt(
        invoice_id=invoice.id, manufacturer_id=invoice.manufacturer_id, payer_id=invoice.payer_id,
        currency=invoice.currency, amount_minor=amount_minor, fee_minor=fee_minor, source="stripe",
        provider_object_id=f"ch_{number}", livemode=False, received_at=PAID_AT, recorded_at=PAID_AT,
    )  # fmt: skip
    session.add(receipt)
    session.flush()
    book_cash(session, receipt.id, PAID_AT)
    apply_cash(session, receipt.id, now=PAID_AT)
    return receipt


def two_company_case(
    session: Session, cast: Cast, *, minutes: int = 65, confirmed: bool = True, hours: float = 1
) -> SupportCase:
    """A paid case that both companies' people worked on."""
    case = paid_case(session, cast)
    worked(session, cast, case, minutes=minutes, start=hours_later(hours))
    worked(session, cast, case, minutes=20, worker=cast.tom, start=hours_later(hours + 4))
    settled(session, cast, case, confirmed=confirmed)
    return case


def corrected(session: Session, cast: Cast, case: SupportCase, entry: TimeEntry, *, minutes: int) -> TimeEntry:
    """An entry was wrong: it is replaced, approved, and its case billed again."""
    right = correct_entry(
        session, cast.leo, entry.id, Work("remote", "support", "Looked into it"), started_at=entry.started_at,
        ended_at=entry.started_at + timedelta(minutes=minutes), reason="typed wrongly", now=PAID_AT,
    )  # fmt: skip
    approve_time(session, cast.leo, [right.id], PAID_AT)
    assert rebill_case(session, case.id, reason="corrected", now=PAID_AT) == 1
    return right


def test_an_unconfirmed_resolution_leaves_its_part_undetermined_until_decided(
    work_session: Session, books: Cast
) -> None:
    case = two_company_case(work_session, books, confirmed=False)
    item = billed(work_session, case)
    assert shares_of(work_session, item)[-1] == ("undetermined", 4_500)
    before = shares_of(work_session, item)[:-1]
    assert check_books(work_session) == []
    cases.confirm(work_session, books.mia, case, seq=case.seq, now=hours_later(300))
    assert decide_shares(work_session, case.id, now=PAID_AT) == 1
    assert shares_of(work_session, item)[: len(before)] == before
    # A quarter of the resolving is the integrator's by the signed table.
    assert shares_of(work_session, item)[len(before) :] == [("integrator", 1_125), ("manufacturer", 3_375)]
    assert decide_shares(work_session, case.id, now=PAID_AT) == 0
    assert check_books(work_session) == []


def test_a_challenge_of_the_split_holds_only_the_shares(work_session: Session, books: Cast) -> None:
    case = two_company_case(work_session, books, confirmed=False)
    raised = cases.challenge(
        work_session, books.mia, case, subject="split", reason="We found it",
        proposal={"integrator_bp": 6000, "manufacturer_bp": 4000}, seq=case.seq, now=hours_later(32),
    )  # fmt: skip
    item = billed(work_session, case)
    assert (item.amount_minor, shares_of(work_session, item)[-1]) == (22_500, ("undetermined", 4_500))
    (invoice,) = invoiced(work_session, books)
    paid(work_session, invoice, 10_000)
    assert check_books(work_session) == []
    proposal = {"integrator_bp": 6000, "manufacturer_bp": 4000}
    cases.propose_outcome(work_session, books.leo, raised.id, proposal, now=hours_later(33))
    assert decide_shares(work_session, case.id, now=PAID_AT) == 1
    assert shares_of(work_session, item)[-2:] == [("integrator", 2_700), ("manufacturer", 1_800)]
    assert check_books(work_session) == []
    ledger = held(work_session, books)
    assert ("undetermined", None) not in ledger
    assert ("undetermined_accrued", None) not in ledger
    paid(work_session, invoice, 12_500)
    assert ("payable_accrued", books.integrator.id) not in held(work_session, books)


def answered(session: Session, cast: Cast, case: SupportCase, basis: str) -> None:
    """The integrator's answer to the resolution, as its verbs store it."""
    resolution_id = session.scalars(select(Resolution.id).where(Resolution.case_id == case.id)).one()
    session.add(
        ResolutionAnswer(
            case_id=case.id, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id,
            customer_id=case.customer_id, resolution_id=resolution_id, basis=basis, company_id=cast.integrator.id,
            answered_at=PAID_AT,
        )
    )  # fmt: skip
    session.flush()


def test_a_silence_taken_back_holds_the_shares_again_and_not_the_bill(work_session: Session, books: Cast) -> None:
    case = two_company_case(work_session, books, confirmed=False)
    answered(work_session, books, case, "deemed")
    item = billed(work_session, case)
    (invoice,) = invoiced(work_session, books)
    paid(work_session, invoice, 22_500)
    decided, ledger = shares_of(work_session, item), held(work_session, books)
    answered(work_session, books, case, "undone")
    assert decide_shares(work_session, case.id, now=PAID_AT) == 1
    assert shares_of(work_session, item)[-1] == ("undetermined", 4_500)
    assert held(work_session, books)["undetermined", None] == -4_500
    assert check_books(work_session) == []
    answered(work_session, books, case, "confirmed")
    assert decide_shares(work_session, case.id, now=PAID_AT) == 1
    assert held(work_session, books) == ledger
    assert sum(minor for _, minor in shares_of(work_session, item)) == sum(minor for _, minor in decided)
    assert [each.id for each in live_items(work_session, case.id)] == [item.id]
    assert check_books(work_session) == []


def test_cash_makes_shares_payable_pro_rata_and_exactly(work_session: Session, books: Cast) -> None:
    item = billed(work_session, two_company_case(work_session, books))
    (invoice,) = invoiced(work_session, books)
    assert (invoice.total_minor, invoice.payer_id) == (22_500, books.customer.id)
    receipt = paid(work_session, invoice, 7_001, fee_minor=231)
    ledger = held(work_session, books)
    assert ledger["payable", books.integrator.id] + ledger["payable", books.factory.id] == -7_001
    assert ledger["receivable", books.customer.id] == 15_499
    assert (ledger["stripe_clearing", None], ledger["fees", None]) == (6_770, 231)
    assert apply_cash(work_session, receipt.id, now=PAID_AT) == 0
    paid(work_session, invoice, 15_499)
    applied = dict(
        work_session.execute(
            select(CashApplication.share_id, func.sum(CashApplication.amount_minor)).group_by(CashApplication.share_id)
        ).tuples().all()
    )  # fmt: skip
    shares = work_session.scalars(select(Share).where(Share.bill_item_id == item.id))
    assert {share.id: share.amount_minor for share in shares} == applied
    assert check_books(work_session) == []


def test_gathering_again_finds_nothing(work_session: Session, books: Cast) -> None:
    billed(work_session, two_company_case(work_session, books))
    assert len(invoiced(work_session, books)) == 1
    assert invoiced(work_session, books) == []


def test_a_bill_made_again_restores_every_balance_and_carries_the_cash(work_session: Session, books: Cast) -> None:
    case = two_company_case(work_session, books)
    item = billed(work_session, case)
    (invoice,) = invoiced(work_session, books)
    paid(work_session, invoice, 22_500)
    before = held(work_session, books)
    (again,) = rebill(work_session, item.cut_id, reason="checked", now=PAID_AT)
    assert (again.revision, again.replaces_id, again.amount_minor) == (1, item.id, item.amount_minor)
    assert held(work_session, books) == before
    assert check_books(work_session) == []


def test_a_smaller_bill_leaves_a_credit_that_funds_the_next_invoice(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=120)
    settled(work_session, books, case)
    billed(work_session, case)
    (first,) = invoiced(work_session, books)
    paid(work_session, first, 30_000)
    corrected(work_session, books, case, entry, minutes=60)
    assert check_books(work_session) == []
    assert held(work_session, books)["receivable_unbilled", books.customer.id] == -15_000
    assert invoiced(work_session, books) == []
    other = two_company_case(work_session, books, hours=24)
    billed(work_session, other)
    (second,) = invoiced(work_session, books)
    lines = work_session.scalars(select(InvoiceItem.amount_minor).where(InvoiceItem.invoice_id == second.id))
    assert (sorted(lines), second.total_minor) == ([-30_000, 15_000, 22_500], 7_500)
    paid(work_session, second, 7_500)
    ledger = held(work_session, books)
    assert ledger["payable", books.integrator.id] + ledger["payable", books.factory.id] == -37_500
    assert check_books(work_session) == []


def test_a_bill_made_again_moves_the_cash_of_work_beside_it_again(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=120)
    settled(work_session, books, case)
    billed(work_session, case)
    (first,) = invoiced(work_session, books)
    paid(work_session, first, 30_000)
    entry = corrected(work_session, books, case, entry, minutes=60)
    other = two_company_case(work_session, books, hours=24)
    item = billed(work_session, other)
    (second,) = invoiced(work_session, books)
    # With what the first case was paid too much, 19,000 of the other's 22,500 are paid; then 11,500.
    paid(work_session, second, 4_000)
    corrected(work_session, books, case, entry, minutes=90)
    of_other = select(func.sum(CashApplication.amount_minor)).join(Share).where(Share.bill_item_id == item.id)
    assert work_session.scalar(of_other) == 11_500
    assert check_books(work_session) == []


def test_cash_that_was_carried_is_carried_on_when_the_bill_is_made_a_third_time(
    work_session: Session, books: Cast
) -> None:
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=165)
    settled(work_session, books, case)
    billed(work_session, case)
    (invoice,) = invoiced(work_session, books)
    paid(work_session, invoice, invoice.total_minor)
    for minutes in (300, 45):
        entry = corrected(work_session, books, case, entry, minutes=minutes)
    ledger = held(work_session, books)
    # 45 minutes are what the parties have coming; the bill between, on no invoice, keeps nothing.
    assert ledger["payable", books.integrator.id] + ledger["payable", books.factory.id] == -11_250
    assert not [account for account, minor in ledger.items() if account[0] == "payable_accrued" and minor]
    assert check_books(work_session) == []


def test_included_time_of_an_undecided_case_is_undetermined_until_decided(work_session: Session, books: Cast) -> None:
    case = accepted(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case, confirmed=False)
    billed(work_session, case)
    assert held(work_session, books)["undetermined", None] == -4_800
    cases.confirm(work_session, books.mia, case, seq=case.seq, now=hours_later(300))
    decide_shares(work_session, case.id, now=PAID_AT)
    assert ("undetermined", None) not in held(work_session, books)
    assert check_books(work_session) == []


ACTS = st.lists(st.sampled_from(["bill", "rebill", "confirm", "decide", "invoice", "cash"]), min_size=3, max_size=9)


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, minutes=st.integers(1, 200), cash=st.integers(1, 9_999))
def test_the_books_are_right_after_any_sequence_of_acts(
    work_session: Session, books: Cast, acts: list[str], minutes: int, cash: int
) -> None:
    savepoint = work_session.begin_nested()
    try:
        case = two_company_case(work_session, books, minutes=minutes, confirmed=False)
        for act in ["bill", *acts]:
            _do(work_session, books, case, act, cash)
            assert check_books(work_session) == [], act
    finally:
        savepoint.rollback()
        work_session.expire_all()


def _do(session: Session, cast: Cast, case: SupportCase, act: str, cash: int) -> None:
    invoice = session.scalars(select(Invoice).order_by(Invoice.id)).first()
    if act == "bill" and not live_items(session, case.id):
        billed(session, case)
    elif act == "rebill":
        item = session.scalars(select(BillItem).order_by(BillItem.id.desc())).first()
        if item is not None:
            rebill(session, item.cut_id, reason="again", now=PAID_AT)
    elif act == "confirm" and not session.scalar(select(func.count()).select_from(ResolutionAnswer)):
        cases.confirm(session, cast.mia, case, seq=case.seq, now=hours_later(300))
    elif act == "decide":
        decide_shares(session, case.id, now=PAID_AT)
    elif act == "invoice":
        invoiced(session, cast)
    elif act == "cash" and invoice is not None:
        open_minor = invoice.total_minor - (session.scalar(
            select(func.sum(CashReceipt.amount_minor)).where(CashReceipt.invoice_id == invoice.id)
        ) or 0)  # fmt: skip
        if open_minor:
            paid(session, invoice, min(cash, open_minor))


@pytest.mark.parametrize("bearer", ["operator", "integrator"])
def test_stripes_fee_is_borne_by_the_party_that_the_agreement_names(
    work_session: Session, books: Cast, bearer: str
) -> None:
    text = (DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text("utf-8")
    document = contracts_queries.document(work_session, books.agreement_version.document_id)
    version = contracts.propose_version(
        work_session, books.adam, document,
        body_toml=text.replace('borne_by = "operator"', f'borne_by = "{bearer}"'),
        effective_from=SIGNED_AT + timedelta(days=30), now=SIGNED_AT,
    )  # fmt: skip
    for signer in (books.adam, books.ian):
        contracts.sign_version(work_session, signer, version, shown_sha256=version.sha256, now=SIGNED_AT)
    billed(work_session, two_company_case(work_session, books))
    (invoice,) = invoiced(work_session, books)
    receipt = paid(work_session, invoice, 22_500, fee_minor=683)
    apply_cash(work_session, receipt.id, now=PAID_AT)
    ledger = held(work_session, books)
    shares = work_session.execute(select(Share.party_id, Share.amount_minor)).tuples().all()
    own = sum(minor for party_id, minor in shares if party_id == books.integrator.id)
    borne = 683 if bearer == "integrator" else 0
    assert (ledger.get(("fees", None), 0), ledger["payable", books.integrator.id]) == (683 - borne, borne - own)
    assert check_books(work_session) == []


def test_an_invoice_asks_the_next_amount_that_can_be_paid(work_session: Session, books: Cast) -> None:
    """Amounts in dinars end in a zero: what is asked beyond what is owed is income by its own name."""
    signed_policy(work_session, books, ('currency = "EUR"', 'currency = "KWD"'))
    sold_at = books.plain_site.id, books.integrator.id, books.policy_version.id
    for number in range(3):
        order = PackOrder(*sold_at, "hours_10", 1, BILLED_AT, f"dinars:{number}")
        sell_pack(work_session, order, PackPrice(12_345, "KWD", books.integrator.id), now=BILLED_AT)
    (invoice,) = invoiced(work_session, books)
    intent = work_session.get_one(Intent, invoice.intent_id)
    lines = work_session.scalars(select(InvoiceItem.amount_minor).where(InvoiceItem.invoice_id == invoice.id)).all()
    assert (invoice.total_minor, intent.amount_minor, lines) == (37_040, 37_040, [12_345] * 3)
    assert [item["amount"] for item in intent.request["items"]] == [12_350, 12_340, 12_350]
    kept = balances(work_session, manufacturer_id=books.factory.id, currency="KWD")
    assert (kept["receivable", books.customer.id], kept["rounded_up", None]) == (37_040, -5)
    assert check_books(work_session) == []
    paid(work_session, invoice, 37_040)
    kept = balances(work_session, manufacturer_id=books.factory.id, currency="KWD")
    assert (("receivable", books.customer.id) in kept, kept["rounded_up", None]) == (False, -5)
    assert check_books(work_session) == []
    refunded_to_the_last_fils(work_session, books, invoice)


def refunded_to_the_last_fils(session: Session, books: Cast, invoice: Invoice) -> None:
    """What was paid goes back in two steps; the second takes what the invoice was rounded up by."""
    limit = {"role": "finance", "currency": "KWD", "amount_minor": 1_000_000}
    asking.set_limit(session, books.adam, **limit, now=PAID_AT)
    receipt_id = session.scalars(select(CashReceipt.id).where(CashReceipt.invoice_id == invoice.id)).one()
    for minor, rounded in ((30_000, -5), (7_040, 0)):
        wanted = Wanted("refund", minor, "Not wanted", receipt_id=receipt_id)
        made = asking.ask(session, books.fay, invoice.id, wanted, now=PAID_AT)
        carrying_out.advance(session, made.id, now=PAID_AT)
        parts = session.scalars(select(AdjustmentPart).where(AdjustmentPart.cause_id == made.id)).all()
        assert sum(part.amount_minor for part in parts) == minor
        kept = balances(session, manufacturer_id=books.factory.id, currency="KWD")
        assert kept.get(("rounded_up", None), 0) == rounded
        assert check_books(session) == []
    assert (parts[-1].stage, parts[-1].amount_minor) == ("rounding", 5)
    assert kept["refunds_promised", books.customer.id] == -37_040
