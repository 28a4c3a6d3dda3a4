"""What a statement is invoiced by, decided from facts before anybody approves it; nothing is written here.

A line that an earlier, invoiced statement carried or released is not invoiced again: its invoice and tax are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.directory.models import Organisation
from portal.errors import RuleBroken
from portal.ledger.models import Period
from portal.settlement import queries as settled
from portal.settlement.models import Statement, StatementApproval
from portal.settlement.selfbilling import queries, rules
from portal.settlement.selfbilling.models import PartyInvoice, SelfBillingAgreement
from portal.settlement.selfbilling.rules import Billing, Company, Corrected, Line
from portal.taxes.queries import tax_identity
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.treatment import Treatment, tax_minor, treatment_of
from portal.taxes.tables import known_rates


@dataclass(frozen=True)
class Answer:
    """What a statement is invoiced by, or what is missing for it; neither where nothing is to be invoiced."""

    billing: Billing | None = None
    missing: str = ""


_LINES = text(
    """
    SELECT line.kind, coalesce(share.revenue_kind, '') AS revenue_kind, count(*) AS lines,
           sum(line.amount_minor)::bigint AS amount_minor
    FROM statement_line line
    LEFT JOIN share ON share.id = line.share_id
    LEFT JOIN posting ON posting.id = line.posting_id AND line.kind IN ('carried', 'released')
    LEFT JOIN disposition ON posting.document_type = 'disposition'
        AND disposition.id = CASE WHEN posting.document_type = 'disposition' THEN posting.document_id::bigint END
    LEFT JOIN statement_line held ON posting.document_type = 'statement_line'
        AND held.id = CASE WHEN posting.document_type = 'statement_line' THEN posting.document_id::bigint END
    WHERE line.statement_id = :statement_id
      AND NOT EXISTS (SELECT FROM self_billed_document made
                      WHERE made.statement_id = coalesce(disposition.statement_id, held.statement_id))
      AND NOT EXISTS (SELECT FROM party_invoice own
                      WHERE own.statement_id = coalesce(disposition.statement_id, held.statement_id))
    GROUP BY line.kind, share.revenue_kind ORDER BY min(line.position)
    """
)

# The invoices that billed the same share or the same case; else the latest one, which the whole is taken from.
_CORRECTED = text(
    """
    WITH issued AS (
        SELECT made.id, made.name, made.issued_on, made.statement_id FROM self_billed_document made
        WHERE (made.manufacturer_id, made.party_id, made.currency) = (:manufacturer_id, :party_id, :currency)
          AND made.kind = 'invoice' AND made.statement_id <> :statement_id
    ), same AS (
        SELECT DISTINCT issued.id, issued.name, issued.issued_on
        FROM statement_line line
        LEFT JOIN share ON share.id = line.share_id
        JOIN statement_line earlier ON earlier.case_id = line.case_id OR earlier.share_id = share.reverses_id
        JOIN issued ON issued.statement_id = earlier.statement_id
        WHERE line.statement_id = :statement_id AND line.amount_minor < 0
    )
    SELECT id, name, issued_on FROM same
    UNION ALL
    (SELECT id, name, issued_on FROM issued WHERE NOT EXISTS (SELECT FROM same) ORDER BY id DESC LIMIT 1)
    ORDER BY id
    """
)


def billing_of(session: Session, statement: Statement, now: datetime) -> Answer:
    """What a statement would be invoiced by if it were approved now."""
    customer = tax_identity(session, statement.manufacturer_id)
    if customer is None or not _is_invoiced(session, statement):
        return Answer()
    lines = [
        Line(rules.kind_words(row.kind, row.revenue_kind), row.lines, row.amount_minor)
        for row in session.execute(_LINES, {"statement_id": statement.id})
    ]
    net = sum(line.amount_minor for line in lines)
    if net == 0:
        return Answer()
    period = session.get_one(Period, statement.period_id)
    day = now.astimezone(ZoneInfo(period.zone)).date()
    agreed = queries.agreement_in_force(session, statement.manufacturer_id, statement.party_id, day)
    own = queries.party_invoice_of(session, statement.id) if agreed is None else None
    supplier = tax_identity(session, statement.party_id)
    if supplier is None or (agreed is None and own is None):
        # What takes back, and what nothing is paid for, waits for nobody's invoice.
        is_paid = net > 0 and statement.net_minor > 0
        return Answer(missing=_missing(session, statement, supplier) if is_paid else "")
    corrects = _corrected(session, statement) if agreed is not None and net < 0 else ()
    if agreed is not None and net < 0 and not corrects:
        return Answer()
    try:
        return Answer(_billing(_Supply(period, supplier, customer, lines, corrects), agreed, own))
    except RuleBroken as unknown:
        return Answer(missing=unknown.sentence)


def waiting_for_invoice(session: Session, actor: Actor, now: datetime, *, most: int) -> list[Statement]:
    """Statements of the actor's organisation that are not paid before it has said its own invoice's number."""
    own = select(Statement).where(
        Statement.party_id == actor.organisation_id,
        Statement.manufacturer_id != actor.organisation_id,
        Statement.net_minor > 0,
        settled.stands(),
        ~exists().where(StatementApproval.statement_id == Statement.id),
    )
    if tax_identity(session, actor.organisation_id) is None:
        return []
    found = session.scalars(own.order_by(Statement.id).limit(most)).all()
    return [statement for statement in found if billing_of(session, statement, now).missing]


def shown_billing(session: Session, statement: Statement, now: datetime) -> Answer:
    """What a statement is invoiced by, as it was approved, or as it would be now."""
    if settled.approval_of(session, statement.id) is None:
        return billing_of(session, statement, now)
    prepared = settled.preparation_of(session, statement.id)
    return Answer(rules.billing_of_plan(prepared.plan) if prepared else None)


@dataclass(frozen=True)
class _Supply:
    period: Period
    supplier: TaxIdentity
    customer: TaxIdentity
    lines: Sequence[Line]
    corrects: tuple[Corrected, ...]


def _billing(supply: _Supply, agreed: SelfBillingAgreement | None, own: PartyInvoice | None) -> Billing:
    first, last = supply_days(supply.period)
    taxed = treatment_of(supply.supplier, supply.customer, last, known_rates())
    net = sum(line.amount_minor for line in supply.lines)
    return Billing(
        basis=rules.SELF_BILLED if agreed is not None else rules.OWN_INVOICE,
        supply_from=first.isoformat(),
        supply_to=last.isoformat(),
        supplier=_company(supply.supplier, last),
        customer=_company(supply.customer, last),
        lines=tuple(supply.lines),
        net_minor=net,
        treatment=taxed.kind,
        rate_bp=taxed.rate_bp,
        tax_minor=tax_minor(net, taxed.rate_bp),
        words=_words(taxed, supply.supplier, is_self_billed=agreed is not None),
        reasons=taxed.reasons,
        agreement_id=agreed.id if agreed is not None else None,
        invoice_number=own.number if own is not None else "",
        invoice_dated_on=own.dated_on.isoformat() if own is not None else "",
        corrects=supply.corrects,
    )


def supply_days(period: Period) -> tuple[date, date]:
    """The first and the last day of a period, by its own clock."""
    zone = ZoneInfo(period.zone)
    return period.starts_at.astimezone(zone).date(), (period.ends_at.astimezone(zone) - timedelta(days=1)).date()


def _company(identity: TaxIdentity, day: date) -> Company:
    return Company(identity.legal_name, identity.address, identity.number_on(day))


def _words(taxed: Treatment, supplier: TaxIdentity, *, is_self_billed: bool) -> tuple[str, ...]:
    if not is_self_billed:
        return taxed.words
    local = known_rates().country(supplier.country).self_billing_word
    return (f"{rules.SELF_BILLING_WORDS} ({local})" if local else rules.SELF_BILLING_WORDS, *taxed.words)


def _is_invoiced(session: Session, statement: Statement) -> bool:
    """The manufacturer invoices nobody for its own share, and the operator keeps its own without being paid."""
    if statement.party_id == statement.manufacturer_id:
        return False
    return not session.scalar(select(Organisation.is_operator).where(Organisation.id == statement.party_id))


def _missing(session: Session, statement: Statement, supplier: TaxIdentity | None) -> str:
    name = session.scalar(select(Organisation.name).where(Organisation.id == statement.party_id))
    if supplier is None:
        return f"{name} has not entered its finance details, so no invoice can name it; its finance does that."
    return (
        f"No self-billing agreement with {name} is in force, and it has not entered the number of its own invoice for"
        " this statement; its finance does that on the statement's page."
    )


def _corrected(session: Session, statement: Statement) -> tuple[Corrected, ...]:
    values = {
        "statement_id": statement.id,
        "manufacturer_id": statement.manufacturer_id,
        "party_id": statement.party_id,
        "currency": statement.currency,
    }
    return tuple(Corrected(row.id, row.name, row.issued_on.isoformat()) for row in session.execute(_CORRECTED, values))
