"""Billing as its jobs do it: a closing bills, approval reserves and bills, a period's end cuts, lost jobs are found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions import cut_period_end, gather_invoices
from portal.billing.books import check_books
from portal.billing.models import BillingCut, BillItem, Share
from portal.billing.queries import cases_to_bill, live_items, receipts_to_apply
from portal.cases import actions as cases
from portal.contracts import actions as contracts
from portal.contracts import queries as contracts_queries
from portal.entitlement.models import Authorization, AuthorizationBalance, GrantReservation, StandingMonth
from portal.entitlement.queries import released
from portal.ledger.models import Period
from portal.ledger.queries import balances
from portal.metering.actions import Work, approve_time, correct_entry, discard_timer, reverse_entry, start_timer
from portal.payments.models import CashReceipt
from tests.support.billed import BILLED_AT, approve, billed, open_books, paid_case, settled, shares_of, worked
from tests.support.cases import accepted
from tests.support.cast import DOCUMENTS, NOW, SIGNED_AT, Cast, hours_later
from tests.support.packs import bought
from tests.support.queued import queued
from tests.support.versions import signed_policy

RunJobs = Callable[[datetime], list[str]]
RESOLD = ('[[bill_to]]\npayer = "customer"', '[[bill_to]]\npayer = "customer"\ncollector = "integrator"')


class Mailer:
    """Takes every letter: these tests are not about mail."""

    def send(self, _message: object) -> None:
        return


@pytest.fixture
def work_off(run_jobs: Callable[..., list[str]]) -> RunJobs:
    return lambda now: run_jobs(now, mailer=Mailer())


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    work_session.commit()
    return cast


def test_a_closing_bills_the_case_by_its_job(work_session: Session, books: Cast, work_off: RunJobs) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    cases.close_case(work_session, case.id, now=case.reopen_until)
    work_session.commit()
    assert "bill_cut" in work_off(BILLED_AT)
    (item,) = live_items(work_session, case.id)
    assert (item.amount_minor, item.occurred_at) == (15_000, case.closed_at)


def test_the_act_that_removes_a_blocker_bills_the_case(work_session: Session, books: Cast, work_off: RunJobs) -> None:
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=60, approved=False)
    settled(work_session, books, case)
    cases.close_case(work_session, case.id, now=case.reopen_until)
    work_session.commit()
    work_off(BILLED_AT)
    assert live_items(work_session, case.id) == []
    approve(work_session, books, entry)
    work_session.commit()
    work_off(BILLED_AT)
    assert len(live_items(work_session, case.id)) == 1


def test_confirming_settles_the_shares_by_its_job(work_session: Session, books: Cast, work_off: RunJobs) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case, confirmed=False)
    item = billed(work_session, case)
    work_session.commit()
    assert shares_of(work_session, item)[-1][0] == "undetermined"
    cases.confirm(work_session, books.mia, case, seq=case.seq, now=hours_later(40))
    work_session.commit()
    work_off(BILLED_AT)
    assert work_session.scalars(select(Share.id).where(Share.kind == "decided")).all()
    assert check_books(work_session) == []


def test_approved_work_is_promised_hours_in_order_of_work(
    work_session: Session, books: Cast, work_off: RunJobs
) -> None:
    first = accepted(work_session, books)
    second = accepted(work_session, books)
    worked(work_session, books, second, minutes=100, start=hours_later(4))
    work_session.commit()
    work_off(BILLED_AT)
    worked(work_session, books, first, minutes=60, start=hours_later(2))
    work_session.commit()
    work_off(BILLED_AT)
    for case, minutes in ((first, 60), (second, 60)):
        settled(work_session, books, case)
        billed(work_session, case)
        assert sum(item.included_seconds for item in live_items(work_session, case.id)) == minutes * 60
    assert work_session.scalars(select(GrantReservation.id)).all()
    assert check_books(work_session) == []


def test_work_beyond_the_hours_takes_the_standing_authorization(
    work_session: Session, books: Cast, work_off: RunJobs
) -> None:
    least = 'least_nte = "75.00"'
    signed_policy(work_session, books, (least, f"{least}\nstanding_beyond_limit = true"))
    case = accepted(work_session, books)
    worked(work_session, books, case, minutes=150)
    work_session.commit()
    work_off(BILLED_AT)
    settled(work_session, books, case)
    item = billed(work_session, case)
    # Ninety minutes of the plan's hours may go into one case; the other hour is money, within the standing limit.
    assert (item.included_seconds, item.amount_minor) == (5_400, 15_000)
    (yes,) = work_session.scalars(select(Authorization))
    assert yes.basis == "standing"
    assert check_books(work_session) == []


def test_hours_that_come_free_are_not_promised_to_work_that_is_billed(
    work_session: Session, books: Cast, work_off: RunJobs
) -> None:
    later = hours_later(40)
    for source in ("first", "second"):
        bought(work_session, books, site=books.plain_site, source=source)
    made = [paid_case(work_session, books) for _ in range(2)]
    entries = [
        worked(work_session, books, case, minutes=minutes, start=hours_later(start))
        for case, minutes, start in zip(made, (600, 60), (1, 12), strict=True)
    ]
    for case in made:
        settled(work_session, books, case)
        billed(work_session, case, now=later)
    shorter = correct_entry(
        work_session, books.leo, entries[0].id, Work("remote", "support", "Looked into the door controller"),
        started_at=entries[0].started_at, ended_at=entries[0].started_at + timedelta(hours=5), reason="Read wrongly",
        now=later,
    )  # fmt: skip
    approve_time(work_session, books.leo, [shorter.id], later)
    work_session.commit()
    work_off(later)
    bought(work_session, books, site=books.plain_site, source="third", bought_at=later)
    work_session.commit()
    work_off(later)
    held = select(GrantReservation.seconds).where(~released())
    assert work_session.scalars(held).all() == []
    assert check_books(work_session) == []


def test_a_periods_end_cuts_old_work_only(work_session: Session, books: Cast, work_off: RunJobs) -> None:
    old, young = paid_case(work_session, books), paid_case(work_session, books)
    worked(work_session, books, old, minutes=60)
    worked(work_session, books, young, minutes=60, start=hours_later(24 * 30))
    period_end = NOW + timedelta(days=40)
    assert cut_period_end(work_session, books.factory.id, cut_at=period_end, now=period_end) == 1
    assert cut_period_end(work_session, books.factory.id, cut_at=period_end, now=period_end) == 0
    work_session.commit()
    work_off(period_end)
    (item,) = live_items(work_session, old.id)
    assert (item.amount_minor, live_items(work_session, young.id)) == (15_000, [])


def test_lost_jobs_are_found(work_session: Session, books: Cast, work_off: RunJobs) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    cases.close_case(work_session, case.id, now=case.reopen_until)
    assert cases_to_bill(work_session, BILLED_AT) == [case.id]
    billed(work_session, case)
    assert cases_to_bill(work_session, BILLED_AT) == []
    period_id = work_session.scalars(select(Period.id)).one()
    (invoice,) = gather_invoices(work_session, period_id, now=BILLED_AT)
    receipt = CashReceipt(
        invoice_id=invoice.id, manufacturer_id=invoice.manufacturer_id, payer_id=invoice.payer_id, currency="EUR",
        amount_minor=15_000, fee_minor=0, source="stripe", provider_object_id="ch_1", livemode=False,
        received_at=NOW, recorded_at=NOW,
    )  # fmt: skip
    work_session.add(receipt)
    work_session.flush()
    assert receipts_to_apply(work_session, BILLED_AT) == [receipt.id]


def test_both_sides_pay_on_items_of_their_own(work_session: Session, books: Cast) -> None:
    work_session.execute(BillItem.__table__.metadata.tables["certificate"].update().values(expires_on=NOW.date()))
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    worked(work_session, books, case, minutes=30, task_class="how_to", start=hours_later(4))
    integrator_says_yes(work_session, books, case.id, nte_minor=50_000)
    settled(work_session, books, case)
    billed(work_session, case)
    items = live_items(work_session, case.id)
    assert [(item.payer_id, item.amount_minor, item.audience) for item in items] == [
        (books.customer.id, 15_000, "customer"),
        (books.integrator.id, 5_500, "companies"),
    ]
    # What the integrator buys at its net price carries no share of its own.
    assert {party for party, _ in shares_of(work_session, items[1])} == {"manufacturer", "operator"}
    assert "how_to" not in str(items[0].explanation)
    cuts = work_session.scalars(select(BillingCut).order_by(BillingCut.seq)).all()
    assert [cut.cut_at for cut in cuts] == [cuts[0].cut_at] * 2
    assert check_books(work_session) == []


def integrator_says_yes(session: Session, cast: Cast, case_id: int, *, nte_minor: int) -> None:
    """A spoken yes of the integrator, as its verb stores it."""
    parties = {
        "case_id": case_id, "manufacturer_id": cast.factory.id, "integrator_id": cast.integrator.id,
        "customer_id": cast.customer.id, "audience": "companies",
    }  # fmt: skip
    yes = Authorization(
        **parties, payer_id=cast.integrator.id, currency="EUR", nte_minor=nte_minor, price_per_hour_minor=11_000,
        basis="account", person_id=cast.mia.person_id, person_name="Mia", covers_from=NOW, authorized_at=NOW,
        recorded_at=NOW,
    )  # fmt: skip
    session.add(yes)
    session.flush()
    session.add(AuthorizationBalance(**parties, authorization_id=yes.id, left_minor=nte_minor))
    session.flush()


def test_a_collecting_integrator_keeps_its_part_and_owes_the_rest(work_session: Session, books: Cast) -> None:
    text = (DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8")
    document = contracts_queries.document(work_session, books.policy_version.document_id)
    resold = contracts.propose_version(
        work_session, books.adam, document,
        body_toml=text.replace(*RESOLD),
        effective_from=SIGNED_AT + timedelta(days=30), now=SIGNED_AT,
    )  # fmt: skip
    contracts.sign_version(work_session, books.adam, resold, shown_sha256=resold.sha256, now=SIGNED_AT)
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    worked(work_session, books, case, minutes=30, worker=books.tom, start=hours_later(5))
    settled(work_session, books, case)
    item = billed(work_session, case)
    assert (item.collector_id, item.audience) == (books.integrator.id, "companies")
    own = dict(shares_of(work_session, item))["integrator"]
    ledger = balances(work_session, manufacturer_id=books.factory.id, currency="EUR")
    assert ledger["receivable_unbilled", books.integrator.id] == item.amount_minor - own
    assert ("payable_accrued", books.integrator.id) not in ledger
    period_id = work_session.scalars(select(Period.id)).one()
    (invoice,) = gather_invoices(work_session, period_id, now=BILLED_AT)
    assert (invoice.payer_id, invoice.total_minor) == (books.integrator.id, item.amount_minor - own)
    assert check_books(work_session) == []


def test_a_confirmed_known_issue_bills_its_cases_again(work_session: Session, books: Cast, work_off: RunJobs) -> None:
    case = paid_case(work_session, books)
    issue = cases.open_known_issue(
        work_session, books.ana, product_line_id=books.product_line.id, title="Relay sticks", advice="Restart",
        cause="firmware_defect", now=NOW,
    )  # fmt: skip
    cases.link_known_issue(work_session, books.ana, case, issue.id, seq=case.seq, now=hours_later(1))
    cases.confirm_known_issue(work_session, books.leo, issue.id, now=hours_later(2))
    assert "rebill_known_issue" in {name for name, _ in queued(work_session)}
    work_session.commit()
    assert "rebill" in work_off(BILLED_AT)


def test_work_after_hours_takes_the_standing_authorization_when_it_begins(
    work_session: Session, books: Cast, work_off: RunJobs
) -> None:
    case = accepted(work_session, books)
    evening = NOW + timedelta(hours=11)
    start_timer(work_session, books.ana, None, mode="remote", task_class="support", now=NOW + timedelta(hours=1))
    discard_timer(work_session, books.ana)
    start_timer(work_session, books.ana, case, mode="remote", task_class="support", now=NOW + timedelta(hours=2))
    discard_timer(work_session, books.ana)
    work_session.commit()
    work_off(NOW + timedelta(hours=2))
    # What the plan covers needs no yes.
    assert work_session.scalars(select(Authorization)).all() == []
    for _ in range(2):
        start_timer(work_session, books.ana, case, mode="remote", task_class="support", now=evening)
    work_session.commit()
    assert "billable_begins" in work_off(evening)
    (yes,) = work_session.scalars(select(Authorization))
    assert (yes.basis, yes.nte_minor, yes.authorized_at) == ("standing", 30_000, evening)


def test_work_after_hours_that_was_typed_in_takes_it_when_approved_and_gives_back_what_is_unused(
    work_session: Session, books: Cast, work_off: RunJobs
) -> None:
    case = accepted(work_session, books)
    entry = worked(work_session, books, case, minutes=60, start=NOW + timedelta(hours=11))
    work_session.commit()
    work_off(NOW + timedelta(hours=24))
    (month,) = work_session.scalars(select(StandingMonth))
    assert month.used_minor == 30_000
    settled(work_session, books, case)
    cases.close_case(work_session, case.id, now=case.reopen_until)
    work_session.commit()
    work_off(BILLED_AT)
    (item,) = live_items(work_session, case.id)
    assert 0 < item.amount_minor < 30_000
    work_session.refresh(month)
    assert month.used_minor == item.amount_minor
    reverse_entry(work_session, books.leo, entry.id, reason="Another case", now=BILLED_AT)
    work_session.commit()
    work_off(BILLED_AT)
    work_session.refresh(month)
    assert month.used_minor == 0
    assert check_books(work_session) == []
