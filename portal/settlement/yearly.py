"""What a payer paid each party in a calendar year, by currency: transfers on their day, less what came back.

A year is the payer's own, by its clock. Each sum opens into the transfers that made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.directory.models import Organisation
from portal.errors import NotAllowed, NotFound
from portal.settlement.lines import TRANSFERRED_PARTS
from portal.taxes.queries import tax_identity, taxpayer_known
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.taxpayer import Taxpayer
from portal.taxes.rules.year_forms import FILE, UNDER, Outcome, Payment, Year, outcome_of, year_of
from portal.taxes.tables import known_forms


@dataclass(frozen=True)
class Paid:
    """A transfer that reached a party, or one taken back, with the statement it belongs to where there is one."""

    party_id: int
    currency: str
    paid_on: date
    amount_minor: int
    statement_id: int | None
    statement_name: str
    transaction_id: int | None
    intent_id: UUID


@dataclass(frozen=True)
class Recipient:
    """A party's year in one currency and what becomes of it."""

    party_id: int
    name: str
    paid: Year
    outcome: Outcome
    identity: TaxIdentity | None
    taxpayer: Taxpayer | None

    @property
    def is_unready(self) -> bool:
        """Whether something has to be asked of the party before the year ends."""
        return bool(self.outcome.missing) and self.outcome.kind in (FILE, UNDER)


# Money back is dated by its own day: on the cash basis it belongs to the year in which it came back.
_PAID = text(
    f"""
    SELECT intent.organisation_id AS party_id, intent.currency, intent.finished_at,
           CASE intent.kind WHEN 'transfer' THEN intent.amount_minor ELSE -intent.amount_minor END AS amount_minor,
           statement.id AS statement_id, coalesce(statement.name, '') AS statement_name,
           (SELECT min(journal.id) FROM journal_transaction journal WHERE journal.document_type = 'intent'
            AND journal.document_id = intent.id::text) AS transaction_id, intent.id AS intent_id
    FROM intent
    LEFT JOIN {TRANSFERRED_PARTS} part ON part.intent_id = intent.id
    LEFT JOIN statement ON statement.id = part.statement_id
    WHERE intent.manufacturer_id = :payer AND intent.organisation_id <> :payer
      AND intent.kind IN ('transfer', 'transfer_reversal')
      AND intent.state = 'succeeded' AND intent.finished_at IS NOT NULL
      AND intent.finished_at >= :since AND intent.finished_at < :until
    ORDER BY intent.organisation_id, intent.currency, intent.finished_at, intent.id
    """
)

_YEARS = text(
    """
    SELECT DISTINCT extract(year FROM finished_at AT TIME ZONE :zone)::int FROM intent
    WHERE manufacturer_id = :payer AND organisation_id <> :payer
      AND kind IN ('transfer', 'transfer_reversal') AND state = 'succeeded'
      AND finished_at IS NOT NULL ORDER BY 1 DESC
    """
)


def check_payer(actor: Actor) -> None:
    """*Raises*: NotAllowed for anybody but finance of a company that pays shares."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("Forms of a year are the payer's finance's.")


def years_paid(session: Session, actor: Actor) -> list[int]:
    """The calendar years in which the actor's company paid a party, the latest first. *Raises*: NotAllowed."""
    check_payer(actor)
    payer = session.get_one(Organisation, actor.organisation_id)
    return list(session.scalars(_YEARS, {"payer": payer.id, "zone": payer.zone}))


def payments(session: Session, actor: Actor, year: int, party_id: int, currency: str) -> list[Paid]:
    """The transfers that make a party's year. *Raises*: NotAllowed, NotFound where there is none."""
    check_payer(actor)
    payer = session.get_one(Organisation, actor.organisation_id)
    found = [one for one in _paid(session, payer, year) if (one.party_id, one.currency) == (party_id, currency)]
    if not found:
        raise NotFound
    return found


def recipients(session: Session, actor: Actor, year: int) -> list[Recipient]:
    """Everybody the actor's company paid in a year, by name and currency. *Raises*: NotAllowed."""
    check_payer(actor)
    return recipients_of(session, session.get_one(Organisation, actor.organisation_id), year)


def recipients_of(session: Session, payer: Organisation, year: int) -> list[Recipient]:
    """The same for jobs."""
    found = []
    own = tax_identity(session, payer.id)
    for (party_id, currency), rows in groupby(
        _paid(session, payer, year), key=lambda one: (one.party_id, one.currency)
    ):
        found.append(_recipient(session, (payer, own), party_id, year_of(year, currency, _as_payments(rows))))
    return sorted(found, key=lambda one: (one.name, one.paid.currency))


def _recipient(
    session: Session, payer: tuple[Organisation, TaxIdentity | None], party_id: int, paid: Year
) -> Recipient:
    organisation, own = payer
    party = session.get(Organisation, party_id)
    identity, taxpayer = tax_identity(session, party_id), taxpayer_known(session, party_id)
    outcome = outcome_of(paid, own, (identity, taxpayer), known_forms(), is_operator=organisation.is_operator)
    return Recipient(party_id, party.name if party else "", paid, outcome, identity, taxpayer)


def _as_payments(rows: Iterable[Paid]) -> list[Payment]:
    return [Payment(one.paid_on, one.amount_minor) for one in rows]


def _paid(session: Session, payer: Organisation, year: int) -> Sequence[Paid]:
    zone = ZoneInfo(payer.zone)
    values = {
        "payer": payer.id,
        "since": datetime(year, 1, 1, tzinfo=zone),
        "until": datetime(year + 1, 1, 1, tzinfo=zone),
    }
    return [
        Paid(
            row.party_id,
            row.currency,
            row.finished_at.astimezone(zone).date(),
            row.amount_minor,
            row.statement_id,
            row.statement_name,
            row.transaction_id,
            row.intent_id,
        )
        for row in session.execute(_PAID, values)
    ]
