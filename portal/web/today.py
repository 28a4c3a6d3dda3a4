"""Each role's first page: what it should do now, in sections that the capabilities' pages register.

A section names the roles it is for and a partial template; its loader gets session, actor and now and returns what the
partial prints. The order says what matters most. A role without a waiting section reads what it can start with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.web.gate import anyone, current_actor, current_now, current_session, current_viewer, open_to

blueprint = Blueprint("today", __name__)

Loader = Callable[[Session, Actor, datetime], Mapping[str, Any]]

LEADS = {
    Role.SUPPORT_LEAD: "What breaks first, who is overloaded, what is unauthorized.",
    Role.ENGINEER: "Your cases by due time, and the next one to accept.",
    Role.SERVICE_MANAGER: "What is with you, what waits on the factory, what it earns.",
    Role.TECHNICIAN: "Your cases, and the way to the factory when you are stuck.",
    Role.BUYER: "What needs your yes, what is running, what is left of your plan.",
    Role.CONTACT: "Your cases and what happens next.",
    Role.FINANCE: "What has to be reviewed, approved and reconciled.",
    Role.ADMINISTRATOR: "Who belongs to your organisation, and what is signed.",
}


@dataclass(frozen=True)
class Section:
    """A part of the page: the smaller ``order``, the higher it stands."""

    key: str
    title: str
    template: str
    roles: frozenset[Role]
    sides: frozenset[Side]
    order: int
    load: Loader


@dataclass(frozen=True)
class FirstStep:
    """What a role can do from an empty page."""

    label: str
    endpoint: str
    roles: frozenset[Role]
    sides: frozenset[Side] = frozenset(Side)


FIRST_STEPS = (
    FirstStep("Escalate a case", "cases.escalate", frozenset({Role.TECHNICIAN, Role.SERVICE_MANAGER})),
    FirstStep("Log a call", "cases.log_call", frozenset({Role.ENGINEER, Role.SUPPORT_LEAD})),
    FirstStep("Open a case", "cases.open_case", frozenset({Role.BUYER, Role.CONTACT})),
    FirstStep("Review periods", "settlement.periods", frozenset({Role.FINANCE}), frozenset({Side.MANUFACTURER})),
    FirstStep("Review statements", "settlement.statements", frozenset({Role.FINANCE}), frozenset({Side.INTEGRATOR})),
    FirstStep("Look at invoices", "billing.invoices", frozenset({Role.FINANCE}), frozenset({Side.CUSTOMER})),
    FirstStep("Invite somebody", "people.invite", frozenset({Role.ADMINISTRATOR})),
)

_sections: list[Section] = []


def section(
    key: str, *, title: str, roles: set[Role], order: int, template: str = "", sides: frozenset[Side] = frozenset(Side)
) -> Callable[[Loader], Loader]:
    """Have the loader fill a section of the first page of ``roles``; its template is named after it if not given."""
    wanted = template or f"today/_{key.replace('-', '_')}.html"

    def keep(load: Loader) -> Loader:
        _sections.append(Section(key, title, wanted, frozenset(roles), sides, order, load))
        _sections.sort(key=lambda entry: (entry.order, entry.key))
        return load

    return keep


@blueprint.get("/")
@open_to(anyone)
def today() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    mine = [entry for entry in _sections if actor.side in entry.sides and actor.has(*entry.roles)]
    return render_template(
        "today/today.html",
        greeting=f"Today, {now.astimezone(current_viewer().zone):%A %d %B}",
        lead=next((text for role, text in LEADS.items() if actor.has(role)), ""),
        sections=[(entry, entry.load(session, actor, now)) for entry in mine],
        first_steps=[step for step in FIRST_STEPS if actor.side in step.sides and actor.has(*step.roles)],
    )
