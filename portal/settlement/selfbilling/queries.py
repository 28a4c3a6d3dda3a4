"""Reads of self-billing: agreements and where they stand, documents, the party's own invoice numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.directory.models import Organisation
from portal.errors import NotAllowed, NotFound
from portal.ledger.models import Period
from portal.settlement.models import Statement
from portal.settlement.queries import check_reader
from portal.settlement.selfbilling import rules
from portal.settlement.selfbilling.models import (
    DispositionTax,
    PartyInvoice,
    SelfBilledDocument,
    SelfBillingAcceptance,
    SelfBillingAgreement,
    SelfBillingEnd,
)
from portal.zones import local_day


@dataclass(frozen=True)
class Agreed:
    """An agreement with the party's yes and its early end, as it stands on ``day``."""

    agreement: SelfBillingAgreement
    acceptance: SelfBillingAcceptance | None
    end: SelfBillingEnd | None
    state: str
    day: date

    @property
    def ends_on(self) -> date:
        """The first day without it."""
        return min(self.end.ends_on, self.agreement.expires_on) if self.end else self.agreement.expires_on


def _wanted() -> Select[SelfBillingAgreement, SelfBillingAcceptance, SelfBillingEnd, str]:
    return (
        select(SelfBillingAgreement, SelfBillingAcceptance, SelfBillingEnd, Organisation.zone)
        .join(Organisation, Organisation.id == SelfBillingAgreement.manufacturer_id)
        .outerjoin(SelfBillingAcceptance, SelfBillingAcceptance.agreement_id == SelfBillingAgreement.id)
        .outerjoin(SelfBillingEnd, SelfBillingEnd.agreement_id == SelfBillingAgreement.id)
    )


def _as_of(row: Any, now: datetime) -> Agreed:
    """An agreement on the manufacturer's day, which is the day that its documents are dated by."""
    return _on(row, local_day(row.zone, now))


def _on(row: Any, day: date) -> Agreed:
    agreement, acceptance, end, _ = row
    state = rules.state_of(
        agreement.starts_on,
        agreement.expires_on,
        is_accepted=acceptance is not None,
        ended_on=end.ends_on if end else None,
        day=day,
    )
    return Agreed(agreement, acceptance, end, state, day)


def agreements(session: Session, actor: Actor, now: datetime) -> list[Agreed]:
    """The agreements of the actor's organisation, on either side, the latest first. *Raises*: NotAllowed."""
    check_finance(actor)
    own = actor.organisation_id
    mine = or_(SelfBillingAgreement.manufacturer_id == own, SelfBillingAgreement.party_id == own)
    rows = session.execute(_wanted().where(mine).order_by(SelfBillingAgreement.id.desc()))
    return [_as_of(row, now) for row in rows]


def agreement_seen(session: Session, actor: Actor, agreement_id: int, now: datetime) -> Agreed:
    """One agreement of the actor's organisation. *Raises*: NotAllowed, NotFound."""
    check_finance(actor)
    row = session.execute(_wanted().where(SelfBillingAgreement.id == agreement_id)).one_or_none()
    if row is None or actor.organisation_id not in (row[0].manufacturer_id, row[0].party_id):
        raise NotFound
    return _as_of(row, now)


def agreement_in_force(session: Session, manufacturer_id: int, party_id: int, day: date) -> SelfBillingAgreement | None:
    """The agreement under which a manufacturer may issue a party's invoices on a day; the latest accepted counts."""
    rows = session.execute(
        _wanted()
        .where(SelfBillingAgreement.manufacturer_id == manufacturer_id, SelfBillingAgreement.party_id == party_id)
        .order_by(SelfBillingAgreement.id.desc())
    )
    return next((one.agreement for one in (_on(row, day) for row in rows) if one.state == rules.IN_FORCE), None)


def needing_attention(session: Session, actor: Actor, now: datetime) -> list[Agreed]:
    """Agreements that wait for the party's yes, or end soon without another that goes on."""
    found = agreements(session, actor, now)
    return [one for one in found if one.state == rules.OFFERED or _ends_soon(one, found)]


def ending(session: Session, now: datetime) -> list[Agreed]:
    """For jobs: every agreement whose end is near enough for mail and that no other goes on from."""
    # A day more on either side: somewhere it is tomorrow already, or still yesterday.
    first, last = (now.date() + timedelta(days=days) for days in (-1, max(rules.MAILED_DAYS) + 1))
    near = SelfBillingAgreement.expires_on.between(first, last)
    found = [_as_of(row, now) for row in session.execute(_wanted().where(near))]
    return [
        one
        for one in found
        if one.state == rules.IN_FORCE
        and agreement_in_force(session, one.agreement.manufacturer_id, one.agreement.party_id, one.ends_on) is None
    ]


def _ends_soon(one: Agreed, all_found: Sequence[Agreed]) -> bool:
    if one.state != rules.IN_FORCE or (one.ends_on - one.day).days > rules.SHOWN_DAYS:
        return False
    return not any(_goes_on(other, one) for other in all_found)


def _goes_on(other: Agreed, one: Agreed) -> bool:
    """Whether another agreement of the same two holds on the day on which one ends."""
    same = (one.agreement.manufacturer_id, one.agreement.party_id)
    if (other.agreement.manufacturer_id, other.agreement.party_id) != same or other.acceptance is None:
        return False
    return other.agreement.starts_on <= one.ends_on < other.ends_on


def party_invoice_of(session: Session, statement_id: int) -> PartyInvoice | None:
    """The number of the party's own invoice for a statement, as said last."""
    wanted = select(PartyInvoice).where(PartyInvoice.statement_id == statement_id)
    return session.scalars(wanted.order_by(PartyInvoice.id.desc()).limit(1)).one_or_none()


def document_of(session: Session, statement_id: int) -> SelfBilledDocument | None:
    """The self-billed document of a statement."""
    wanted = select(SelfBilledDocument).where(SelfBilledDocument.statement_id == statement_id)
    return session.scalars(wanted).one_or_none()


def document_seen(session: Session, actor: Actor, document_id: int) -> SelfBilledDocument:
    """A document that the actor's organisation issued or was issued in the name of. *Raises*: NotAllowed, NotFound."""
    check_reader(actor)
    found = session.get(SelfBilledDocument, document_id)
    if found is None or actor.organisation_id not in (found.manufacturer_id, found.party_id):
        raise NotFound
    return found


@dataclass(frozen=True)
class ListedDocument:
    """A document with its statement and period."""

    document: SelfBilledDocument
    statement_name: str
    period_label: str


def documents(
    session: Session, actor: Actor, *, period_label: str = "", before_id: int | None = None, most: int = 50
) -> list[ListedDocument]:
    """The documents that the actor sees, of a period where one is named, the latest first. *Raises*: NotAllowed."""
    check_reader(actor)
    own = actor.organisation_id
    wanted = (
        select(SelfBilledDocument, Statement.name, Period.label)
        .join(Statement, Statement.id == SelfBilledDocument.statement_id)
        .join(Period, Period.id == Statement.period_id)
        .where(or_(SelfBilledDocument.manufacturer_id == own, SelfBilledDocument.party_id == own))
        .order_by(SelfBilledDocument.id.desc())
        .limit(most)
    )
    if period_label:
        wanted = wanted.where(Period.label == period_label)
    if before_id is not None:
        wanted = wanted.where(SelfBilledDocument.id < before_id)
    return [ListedDocument(*row) for row in session.execute(wanted)]


def documented_periods(session: Session, actor: Actor) -> list[str]:
    """The labels of the periods with a document that the actor sees, the latest first."""
    own = actor.organisation_id
    rows = session.scalars(
        select(Period.label)
        .join(Statement, Statement.period_id == Period.id)
        .join(SelfBilledDocument, SelfBilledDocument.statement_id == Statement.id)
        .where(or_(SelfBilledDocument.manufacturer_id == own, SelfBilledDocument.party_id == own))
        .distinct()
    )
    return sorted(rows, reverse=True)


def taxes_of(session: Session, statement_id: int) -> dict[int, int]:
    """The tax that went with each disposition of a statement."""
    rows = session.execute(
        select(DispositionTax.disposition_id, func.sum(DispositionTax.amount_minor))
        .where(DispositionTax.statement_id == statement_id)
        .group_by(DispositionTax.disposition_id)
    )
    return {row[0]: int(row[1]) for row in rows}


def check_finance(actor: Actor) -> None:
    """*Raises*: NotAllowed for anybody but finance of the two companies."""
    if actor.side is Side.CUSTOMER or not may_handle_finance(actor):
        raise NotAllowed("Self-billing is agreed by finance of the two companies.")
