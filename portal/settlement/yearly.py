"""What a payer paid each party in a calendar year, by currency: transfers on their day, less what came back.

A year is the payer's own, by its clock. Each sum opens into the transfers that made it. What a transfer paid is divided
among the forms by what its statement was made of; where a network files, all of it goes on the network's form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from portal.taxes.rules.year_forms import (
    FILE,
    FOR_NETWORKS,
    FOR_SERVICES,
    UNDER,
    Outcome,
    Payment,
    Year,
    by_form,
    outcome_of,
    year_of,
)
from portal.taxes.tables import known_forms, known_payment_kinds


@dataclass(frozen=True)
class Paid:
    """What of a transfer to a party, or of one taken back, goes on one form, with its statement if it has one."""

    party_id: int
    currency: str
    paid_on: date
    amount_minor: int
    statement_id: int | None
    statement_name: str
    transaction_id: int | None
    intent_id: UUID
    form: str


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
           coalesce(whole.statement_id, statement.id) AS earned_statement_id,
           (SELECT min(journal.id) FROM journal_transaction journal WHERE journal.document_type = 'intent'
            AND journal.document_id = intent.id::text) AS transaction_id, intent.id AS intent_id
    FROM intent
    LEFT JOIN {TRANSFERRED_PARTS} part ON part.intent_id = intent.id
    LEFT JOIN statement ON statement.id = part.statement_id
    LEFT JOIN {TRANSFERRED_PARTS} whole ON whole.intent_id = (intent.request ->> 'transfer_intent')::uuid
    WHERE intent.manufacturer_id = :payer AND intent.organisation_id <> :payer
      AND intent.kind IN ('transfer', 'transfer_reversal')
      AND intent.state = 'succeeded' AND intent.finished_at IS NOT NULL
      AND intent.finished_at >= :since AND intent.finished_at < :until
    ORDER BY intent.organisation_id, intent.currency, intent.finished_at, intent.id
    """
)

# What statements said of each kind of money; a bonus or goodwill is told by its document.
_EARNED = text(
    """
    SELECT line.statement_id,
           coalesce(share.revenue_kind, pack_share.revenue_kind, supplement.kind, adjustment.kind,
                    CASE posting.document_type WHEN 'plan_share' THEN 'subscription' ELSE 'other' END) AS kind,
           sum(line.amount_minor)::bigint AS amount_minor
    FROM statement_line line
    JOIN posting ON posting.id = line.posting_id
    LEFT JOIN share ON share.id = line.share_id
    LEFT JOIN pack_share ON pack_share.id = CASE
        WHEN posting.document_type = 'pack_share' THEN posting.document_id::bigint END
    LEFT JOIN supplement_share ON supplement_share.id = CASE
        WHEN posting.document_type = 'supplement_share' THEN posting.document_id::bigint END
    LEFT JOIN supplement ON supplement.id = supplement_share.supplement_id
    LEFT JOIN adjustment ON adjustment.id = CASE
        WHEN posting.document_type = 'adjustment' THEN posting.document_id::bigint END
    WHERE line.statement_id = ANY (CAST(:statements AS bigint[]))
    GROUP BY 1, 2 ORDER BY 1, 2
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


def payments(session: Session, actor: Actor, year: int, party_id: int, currency: str, *, form: str = "") -> list[Paid]:
    """What of transfers makes a party's year, on all forms or on one.

    *Raises*: NotAllowed, NotFound where there is none.
    """
    check_payer(actor)
    payer = session.get_one(Organisation, actor.organisation_id)
    found = [one for one in _paid(session, payer, year) if (one.party_id, one.currency) == (party_id, currency)]
    found = [one for one in found if not form or one.form == form]
    if not found:
        raise NotFound
    return found


def recipients(session: Session, actor: Actor, year: int) -> list[Recipient]:
    """Everybody the actor's company paid in a year, by name, currency and form. *Raises*: NotAllowed."""
    check_payer(actor)
    return recipients_of(session, session.get_one(Organisation, actor.organisation_id), year)


def recipients_of(session: Session, payer: Organisation, year: int) -> list[Recipient]:
    """The same for jobs."""
    found = []
    own = tax_identity(session, payer.id)
    paid = sorted(_paid(session, payer, year), key=lambda one: (one.party_id, one.currency, one.form))
    for (party_id, currency, form), rows in groupby(paid, key=lambda one: (one.party_id, one.currency, one.form)):
        summed = year_of(year, currency, _as_payments(rows))
        found.append(_recipient(session, (payer, own), party_id, summed, form=form))
    return sorted(found, key=lambda one: (one.name, one.paid.currency, one.outcome.form.code))


def _recipient(
    session: Session, payer: tuple[Organisation, TaxIdentity | None], party_id: int, paid: Year, *, form: str
) -> Recipient:
    organisation, own = payer
    party = session.get(Organisation, party_id)
    identity, taxpayer = tax_identity(session, party_id), taxpayer_known(session, party_id)
    outcome = outcome_of(
        paid, own, (identity, taxpayer), known_forms(), is_operator=organisation.is_operator, form_code=form
    )
    if form not in (FOR_SERVICES, FOR_NETWORKS):
        why = (each.because for each in known_payment_kinds().values() if each.form == form)
        outcome = replace(outcome, reasons=(*outcome.reasons, *why))
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
    rows = session.execute(_PAID, values).all()
    earned = _earned(session, {row.earned_statement_id for row in rows if row.earned_statement_id is not None})
    return [
        Paid(
            row.party_id,
            row.currency,
            row.finished_at.astimezone(zone).date(),
            minor,
            row.statement_id,
            row.statement_name,
            row.transaction_id,
            row.intent_id,
            form,
        )
        for row in rows
        for form, minor in _forms_of(payer, row.amount_minor, earned.get(row.earned_statement_id, {})).items()
    ]


def _forms_of(payer: Organisation, amount_minor: int, earned: Mapping[str, int]) -> dict[str, int]:
    """A network reports all it settled on its one form."""
    if not payer.is_operator:
        return {FOR_NETWORKS: amount_minor}
    return by_form(amount_minor, earned, known_payment_kinds())


def _earned(session: Session, statement_ids: set[int]) -> dict[int, dict[str, int]]:
    """What statements said of each kind of money."""
    found: dict[int, dict[str, int]] = {}
    for row in session.execute(_EARNED, {"statements": sorted(statement_ids)}):
        found.setdefault(row.statement_id, {})[row.kind] = row.amount_minor
    return found
