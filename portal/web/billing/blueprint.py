"""The blueprint of bills, who reaches which of its pages, and the tabs between them."""

from __future__ import annotations

from flask import Blueprint, g

from portal.access import Actor, Role, Side, may_administer, may_handle_finance, may_see_prices
from portal.entitlement.orders.actions import may_enter_orders
from portal.payments.taxing.locating import may_place
from portal.web import nav

blueprint = Blueprint("billing", __name__)


def may_read_invoices(actor: Actor) -> bool:
    """Invoices are for finance, buyers and managers."""
    return actor.has(Role.FINANCE, Role.BUYER, Role.ADMINISTRATOR, Role.SERVICE_MANAGER, Role.SUPPORT_LEAD)


def may_collect(actor: Actor) -> bool:
    """What is owed and what is unbilled is for the manufacturer's finance."""
    return actor.side is Side.MANUFACTURER and may_handle_finance(actor)


def may_read_debts(actor: Actor) -> bool:
    """What parties have to return is for those whose books it is in, and for those who owe it."""
    return actor.side is not Side.CUSTOMER and may_handle_finance(actor)


def may_set_limits(actor: Actor) -> bool:
    """Limits of refunds and credits are the manufacturer's administrator's."""
    return actor.side is Side.MANUFACTURER and may_administer(actor)


def may_read_worth(actor: Actor) -> bool:
    """What a plan saved is for those who pay for it."""
    return actor.side is Side.CUSTOMER and actor.has(Role.BUYER, Role.FINANCE, Role.ADMINISTRATOR)


# Pages of money that goes back stand under the same tabs.
TABS: nav.TabPages = (
    ("Invoices", "billing.invoices", may_read_invoices),
    ("Refunds and credits", "adjustments.adjustments", may_read_invoices),
    ("Bill items", "billing.items", may_see_prices),
    ("Unbilled work", "billing.unbilled", may_collect),
    ("Receivables", "billing.receivables", may_collect),
    ("Addresses for tax", "billing.addresses", may_place),
    ("Chargebacks", "adjustments.chargebacks", may_collect),
    ("Purchase orders", "billing.orders", may_enter_orders),
    ("Value", "billing.value", may_read_worth),
    ("Money waiting", "adjustments.waiting", may_collect),
    ("Shares to return", "adjustments.claw_backs", may_read_debts),
    ("Undetermined shares", "billing.undetermined", may_collect),
    ("Made at Stripe", "adjustments.outside_changes", may_collect),
    ("Limits", "adjustments.limits", may_set_limits),
)


@blueprint.context_processor
def tabs_of_the_viewer() -> dict[str, object]:
    viewer = g.get("viewer")
    return {"tabs": nav.tab_bar(viewer.actor, TABS)} if viewer else {}
