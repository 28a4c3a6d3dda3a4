"""Which reports there are, who may see which, and how their sums read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.access import Actor, Role, Side, may_see_shares
from portal.reporting.rules import tables
from portal.reporting.rules.tables import MOST_HAND_OVERS
from portal.reporting.rules.values import (
    KEY_LIMIT,
    SEPARATOR,
    Cell,
    Chart,
    Column,
    Group,
    Kind,
    Month,
    Names,
    Series,
    Table,
    month_of,
)

__all__ = [
    "KEY_LIMIT",
    "MOST_HAND_OVERS",
    "REPORTS",
    "SEPARATOR",
    "Cell",
    "Chart",
    "Column",
    "Group",
    "Kind",
    "Month",
    "Names",
    "Report",
    "Series",
    "Table",
    "may_see_reports",
    "month_of",
    "reports_for",
]


@dataclass(frozen=True)
class Report:
    """One report: what it says, what an empty one says, who may see it, and how its sums become a table."""

    code: str
    title: str
    lead: str
    empty: str
    allowed: Callable[[Actor], bool]
    lay_out: Callable[[Sequence[Group], Names], Table]


def may_see_reports(actor: Actor) -> bool:
    """Those who answer for people or money; what a report holds, their scope decides."""
    return actor.has(Role.SUPPORT_LEAD, Role.SERVICE_MANAGER, Role.FINANCE)


def reports_for(actor: Actor) -> tuple[Report, ...]:
    """The reports an actor may see, most asked for first."""
    return tuple(report for report in REPORTS if may_see_reports(actor) and report.allowed(actor))


def _everybody(actor: Actor) -> bool:
    return may_see_reports(actor)


def _companies(actor: Actor) -> bool:
    return actor.side is not Side.CUSTOMER


def _leads(actor: Actor) -> bool:
    return actor.has(Role.SUPPORT_LEAD, Role.SERVICE_MANAGER)


REPORTS = (
    Report(
        "resolutions",
        "Who resolved what",
        "Cases resolved in the month, by cause and by the company whose work ended them.",
        "No case was resolved in this month.",
        _companies,
        tables.resolutions,
    ),
    Report(
        "custody",
        "Time in custody",
        "How long each company held cases in the month, from acceptance to acceptance.",
        "Nobody held a case in this month.",
        _everybody,
        tables.custody,
    ),
    Report(
        "hand-overs",
        "Hand-overs",
        "How often the cases resolved in the month went from one company to the other.",
        "No case was resolved in this month.",
        _everybody,
        tables.hand_overs,
    ),
    Report(
        "service-levels",
        "Service levels",
        "Promises whose clock ended in the month, kept or missed. Clocks that still run are not counted.",
        "No clock ended in this month.",
        _everybody,
        tables.service_levels,
    ),
    Report(
        "training",
        "Training gaps",
        "Who escalates which product line, with which certificate, and the how-to help given.",
        "Nobody escalated a case in this month.",
        _leads,
        tables.training,
    ),
    Report(
        "revenue",
        "Revenue by party",
        "Shares recorded in the month, corrections included: of cases, of packs and of plans. Net is the party's own "
        "part, gross what all have of it. A share is paid out when its money has arrived.",
        "No share was recorded in this month.",
        may_see_shares,
        tables.revenue,
    ),
)
