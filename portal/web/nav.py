"""Which pages each role sees in the menu and as tabs, most used first, and under which entry of it a page belongs.

Pure: an actor in, entries out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from portal.access import Actor, Role, Side

Roles = frozenset[Role]

EVERYBODY: Roles = frozenset(Role)
FACTORY: Roles = frozenset({Role.ENGINEER, Role.SUPPORT_LEAD})
FIELD: Roles = frozenset({Role.TECHNICIAN, Role.SERVICE_MANAGER})
SERVICE: Roles = FACTORY | FIELD
CUSTOMERS: Roles = frozenset({Role.BUYER, Role.CONTACT})
LEADS: Roles = frozenset({Role.SUPPORT_LEAD, Role.SERVICE_MANAGER})
PAID = frozenset({Side.MANUFACTURER, Side.INTEGRATOR})


@dataclass(frozen=True)
class Entry:
    """One line of the menu."""

    label: str
    endpoint: str
    icon: str
    roles: Roles
    sides: frozenset[Side] = frozenset(Side)
    operator_only: bool = False
    not_operator: bool = False


ENTRIES: tuple[Entry, ...] = (
    Entry("Today", "today.today", "sun", EVERYBODY),
    Entry("Escalate", "cases.escalate", "arrow-up-right-circle", FIELD),
    Entry("Log a call", "cases.log_call", "telephone-plus", FACTORY),
    Entry("Open a case", "cases.open_case", "plus-circle", CUSTOMERS),
    Entry("Queue", "cases.queue", "list-ol", FACTORY),
    Entry("Cases", "cases.mine", "folder2-open", SERVICE | CUSTOMERS),
    Entry("Time", "work.timesheet", "stopwatch", SERVICE),
    Entry("Approve time", "work.approvals", "check2-square", LEADS),
    Entry("Plan", "plans.plan", "shield-check", CUSTOMERS),
    Entry("Shop", "shop.shop", "bag", CUSTOMERS),
    Entry("Bought", "shop.bought", "bag-check", frozenset({Role.BUYER, Role.FINANCE}), frozenset({Side.CUSTOMER})),
    Entry("Sales", "shop.bought", "bag-check", frozenset({Role.FINANCE}), PAID),
    Entry("Offers", "shop.offers", "tag", frozenset({Role.BUYER}), frozenset({Side.CUSTOMER})),
    Entry("Offers", "shop.offers", "tag", frozenset({Role.SERVICE_MANAGER}), frozenset({Side.INTEGRATOR})),
    Entry("Authorizations", "plans.authorizations", "hand-thumbs-up", CUSTOMERS | LEADS),
    Entry("Invoices", "billing.invoices", "receipt", frozenset({Role.BUYER, Role.FINANCE})),
    Entry("Periods", "settlement.periods", "calendar3", frozenset({Role.FINANCE}), frozenset({Side.MANUFACTURER})),
    Entry(
        "Statements",
        "settlement.statements",
        "file-earmark-text",
        frozenset({Role.FINANCE, Role.SERVICE_MANAGER}),
        PAID,
    ),
    Entry("Ledger", "ledger.accounts", "journal-text", frozenset({Role.FINANCE}), frozenset({Side.MANUFACTURER})),
    Entry("Payouts", "payouts.account", "bank", frozenset({Role.FINANCE, Role.ADMINISTRATOR}), PAID, not_operator=True),
    Entry("Systems", "directory.systems", "hdd-network", SERVICE | CUSTOMERS),
    Entry("Known issues", "cases.known_issues", "bug", FACTORY),
    Entry("Documents", "contracts.documents", "file-earmark-ruled", LEADS | {Role.FINANCE, Role.ADMINISTRATOR}),
    Entry("Reports", "reporting.reports", "bar-chart", LEADS | {Role.FINANCE}),
    Entry("Organisations", "directory.organisations", "building", frozenset({Role.ADMINISTRATOR})),
    Entry("People", "people.people", "people", frozenset({Role.ADMINISTRATOR})),
    Entry("Company sign-in", "identity.company_settings", "building-lock", frozenset({Role.ADMINISTRATOR})),
    Entry("Audit log", "people.audit_log", "clock-history", frozenset({Role.ADMINISTRATOR})),
    Entry("Kept mail", "mailbox.mailbox", "envelope", frozenset({Role.ADMINISTRATOR}), operator_only=True),
)

# Where a page belongs that is in nobody's menu: by what it begins with, the nearer first; then the first that is there.
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("settlement.statement", ("settlement.statements",)),
    ("settlement.line", ("settlement.statements",)),
    ("settlement.contest", ("settlement.periods", "settlement.statements")),
    ("settlement.csv", ("settlement.statements",)),
    ("settlement.", ("settlement.periods", "settlement.statements")),
    ("adjustments.", ("billing.invoices",)),
    ("billing.plan_month", ("plans.plan", "billing.invoices")),
    ("billing.pack_sale", ("shop.bought", "billing.invoices")),
    ("billing.", ("billing.invoices",)),
    ("cases.escalate", ("cases.escalate",)),
    ("cases.open_case", ("cases.open_case",)),
    ("cases.known_issue", ("cases.known_issues",)),
    ("cases.open_known_issue", ("cases.known_issues",)),
    ("cases.case", ("cases.mine",)),
    ("contracts.", ("contracts.documents",)),
    ("directory.organisation", ("directory.organisations",)),
    ("directory.new_organisation", ("directory.organisations",)),
    ("directory.", ("directory.systems",)),
    ("identity.company", ("identity.company_settings",)),
    ("identity.directory_tokens", ("identity.company_settings",)),
    ("ledger.", ("ledger.accounts",)),
    ("payouts.", ("payouts.account",)),
    ("people.", ("people.people",)),
    ("plans.authorization", ("plans.authorizations",)),
    ("plans.", ("plans.plan",)),
    ("reporting.", ("reporting.reports",)),
    ("shop.offer", ("shop.offers", "shop.bought")),
    ("shop.new_offer", ("shop.offers", "shop.bought")),
    ("shop.promotion", ("shop.bought",)),
    ("shop.purchase", ("shop.bought",)),
    ("shop.", ("shop.shop", "shop.bought")),
    ("work.", ("work.timesheet",)),
)


# The tabs of a section: label, page, and who reaches it; used most first.
TabPages = tuple[tuple[str, str, Callable[[Actor], bool]], ...]
# So many stand in one row; where a viewer has more, the rest is in a list behind the last of them.
TABS_IN_ROW = 6


@dataclass(frozen=True)
class TabBar:
    """The tabs that a viewer reaches, label and endpoint: those in the row and those in the list behind it."""

    row: tuple[tuple[str, str], ...]
    more: tuple[tuple[str, str], ...]


def tab_bar(actor: Actor, pages: TabPages) -> TabBar:
    """The actor's tabs; a list of one would hide what has room in the row."""
    reached = tuple((label, endpoint) for label, endpoint, rule in pages if rule(actor))
    in_row = len(reached) if len(reached) <= TABS_IN_ROW + 1 else TABS_IN_ROW
    return TabBar(reached[:in_row], reached[in_row:])


def menu(actor: Actor, known: Container[str]) -> tuple[Entry, ...]:
    """The entries of the actor's roles and side whose page exists in this deployment."""
    return tuple(
        entry
        for entry in ENTRIES
        if entry.endpoint in known
        and actor.side in entry.sides
        and not (entry.not_operator if actor.is_operator else entry.operator_only)
        and actor.has(*entry.roles)
    )


def section(endpoint: str | None, entries: Iterable[Entry]) -> str | None:
    """The entry that ``endpoint`` belongs under, of those that the viewer has; none where it belongs under none."""
    had = {entry.endpoint for entry in entries}
    if endpoint is None or endpoint in had:
        return endpoint
    begun = (under for start, under in SECTIONS if endpoint.startswith(start))
    return next((page for page in next(begun, ()) if page in had), None)
