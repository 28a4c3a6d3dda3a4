"""How what was held leaves: as a transfer under its own approval, or back into the payables for the next statement.

Invariants: what was held for want of an account goes by itself, once, as soon as the account can receive transfers: two
people approved amount, party and statement already. Whatever is held leaves one way only; both ways take one lock.
Of what a party owes, each held amount keeps back only what older ones do not: a debt is kept back once. Only what is
still held is looked through, however much was held before.

Why it is not brought back while it waits: the next statement would have it reviewed and approved a second time. Only
where the party owes something does a month's end bring it back, because debts are netted from what is payable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Engine, delete, select, text, tuple_
from sqlalchemy.orm import Session

from portal.adjustments.actions.recovering import owed_by_party
from portal.db import transaction
from portal.errors import PortalError
from portal.ledger.models import JournalTransaction
from portal.ledger.queries import party_balance
from portal.ledger.rules import Document, Purpose
from portal.settlement import holding, queries, rules
from portal.settlement.held.models import HeldTransfer, StillHeld
from portal.settlement.models import Disposition, Statement, StatementApproval, StatementPreparation
from portal.settlement.posting import Posting, post_of, transfer_of
from portal.settlement.rules import Part
from portal.settlement.selfbilling import issuing

RELEASED, TRANSFERRED_LATE = "held_released", "held_transferred"
_LINE_HOLDS = frozenset({rules.ON_HOLD, rules.CHARGED_BACK})

log = structlog.get_logger()

# Held for want of an account that can receive transfers by now, and gone neither way.
_WAITING = text(
    """
    SELECT held.id FROM still_held
    JOIN disposition held ON held.id = still_held.disposition_id
    JOIN connected_account account ON account.organisation_id = held.party_id AND account.transfers_state = 'active'
    JOIN statement_approval approval ON approval.id = held.approval_id
    JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
    WHERE held.id > :after AND preparation.plan @> '{"parts": [{"because": "not_onboarded"}]}'
      AND NOT EXISTS (SELECT FROM held_transfer gone WHERE gone.disposition_id = held.id)
      AND NOT EXISTS (SELECT FROM journal_transaction back WHERE back.kind = 'held_released'
                      AND back.document_type = 'disposition' AND back.document_id = held.id::text)
    ORDER BY held.id LIMIT :most
    """
)
_AT_ONCE = 500


def transfer_all_held(engine: Engine, *, livemode: bool, now: datetime) -> int:
    """Transfer what waited for accounts that are ready by now, each by itself; how many went."""
    count = 0
    for disposition_id in _waiting(engine):
        try:
            with transaction(engine) as session:
                count += transfer_held(session, disposition_id, livemode=livemode, now=now) is not None
        except PortalError as error:
            # One that cannot go does not keep the others; the next sweep tries it again.
            log.warning("held_not_transferred", disposition_id=disposition_id, error=type(error).__name__)
    return count


def _waiting(engine: Engine) -> Iterator[int]:
    """Some at a time, each once: those that cannot go do not keep later ones."""
    found: Sequence[int] = [0]
    while found:
        with transaction(engine) as session:
            found = session.scalars(_WAITING, {"after": found[-1], "most": _AT_ONCE}).all()
        yield from found


def is_waiting_for_ready_accounts(session: Session) -> bool:
    """Whether something that waited for an account could go now."""
    return session.scalars(_WAITING, {"after": 0, "most": 1}).first() is not None


def transfer_held(session: Session, disposition_id: int, *, livemode: bool, now: datetime) -> HeldTransfer | None:
    """Transfer what was held until the account could receive it, once; None where it is gone or waits on."""
    disposition = session.get_one(Disposition, disposition_id)
    statement = session.get_one(Statement, disposition.statement_id)
    _alone(session, statement)
    if _transferred(session, disposition_id) is not None or _is_released(session, _whole(disposition_id)):
        return None
    approval = session.get_one(StatementApproval, disposition.approval_id)
    plan = session.get_one(StatementPreparation, approval.preparation_id).plan
    parts = rules.parts_of(plan)
    minor = rules.goes_late(
        rules.waits_for_account(parts),
        rules.terms_of_plan(plan),
        account_state=queries.account_state_of(session, statement),
        is_party_on_hold=holding.is_party_on_hold(session, statement.manufacturer_id, statement.party_id),
        on_hold_minor=_on_hold_since(session, statement, parts),
        owed_minor=_kept_back(session, statement)[disposition_id],
        currency=statement.currency,
    )
    if not minor:
        return None
    tax_minor = issuing.tax_of_late(session, statement, minor)
    intent = transfer_of(session, statement, disposition.approval_id, minor + tax_minor, livemode=livemode, now=now)
    made = HeldTransfer(
        disposition_id=disposition.id,
        statement_id=statement.id,
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        currency=statement.currency,
        amount_minor=minor,
        intent_id=intent.id,
        planned_at=now,
    )
    session.add(made)
    session.flush()
    legs = rules.late_legs(minor, statement.party_id, _whole(disposition.id))
    said = f"Transferred, the account is ready: {statement.name}"
    post_of(
        session, statement, Posting(TRANSFERRED_LATE, _whole(disposition.id), legs, said), livemode=livemode, now=now
    )
    issuing.keep_tax_of_late(session, statement, disposition.id, tax_minor, livemode=livemode, now=now)
    return made


def release_held(session: Session, manufacturer_id: int, *, livemode: bool, now: datetime) -> int:
    """Bring back what was held and need not be any longer, as lines of the next statement; how many amounts.

    A contested line comes back when its contest is decided, a line on hold when its hold has ended, what was held for
    the party or as reserve always; what waits for the party's account goes on waiting unless the party owes something.
    """
    found = [
        (statement, disposition_id, rules.parts_of(plan))
        for statement, disposition_id, plan in _still_held(session, manufacturer_id)
    ]
    waiting = {
        (statement.party_id, statement.currency): statement
        for statement, _, parts in found
        if rules.waits_for_account(parts)
    }
    kept: dict[int, int] = {}
    # Before anything is brought back, so that the order does not matter.
    for statement in waiting.values():
        _alone(session, statement)
        kept |= _kept_back(session, statement)
    count, left = 0, list[int]()
    for statement, disposition_id, parts in found:
        gone = _transferred(session, disposition_id)
        owes = kept.get(disposition_id, 0)
        released = _released(session, rules.held_documents(parts, disposition_id))
        for document, amount in _freed(session, statement, parts, gone, disposition_id, owed_minor=owes).items():
            if document not in released:
                _release(session, statement, document, amount, livemode=livemode, now=now)
                released.add(document)
                count += 1
        if rules.has_left(parts, disposition_id, released, gone_minor=gone.amount_minor if gone is not None else 0):
            left.append(disposition_id)
    session.execute(delete(StillHeld).where(StillHeld.disposition_id.in_(left)))
    return count


def _still_held(
    session: Session, manufacturer_id: int, party_id: int | None = None, currency: str | None = None
) -> list[tuple[Statement, int, Mapping[str, Any]]]:
    """What has not left whole, of all parties or of one in a currency: its statement and its plan, the oldest first."""
    wanted = (
        select(Statement, Disposition.id, StatementPreparation.plan)
        .join(Disposition, Disposition.statement_id == Statement.id)
        .join(StillHeld, StillHeld.disposition_id == Disposition.id)
        .join(StatementApproval, StatementApproval.id == Disposition.approval_id)
        .join(StatementPreparation, StatementPreparation.id == StatementApproval.preparation_id)
        .where(StillHeld.manufacturer_id == manufacturer_id)
        .order_by(Disposition.id)
    )
    if party_id is not None:
        wanted = wanted.where(Statement.party_id == party_id, Statement.currency == currency)
    return [(row[0], row[1], row[2]) for row in session.execute(wanted)]


def _freed(
    session: Session,
    statement: Statement,
    parts: tuple[Part, ...],
    gone: HeldTransfer | None,
    disposition_id: int,
    *,
    owed_minor: int,
) -> Mapping[Document, int]:
    """What of a disposition nothing holds any longer, whether or not it is back already."""
    decided = {contest.statement_line_id for contest, end in queries.contests(session, statement.id) if end}
    still = holding.lines_on_hold(session, statement.id)
    # A contest that has ended frees what it held, not what a hold does.
    freed = {part.line_id for part in parts if part.line_id in decided and part.because not in _LINE_HOLDS}
    freed |= {part.line_id for part in parts if part.line_id and part.because in _LINE_HOLDS} - still.keys()
    if not rules.waits_for_account(parts):
        return rules.releasable(parts, disposition_id, freed)
    waits = rules.goes_on_waiting(
        is_transferred=gone is not None, on_hold_minor=_on_hold_since(session, statement, parts), owed_minor=owed_minor
    )
    return rules.releasable(
        parts, disposition_id, freed, waits=waits, gone_minor=gone.amount_minor if gone is not None else 0
    )


def _alone(session: Session, statement: Statement) -> None:
    """What is held of a party leaves one way, and one amount, at a time: what one keeps back another need not."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    key = f"held:{statement.manufacturer_id}:{statement.party_id}:{statement.currency}"
    session.execute(lock, {"key": key})


def _kept_back(session: Session, statement: Statement) -> dict[int, int]:
    """What each held amount of a statement's party keeps back of what it owes, by disposition; none that came back."""
    rows = _still_held(session, statement.manufacturer_id, statement.party_id, statement.currency)
    may_keep = {
        disposition_id: _may_keep(session, one, disposition_id, plan)
        for one, disposition_id, plan in rows
        if not _is_released(session, _whole(disposition_id))
    }
    return dict(zip(may_keep, rules.kept_back(_owed(session, statement), may_keep.values()), strict=True))


def _may_keep(session: Session, statement: Statement, disposition_id: int, plan: Mapping[str, Any]) -> int:
    parts, gone = rules.parts_of(plan), _transferred(session, disposition_id)
    if not rules.waits_for_account(parts):
        return 0
    return rules.may_keep(
        rules.waits_for_account(parts),
        gone_minor=gone.amount_minor if gone is not None else 0,
        on_hold_minor=_on_hold_since(session, statement, parts),
        reserve_bp=rules.terms_of_plan(plan).reserve_bp,
    )


def _transferred(session: Session, disposition_id: int) -> HeldTransfer | None:
    wanted = select(HeldTransfer).where(HeldTransfer.disposition_id == disposition_id)
    return session.scalars(wanted).one_or_none()


def _on_hold_since(session: Session, statement: Statement, parts: tuple[Part, ...]) -> int:
    """The lines that holds cover now and that are no parts of their own."""
    named = {part.line_id for part in parts}
    covered = holding.lines_on_hold(session, statement.id)
    return sum(max(minor, 0) for line_id, (minor, _) in covered.items() if line_id not in named)


def _owed(session: Session, statement: Statement) -> int:
    """What the party has to return: claw-backs that are not netted yet, and what it has coming below zero."""
    key = (statement.party_id, statement.currency)
    claw_backs = owed_by_party(session, statement.manufacturer_id).get(key, [])
    payable = party_balance(
        session,
        manufacturer_id=statement.manufacturer_id,
        currency=statement.currency,
        party_id=statement.party_id,
        purpose=Purpose.PAYABLE,
    )
    return sum(one.rest_minor for one in claw_backs) + max(-payable, 0)


def _whole(disposition_id: int) -> Document:
    return Document("disposition", str(disposition_id))


def _is_released(session: Session, document: Document) -> bool:
    return bool(_released(session, [document]))


def _released(session: Session, documents: Iterable[Document]) -> set[Document]:
    """Which of them came back already."""
    named = [(document.type, document.id) for document in documents]
    wanted = select(JournalTransaction.document_type, JournalTransaction.document_id).where(
        JournalTransaction.kind == RELEASED,
        tuple_(JournalTransaction.document_type, JournalTransaction.document_id).in_(named),
    )
    return {Document(*row) for row in session.execute(wanted)}


def _release(
    session: Session, statement: Statement, document: Document, amount_minor: int, *, livemode: bool, now: datetime
) -> None:
    legs = rules.release_legs(amount_minor, statement.party_id, document)
    description = f"No longer held: {statement.name}"
    post_of(session, statement, Posting(RELEASED, document, legs, description), livemode=livemode, now=now)
