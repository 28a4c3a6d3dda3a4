"""What each report counts: one row per happening of a case, in the actor's scope, with the key of its figure.

*Shape* of every select: case_id, key (its parts joined by ``~``), label, seconds, amount_minor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from portal.access import Actor, Side
from portal.billing.models import PlanShare, Share
from portal.billing.packs.models import PackShare
from portal.billing.supplements.models import Supplement, SupplementShare
from portal.cases.models import (
    CaseClock,
    CaseEvent,
    Challenge,
    ChallengeDecision,
    ClockClosing,
    CustodyAcceptance,
    Resolution,
    SupportCase,
)
from portal.cases.queries import case_scope
from portal.directory.models import Certificate
from portal.metering.models import TimeEntry, TimeReversal
from portal.reporting.rules import MOST_HAND_OVERS, SEPARATOR, Month

Facts = Select[Any]


@dataclass(frozen=True)
class Asked:
    """By whom, for which month, as of when."""

    actor: Actor
    month: Month
    now: datetime

    @property
    def until(self) -> datetime:
        """The month's end, or now while the month lasts."""
        return min(self.month.ends_at, max(self.now, self.month.starts_at))

    def within(self, column: Any) -> ColumnElement[bool]:
        """Whether an instant falls into the month."""
        return and_(column >= self.month.starts_at, column < self.month.ends_at)


def resolutions(asked: Asked) -> Facts:
    """Cases whose last resolution falls into the month; a decided challenge says cause and weights."""
    decided = _decided()
    cause = func.coalesce(decided.c.cause, Resolution.cause)
    told = CaseEvent.details["cause_label"].astext
    same = func.coalesce(decided.c.cause, Resolution.cause) == Resolution.cause
    key = _key(cause, _resolved_by(decided), SupportCase.manufacturer_id, SupportCase.integrator_id)
    return (
        _facts(key, case((same, func.coalesce(told, Resolution.cause)), else_=_words(cause)))
        .select_from(SupportCase)
        .join(Resolution, Resolution.case_id == SupportCase.id)
        .outerjoin(CaseEvent, and_(CaseEvent.case_id == SupportCase.id, CaseEvent.seq == Resolution.seq))
        .outerjoin(decided, decided.c.resolution_id == Resolution.id)
        .where(
            case_scope(asked.actor),
            asked.within(SupportCase.resolved_at),
            Resolution.seq == _last_seq(),
        )
    )


def custody(asked: Asked) -> Facts:
    """Segments of custody, cut at the month's borders; the last one ends where the case was resolved."""
    following = func.lead(CustodyAcceptance.from_at).over(
        partition_by=CustodyAcceptance.case_id, order_by=CustodyAcceptance.seq
    )
    ends = func.least(following, SupportCase.resolved_at, asked.until)
    segments = (
        select(
            CustodyAcceptance.case_id,
            CustodyAcceptance.company_id,
            func.greatest(CustodyAcceptance.from_at, asked.month.starts_at).label("from_at"),
            ends.label("until_at"),
        )
        .join(SupportCase, SupportCase.id == CustodyAcceptance.case_id)
        .where(
            case_scope(asked.actor),
            SupportCase.opened_at < asked.month.ends_at,
            or_(SupportCase.resolved_at.is_(None), SupportCase.resolved_at > asked.month.starts_at),
        )
        .subquery("segment")
    )
    lasted = func.floor(func.extract("epoch", segments.c.until_at - segments.c.from_at))
    return select(
        segments.c.case_id,
        _key(segments.c.company_id).label("key"),
        cast(literal_column("''"), Text).label("label"),
        cast(lasted, BigInteger).label("seconds"),
        _none("amount_minor"),
    ).where(segments.c.until_at > segments.c.from_at)


def hand_overs(asked: Asked) -> Facts:
    """Cases resolved in the month, each with how often it went to the other company."""
    before = func.lag(CustodyAcceptance.company_id).over(
        partition_by=CustodyAcceptance.case_id, order_by=CustodyAcceptance.seq
    )
    held = (
        select(CustodyAcceptance.case_id, (CustodyAcceptance.company_id != before).label("moved"))
        .join(SupportCase, SupportCase.id == CustodyAcceptance.case_id)
        .where(case_scope(asked.actor), asked.within(SupportCase.resolved_at))
        .subquery("held")
    )
    moves = func.least(func.count().filter(held.c.moved), MOST_HAND_OVERS)
    return select(
        held.c.case_id,
        _key(moves).label("key"),
        cast(literal_column("''"), Text).label("label"),
        _none("seconds"),
        _none("amount_minor"),
    ).group_by(held.c.case_id)


def service_levels(asked: Asked) -> Facts:
    """Clocks that ended in the month, kept or missed."""
    return (
        _facts(
            _key(CaseClock.kind, SupportCase.severity, ClockClosing.outcome), literal_column("''"),
            seconds=ClockClosing.used_seconds,
        )
        .select_from(ClockClosing)
        .join(CaseClock, CaseClock.id == ClockClosing.clock_id)
        .join(SupportCase, SupportCase.id == ClockClosing.case_id)
        .where(
            case_scope(asked.actor),
            asked.within(ClockClosing.closed_at),
            ClockClosing.outcome.in_(("met", "missed")),
        )
    )  # fmt: skip


def training(asked: Asked) -> Facts:
    """Escalations of the month by the integrators' people, and how-to help on the cases they opened."""
    by_field = SupportCase.opener_side == literal_column("'integrator'")
    person = (
        SupportCase.opened_by, SupportCase.integrator_id, SupportCase.product_line_id, _certificate(asked.until.date())
    )  # fmt: skip
    escalated = (
        _facts(_key(literal_column("'escalated'"), *person), SupportCase.opened_by_name)
        .select_from(SupportCase)
        .where(case_scope(asked.actor), by_field, asked.within(SupportCase.opened_at))
    )
    taken_back = exists().where(TimeReversal.entry_id == TimeEntry.id)
    how_to = (
        _facts(
            _key(literal_column("'how_to'"), *person), SupportCase.opened_by_name, seconds=TimeEntry.seconds
        )
        .select_from(TimeEntry)
        .join(SupportCase, SupportCase.id == TimeEntry.case_id)
        .where(
            case_scope(asked.actor),
            by_field,
            TimeEntry.task_class == "how_to",
            TimeEntry.organisation_id == SupportCase.manufacturer_id,
            asked.within(TimeEntry.started_at),
            ~taken_back,
        )
    )  # fmt: skip
    both = union_all(escalated, how_to).subquery("training")
    return select(both)


def revenue(asked: Asked) -> Facts:
    """Shares recorded in the month, reversals with their sign: of cases and, beside them, of packs and plans."""
    of_cases = (
        _facts(_revenue_key(Share, Share.revenue_kind), literal_column("''"), amount_minor=Share.amount_minor)
        .select_from(Share)
        .join(SupportCase, SupportCase.id == Share.case_id)
        .where(case_scope(asked.actor), asked.within(Share.recorded_at))
    )
    beside = (
        _facts(
            _key(SupplementShare.party_id, Supplement.kind, literal_column("'agent'"), SupplementShare.currency),
            literal_column("''"),
            amount_minor=SupplementShare.amount_minor,
        )
        .select_from(SupplementShare)
        .join(Supplement, Supplement.id == SupplementShare.supplement_id)
        .join(SupportCase, SupportCase.id == SupplementShare.case_id)
        .where(case_scope(asked.actor), asked.within(SupplementShare.recorded_at))
    )
    every = union_all(of_cases, beside, _of_sales(asked, PackShare), _of_sales(asked, PlanShare))
    return select(every.subquery("revenue"))


def _of_sales(asked: Asked, shares: type[PackShare] | type[PlanShare]) -> Facts:
    """What sales earned beside cases: ``case_id`` is the sale's own id, its key names no case's kind of revenue."""
    sale_id = PackShare.pack_sale_id if shares is PackShare else PlanShare.plan_sale_id
    mine = shares.integrator_id if asked.actor.side is Side.INTEGRATOR else shares.manufacturer_id
    return select(
        sale_id.label("case_id"),
        _revenue_key(shares, shares.revenue_kind).label("key"),
        cast(literal_column("''"), Text).label("label"),
        _none("seconds"),
        cast(shares.amount_minor, BigInteger).label("amount_minor"),
    ).where(mine == asked.actor.organisation_id, asked.within(shares.recorded_at))


def _revenue_key(shares: Any, kind: Any) -> ColumnElement[str]:
    """Party (0 for not decided), kind of revenue, as what it is sold, currency."""
    sold = func.coalesce(shares.explanation["sold_as"].astext, literal_column("'agent'"))
    return _key(func.coalesce(shares.party_id, 0), kind, sold, shares.currency)


FACTS: dict[str, Callable[[Asked], Facts]] = {
    "resolutions": resolutions,
    "custody": custody,
    "hand-overs": hand_overs,
    "service-levels": service_levels,
    "training": training,
    "revenue": revenue,
}


def _facts(key: ColumnElement[Any], label: Any, *, seconds: Any = None, amount_minor: Any = None) -> Facts:
    return select(
        SupportCase.id.label("case_id"),
        key.label("key"),
        cast(label, Text).label("label"),
        _none("seconds") if seconds is None else cast(seconds, BigInteger).label("seconds"),
        _none("amount_minor") if amount_minor is None else cast(amount_minor, BigInteger).label("amount_minor"),
    )


def _key(*parts: Any) -> ColumnElement[str]:
    return func.concat_ws(cast(literal(SEPARATOR), Text), *parts)


def _none(name: str) -> Any:
    return cast(null(), BigInteger).label(name)


def _last_seq() -> Any:
    later = Resolution.__table__.alias("later")
    return (
        select(func.max(later.c.seq)).where(later.c.case_id == SupportCase.id).correlate(SupportCase).scalar_subquery()
    )


def _decided() -> Any:
    """The last decision of a challenge of each resolution that changed or kept its cause and weights."""
    return (
        select(
            Challenge.resolution_id,
            ChallengeDecision.cause,
            ChallengeDecision.integrator_bp,
            ChallengeDecision.manufacturer_bp,
        )
        .distinct(Challenge.resolution_id)
        .join(ChallengeDecision, ChallengeDecision.challenge_id == Challenge.id)
        .where(ChallengeDecision.basis != "withdrawn")
        .order_by(Challenge.resolution_id, ChallengeDecision.id.desc())
        .subquery("decided")
    )


def _resolved_by(decided: Any) -> ColumnElement[str]:
    integrator = func.coalesce(decided.c.integrator_bp, Resolution.integrator_bp)
    manufacturer = func.coalesce(decided.c.manufacturer_bp, Resolution.manufacturer_bp)
    return case(
        (and_(integrator > 0, manufacturer > 0), literal_column("'jointly'")),
        (integrator > 0, literal_column("'integrator'")),
        (manufacturer > 0, literal_column("'manufacturer'")),
        else_=literal_column("'none'"),
    )


def _words(code: Any) -> Any:
    return func.initcap(func.substr(code, 1, 1)).op("||")(func.replace(func.substr(code, 2), "_", " "))


def _certificate(on: date) -> Any:
    """The state of the opener's certificate for the case's product line on a day."""
    last_day = (
        select(func.max(Certificate.expires_on))
        .where(
            Certificate.person_id == SupportCase.opened_by,
            Certificate.product_line_id == SupportCase.product_line_id,
            Certificate.issued_on <= on,
        )
        .correlate(SupportCase)
        .scalar_subquery()
    )
    return case(
        (last_day.is_(None), literal_column("'none'")),
        (last_day <= on, literal_column("'expired'")),
        else_=literal_column("'valid'"),
    )
