"""Posting, reversing, and moving a period on: the only writers of the ledger's tables.

Invariants: a poster holds a share lock on the open period until it commits, so that a closing period has all its
postings; one kind of transaction exists once per document, and asking again with other legs is an error, not a replay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.errors import Conflict, PeriodClosed, RuleBroken
from portal.ledger.models import JournalTransaction, Period
from portal.ledger.rules import CHART, Document, Leg, Pairs, Purpose, account_code, check_legs, month_after, month_at

# A poster that met a closing period looks again for the one that the closer opened; it cannot lose twice in a row.
TRIES = 3

_OPEN_PERIOD = text("SELECT id FROM period WHERE manufacturer_id = :manufacturer_id AND state = 'open' FOR SHARE")

_INSERT = text(
    """
    WITH added AS (
        INSERT INTO journal_transaction (
            manufacturer_id, currency, period_id, kind, document_type, document_id, reverses_id, origin_period_id,
            description, person_id, livemode, occurred_at, recorded_at)
        VALUES (
            :manufacturer_id, :currency, :period_id, :kind, :document_type, :document_id, :reverses_id,
            coalesce(:origin_period_id, (
                SELECT id FROM period WHERE manufacturer_id = :manufacturer_id AND state <> 'open'
                AND starts_at <= :occurred_at AND ends_at > :occurred_at)),
            :description, :person_id, :livemode, :occurred_at, :recorded_at)
        ON CONFLICT (kind, document_type, document_id) DO NOTHING
        RETURNING id
    )
    INSERT INTO posting (
        transaction_id, manufacturer_id, currency, period_id, account_id, party_id, amount_minor, document_type,
        document_id)
    SELECT added.id, :manufacturer_id, :currency, :period_id, leg.account_id, leg.party_id, leg.amount_minor,
           leg.document_type, leg.document_id
    FROM added, unnest(
        CAST(:accounts AS bigint[]), CAST(:parties AS bigint[]), CAST(:amounts AS bigint[]),
        CAST(:types AS text[]), CAST(:ids AS text[])
    ) WITH ORDINALITY AS leg (account_id, party_id, amount_minor, document_type, document_id, position)
    ORDER BY leg.position
    RETURNING transaction_id
    """
)

_KNOWN_LEGS = text(
    """
    SELECT journal.id, journal.manufacturer_id, journal.currency, account.purpose, posting.party_id,
           posting.amount_minor
    FROM journal_transaction journal
    JOIN posting ON posting.transaction_id = journal.id
    JOIN account ON account.id = posting.account_id
    WHERE (journal.kind, journal.document_type, journal.document_id) = (:kind, :type, :id)
    """
)

_FIND_ACCOUNTS = text(
    "SELECT id, purpose, party_id FROM account WHERE manufacturer_id = :manufacturer_id AND currency = :currency"
    " AND purpose = ANY (CAST(:purposes AS text[]))"
    " AND (party_id IS NULL OR party_id = ANY (CAST(:parties AS bigint[])))"
)

_ADD_ACCOUNTS = text(
    """
    INSERT INTO account (manufacturer_id, currency, code, purpose, kind, party_id)
    SELECT :manufacturer_id, :currency, new.code, new.purpose, new.kind, new.party_id
    FROM unnest(CAST(:codes AS text[]), CAST(:purposes AS text[]), CAST(:kinds AS text[]), CAST(:parties AS bigint[]))
        AS new (code, purpose, kind, party_id)
    ORDER BY new.code
    ON CONFLICT DO NOTHING
    RETURNING id, purpose, party_id
    """
)


def post(
    session: Session,
    *,
    manufacturer_id: int,
    currency: str,
    kind: str,
    document: Document,
    legs: Sequence[Leg],
    allowed_pairs: Pairs,
    occurred_at: datetime,
    now: datetime,
    description: str = "",
    person_id: int | None = None,
    livemode: bool = False,
    reverses_id: int | None = None,
    origin_period_id: int | None = None,
) -> int:
    """Post legs into the open period, once per kind and document; the transaction's id.

    What happened in a period that takes no more postings names that period as its origin, unless another is named.

    *Raises*: RuleBroken for legs that do not make a transaction, PeriodClosed without an open period, Conflict when the
    document was posted before with other legs.
    """
    check_legs(legs, allowed_pairs)
    period_id = lock_open_period(session, manufacturer_id)
    accounts = accounts_for(session, manufacturer_id, currency, legs)
    documents = [leg.document or document for leg in legs]
    transaction_id: int | None = session.scalar(
        _INSERT,
        {
            "manufacturer_id": manufacturer_id,
            "currency": currency,
            "period_id": period_id,
            "kind": kind,
            "document_type": document.type,
            "document_id": document.id,
            "reverses_id": reverses_id,
            "origin_period_id": origin_period_id if origin_period_id != period_id else None,
            "description": description,
            "person_id": person_id,
            "livemode": livemode,
            "occurred_at": occurred_at,
            "recorded_at": now,
            "accounts": [accounts[leg.purpose, leg.party_id] for leg in legs],
            "parties": [leg.party_id for leg in legs],
            "amounts": [leg.amount_minor for leg in legs],
            "types": [each.type for each in documents],
            "ids": [each.id for each in documents],
        },
    )
    if transaction_id is not None:
        return transaction_id
    return _posted_before(session, kind, document, (manufacturer_id, currency), legs)


def lock_open_period(session: Session, manufacturer_id: int) -> int:
    """The open period's id, locked against closing until this transaction ends. *Raises*: PeriodClosed."""
    for _ in range(TRIES):
        period_id: int | None = session.scalar(_OPEN_PERIOD, {"manufacturer_id": manufacturer_id})
        if period_id is not None:
            return period_id
    raise PeriodClosed("There is no open period to post into.")


def _posted_before(
    session: Session, kind: str, document: Document, ledger: tuple[int, str], legs: Sequence[Leg]
) -> int:
    known = session.execute(_KNOWN_LEGS, {"kind": kind, "type": document.type, "id": document.id}).all()
    ours = sorted((*ledger, str(leg.purpose), leg.party_id or 0, leg.amount_minor) for leg in legs)
    theirs = sorted((row[1], row[2], row[3], row[4] or 0, row[5]) for row in known)
    if not known or ours != theirs:
        raise Conflict(f"{kind} of {document.type} {document.id} was posted before with other amounts.")
    found: int = known[0][0]
    return found


def accounts_for(
    session: Session, manufacturer_id: int, currency: str, legs: Iterable[Leg]
) -> dict[tuple[Purpose, int | None], int]:
    """The accounts of the legs, made where there are none yet."""
    wanted = {(leg.purpose, leg.party_id) for leg in legs}
    found = _find_accounts(session, manufacturer_id, currency, wanted)
    missing = wanted - found.keys()
    return {**found, **add_accounts(session, manufacturer_id, currency, missing)} if missing else found


def add_accounts(
    session: Session, manufacturer_id: int, currency: str, wanted: Collection[tuple[Purpose, int | None]]
) -> dict[tuple[Purpose, int | None], int]:
    """Accounts that were not there a moment ago, made now or meanwhile by another."""
    missing = sorted(wanted, key=str)
    codes = _organisation_codes(session, [party for _, party in missing if party is not None])
    rows = session.execute(
        _ADD_ACCOUNTS,
        {
            "manufacturer_id": manufacturer_id,
            "currency": currency,
            "codes": [account_code(purpose, codes.get(party) if party else None) for purpose, party in missing],
            "purposes": [str(purpose) for purpose, _ in missing],
            "kinds": [CHART[purpose].kind for purpose, _ in missing],
            "parties": [party for _, party in missing],
        },
    )
    added = {(Purpose(row.purpose), row.party_id): row.id for row in rows}
    return added if len(added) == len(missing) else _find_accounts(session, manufacturer_id, currency, missing)


def _find_accounts(
    session: Session, manufacturer_id: int, currency: str, wanted: Iterable[tuple[Purpose, int | None]]
) -> dict[tuple[Purpose, int | None], int]:
    rows = session.execute(
        _FIND_ACCOUNTS,
        {
            "manufacturer_id": manufacturer_id,
            "currency": currency,
            "purposes": sorted({str(purpose) for purpose, _ in wanted}),
            "parties": sorted({party for _, party in wanted if party is not None}),
        },
    )
    return {(Purpose(row.purpose), row.party_id): row.id for row in rows}


def _organisation_codes(session: Session, ids: Sequence[int]) -> dict[int | None, str]:
    if not ids:
        return {}
    rows = session.execute(
        text("SELECT id, code FROM organisation WHERE id = ANY (CAST(:ids AS bigint[]))"), {"ids": list(ids)}
    )
    return {row.id: row.code for row in rows}


def reverse(
    session: Session,
    transaction_id: int,
    *,
    kind: str,
    document: Document,
    allowed_pairs: Pairs,
    occurred_at: datetime,
    now: datetime,
    description: str = "",
    person_id: int | None = None,
) -> int:
    """Post the opposite of a transaction into the open period, once; it names the period it came from.

    *Raises*: RuleBroken when the transaction is not there, Conflict when it was reversed otherwise before.
    """
    original = session.get(JournalTransaction, transaction_id)
    if original is None:
        raise RuleBroken("There is no such journal transaction.")
    rows = session.execute(
        text(
            "SELECT account.purpose, posting.party_id, posting.amount_minor, posting.document_type, posting.document_id"
            " FROM posting JOIN account ON account.id = posting.account_id"
            " WHERE posting.transaction_id = :id ORDER BY posting.id"
        ),
        {"id": transaction_id},
    )
    legs = [Leg(Purpose(row[0]), -row[2], row[1], Document(row[3], row[4])) for row in rows]
    return post(
        session,
        manufacturer_id=original.manufacturer_id,
        currency=original.currency,
        kind=kind,
        document=document,
        legs=legs,
        allowed_pairs=allowed_pairs,
        occurred_at=occurred_at,
        now=now,
        description=description,
        person_id=person_id,
        livemode=original.livemode,
        reverses_id=transaction_id,
        origin_period_id=original.period_id,
    )


def open_first_period(session: Session, *, manufacturer_id: int, zone: str, now: datetime) -> Period:
    """Begin a manufacturer's books with the month of ``now``; what was begun before stays as it is."""
    month = month_at(zone, now)
    session.execute(
        text(
            "INSERT INTO period (manufacturer_id, label, zone, starts_at, ends_at, state, state_at)"
            " SELECT :manufacturer_id, :label, :zone, :starts_at, :ends_at, 'open', :now"
            " WHERE NOT EXISTS (SELECT FROM period WHERE manufacturer_id = :manufacturer_id)"
            " ON CONFLICT DO NOTHING"
        ),
        {"manufacturer_id": manufacturer_id, "zone": zone, "now": now, **vars(month)},
    )
    return session.query(Period).filter_by(manufacturer_id=manufacturer_id).order_by(Period.starts_at).limit(1).one()


def begin_close(session: Session, *, manufacturer_id: int, now: datetime) -> tuple[Period, Period]:
    """Mark the open period closing and open the next: (closing, opened). Commit at once: posters wait meanwhile.

    *Raises*: PeriodClosed when there is no open period, RuleBroken before its month has ended.
    """
    current = (
        session.query(Period)
        .filter_by(manufacturer_id=manufacturer_id, state="open")
        .with_for_update()
        .populate_existing()
        .one_or_none()
    )
    if current is None:
        raise PeriodClosed("There is no open period to close.")
    if now < current.ends_at:
        raise RuleBroken(f"The period {current.label} has not ended yet.")
    current.state, current.state_at = "closing", now
    session.flush()
    month = month_after(current.zone, current.ends_at)
    opened = Period(
        manufacturer_id=manufacturer_id,
        label=month.label,
        zone=current.zone,
        starts_at=month.starts_at,
        ends_at=month.ends_at,
        state="open",
        state_at=now,
    )
    session.add(opened)
    session.flush()
    return current, opened


def soft_close(session: Session, period_id: int, *, now: datetime) -> Period:
    """Statements are out, the review window runs. *Raises*: RuleBroken unless the period is closing and chained."""
    return _move(session, period_id, "closing", "soft_closed", now)


def hard_close(session: Session, period_id: int, *, now: datetime) -> Period:
    """Closed for good. *Raises*: RuleBroken unless the period is soft-closed and chained."""
    return _move(session, period_id, "soft_closed", "hard_closed", now)


def _move(session: Session, period_id: int, before: str, after: str, now: datetime) -> Period:
    period = session.get(Period, period_id, with_for_update=True, populate_existing=True)
    if period is None or period.state not in (before, after):
        raise RuleBroken(f"The period cannot become {after.replace('_', '-')} now.")
    if period.state == after:
        return period
    unchained: bool | None = session.scalar(
        text(
            "SELECT EXISTS (SELECT FROM journal_transaction WHERE period_id = :id AND id > coalesce("
            "(SELECT max(last_transaction_id) FROM chain_block WHERE period_id = :id), 0))"
        ),
        {"id": period_id},
    )
    if unchained:
        raise RuleBroken("The period's transactions are not all in the chain yet.")
    period.state, period.state_at = after, now
    session.flush()
    return period
