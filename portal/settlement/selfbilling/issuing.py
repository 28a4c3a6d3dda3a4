"""What an approval issues: the self-billed document with its number, the tax on the share, the tax that goes along.

Invariants: the number is drawn in the transaction that keeps the document, so a transaction that fails leaves no hole;
the document says what was approved and nothing that was read later; tax is posted once per document and disposition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.directory.models import Organisation
from portal.ledger.actions import post
from portal.ledger.models import Period
from portal.ledger.queries import party_balance
from portal.ledger.rules import Document, Leg, Purpose
from portal.settlement.models import Disposition, Statement, StatementApproval
from portal.settlement.rules import TRANSFERRED, content_hash
from portal.settlement.selfbilling import queries, rules
from portal.settlement.selfbilling.models import DispositionTax, SelfBilledDocument
from portal.settlement.selfbilling.rules import Billing


def issue(
    session: Session,
    statement: Statement,
    approval: StatementApproval,
    billing: Billing,
    *,
    livemode: bool,
    now: datetime,
) -> SelfBilledDocument | None:
    """Issue what was approved and post its tax, once; None where the party's own invoice is paid."""
    made = queries.document_of(session, statement.id)
    if made is not None:
        return made
    document: Document | None = None
    if billing.basis == rules.SELF_BILLED:
        made = _document(session, statement, approval, billing, now=now)
        document = Document("self_billed_document", str(made.id))
    elif (own := queries.party_invoice_of(session, statement.id)) is not None:
        document = Document("party_invoice", str(own.id))
    if document is not None and billing.tax_minor:
        legs = rules.tax_legs(billing.tax_minor, statement.party_id)
        said = f"Tax on {made.name if made else billing.invoice_number}"
        _post(session, statement, ("share_taxed", said, document), legs, livemode=livemode, now=now)
    return made


def _document(
    session: Session, statement: Statement, approval: StatementApproval, billing: Billing, *, now: datetime
) -> SelfBilledDocument:
    zone = ZoneInfo(session.get_one(Period, statement.period_id).zone)
    issued_on = approval.approved_at.astimezone(zone).date()
    code = session.scalars(select(Organisation.code).where(Organisation.id == statement.manufacturer_id)).one()
    series = f"self_billed_{billing.kind}"
    number: int = session.scalars(select(func.next_number(statement.manufacturer_id, series))).one()
    name = rules.document_name(code, billing.kind, number)
    content = {
        **billing.as_json(),
        "name": name,
        "title": rules.TITLES[billing.kind],
        "issued_on": issued_on.isoformat(),
        "currency": statement.currency,
        "statement": statement.name,
        "statement_sha256": statement.content_sha256,
    }
    made = SelfBilledDocument(
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        statement_id=statement.id,
        approval_id=approval.id,
        agreement_id=billing.agreement_id,
        kind=billing.kind,
        number=number,
        name=name,
        currency=statement.currency,
        net_minor=billing.net_minor,
        tax_minor=billing.tax_minor,
        gross_minor=billing.gross_minor,
        content=content,
        content_sha256=content_hash(content),
        issued_on=issued_on,
        issued_at=now,
    )
    session.add(made)
    session.flush()
    return made


def taxes_with(session: Session, statement: Statement, amounts: Mapping[str, int]) -> dict[str, int]:
    """The tax that goes with the parts of a net, by kind, from what the party has coming as tax."""
    owed = _balance(session, statement, Purpose.PAYABLE_TAX)
    if owed == 0:
        return {}
    stays = rules.stays_unpaid(amounts, _balance(session, statement, Purpose.HELD))
    moved = {kind: rules.tax_to_move(kind, minor, owed, stays, statement.currency) for kind, minor in amounts.items()}
    return {kind: minor for kind, minor in moved.items() if minor}


def _balance(session: Session, statement: Statement, purpose: Purpose) -> int:
    return party_balance(
        session,
        manufacturer_id=statement.manufacturer_id,
        currency=statement.currency,
        party_id=statement.party_id,
        purpose=purpose,
    )


def keep_taxes(
    session: Session,
    statement: Statement,
    made: Sequence[Disposition],
    taxes: Mapping[str, int],
    *,
    livemode: bool,
    now: datetime,
) -> None:
    """Keep and post the tax that went with each disposition."""
    for disposition in made:
        if minor := taxes.get(disposition.kind, 0):
            _keep_tax(session, statement, (disposition.id, disposition.kind, minor), livemode=livemode, now=now)


def tax_of_late(session: Session, statement: Statement, amount_minor: int) -> int:
    """The tax that goes with a part that was held and is transferred now; what stays held keeps its own."""
    stays = _balance(session, statement, Purpose.HELD) - amount_minor
    owed = _balance(session, statement, Purpose.PAYABLE_TAX)
    return rules.tax_to_move(TRANSFERRED, amount_minor, owed, stays, statement.currency)


def keep_tax_of_late(
    session: Session, statement: Statement, disposition_id: int, tax_minor: int, *, livemode: bool, now: datetime
) -> None:
    """Keep and post it under the disposition that held the part."""
    if tax_minor:
        _keep_tax(session, statement, (disposition_id, TRANSFERRED, tax_minor), livemode=livemode, now=now)


def _keep_tax(
    session: Session, statement: Statement, moved: tuple[int, str, int], *, livemode: bool, now: datetime
) -> None:
    disposition_id, kind, minor = moved
    session.add(
        DispositionTax(
            disposition_id=disposition_id,
            statement_id=statement.id,
            manufacturer_id=statement.manufacturer_id,
            party_id=statement.party_id,
            currency=statement.currency,
            amount_minor=minor,
            recorded_at=now,
        )
    )
    document = Document("disposition", str(disposition_id))
    legs = rules.tax_moved_legs(kind, minor, statement.party_id, document)
    _post(session, statement, (f"tax_{kind}", f"Tax with {statement.name}", document), legs, livemode=livemode, now=now)
    session.flush()


def _post(
    session: Session,
    statement: Statement,
    what: tuple[str, str, Document],
    legs: Sequence[Leg],
    *,
    livemode: bool,
    now: datetime,
) -> None:
    kind, description, document = what
    post(
        session,
        manufacturer_id=statement.manufacturer_id,
        currency=statement.currency,
        kind=kind,
        document=document,
        legs=legs,
        allowed_pairs=rules.TAX_PAIRS,
        occurred_at=now,
        now=now,
        description=description,
        livemode=livemode,
        origin_period_id=statement.period_id,
    )
