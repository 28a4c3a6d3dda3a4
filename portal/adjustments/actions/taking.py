"""Shares taken from parties, given back, and claw-backs opened for what was paid out already.

Invariants: one cause takes once and gives back once; the parts of a cause, its lines' reductions and its journal
transaction are written together and sum to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from portal.adjustments.ahead import lock_hours
from portal.adjustments.dividing import LineLoss, Taking, divide
from portal.adjustments.gross import GROSS_GIVEN_BACK, GROSS_TAKEN, take_gross
from portal.adjustments.lines import ROUNDING, Of
from portal.adjustments.models import AdjustmentPart, ClawBack
from portal.adjustments.rules.sharing import Part, by_party, shortfalls
from portal.billing.models import Invoice, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.reductions.models import LineReduction
from portal.billing.rules.gross import GROSS_PAIRS
from portal.directory.models import Organisation
from portal.entitlement.actions.withdrawing import put_back, withdraw
from portal.errors import RuleBroken
from portal.ledger.actions import post, reverse
from portal.ledger.models import JournalTransaction
from portal.ledger.queries import party_balance
from portal.ledger.rules import Document, Leg, Pairs, Purpose, credit, debit, pairs, without_zeros
from portal.money import asked_part
from portal.payments import cash
from portal.payments.actions import plan_reversal
from portal.payments.models import CashReceipt
from portal.payments.queries import reversible_transfer
from portal.payments.transferring import CLAW_BACK
from portal.rows import insert_together, next_keys

ACCRUED, PAYABLE, DEFERRED = "accrued", "payable", "deferred"
COMMISSION, PREPAID, TAX = "commission", "prepaid", "tax"
TAKEN, GIVEN_BACK = "shares_taken_back", "shares_given_back"

TAKING_PAIRS: Pairs = pairs(
    *(
        (source, target)
        for source in (
            *(Purpose.PAYABLE, Purpose.UNDETERMINED, Purpose.DEFERRED, Purpose.PREPAID, Purpose.TAX),
            Purpose.ROUNDED_UP,
        )
        for target in (Purpose.REFUNDS, Purpose.HELD)
    ),
    *(
        (source, Purpose.RECEIVABLE)
        for source in (
            *(Purpose.ACCRUED, Purpose.UNDETERMINED_ACCRUED, Purpose.DEFERRED, Purpose.PAYABLE),
            *(Purpose.ROUNDED_UP, Purpose.TAX),
        )
    ),
    *((source, target) for source in (Purpose.PAYABLE, Purpose.UNDETERMINED) for target in (Purpose.PAYABLE,)),
    (Purpose.PAYABLE, Purpose.UNDETERMINED),
    (Purpose.ACCRUED, Purpose.UNDETERMINED_ACCRUED),
    (Purpose.ACCRUED, Purpose.ACCRUED),
    (Purpose.REFUNDS, Purpose.REFUNDS),
    (Purpose.HELD, Purpose.HELD),
)


@dataclass(frozen=True)
class Cause:
    """Why something is taken, and what the books call it. ``into`` is where it goes until it has left."""

    type: str
    id: int
    taking: Taking
    payer_id: int
    currency: str
    into: Purpose
    description: str
    reason: str
    livemode: bool

    @property
    def document(self) -> Document:
        """What its postings come from."""
        return Document(self.type, str(self.id))


def take(session: Session, cause: Cause, *, now: datetime) -> dict[int | None, int]:
    """Take an amount from who loses it; what each party lost. Again takes nothing more."""
    if is_taken(session, cause):
        return {}
    if cause.taking.invoice_id is None:
        lock_hours(session, session.get_one(CashReceipt, cause.taking.receipt_id))
    losses = divide(session, cause.taking, now=now)
    stage = ACCRUED if cause.into is Purpose.RECEIVABLE else PAYABLE
    borne = _borne(losses) if stage == ACCRUED else {}
    _keep(session, cause, losses, stage, now)
    legs = _legs(cause, [loss for loss in losses if stage == PAYABLE or loss.by_shares], stage)
    if legs:
        _post(session, cause, legs, _origin(session, cause, losses), now)
    take_gross(
        session,
        cause.document,
        [part for loss in losses if loss.by_shares for part in loss.parts],
        kind=GROSS_TAKEN,
        manufacturer_id=cause.taking.manufacturer_id,
        currency=cause.currency,
        now=now,
        livemode=cause.livemode,
    )
    for loss in losses:
        if loss.withdrawn is not None:
            withdraw(session, *loss.withdrawn, cause_type=cause.type, cause_id=cause.id, now=now)
    for party_id, minor in borne.items():
        if cause.taking.invoice_id is None:
            raise RuleBroken("Only an invoice is borne in its payer's place.")
        cash.bear(
            session,
            cause.taking.invoice_id,
            party_id=party_id,
            amount_minor=minor,
            adjustment_id=cause.id,
            description=cause.description,
            now=now,
        )
    return by_party([part for loss in losses for part in loss.lost])


def is_taken(session: Session, cause: Cause) -> bool:
    """Whether the parts of a cause are written."""
    wanted = select(LineReduction.id).where(
        LineReduction.cause_type == cause.type, LineReduction.cause_id == cause.id, ~LineReduction.is_return
    )
    rounded = select(AdjustmentPart.id).where(
        AdjustmentPart.cause_type == cause.type, AdjustmentPart.cause_id == cause.id, AdjustmentPart.stage == ROUNDING
    )
    return session.scalar(wanted.limit(1)) is not None or session.scalar(rounded.limit(1)) is not None


def give_back(session: Session, cause: Cause, *, now: datetime) -> None:
    """The opposite of what was taken, once: every party has again what it had."""
    rows = session.scalars(
        select(AdjustmentPart).where(AdjustmentPart.cause_type == cause.type, AdjustmentPart.cause_id == cause.id)
    ).all()
    if sum(row.amount_minor for row in rows) == 0:
        return
    session.execute(insert(AdjustmentPart), [{**_copied(row), "recorded_at": now} for row in rows])
    reduced = session.scalars(
        select(LineReduction).where(LineReduction.cause_type == cause.type, LineReduction.cause_id == cause.id)
    ).all()
    back = [
        _reduction(
            cause, row, -row.amount_minor, -row.deferred_minor, now, lowers=row.lowers_net, tax_minor=-row.tax_minor
        )
        for row in reduced
    ]
    if back:
        session.execute(insert(LineReduction), back)
    put_back(session, cause_type=cause.type, cause_id=cause.id, now=now)
    for kind, opposite, allowed in ((TAKEN, GIVEN_BACK, TAKING_PAIRS), (GROSS_TAKEN, GROSS_GIVEN_BACK, GROSS_PAIRS)):
        posted = session.scalar(
            select(JournalTransaction.id).where(
                JournalTransaction.kind == kind,
                JournalTransaction.document_type == cause.type,
                JournalTransaction.document_id == str(cause.id),
            )
        )
        if posted is not None:
            reverse(
                session,
                posted,
                kind=opposite,
                document=cause.document,
                allowed_pairs=allowed,
                occurred_at=now,
                now=now,
                description=f"Given back: {cause.description}",
            )


def open_claw_backs(
    session: Session, cause: Cause, losses: dict[int | None, int], *, now: datetime
) -> Sequence[ClawBack]:
    """For what parties were paid out already: a reversal each where a transfer still holds it, a debt otherwise.

    ``losses`` were taken out of the payables before this is called.
    """
    manufacturer_id = cause.taking.manufacturer_id
    has = {
        party: minor + party_balance(
            session, manufacturer_id=manufacturer_id, currency=cause.currency, party_id=party, purpose=Purpose.PAYABLE
        )
        for party, minor in losses.items()
        if party is not None and minor > 0 and not _is_operator(session, party)
    }  # fmt: skip
    short = shortfalls({party: minor for party, minor in losses.items() if party in has}, has)
    return [_open(session, cause, party, minor, now) for party, minor in sorted(short.items())]


def _open(session: Session, cause: Cause, party_id: int, minor: int, now: datetime) -> ClawBack:
    key = {"key": f"reverse:{cause.taking.manufacturer_id}:{party_id}"}
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    transfer = None
    # What cannot be taken to the last unit is owed whole and netted, as where no transfer holds it.
    if asked_part(minor, cause.currency) == minor:
        transfer = reversible_transfer(
            session,
            manufacturer_id=cause.taking.manufacturer_id,
            party_id=party_id,
            currency=cause.currency,
            amount_minor=minor,
        )
    number = next(next_keys(session, {"claw_back": 1})["claw_back"])
    intent = transfer and plan_reversal(
        session,
        transfer,
        amount_minor=minor,
        document=Document(CLAW_BACK, str(number)),
        description=f"Taken back: {cause.description}",
        now=now,
    )
    claw_back = ClawBack(
        id=number,
        cause_type=cause.type,
        cause_id=cause.id,
        manufacturer_id=cause.taking.manufacturer_id,
        party_id=party_id,
        currency=cause.currency,
        amount_minor=minor,
        reason=cause.description,
        intent_id=intent.id if intent else None,
        opened_at=now,
    )
    insert_together(session, [claw_back])
    return claw_back


def _is_operator(session: Session, organisation_id: int) -> bool:
    return bool(session.scalar(select(Organisation.is_operator).where(Organisation.id == organisation_id)))


def _borne(losses: Iterable[LineLoss]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for part in (part for loss in losses if not loss.by_shares for part in loss.parts):
        if part.party_id is not None:
            sums[part.party_id] = sums.get(part.party_id, 0) + part.amount_minor
    return sums


def _keep(session: Session, cause: Cause, losses: Iterable[LineLoss], stage: str, now: datetime) -> None:
    parts, reduced = [], []
    for loss in losses:
        of_line = _stage_of(loss, stage)
        parts += [_part(cause, loss, part, of_line, now) for part in loss.parts]
        parts += [_part(cause, loss, part, COMMISSION, now) for part in loss.commission]
        parts += [
            _part(cause, loss, Part(None, minor), nobodys, now)
            for nobodys, minor in (
                (DEFERRED, loss.deferred_minor),
                (PREPAID, loss.prepaid_minor),
                (TAX, loss.tax_minor),
                (ROUNDING, loss.rounded_minor),
            )
            if minor
        ]
        lowers = stage == ACCRUED and loss.by_shares
        # The rounding is no line's: it is a part alone.
        if minor := loss.amount_minor - loss.rounded_minor:
            reduced.append(
                _reduction(cause, loss.of, minor, loss.deferred_minor, now, lowers=lowers, tax_minor=loss.tax_in_it)
            )
    session.execute(insert(AdjustmentPart), parts)
    if reduced:
        session.execute(insert(LineReduction), reduced)


def _part(cause: Cause, loss: LineLoss, part: Part, stage: str, now: datetime) -> dict[str, object]:
    return {
        "cause_type": cause.type,
        "cause_id": cause.id,
        "manufacturer_id": cause.taking.manufacturer_id,
        "party_id": part.party_id,
        **_named(loss.of),
        "share_id": part.key or None,
        "stage": stage,
        "currency": cause.currency,
        "amount_minor": part.amount_minor,
        "reason": cause.description,
        "recorded_at": now,
    }


def _copied(row: AdjustmentPart) -> dict[str, object]:
    names = (
        "cause_type", "cause_id", "manufacturer_id", "party_id", "share_id", "stage", "currency", "reason", *_NAMES
    )  # fmt: skip
    return {**{name: getattr(row, name) for name in names}, "amount_minor": -row.amount_minor}


# By which columns the tables name what something is taken off.
_NAMES = ("invoice_item_id", "receipt_id", "pack_sale_id", "plan_sale_id")


def _named(of: Of | LineReduction) -> dict[str, int | None]:
    return {name: getattr(of, name) for name in _NAMES}


def _reduction(
    cause: Cause,
    of: Of | LineReduction,
    minor: int,
    deferred_minor: int,
    now: datetime,
    *,
    lowers: bool,
    tax_minor: int,
) -> dict[str, object]:
    return {
        "invoice_id": cause.taking.invoice_id,
        **_named(of),
        "manufacturer_id": cause.taking.manufacturer_id,
        "payer_id": cause.payer_id,
        "cause_type": cause.type,
        "cause_id": cause.id,
        "is_return": minor < 0,
        "lowers_net": lowers,
        "currency": cause.currency,
        "amount_minor": minor,
        "deferred_minor": deferred_minor,
        "tax_minor": tax_minor,
        "recorded_at": now,
    }


def _legs(cause: Cause, losses: Sequence[LineLoss], stage: str) -> list[Leg]:
    """Out of what the parties have coming, into where it waits to leave."""
    out: list[Leg] = []
    held: list[tuple[int | None, int]] = []
    for loss in losses:
        nobodys = (
            debit(Purpose.DEFERRED, loss.deferred_minor, loss.customer_id),
            debit(Purpose.PREPAID, loss.prepaid_minor, cause.payer_id),
            debit(Purpose.TAX, loss.tax_minor),
            debit(Purpose.ROUNDED_UP, loss.rounded_minor),
        )
        out += nobodys
        held += [(None, leg.amount_minor) for leg in nobodys]
        for part in loss.lost:
            document = Document("share", str(part.key)) if part.key else None
            account = account_of(_stage_of(loss, stage), part.party_id)
            out.append(debit(account, part.amount_minor, part.party_id, document))
            held.append((part.party_id, part.amount_minor))
    if cause.into is not Purpose.HELD:
        return without_zeros([*out, credit(cause.into, sum(minor for _, minor in held), cause.payer_id)])
    kept = by_party([Part(party or cause.taking.manufacturer_id, minor) for party, minor in held])
    return without_zeros([*out, *(credit(Purpose.HELD, minor, party) for party, minor in kept.items())])


def _stage_of(loss: LineLoss, stage: str) -> str:
    """Where what is lost lies: what is borne by name, or was payable at once, is payable though nothing was paid."""
    return stage if loss.by_shares and not loss.is_payable else PAYABLE


def account_of(stage: str, party_id: int | None) -> Purpose:
    """The account in which a share waits: accrued or payable, of its party or of nobody yet."""
    if stage == ACCRUED:
        return Purpose.ACCRUED if party_id is not None else Purpose.UNDETERMINED_ACCRUED
    return Purpose.PAYABLE if party_id is not None else Purpose.UNDETERMINED


def _origin(session: Session, cause: Cause, losses: Sequence[LineLoss]) -> int | None:
    """The period of what is taken back: its invoice's, or that of the sale out of a payment ahead."""
    if cause.taking.invoice_id is not None:
        return session.get_one(Invoice, cause.taking.invoice_id).period_id
    sold: PackSale | PlanSale | None = None
    for of in (loss.of for loss in losses):
        if of.pack_sale_id is not None:
            sold = session.get_one(PackSale, of.pack_sale_id)
        elif of.plan_sale_id is not None:
            sold = session.get_one(PlanSale, of.plan_sale_id)
    return sold.period_id if sold is not None else None


def _post(session: Session, cause: Cause, legs: Sequence[Leg], origin_period_id: int | None, now: datetime) -> None:
    post(
        session,
        manufacturer_id=cause.taking.manufacturer_id,
        currency=cause.currency,
        kind=TAKEN,
        document=cause.document,
        legs=legs,
        allowed_pairs=TAKING_PAIRS,
        occurred_at=now,
        now=now,
        description=cause.description,
        livemode=cause.livemode,
        origin_period_id=origin_period_id,
    )
