"""Reads of statements: what a party and its manufacturer see, what a net would become, what is still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance, may_see_shares
from portal.billing.models import Invoice
from portal.contracts.queries import agreement_in_force
from portal.contracts.rules import amount_minor
from portal.directory.models import Organisation
from portal.directory.queries import organisation_names
from portal.errors import NotAllowed, NotFound
from portal.ledger.models import Period, Posting
from portal.payments.models import Intent
from portal.payments.queries import payable_state, reversible_transfer
from portal.settlement import holding, rules
from portal.settlement.lines import TRANSFERRED_PARTS
from portal.settlement.models import (
    CloseManifest,
    Contest,
    ContestDecision,
    Disposition,
    Statement,
    StatementAcceptance,
    StatementApproval,
    StatementDiscard,
    StatementLine,
    StatementPreparation,
)
from portal.settlement.rules import Part, Terms

# Rows between a manufacturer and the party it settles with.
_OfTwo = TypeVar("_OfTwo", Statement, StatementLine, Contest)


def statement_seen(session: Session, actor: Actor, statement_id: int) -> Statement:
    """A statement of the actor's organisation, or of its manufacturer. *Raises*: NotAllowed, NotFound."""
    check_reader(actor)
    return _of_either_side(session, actor, Statement, statement_id)


def stands() -> ColumnElement[bool]:
    """The condition that a statement was not discarded."""
    return ~exists().where(StatementDiscard.statement_id == Statement.id)


def discard_of(session: Session, statement_id: int) -> StatementDiscard | None:
    """Who discarded a statement, and why."""
    wanted = select(StatementDiscard).where(StatementDiscard.statement_id == statement_id)
    return session.scalars(wanted).one_or_none()


def line_seen(session: Session, actor: Actor, line_id: int) -> StatementLine:
    """A line of a statement the actor sees. *Raises*: NotAllowed, NotFound."""
    check_reader(actor)
    return _of_either_side(session, actor, StatementLine, line_id)


def contest_seen(session: Session, actor: Actor, contest_id: int) -> Contest:
    """A contest on a statement the actor sees, for finance. *Raises*: NotAllowed, NotFound."""
    _check_finance(actor)
    return _of_either_side(session, actor, Contest, contest_id)


def _of_either_side(session: Session, actor: Actor, model: type[_OfTwo], row_id: int) -> _OfTwo:
    found = session.get(model, row_id)
    if found is None or actor.organisation_id not in (found.manufacturer_id, found.party_id):
        raise NotFound
    return found


def preparation_seen(session: Session, actor: Actor, preparation_id: int) -> StatementPreparation:
    """A preparation of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    _check_finance(actor)
    found = session.get(StatementPreparation, preparation_id)
    if found is None or actor.organisation_id != found.manufacturer_id:
        raise NotFound
    return found


def period_seen(session: Session, actor: Actor, period_id: int) -> Period:
    """A period of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    _check_finance(actor)
    found = session.get(Period, period_id, populate_existing=True)
    if found is None or actor.side is not Side.MANUFACTURER or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def statements(session: Session, actor: Actor, *, before_id: int | None = None, most: int = 50) -> Sequence[Statement]:
    """The statements the actor sees, the latest first."""
    check_reader(actor)
    own = actor.organisation_id
    wanted = select(Statement).where(or_(Statement.manufacturer_id == own, Statement.party_id == own), stands())
    if before_id is not None:
        wanted = wanted.where(Statement.id < before_id)
    return session.scalars(wanted.order_by(Statement.id.desc()).limit(most)).all()


def period_statements(session: Session, actor: Actor, period_id: int) -> Sequence[Statement]:
    """The statements of a period of the actor's manufacturer that stand, by number."""
    period = period_seen(session, actor, period_id)
    wanted = select(Statement).where(Statement.period_id == period.id, stands())
    return session.scalars(wanted.order_by(Statement.number)).all()


def lines(
    session: Session, actor: Actor, statement_id: int, *, after: int = 0, most: int = 100
) -> Sequence[StatementLine]:
    """A page of a statement's lines in their order. *Raises*: NotAllowed, NotFound."""
    statement = statement_seen(session, actor, statement_id)
    wanted = select(StatementLine).where(StatementLine.statement_id == statement.id, StatementLine.position > after)
    return session.scalars(wanted.order_by(StatementLine.position).limit(most)).all()


@dataclass(frozen=True)
class StatementStage:
    """A statement and how far it has come: in_review, to_prepare, to_approve, approved, done."""

    statement: Statement
    party_name: str
    stage: str
    contested: int
    undecided: int


def stages(session: Session, actor: Actor, period_id: int, *, now: datetime) -> list[StatementStage]:
    """The close cockpit: every statement of a period with its stage, by number. *Raises*: NotAllowed, NotFound."""
    found = period_statements(session, actor, period_id)
    names = organisation_names(session, [statement.party_id for statement in found])
    return [_stage_of(session, statement, names[statement.party_id], now) for statement in found]


def _stage_of(session: Session, statement: Statement, party_name: str, now: datetime) -> StatementStage:
    raised = contests(session, statement.id)
    undecided = sum(1 for _, end in raised if end is None)
    return StatementStage(statement, party_name, stage_of(session, statement, now), len(raised), undecided)


def stage_of(session: Session, statement: Statement, now: datetime) -> str:
    """How far a statement has come."""
    if discard_of(session, statement.id) is not None:
        return "discarded"
    if approval_of(session, statement.id) is not None:
        return "done" if dispositions_of(session, statement.id) or not statement.net_minor else "approved"
    if not is_reviewed(session, statement, now):
        return "in_review"
    return "to_approve" if preparation_of(session, statement.id) is not None else "to_prepare"


def contests(session: Session, statement_id: int) -> Sequence[tuple[Contest, ContestDecision | None]]:
    """The contests of a statement with how they ended."""
    rows = session.execute(
        select(Contest, ContestDecision)
        .outerjoin(ContestDecision, ContestDecision.contest_id == Contest.id)
        .where(Contest.statement_id == statement_id)
        .order_by(Contest.id)
    )
    return [(row[0], row[1]) for row in rows]


def acceptance_of(session: Session, statement_id: int) -> StatementAcceptance | None:
    """The party's yes to a statement."""
    wanted = select(StatementAcceptance).where(StatementAcceptance.statement_id == statement_id)
    return session.scalars(wanted).one_or_none()


def preparation_of(session: Session, statement_id: int) -> StatementPreparation | None:
    """The latest preparation of a statement."""
    wanted = select(StatementPreparation).where(StatementPreparation.statement_id == statement_id)
    return session.scalars(wanted.order_by(StatementPreparation.id.desc()).limit(1)).one_or_none()


def approval_of(session: Session, statement_id: int) -> StatementApproval | None:
    """The approval of a statement."""
    wanted = select(StatementApproval).where(StatementApproval.statement_id == statement_id)
    return session.scalars(wanted).one_or_none()


def dispositions_of(session: Session, statement_id: int) -> Sequence[Disposition]:
    """What became of a statement's approved amount."""
    wanted = select(Disposition).where(Disposition.statement_id == statement_id)
    return session.scalars(wanted.order_by(Disposition.id)).all()


def invoice_of(session: Session, statement_id: int) -> int | None:
    """The invoice of a statement whose party owes its net."""
    wanted = (
        select(Invoice.id)
        .join(Disposition, Disposition.intent_id == Invoice.intent_id)
        .where(Disposition.statement_id == statement_id)
    )
    return session.scalar(wanted)


def manifests_of(session: Session, period_id: int) -> Sequence[CloseManifest]:
    """What the closes of a period froze, the soft one first."""
    wanted = select(CloseManifest).where(CloseManifest.period_id == period_id)
    return session.scalars(wanted.order_by(CloseManifest.id)).all()


def is_reviewed(session: Session, statement: Statement, now: datetime) -> bool:
    """Whether the statement may be prepared."""
    return rules.is_reviewed(
        statement.review_until,
        now,
        is_accepted=acceptance_of(session, statement.id) is not None,
        is_own=statement.party_id == statement.manufacturer_id,
    )


def held_lines(session: Session, statement_id: int) -> dict[int, int]:
    """The lines that contests hold, with their amounts."""
    rows = session.execute(
        select(Contest.statement_line_id, StatementLine.amount_minor, ContestDecision.outcome)
        .join(StatementLine, StatementLine.id == Contest.statement_line_id)
        .outerjoin(ContestDecision, ContestDecision.contest_id == Contest.id)
        .where(Contest.statement_id == statement_id)
    )
    return {row[0]: row[1] for row in rows if rules.holds_line(row[2])}


def terms_of(session: Session, statement: Statement) -> Terms:
    """How the statement's party is settled, by the agreement in force when its period ended."""
    period = session.get_one(Period, statement.period_id)
    return party_terms(session, statement.manufacturer_id, statement.party_id, statement.currency, period.ends_at)


def party_terms(session: Session, manufacturer_id: int, party_id: int, currency: str, at: datetime) -> Terms:
    """How a party is settled at an instant; without an agreement as little as possible is assumed."""
    found = agreement_in_force(session, manufacturer_id, party_id, at)
    if found is None:
        return Terms()
    settlement = found.agreement.settlement
    same = found.agreement.currency == currency
    minimum = amount_minor(settlement.minimum_payout, currency) if same else 0
    carry = amount_minor(settlement.carry_limit, currency) if same and settlement.carry_limit is not None else None
    return Terms(minimum, settlement.reserve_bp, settlement.review_days, carry, settlement.payment_days)


def account_state_of(session: Session, statement: Statement) -> str:
    """The state of the party's account at Stripe; the operator needs none."""
    return rules.ACTIVE if _is_operator(session, statement.party_id) else payable_state(session, statement.party_id)


def planned_parts(session: Session, statement: Statement) -> tuple[Part, ...]:
    """What would become of the statement's net now."""
    return rules.plan_parts(
        statement.net_minor,
        held_lines(session, statement.id),
        terms_of(session, statement),
        account_state=account_state_of(session, statement),
        is_operator=_is_operator(session, statement.party_id),
        on_hold=holding.lines_on_hold(session, statement.id),
        is_party_on_hold=holding.is_party_on_hold(session, statement.manufacturer_id, statement.party_id),
        may_take_back=lambda amount_minor: transfer_to_reverse(session, statement, amount_minor) is not None,
        currency=statement.currency,
    )


def transfer_to_reverse(session: Session, statement: Statement, amount_minor: int) -> Intent | None:
    """The earlier transfer to the statement's party that still holds an amount."""
    return reversible_transfer(
        session,
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        currency=statement.currency,
        amount_minor=amount_minor,
    )


def _is_operator(session: Session, organisation_id: int) -> bool:
    return bool(session.scalar(select(Organisation.is_operator).where(Organisation.id == organisation_id)))


_UNSETTLED = text(
    """
    SELECT statement.name FROM statement
    LEFT JOIN statement_approval approval ON approval.statement_id = statement.id
    LEFT JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
    WHERE statement.period_id = :period_id
      AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)
      AND (approval.id IS NULL OR (jsonb_array_length(preparation.plan -> 'parts') > 0
           AND NOT EXISTS (SELECT FROM disposition WHERE disposition.approval_id = approval.id)))
    ORDER BY statement.number
    """
)


def unsettled_statements(session: Session, period_id: int) -> Sequence[str]:
    """The names of a period's statements that are not approved and disposed of."""
    return session.scalars(_UNSETTLED, {"period_id": period_id}).all()


def approved_statements(session: Session, period_id: int) -> Sequence[str]:
    """The names of a period's statements that are approved."""
    wanted = select(Statement.name).join(StatementApproval, StatementApproval.statement_id == Statement.id)
    return session.scalars(wanted.where(Statement.period_id == period_id).order_by(Statement.number)).all()


_BEHIND = text(
    """
    SELECT coalesce(disposition.statement_id, contested.statement_id) FROM posting
    LEFT JOIN disposition ON posting.document_type = 'disposition'
        AND disposition.id = CASE WHEN posting.document_type = 'disposition' THEN posting.document_id::bigint END
    LEFT JOIN statement_line contested ON posting.document_type = 'statement_line'
        AND contested.id = CASE WHEN posting.document_type = 'statement_line' THEN posting.document_id::bigint END
    WHERE posting.id = :posting_id
    """
)


def statement_behind(session: Session, line: StatementLine) -> Statement | None:
    """The earlier statement an amount was carried or released from."""
    found = session.scalar(_BEHIND, {"posting_id": line.posting_id})
    return session.get(Statement, found) if found is not None else None


def line_behind(session: Session, line: StatementLine) -> StatementLine | None:
    """The contested line an amount was held for until its contest was decided."""
    posting = session.get(Posting, line.posting_id)
    if posting is None or posting.document_type != "statement_line":
        return None
    return session.get(StatementLine, int(posting.document_id))


@dataclass(frozen=True)
class SentTransfer:
    """A transfer of a settlement, with its state at Stripe and why it waits or failed."""

    disposition_id: int
    statement_id: int
    statement_name: str
    party_id: int
    currency: str
    amount_minor: int
    intent_id: UUID
    state: str
    failure: str
    provider_object_id: str | None
    tax_minor: int = 0

    @property
    def paid_minor(self) -> int:
        """What Stripe is told to transfer: the share and the tax that goes along."""
        return self.amount_minor + self.tax_minor


_TRANSFERS = text(
    f"""
    SELECT part.disposition_id, part.statement_id, statement.name, part.party_id, part.currency,
           part.amount_minor, intent.id, intent.state, intent.failure, intent.provider_object_id,
           coalesce(tax.amount_minor, 0)
    FROM {TRANSFERRED_PARTS} part
    LEFT JOIN disposition_tax tax ON tax.disposition_id = part.disposition_id
    JOIN intent ON intent.id = part.intent_id
    JOIN statement ON statement.id = part.statement_id
    WHERE (part.manufacturer_id = :own OR part.party_id = :own)
      AND (CAST(:period_id AS bigint) IS NULL OR statement.period_id = :period_id)
      AND (CAST(:statement_id AS bigint) IS NULL OR statement.id = :statement_id)
    ORDER BY intent.state = 'succeeded', intent.created_at DESC, part.disposition_id DESC LIMIT :most
    """
)


def transfers(
    session: Session, actor: Actor, *, period_id: int | None = None, statement_id: int | None = None, most: int = 100
) -> list[SentTransfer]:
    """Transfers the actor sees: those that have not gone before all that have, each the latest first."""
    check_reader(actor)
    values = {"own": actor.organisation_id, "period_id": period_id, "statement_id": statement_id, "most": most}
    return [SentTransfer(*row) for row in session.execute(_TRANSFERS, values)]


def check_reader(actor: Actor) -> None:
    """*Raises*: NotAllowed for people who see no shares."""
    if not may_see_shares(actor):
        raise NotAllowed("Statements are for managers and finance of the companies.")


def _check_finance(actor: Actor) -> None:
    if not may_handle_finance(actor) or actor.side is Side.CUSTOMER:
        raise NotAllowed("This is for finance.")
