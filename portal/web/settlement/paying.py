"""Transfers: each with its state at Stripe, why it waits or failed, and trying it again safely."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.access import may_see_shares
from portal.directory.queries import organisation_names
from portal.payments import actions
from portal.settlement import cash_needed as needing
from portal.settlement import queries
from portal.settlement.negative_parties import negative_parties
from portal.settlement.waiting import waiting_for_accounts
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.settlement.blueprint import blueprint, may_settle

STATES = {
    "planned": ("Waiting", "warn"),
    "sent": ("At Stripe", "accent"),
    "unknown": ("Being looked up", "warn"),
    "succeeded": ("Transferred", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "plain"),
}


# How far a statement's transfer has come, and what to do for it.
NEEDED_FOR = {
    needing.WAITING: ("Waiting to go", "warn"),
    needing.APPROVED: ("Approved, being made", "accent"),
    needing.PREPARED: ("Prepared, to approve", "plain"),
}


@blueprint.get("/transfers")
@open_to(may_see_shares)
def transfers() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows, waiting = queries.transfers(session, actor), waiting_for_accounts(session, actor)
    return render_template(
        "settlement/transfers.html",
        rows=rows,
        waiting=waiting,
        names=organisation_names(session, [*(row.party_id for row in rows), *(each.party_id for each in waiting)]),
        states=STATES,
        may_retry=may_settle(actor),
    )


@blueprint.get("/cash-needed")
@open_to(may_settle)
def cash_needed() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = needing.cash_needed(session, actor, now=current_now())
    parties = [each.demand.party_id for one in found.forecasts for each in one.covered]
    return render_template(
        "settlement/cash_needed.html",
        found=found,
        names=organisation_names(session, parties),
        stages=NEEDED_FOR,
        zone=current_zone(),
    )


@blueprint.get("/owing-parties")
@open_to(may_settle)
def owing_parties() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = negative_parties(session, actor)
    names = organisation_names(session, [row.party_id for row in rows])
    return render_template("settlement/owing_parties.html", rows=rows, names=names)


@blueprint.post("/transfers/<uuid:intent_id>/retry")
@open_to(may_settle)
def retry(intent_id: UUID) -> ResponseReturnValue:
    """What it wanted is looked up at Stripe before anything is sent anew."""
    actions.retry_intent(current_session(), current_actor(), intent_id)
    flash("It is looked up at Stripe and tried again; money moves once.", "good")
    return redirect(url_for("settlement.transfers"), code=303)
