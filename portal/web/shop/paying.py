"""To Stripe's page and back: an order's checkout is made while its buyer waits, and its address used at once."""

from __future__ import annotations

from typing import cast

from flask import redirect, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine

from portal.db import Scope
from portal.errors import ProviderTrouble
from portal.payments import calls
from portal.payments.checkouts import page_of
from portal.payments.gateway import Gateway
from portal.payments.models import Intent
from portal.selling.actions import Place
from portal.selling.models import Purchase
from portal.web.gate import current_actor, current_edges, current_now, current_session


def place() -> Place:
    """Where Stripe's page leads back to, with the deployment's switches."""
    settings = current_edges().settings
    return Place(settings.base_url, automatic_tax=settings.automatic_tax, livemode=settings.livemode)


def to_checkout(purchase: Purchase) -> ResponseReturnValue:
    """Have the checkout made, if it is not, and go there; the page of preparation where Stripe does not answer."""
    key, intent_id = purchase.form_key, purchase.intent_id
    if intent_id is None:
        return redirect(f"/bought/{key}", code=303)
    session, actor, now = current_session(), current_actor(), current_now()
    engine = cast(Engine, session.get_bind())
    # The order has to stand before anybody is called.
    session.commit()
    try:
        scope = Scope(actor.organisation_id, actor.person_id)
        calls.perform(engine, gateway().for_page(), intent_id, now, scope=scope)
    except ProviderTrouble as trouble:
        return render_template("shop/preparing.html", sentence=trouble.sentence, key=key), 503
    intent = session.get_one(Intent, intent_id, populate_existing=True)
    return redirect(page_of(intent, now) or f"/bought/{key}", code=303)


def gateway() -> Gateway:
    """Stripe. *Raises*: ProviderTrouble where the deployment has none."""
    found = current_edges().gateway
    if not isinstance(found, Gateway):
        raise ProviderTrouble("Stripe is not set up for this deployment.")
    return found
