"""Reports as the actor may read them: a table for a month, and the cases behind one of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, distinct, func, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.billing.models import PlanSale
from portal.billing.packs.models import PackSale
from portal.cases.models import SupportCase
from portal.directory.models import Organisation, ProductLine, Site
from portal.entitlement.models import UsageGrant
from portal.errors import NotFound
from portal.reporting.facts import FACTS, Asked
from portal.reporting.rules import KEY_LIMIT, SEPARATOR, Group, Month, Names, Report, Table, reports_for

# What a report would hold beyond this no page can show; the most frequent keys come first.
MOST_GROUPS = 2_000
PAGE = 50
# Kinds of revenue that no case earned: what expired of packs, what selling them brought, what was left of plans.
_OF_PLANS = "subscription"
_OF_SALES = frozenset({"pack_breakage", "selling_commission", _OF_PLANS})
_REVENUE_PARTS = 4


@dataclass(frozen=True)
class CaseBehind:
    """A case that a figure counts, with its own part of the figure."""

    id: int
    name: str
    title: str
    severity: int
    state: str
    opened_at: datetime
    resolved_at: datetime | None
    seconds: int | None
    amount_minor: int | None


def report_named(actor: Actor, code: str | None) -> Report:
    """A report of the actor's; the first one where none is named. *Raises*: NotFound."""
    mine = reports_for(actor)
    found = next((report for report in mine if report.code == code), None) if code else next(iter(mine), None)
    if found is None:
        raise NotFound()
    return found


def table(session: Session, actor: Actor, report: Report, month: Month, now: datetime) -> Table:
    """A report's table of a month, in three statements. *Raises*: NotFound for a report that is not the actor's."""
    _must_see(actor, report)
    facts = FACTS[report.code](Asked(actor, month, now)).subquery("fact")
    cases = func.count(distinct(facts.c.case_id))
    rows = session.execute(
        select(
            facts.c.key,
            func.max(facts.c.label),
            cases,
            func.coalesce(func.sum(facts.c.seconds), 0),
            func.coalesce(func.sum(facts.c.amount_minor), 0),
        )
        .group_by(facts.c.key)
        .order_by(cases.desc(), facts.c.key)
        .limit(MOST_GROUPS)
    )
    groups = [Group(tuple(row[0].split(SEPARATOR)), row[1], row[2], int(row[3]), int(row[4])) for row in rows]
    return report.lay_out(groups, _names(session) if groups else Names())


def cases_behind(
    session: Session,
    actor: Actor,
    report: Report,
    month: Month,
    key: str,
    *,
    now: datetime,
    before_id: int | None = None,
    limit: int = PAGE + 1,
) -> Sequence[CaseBehind]:
    """The cases a figure counts, newest first. *Raises*: NotFound for a report that is not the actor's."""
    _must_see(actor, report)
    facts = FACTS[report.code](Asked(actor, month, now)).subquery("fact")
    part = (
        select(
            facts.c.case_id,
            func.sum(facts.c.seconds).label("seconds"),
            func.sum(facts.c.amount_minor).label("amount_minor"),
        )
        .where(_is_counted(facts.c.key, key))
        .group_by(facts.c.case_id)
        .subquery("part")
    )
    statement = select(
        SupportCase.id,
        SupportCase.name,
        SupportCase.title,
        SupportCase.severity,
        SupportCase.state,
        SupportCase.opened_at,
        SupportCase.resolved_at,
        part.c.seconds,
        part.c.amount_minor,
    ).join(part, part.c.case_id == SupportCase.id)
    if before_id is not None:
        statement = statement.where(SupportCase.id < before_id)
    rows = session.execute(statement.order_by(SupportCase.id.desc()).limit(limit))
    return [_behind(row) for row in rows]


@dataclass(frozen=True)
class SaleBehind:
    """A sold pack, or a plan's month, that a figure counts, with its own part of the figure."""

    id: int
    is_plan: bool
    words: str
    sold_at: datetime
    amount_minor: int


def sale_kind(key: str) -> bool:
    """Whether a figure of the revenue report counts sales and not cases."""
    parts = key.split(SEPARATOR)
    return len(parts) == _REVENUE_PARTS and parts[1] in _OF_SALES


def sales_behind(
    session: Session, actor: Actor, report: Report, month: Month, key: str, *, now: datetime, limit: int = MOST_GROUPS
) -> Sequence[SaleBehind]:
    """The sales a figure counts, newest first. *Raises*: NotFound for a report that is not the actor's."""
    _must_see(actor, report)
    facts = FACTS[report.code](Asked(actor, month, now)).subquery("fact")
    part = (
        select(facts.c.case_id.label("sale_id"), func.sum(facts.c.amount_minor).label("amount_minor"))
        .where(_is_counted(facts.c.key, key))
        .group_by(facts.c.case_id)
        .subquery("part")
    )
    is_plan = key.split(SEPARATOR)[1] == _OF_PLANS
    sale: Any = PlanSale if is_plan else PackSale
    words, at = (sale.plan_code, sale.starts_at) if is_plan else (UsageGrant.terms["label"].astext, sale.sold_at)
    statement = select(sale.id, words, Site.name, at, part.c.amount_minor).join(part, part.c.sale_id == sale.id)
    if not is_plan:
        statement = statement.join(UsageGrant, UsageGrant.id == sale.grant_id)
    rows = session.execute(
        statement.join(Site, Site.id == sale.site_id).order_by(at.desc(), sale.id.desc()).limit(limit)
    )
    return [SaleBehind(row[0], is_plan, f"{row[1]}, {row[2]}", row[3], int(row[4])) for row in rows]


def _is_counted(column: ColumnElement[str], key: str) -> ColumnElement[bool]:
    """Whether a fact is of a key; one that begins empty is every party's."""
    wanted = key[:KEY_LIMIT]
    if wanted.startswith(SEPARATOR):
        return func.substr(column, func.strpos(column, SEPARATOR)) == wanted
    return column == wanted


def _must_see(actor: Actor, report: Report) -> None:
    if report not in reports_for(actor):
        raise NotFound()


def _names(session: Session) -> Names:
    # Customers are no party of any report.
    companies = select(Organisation.id, Organisation.name).where(Organisation.side != "customer")
    return Names(
        {row.id: row.name for row in session.execute(companies)},
        {row.id: row.name for row in session.execute(select(ProductLine.id, ProductLine.name))},
    )


def _behind(row: Row[Any]) -> CaseBehind:
    return CaseBehind(**{**row._asdict(), "seconds": _whole(row.seconds), "amount_minor": _whole(row.amount_minor)})


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
