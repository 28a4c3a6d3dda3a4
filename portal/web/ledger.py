"""The manufacturer's books: trial balance by currency and period, accounts, journal transactions, the check of all.

Every amount leads to its postings, every posting to its transaction, every transaction to the document behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

from portal.directory.queries import organisation_names
from portal.errors import NotFound
from portal.identity import queries as people
from portal.ledger import exports, queries
from portal.ledger.models import Period
from portal.ledger.queries import AccountBalance
from portal.ledger.shapes import SHAPES
from portal.money import Money
from portal.payments.exchanges.reading import exchange_of
from portal.payments.queries import own_tie_out
from portal.settlement.checking import latest_check, may_check_all, request_check
from portal.settlement.cockpit import own_books
from portal.settlement.documents import SHOWN, shown_by
from portal.settlement.queries import period_seen
from portal.web import paging
from portal.web.exports import csv_pieces, spooled
from portal.web.gate import current_actor, current_session, open_to

blueprint = Blueprint("ledger", __name__)

# The page that shows a document, and what its address calls the id.
PAGES = {
    "bill_item": ("billing.item", "item_id"),
    "plan_month": ("billing.plan_month", "plan_sale_id"),
    "purchase": ("shop.purchase_by_number", "purchase_id"),
    "pack": ("billing.pack_sale", "pack_sale_id"),
    "supplement": ("billing.supplement", "supplement_id"),
    "invoice": ("billing.invoice", "invoice_id"),
    "adjustment": ("adjustments.adjustment", "adjustment_id"),
    "chargeback": ("adjustments.chargeback", "chargeback_id"),
    "claw_back": ("adjustments.claw_back", "claw_back_id"),
    "statement": ("settlement.statement", "statement_id"),
    "statement_line": ("settlement.line", "statement_line_id"),
    "difference": ("settlement.difference", "difference_id"),
    "self_billed_document": ("settlement.document", "document_id"),
}
PERIOD_STATES = {
    "open": ("Open", "accent"),
    "closing": ("Closing", "warn"),
    "soft_closed": ("In review", "warn"),
    "hard_closed": ("Closed", "good"),
}


@dataclass(frozen=True)
class Totals:
    """The foot of a trial balance; what is held sums to zero when the books are right."""

    opening: Money
    debit: Money
    credit: Money
    closing: Money


@blueprint.get("/ledger")
@open_to(queries.may_read_ledger)
def accounts() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    periods, currencies = queries.periods(session, actor), queries.currencies(session, actor)
    period = _chosen(periods, request.args.get("period"))
    wanted = request.args.get("currency")
    currency = wanted if wanted in currencies else next(iter(currencies), None)
    rows: list[AccountBalance] = []
    if period is not None and currency is not None:
        rows = queries.trial_balance(session, actor, currency=currency, period_id=period.id)
    return render_template(
        "ledger/accounts.html",
        periods=periods,
        period=period,
        currencies=currencies,
        currency=currency,
        rows=rows,
        totals=_totals(rows, currency) if currency else None,
        names=organisation_names(session, [row.party_id for row in rows if row.party_id]),
        states=PERIOD_STATES,
        shapes=SHAPES,
    )


@blueprint.get("/ledger/accounts/<int:account_id>")
@open_to(queries.may_read_ledger)
def account(account_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.account(session, actor, account_id)
    key = paging.key_from(request.args.get("after"), 1)
    after_id = key[0] if key and isinstance(key[0], int) else 0
    legs = queries.account_postings(session, actor, account_id, after_id=after_id, most=paging.PAGE_SIZE + 1)
    return render_template(
        "ledger/account.html",
        account=found,
        party=organisation_names(session, [found.party_id]).get(found.party_id) if found.party_id else None,
        held=Money(queries.held_by(session, found.id), found.currency),
        page=paging.page_of(legs, lambda leg: (leg.posting_id,)),
        shown=SHOWN,
    )


@blueprint.get("/ledger/transactions/<int:transaction_id>")
@open_to(queries.may_read_ledger)
def transaction(transaction_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.journal_transaction(session, actor, transaction_id)
    legs = queries.transaction_legs(session, actor, transaction_id)
    labels = {period.id: period.label for period in queries.periods(session, actor)}
    return render_template(
        "ledger/transaction.html",
        transaction=found,
        legs=legs,
        period=labels[found.period_id],
        origin=labels.get(found.origin_period_id) if found.origin_period_id else None,
        names=organisation_names(session, [leg.party_id for leg in legs if leg.party_id]),
        person=people.names(session, {found.person_id}).get(found.person_id) if found.person_id else None,
        reversed_by=queries.reversal_of(session, found.id),
        linked=exchange_of(session, actor, found.id),
        shown=SHOWN,
    )


@blueprint.get("/ledger/periods")
@open_to(queries.may_read_ledger)
def periods() -> ResponseReturnValue:
    rows = queries.periods(current_session(), current_actor())
    return render_template("ledger/periods.html", periods=rows, states=PERIOD_STATES)


@blueprint.get("/ledger/periods/<int:period_id>/journal")
@open_to(queries.may_read_ledger)
def journal(period_id: int) -> ResponseReturnValue:
    """The period for an outside program; written to a file first, so that what is sent is whole."""
    session = current_session()
    period = period_seen(session, current_actor(), period_id)
    wanted = request.args.get("format", "")
    if wanted in SHAPES:
        return _table(period, wanted, request.args.get("currency", ""))
    name = exports.journal_name(session, period, wanted)
    file = spooled(exports.journal_text(session, period, wanted))
    return send_file(file, mimetype="text/plain; charset=utf-8", as_attachment=True, download_name=name)


def _table(period: Period, wanted: str, currency: str) -> ResponseReturnValue:
    session = current_session()
    if currency not in queries.currencies(session, current_actor()):
        raise NotFound
    name = exports.shaped_name(session, period, wanted, currency)
    rows = exports.shaped_rows(session, period, SHAPES[wanted], currency)
    file = spooled(csv_pieces(SHAPES[wanted].head, rows))
    return send_file(file, mimetype="text/csv; charset=utf-8", as_attachment=True, download_name=f"{name}.csv")


@blueprint.get("/ledger/check")
@open_to(queries.may_read_ledger)
def check() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    if may_check_all(actor):
        return render_template("ledger/check_all.html", found=latest_check(session, actor))
    return render_template("ledger/check.html", books=own_books(session, actor), ties=own_tie_out(session, actor))


@blueprint.post("/ledger/checks")
@open_to(may_check_all)
def check_again() -> ResponseReturnValue:
    request_check(current_session(), current_actor())
    flash("All books are being checked; look again in a minute.", "good")
    return redirect(url_for("ledger.check"), code=303)


@blueprint.get("/ledger/documents/<source_type>/<source_id>")
@open_to(queries.may_read_ledger)
def document(source_type: str, source_id: str) -> ResponseReturnValue:
    """To the page of the document behind a posting."""
    kind, shown_id = shown_by(current_session(), current_actor(), source_type, source_id)
    endpoint, argument = PAGES[kind]
    values: dict[str, Any] = {argument: shown_id}
    return redirect(url_for(endpoint, **values), code=303)


def _chosen(periods: list[Period], label: str | None) -> Period | None:
    if label is None:
        return periods[0] if periods else None
    for period in periods:
        if period.label == label:
            return period
    raise NotFound


def _totals(rows: list[AccountBalance], currency: str) -> Totals:
    return Totals(
        Money(sum(row.opening_minor for row in rows), currency),
        Money(sum(row.debit_minor for row in rows), currency),
        Money(sum(row.credit_minor for row in rows), currency),
        Money(sum(row.closing_minor for row in rows), currency),
    )
