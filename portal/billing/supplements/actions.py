"""Posting supplements: what a cause comes to now, less what was posted of it before. A job's; again adds nothing.

Each cause has a name of its own; a lock on that name makes two jobs at once one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from portal.billing.gross import post_gross
from portal.billing.models import PlanSale
from portal.billing.parties import parties_of
from portal.billing.supplements.lasting import Running, days_moved, move_end, running_at
from portal.billing.supplements.models import Supplement, SupplementShare
from portal.billing.supplements.rules import (
    REMEDY,
    SUPPLEMENT_PAIRS,
    SUPPLEMENTED,
    Effect,
    credit_of,
    difference,
    free_days_minor,
    supplement_kind,
    supplement_legs,
)
from portal.cases.models import PromiseRemedy, RemedyReversal, SupportCase
from portal.contracts.blocks import Company
from portal.contracts.models import DocumentVersion
from portal.contracts.queries import WITHOUT_TEXT, policy_of
from portal.contracts.rules import amount_minor, plan_named
from portal.entitlement.queries import Terms, terms_in_force
from portal.entitlement.rules import included_window
from portal.errors import NotFound
from portal.ledger.actions import lock_open_period, post
from portal.ledger.rules import Document
from portal.zones import zone_named


@dataclass(frozen=True)
class Cause:
    """Why money moves: the name that is unique to it, what people read, and when it happened."""

    source: str
    kind: str
    audience: str
    description: str
    sentences: tuple[str, ...]
    occurred_at: datetime
    person_id: int | None = None


def settle_remedy(session: Session, remedy_id: int, *, now: datetime, livemode: bool = False) -> Supplement | None:
    """Credit what a broken promise gives back, or take the credit back where the promise is found kept.

    *Raises*: NotFound.
    """
    remedy = session.get(PromiseRemedy, remedy_id)
    if remedy is None:
        raise NotFound
    case = session.get_one(SupportCase, remedy.case_id)
    terms = terms_in_force(
        session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=case.opened_at
    )
    minor, words = _worth(session, case, remedy)
    taken_back = session.scalars(select(RemedyReversal).where(RemedyReversal.remedy_id == remedy.id)).one_or_none()
    if remedy.extra_days is not None:
        running = running_at(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, at=remedy.owed_at)
        if running is not None and not _known(session, f"promise_remedy:{remedy.id}")[1].owed_minor:
            return _lengthen(session, case, terms, remedy, running=running, taken_back=taken_back, now=now)
        if days_moved(session, f"promise_remedy:{remedy.id}"):
            # The term was made longer and has ended since: nothing is given twice.
            return None
    parties = parties_of(session, case, terms.agreement)
    word = terms.agreement.settlement.remedies_borne_by if terms.agreement is not None else Company.MANUFACTURER
    bearer_id = parties.get(word, parties[Company.MANUFACTURER])
    sentences: tuple[str, ...] = (words, f"The {word} bears it, as the signed document says.")
    if taken_back is not None:
        sentences = (*sentences, f"Taken back: {taken_back.reason}")
    cause = Cause(
        f"promise_remedy:{remedy.id}", REMEDY, "customer", f"{case.name}, for a missed promise", sentences,
        remedy.owed_at,
    )  # fmt: skip
    target = credit_of(0 if taken_back is not None else minor, bearer_id)
    return settle(session, case, terms, cause, target, now=now, livemode=livemode)


def _lengthen(
    session: Session,
    case: SupportCase,
    terms: Terms,
    remedy: PromiseRemedy,
    *,
    running: Running,
    taken_back: RemedyReversal | None,
    now: datetime,
) -> Supplement | None:
    """Move the end of what a subscription has paid, or back where the promise is found kept; no money moves."""
    source = f"promise_remedy:{remedy.id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": source})
    days = (0 if taken_back is not None else remedy.extra_days or 0) - days_moved(session, source)
    kept = move_end(session, running, days, zone=terms.policy.zone, now=now) if days else None
    if kept is None:
        return None
    first, last = (datetime.fromisoformat(kept[name]).date() for name in ("moved_from", "moved_until"))
    said = [f"The paid term lasts {days} days longer: it ends, and is renewed, on {last} and not on {first}."]
    if taken_back is not None:
        said = [f"The paid term ends on {last} again and not on {first}.", f"Taken back: {taken_back.reason}"]
    seq, _ = _known(session, source)
    what = f"{case.name}, a longer term for a missed promise"
    cause = Cause(source, REMEDY, "customer", what, tuple(said), remedy.owed_at)
    supplement = _supplement(session, case, terms, cause, seq=seq + 1, owed_minor=0, now=now)
    supplement.explanation = {"sentences": said, **kept}
    session.add(supplement)
    session.flush()
    return supplement


def settle(
    session: Session,
    case: SupportCase,
    terms: Terms,
    cause: Cause,
    target: Effect,
    *,
    now: datetime,
    livemode: bool = False,
) -> Supplement | None:
    """Post what has to be added so that a cause comes to its target; None where nothing is missing."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": cause.source})
    seq, known = _known(session, cause.source)
    change = difference(target, known)
    if not change.by_party and not change.owed_minor:
        return None
    supplement = _supplement(session, case, terms, cause, seq=seq + 1, owed_minor=change.owed_minor, now=now)
    session.add(supplement)
    session.flush()
    shares = _shares(session, supplement, change)
    _post(session, supplement, shares, now=now, livemode=livemode)
    # What is between the companies is nobody's revenue; a credit to the payer takes back of what its plan earned.
    if supplement.amount_minor and supplement_kind(cause.kind) in terms.gross_kinds:
        post_gross(
            session,
            Document("supplement", str(supplement.id)),
            [(share.amount_minor, Document("supplement_share", str(share.id))) for share in shares],
            manufacturer_id=supplement.manufacturer_id,
            currency=supplement.currency,
            occurred_at=supplement.occurred_at,
            now=now,
            livemode=livemode,
        )
    return supplement


def _supplement(
    session: Session, case: SupportCase, terms: Terms, cause: Cause, *, seq: int, owed_minor: int, now: datetime
) -> Supplement:
    return Supplement(
        case_id=case.id,
        manufacturer_id=case.manufacturer_id,
        integrator_id=case.integrator_id,
        customer_id=case.customer_id,
        audience=cause.audience,
        kind=cause.kind,
        source=cause.source,
        seq=seq,
        **_billed_to(session, case, terms),
        currency=terms.policy.currency,
        amount_minor=owed_minor,
        description=cause.description,
        explanation={"sentences": list(cause.sentences)},
        agreement_version_id=terms.agreement_version_id,
        person_id=cause.person_id,
        period_id=lock_open_period(session, case.manufacturer_id),
        occurred_at=cause.occurred_at,
        recorded_at=now,
    )


def supplement_debtor(supplement: Supplement) -> int:
    """Who owes a supplement to the operator: the payer, or the integrator that collects from it."""
    collects = supplement.collector_id == supplement.integrator_id != supplement.manufacturer_id
    return supplement.collector_id if collects else supplement.payer_id


def _worth(session: Session, case: SupportCase, remedy: PromiseRemedy) -> tuple[int, str]:
    """What a remedy is worth, and how that comes about; days of a longer term are not charged, by their month.

    A day is worth what the month in which the promise was missed was sold at; where none was, what the document of the
    promise asks for one.
    """
    if remedy.extra_days is None:
        return remedy.amount_minor or 0, "The plan gives a credit for a promise that was missed."
    sold_under = session.scalar(
        select(PlanSale.policy_version_id)
        .where(
            PlanSale.site_id == case.site_id,
            PlanSale.manufacturer_id == case.manufacturer_id,
            PlanSale.kind == "month",
            PlanSale.plan_code == remedy.plan_code,
            PlanSale.starts_at <= remedy.owed_at,
            PlanSale.ends_at > remedy.owed_at,
        )
        .order_by(PlanSale.id.desc())
        .limit(1)
    )
    version_id = sold_under or remedy.policy_version_id
    policy = policy_of(session.get_one(DocumentVersion, version_id, options=WITHOUT_TEXT))
    month = included_window(policy, remedy.owed_at)
    local = zone_named(policy.zone)
    days = (month.end.astimezone(local).date() - month.start.astimezone(local).date()).days
    price = amount_minor(plan_named(policy, remedy.plan_code).price_per_month, policy.currency)
    minor = free_days_minor(price, remedy.extra_days, of_days=days)
    return minor, f"The paid term lasts {remedy.extra_days} days longer: they are not charged, {days} days a month."


def _known(session: Session, source: str) -> tuple[int, Effect]:
    """How often a cause was posted, and what that comes to."""
    count, owed = session.execute(
        select(func.count(), func.coalesce(func.sum(Supplement.amount_minor), 0)).where(Supplement.source == source)
    ).one()
    gained = session.execute(
        select(SupplementShare.party_id, func.sum(SupplementShare.amount_minor))
        .join(Supplement, Supplement.id == SupplementShare.supplement_id)
        .where(Supplement.source == source)
        .group_by(SupplementShare.party_id)
    ).tuples()
    return count, Effect(int(owed), {party_id: int(minor) for party_id, minor in gained})


def _billed_to(session: Session, case: SupportCase, terms: Terms) -> dict[str, int]:
    """Who is billed and by whom: as the site's plan last was; the customer, by the manufacturer, where none was."""
    sale = session.scalars(
        select(PlanSale)
        .where(PlanSale.site_id == case.site_id, PlanSale.manufacturer_id == case.manufacturer_id)
        .order_by(PlanSale.id.desc())
        .limit(1)
    ).one_or_none()
    if sale is not None and sale.customer_id == case.customer_id and sale.integrator_id == case.integrator_id:
        names = ("payer_id", "collector_id", "seller_of_record_id")
        return {name: getattr(sale, name) for name in names}
    operator_id = parties_of(session, case, terms.agreement)["operator"]
    return {
        "payer_id": case.customer_id,
        "collector_id": operator_id,
        "seller_of_record_id": case.manufacturer_id,
    }


def _shares(session: Session, supplement: Supplement, change: Effect) -> Sequence[SupplementShare]:
    rows = [
        {
            "case_id": supplement.case_id,
            "manufacturer_id": supplement.manufacturer_id,
            "integrator_id": supplement.integrator_id,
            "customer_id": supplement.customer_id,
            "supplement_id": supplement.id,
            "party_id": party_id,
            "currency": supplement.currency,
            "amount_minor": minor,
            "recorded_at": supplement.recorded_at,
        }
        for party_id, minor in change.by_party.items()
    ]
    session.execute(insert(SupplementShare), rows)
    mine = SupplementShare.supplement_id == supplement.id
    return session.scalars(select(SupplementShare).where(mine).order_by(SupplementShare.id)).all()


def _post(
    session: Session, supplement: Supplement, shares: Sequence[SupplementShare], *, now: datetime, livemode: bool
) -> None:
    parts = [(share.party_id, share.amount_minor, Document("supplement_share", str(share.id))) for share in shares]
    post(
        session,
        manufacturer_id=supplement.manufacturer_id,
        currency=supplement.currency,
        kind=SUPPLEMENTED,
        document=Document("supplement", str(supplement.id)),
        legs=supplement_legs(supplement_debtor(supplement), supplement.amount_minor, parts),
        allowed_pairs=SUPPLEMENT_PAIRS,
        occurred_at=supplement.occurred_at,
        now=now,
        description=supplement.description,
        livemode=livemode,
    )
