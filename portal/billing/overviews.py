"""What finance and payers look at as a whole: what is owed and since when, what is unbilled, what a plan saved.

Every figure is per currency; nothing is summed across.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_handle_finance
from portal.billing.models import BillingCut, BillItem, BillLine, LineQuery, LineQueryAnswer
from portal.billing.queries import WaitingCut, blockers, waiting_cuts
from portal.billing.reading import readable
from portal.billing.rules import Blocker
from portal.billing.unbilled import unbilled_work as rated_work
from portal.cases.models import SupportCase
from portal.errors import NotAllowed, NotFound, RuleBroken
from portal.money import Money

MOST_WAITING = 200
MOST_QUESTIONS = 50
# Cases priced for the work list; each is rated anew.
MOST_PRICED = 20
UNAUTHORIZED_LOOKBACK = timedelta(days=7)
# Days overdue at which an open invoice grows a bucket older.
AGES = ("Not due", "1 to 30 days", "31 to 60 days", "61 to 90 days", "Over 90 days")


@dataclass(frozen=True)
class Receivable:
    """What one payer owes in one currency, by how long it is overdue; ``by_age`` in the order of AGES."""

    payer_id: int
    payer_name: str
    currency: str
    by_age: tuple[int, ...]
    invoice_count: int

    @property
    def total_minor(self) -> int:
        """What is open altogether."""
        return sum(self.by_age)

    @property
    def older_minor(self) -> int:
        """What is overdue by more than a month."""
        return sum(self.by_age[2:])


_RECEIVABLES = text(
    """
    SELECT open.payer_id, organisation.name, open.currency,
           coalesce(sum(open.minor) FILTER (WHERE open.late <= 0), 0)::bigint,
           coalesce(sum(open.minor) FILTER (WHERE open.late BETWEEN 1 AND 30), 0)::bigint,
           coalesce(sum(open.minor) FILTER (WHERE open.late BETWEEN 31 AND 60), 0)::bigint,
           coalesce(sum(open.minor) FILTER (WHERE open.late BETWEEN 61 AND 90), 0)::bigint,
           coalesce(sum(open.minor) FILTER (WHERE open.late > 90), 0)::bigint, count(*)
    FROM (
        SELECT invoice.payer_id, invoice.currency, CAST(:today AS date) - invoice.due_on AS late,
               invoice.total_minor
               + coalesce((SELECT tax_minor FROM invoice_tax WHERE invoice_tax.invoice_id = invoice.id), 0)
               - coalesce((SELECT sum(amount_minor) FROM cash_receipt
                           WHERE cash_receipt.invoice_id = invoice.id), 0)
               - coalesce((SELECT sum(amount_minor) FROM line_reduction
                           WHERE line_reduction.invoice_id = invoice.id AND lowers_net), 0) AS minor
        FROM invoice WHERE invoice.manufacturer_id = :own
    ) open
    JOIN organisation ON organisation.id = open.payer_id
    WHERE open.minor > 0
    GROUP BY open.payer_id, organisation.name, open.currency
    ORDER BY organisation.name, open.currency
    """
)


def receivables(session: Session, actor: Actor, *, today: date) -> list[Receivable]:
    """Open invoices of the actor's manufacturer, by payer and age. *Raises*: NotAllowed."""
    _check(actor)
    rows = session.execute(_RECEIVABLES, {"own": actor.organisation_id, "today": today})
    return [Receivable(row[0], row[1], row[2], tuple(row[3:8]), row[8]) for row in rows]


@dataclass(frozen=True)
class Unbilled:
    """A cut without a bill item, and what holds it; nothing named means that its job is on the way."""

    cut: WaitingCut
    blockers: tuple[Blocker, ...]


def unbilled_work(session: Session, actor: Actor, *, now: datetime, most: int = MOST_WAITING) -> list[Unbilled]:
    """The work list of the actor's manufacturer, the oldest first. *Raises*: NotAllowed."""
    _check(actor)
    waiting = waiting_cuts(session, actor.organisation_id, most=most)
    rows = session.execute(
        select(BillingCut, SupportCase)
        .join(SupportCase, SupportCase.id == BillingCut.case_id)
        .where(BillingCut.id.in_([each.cut_id for each in waiting]))
    )
    held = {cut.id: blockers(session, case, cut, now=now) for cut, case in rows}
    return [Unbilled(each, held[each.cut_id]) for each in waiting]


def worth_of_waiting(session: Session, actor: Actor, cuts: Sequence[WaitingCut], *, now: datetime) -> dict[int, Money]:
    """What the approved work of waiting cases would come to, all payers of a case together.

    An estimate, of the oldest cases only: what holds a bill may change its price. Left out is what is worth nothing,
    and what its documents cannot price, which its blockers say. *Raises*: NotAllowed.
    """
    _check(actor)
    found: dict[int, Money] = {}
    for case_id in sorted({each.case_id for each in cuts[:MOST_PRICED]}):
        with suppress(NotFound, RuleBroken):
            for one in rated_work(session, [case_id], before=now):
                before = found.get(case_id, Money.zero(one.currency))
                found[case_id] = before + Money(one.amount_minor, one.currency)
    return found


@dataclass(frozen=True)
class Undetermined:
    """A part of a bill item of which nobody knows yet whose it is."""

    bill_item_id: int
    case_name: str
    currency: str
    amount_minor: int
    since: datetime


# Days that a share has waited for its party, at which it grows a bucket older.
WAITED = ("Up to 30 days", "31 to 60 days", "61 to 90 days", "Over 90 days")
_WAITED = "least((extract(day FROM CAST(:now AS timestamptz) - share.recorded_at)::int - 1) / 30, 3)"

_UNDETERMINED_BY_AGE = text(
    f"""
    SELECT currency, coalesce(sum(minor) FILTER (WHERE age = 0), 0)::bigint,
           coalesce(sum(minor) FILTER (WHERE age = 1), 0)::bigint,
           coalesce(sum(minor) FILTER (WHERE age = 2), 0)::bigint,
           coalesce(sum(minor) FILTER (WHERE age = 3), 0)::bigint
    FROM (
        SELECT share.currency, share.amount_minor AS minor, greatest({_WAITED}, 0) AS age FROM share
        WHERE share.manufacturer_id = :own AND share.party_id IS NULL AND share.kind <> 'reversal'
          AND NOT EXISTS (SELECT FROM share gone WHERE gone.reverses_id = share.id)
    ) open GROUP BY currency ORDER BY currency
    """
)


def undetermined_by_age(session: Session, actor: Actor, *, now: datetime) -> dict[str, tuple[int, ...]]:
    """What nobody has yet, by currency and in the order of WAITED. *Raises*: NotAllowed."""
    _check(actor)
    rows = session.execute(_UNDETERMINED_BY_AGE, {"own": actor.organisation_id, "now": now})
    return {row[0]: tuple(row[1:]) for row in rows}


_UNDETERMINED = text(
    f"""
    SELECT share.bill_item_id, support_case.name, share.currency, sum(share.amount_minor)::bigint,
           min(share.recorded_at)
    FROM share
    JOIN support_case ON support_case.id = share.case_id
    WHERE share.manufacturer_id = :own AND share.party_id IS NULL AND share.kind <> 'reversal'
      AND NOT EXISTS (SELECT FROM share gone WHERE gone.reverses_id = share.id)
      AND (CAST(:currency AS text) IS NULL OR share.currency = :currency)
      AND (CAST(:age AS int) IS NULL OR greatest({_WAITED}, 0) = :age)
    GROUP BY share.bill_item_id, support_case.name, share.currency
    ORDER BY min(share.recorded_at), share.bill_item_id
    LIMIT :most
    """
)


def undetermined_shares(
    session: Session,
    actor: Actor,
    *,
    now: datetime,
    currency: str | None = None,
    age: int | None = None,
    most: int = MOST_WAITING,
) -> list[Undetermined]:
    """Shares of the actor's manufacturer that wait for a resolver, the oldest first; those of a currency and an age.

    *Raises*: NotAllowed.
    """
    _check(actor)
    values = {"own": actor.organisation_id, "most": most, "now": now, "currency": currency, "age": age}
    rows = session.execute(_UNDETERMINED, values)
    return [Undetermined(*row) for row in rows]


@dataclass(frozen=True)
class UnauthorizedTime:
    """Time of a case that the manufacturer bears because nobody authorized it."""

    bill_item_id: int
    case_name: str
    seconds: int
    currency: str
    list_amount_minor: int


_UNAUTHORIZED = text(
    """
    SELECT line.bill_item_id, support_case.name, sum(line.seconds)::bigint, line.currency,
           sum(line.list_amount_minor)::bigint
    FROM bill_line line
    JOIN bill_item item ON item.id = line.bill_item_id
    JOIN support_case ON support_case.id = line.case_id
    WHERE line.manufacturer_id = :own AND line.kind IN ('unauthorized', 'beyond_nte') AND item.recorded_at >= :since
      AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = item.id)
    GROUP BY line.bill_item_id, support_case.name, line.currency
    ORDER BY sum(line.seconds) DESC, line.bill_item_id LIMIT 10
    """
)


def unauthorized_time(session: Session, actor: Actor, *, now: datetime) -> list[UnauthorizedTime]:
    """What was billed to nobody in the last week, the longest first; nothing for other sides."""
    if actor.side is not Side.MANUFACTURER:
        return []
    rows = session.execute(_UNAUTHORIZED, {"own": actor.organisation_id, "since": now - UNAUTHORIZED_LOOKBACK})
    return [UnauthorizedTime(*row) for row in rows]


@dataclass(frozen=True)
class Worth:
    """What a quarter cost its payer, and what it would have cost without a plan."""

    quarter: str
    currency: str
    case_count: int
    item_count: int
    included_seconds: int
    amount_minor: int
    list_amount_minor: int

    @property
    def saved_minor(self) -> int:
        """What the plan was worth."""
        return self.list_amount_minor - self.amount_minor


_WORTH = text(
    """
    SELECT to_char(quarter, 'YYYY "Q"Q'), currency, count(DISTINCT case_id), count(*),
           sum(included_seconds)::bigint, sum(amount_minor)::bigint, sum(list_amount_minor)::bigint
    FROM (
        SELECT item.*, date_trunc('quarter', item.occurred_at AT TIME ZONE :zone) AS quarter
        FROM bill_item item
        WHERE item.payer_id = :own
          AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = item.id)
    ) item
    GROUP BY quarter, currency ORDER BY quarter DESC, currency LIMIT 40
    """
)


def worth(session: Session, actor: Actor, *, zone: str) -> list[Worth]:
    """What the actor's organisation paid by quarter, against what it would have been, the latest first."""
    return [Worth(*row) for row in session.execute(_WORTH, {"own": actor.organisation_id, "zone": zone})]


@dataclass(frozen=True)
class Question:
    """A question about a bill line, with the case it is about and its answer."""

    query: LineQuery
    line: BillLine
    case_name: str
    answer: LineQueryAnswer | None


def open_questions(session: Session, actor: Actor, *, most: int = MOST_QUESTIONS) -> list[Question]:
    """Questions that wait for the actor's manufacturer, the most urgent first; none for anybody else."""
    if not may_answer_questions(actor):
        return []
    rows = session.execute(
        _questions()
        .where(LineQuery.manufacturer_id == actor.organisation_id, LineQueryAnswer.id.is_(None))
        .order_by(LineQuery.answer_by, LineQuery.id)
        .limit(most)
    )
    return [Question(*row) for row in rows]


def question(session: Session, actor: Actor, query_id: int) -> Question:
    """A question to the actor's manufacturer. *Raises*: NotFound."""
    found = session.execute(
        _questions().where(LineQuery.id == query_id, LineQuery.manufacturer_id == actor.organisation_id)
    ).one_or_none()
    if found is None or not may_answer_questions(actor):
        raise NotFound
    return Question(*found)


def line_to_ask_about(session: Session, actor: Actor, line_id: int) -> tuple[BillLine, BillItem]:
    """A line that the actor may read, with its item. *Raises*: NotFound."""
    found = session.execute(
        select(BillLine, BillItem)
        .join(BillItem, BillItem.id == BillLine.bill_item_id)
        .where(BillLine.id == line_id, readable(actor, BillItem))
    ).one_or_none()
    if found is None or not may_ask_about(actor, found[1]):
        raise NotFound
    return found[0], found[1]


def may_ask_about(actor: Actor, item: BillItem) -> bool:
    """Questions are asked by those who pay."""
    return item.payer_id == actor.organisation_id and actor.has(Role.BUYER, Role.FINANCE, Role.SERVICE_MANAGER)


def may_answer_questions(actor: Actor) -> bool:
    """Finance and the support lead of the manufacturer answer."""
    return actor.side is Side.MANUFACTURER and actor.has(Role.FINANCE, Role.SUPPORT_LEAD)


def replacement_of(session: Session, item_id: int) -> int | None:
    """The item that replaces one that was taken back."""
    return session.scalar(select(BillItem.id).where(BillItem.replaces_id == item_id))


def _questions() -> Select[LineQuery, BillLine, str, LineQueryAnswer]:
    return (
        select(LineQuery, BillLine, SupportCase.name, LineQueryAnswer)
        .join(BillLine, BillLine.id == LineQuery.bill_line_id)
        .join(SupportCase, SupportCase.id == LineQuery.case_id)
        .outerjoin(LineQueryAnswer, LineQueryAnswer.query_id == LineQuery.id)
    )


def _check(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("This is for the manufacturer's finance.")
