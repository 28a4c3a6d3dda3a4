"""What money waits for on the first page: the month being settled, reviews, contests, transfers, what is owed.

Each figure leads to its page. Sections without anything to say say so in one line, because finance looks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.billing import overviews, reading
from portal.directory.queries import organisation_names
from portal.payments.queries import own_tie_out
from portal.payments.taxing.locating import waiting_invoices
from portal.settlement import cash_needed as needing
from portal.settlement import cockpit, queries
from portal.settlement.negative_parties import negative_parties
from portal.settlement.selfbilling import queries as agreements
from portal.settlement.selfbilling.billing import waiting_for_invoice
from portal.web import today
from portal.web.gate import current_zone
from portal.web.ledger import PERIOD_STATES
from portal.web.settlement.paying import STATES
from portal.web.settlement.periods import steps_of

MOST_ROWS = 5
FINANCE = {Role.FINANCE}
MANUFACTURER = frozenset({Side.MANUFACTURER})
COMPANIES = frozenset({Side.MANUFACTURER, Side.INTEGRATOR})


@today.section("close", title="The month at hand", roles=FINANCE, order=10, sides=MANUFACTURER)
def close(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """The oldest period that is not closed for good, and what it waits for."""
    period = cockpit.period_at_hand(session, actor)
    if period is None:
        return {"period": None}
    steps = steps_of(
        period,
        cockpit.close_progress(session, actor, period.id),
        queries.stages(session, actor, period.id, now=now),
        has_ended=now >= period.ends_at,
    )
    return {"period": period, "state": PERIOD_STATES[period.state], "steps": steps}


@today.section("reviews", title="Statements to review", roles=FINANCE, order=11, sides=COMPANIES)
def reviews(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """Statements that the organisation may still contest."""
    return {"statements": cockpit.to_review(session, actor, now=now)}


@today.section("contests", title="Contests", roles=FINANCE, order=12, sides=COMPANIES)
def contests(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """Undecided contests."""
    return {"rows": cockpit.contests(session, actor, undecided=True, most=MOST_ROWS)}


@today.section("transfers", title="Transfers and cash", roles=FINANCE, order=13, sides=MANUFACTURER)
def transfers(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """Transfers that wait or failed, and what they need against what Stripe's books say is there."""
    unsent = [each for each in queries.transfers(session, actor) if each.state != "succeeded"]
    at_stripe = {tie.currency: tie for tie in own_tie_out(session, actor)}
    return {
        "rows": unsent[:MOST_ROWS],
        "states": STATES,
        "names": organisation_names(session, [each.party_id for each in unsent[:MOST_ROWS]]),
        "needed": [one for one in needing.cash_needed(session, actor, now=now).forecasts if one.needed_minor],
        "at_stripe": at_stripe,
    }


@today.section("self-billing", title="Self-billing", roles=FINANCE, order=15, sides=COMPANIES)
def self_billing(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """Agreements that wait or end soon, and statements that wait for the party's own invoice."""
    rows = agreements.needing_attention(session, actor, now)
    companies = {each for row in rows for each in (row.agreement.manufacturer_id, row.agreement.party_id)}
    return {
        "rows": rows,
        "names": organisation_names(session, list(companies)),
        "uninvoiced": waiting_for_invoice(session, actor, now, most=MOST_ROWS),
    }


@today.section("receivables", title="Owed and unbilled", roles=FINANCE, order=14, sides=MANUFACTURER)
def receivables(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """Receivables by age, work that is not billed, shares that nobody has yet, parties below zero."""
    rows = overviews.receivables(session, actor, today=now.astimezone(current_zone()).date())
    unbilled = overviews.unbilled_work(session, actor, now=now, most=MOST_ROWS)
    undetermined = overviews.undetermined_shares(session, actor, now=now)
    owing = negative_parties(session, actor, most=MOST_ROWS)
    return {
        "rows": rows[:MOST_ROWS],
        "ages": overviews.AGES,
        "waiting": waiting_invoices(session, actor)[:MOST_ROWS],
        "unbilled": unbilled,
        "undetermined": undetermined[:MOST_ROWS],
        "owing": owing,
        "names": organisation_names(session, [each.party_id for each in owing]),
        "questions": overviews.open_questions(session, actor, most=MOST_ROWS),
    }


@today.section(
    "to-pay",
    title="Invoices to pay",
    roles={Role.FINANCE, Role.BUYER},
    order=20,
    sides=frozenset({Side.INTEGRATOR, Side.CUSTOMER}),
)
def to_pay(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """What the organisation still owes."""
    rows = [row for row in reading.invoices(session, actor) if row.open_minor > 0]
    return {"rows": rows[:MOST_ROWS], "waiting": waiting_invoices(session, actor)[:MOST_ROWS]}


@today.section("unauthorized", title="Time nobody authorized", roles={Role.SUPPORT_LEAD}, order=40, sides=MANUFACTURER)
def unauthorized(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """What was billed to nobody in the last days because the payer had not said yes."""
    return {"rows": overviews.unauthorized_time(session, actor, now=now)}
