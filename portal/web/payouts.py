"""Receiving payments: an organisation's account at Stripe, what it may receive, and Stripe's own pages to set it up.

The address of Stripe's page is fetched fresh for each visit and never stored. Where Stripe does not answer in time the
page says that the account is being prepared; the intent is committed, so a job goes on with it.
"""

from __future__ import annotations

from typing import cast

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine

from portal.access import Actor, Side, may_administer, may_handle_finance, may_see_shares
from portal.db import Scope
from portal.errors import ProviderTrouble
from portal.payments import actions, handling, queries
from portal.payments.gateway import Gateway
from portal.settlement.waiting import waiting_for_accounts
from portal.web.gate import current_actor, current_edges, current_now, current_session, current_viewer, open_to
from portal.web.stepping import confirmed

blueprint = Blueprint("payouts", __name__)

# What Stripe says of the capability, as (words, tone, what it means).
STATES = {
    "none": ("Not set up", "warn", "What you earn accrues; it can be transferred once an account is set up."),
    "pending": ("Being checked", "accent", "Stripe still wants something, or is looking at what was sent."),
    "active": ("Ready", "good", "Approved settlements are transferred to this account."),
    "restricted": ("Restricted", "bad", "Stripe takes no transfers until what it asks for is answered."),
    "unsupported": ("Not possible", "bad", "Stripe cannot pay this account; ask the operator."),
}


def may_set_up_payouts(actor: Actor) -> bool:
    """Finance and administrators of whoever is paid; the operator keeps its own part without a transfer."""
    return (
        actor.side is not Side.CUSTOMER
        and not actor.is_operator
        and (may_administer(actor) or may_handle_finance(actor))
    )


@blueprint.get("/payouts")
@open_to(may_set_up_payouts)
def account() -> ResponseReturnValue:
    return _account_page()


@blueprint.post("/payouts/onboarding")
@open_to(may_set_up_payouts)
@confirmed("change the bank account that receives payments")
def onboard() -> ResponseReturnValue:
    session, edges, now = current_session(), current_edges(), current_now()
    gateway = _gateway()
    intent = actions.open_account(
        session, current_actor(), email=current_viewer().email, livemode=edges.settings.livemode, now=now
    )
    engine = _engine()
    # The intent has to stand before anybody is called.
    session.commit()
    try:
        address = handling.start_onboarding(
            engine,
            gateway,
            _scope(),
            intent.id,
            refresh_url=_absolute("payouts.expired"),
            return_url=_absolute("payouts.back"),
            now=now,
        )
    except ProviderTrouble as trouble:
        return render_template("payouts/preparing.html", sentence=trouble.sentence), 503
    return redirect(address, code=303)


@blueprint.get("/payouts/expired")
@open_to(may_set_up_payouts)
def expired() -> ResponseReturnValue:
    """Where Stripe sends somebody whose address was used or too old; a fresh one takes a click."""
    flash("That address at Stripe was used or too old. Go on with a fresh one.", "warn")
    return redirect(url_for("payouts.account"), code=303)


@blueprint.get("/payouts/back")
@open_to(may_set_up_payouts)
def back() -> ResponseReturnValue:
    """Where Stripe sends somebody who is done: the account is looked at again, whatever the address says."""
    known = queries.own_account(current_session(), current_actor())
    if known is not None:
        engine = _engine()
        current_session().commit()
        try:
            handling.refresh_account(
                engine, _gateway().for_page(), known.provider_account_id, current_now(), scope=_scope()
            )
        except ProviderTrouble:
            flash("Stripe has not answered yet; the state here follows as soon as it does.", "warn")
    return redirect(url_for("payouts.account"), code=303)


def _account_page() -> ResponseReturnValue:
    actor = current_actor()
    known = queries.own_account(current_session(), actor)
    state = known.transfers_state if known else "none"
    return render_template(
        "payouts/account.html",
        account=known,
        state=STATES[state],
        requirements=[_plain(name) for name in known.requirements.get("open", ())] if known else [],
        is_ready=state == "active",
        has_stripe=current_edges().gateway is not None,
        waiting=waiting_for_accounts(current_session(), actor) if may_see_shares(actor) else [],
    )


def _plain(requirement: str) -> str:
    """``external_account`` as words; Stripe names nested requirements with dots."""
    return requirement.replace(".", ": ").replace("_", " ")


def _absolute(endpoint: str) -> str:
    return current_edges().settings.base_url + url_for(endpoint)


def _gateway() -> Gateway:
    gateway = current_edges().gateway
    if gateway is None:
        raise ProviderTrouble("Stripe is not set up for this deployment.")
    return gateway


def _engine() -> Engine:
    return cast(Engine, current_session().get_bind())


def _scope() -> Scope:
    actor = current_actor()
    return Scope(actor.organisation_id, actor.person_id)
