"""The blueprint of settlement, who reaches which of its pages, and the words for its states."""

from __future__ import annotations

from flask import Blueprint, g

from portal.access import Actor, Side, may_handle_finance, may_see_shares
from portal.web import nav

blueprint = Blueprint("settlement", __name__)

STAGES = {
    "in_review": ("In review", "accent"),
    "to_prepare": ("To prepare", "warn"),
    "to_approve": ("To approve", "warn"),
    "approved": ("Approved, being paid", "accent"),
    "done": ("Done", "good"),
    "discarded": ("Discarded", "plain"),
}
DISPOSALS = {
    "transferred": "Transferred through Stripe",
    "retained": "Retained by the operator",
    "invoiced": "Invoiced to the party",
    "held": "Held",
    "carried": "Carried to the next statement",
}
BECAUSE = {
    "": "",
    "contested": "a line is contested",
    "reserve": "the agreed reserve",
    "taken_back": "an earlier transfer is taken back",
    "not_onboarded": "the account cannot receive transfers yet",
    "on_hold": "the case is on hold",
    "party_on_hold": "the party is on hold",
    "charged_back": "the customer's payment is charged back",
}
OUTCOMES = {"stands": "The line stands", "corrected": "Corrected by a posting", "withdrawn": "Withdrawn"}


def may_settle(actor: Actor) -> bool:
    """Closing, preparing and approving is for the manufacturer's finance."""
    return actor.side is Side.MANUFACTURER and may_handle_finance(actor)


def may_answer(actor: Actor) -> bool:
    """Statements are answered by finance of the two companies."""
    return actor.side is not Side.CUSTOMER and may_handle_finance(actor)


TABS: nav.TabPages = (
    ("Periods", "settlement.periods", may_settle),
    ("Statements", "settlement.statements", may_see_shares),
    ("Contests", "settlement.contests", may_see_shares),
    ("Holds", "settlement.holds", may_settle),
    ("Transfers", "settlement.transfers", may_see_shares),
    ("Cash", "settlement.cash_needed", may_settle),
    ("Parties below zero", "settlement.owing_parties", may_settle),
    ("Reconciliation", "settlement.reconciliation", may_settle),
    ("Self-billed invoices", "settlement.documents", may_see_shares),
    ("Self-billing agreements", "settlement.agreements", may_answer),
    ("Tax forms", "settlement.tax_forms", may_settle),
    ("Finance details", "settlement.finance_details", may_answer),
)


@blueprint.context_processor
def tabs_of_the_viewer() -> dict[str, object]:
    viewer = g.get("viewer")
    return {"tabs": nav.tab_bar(viewer.actor, TABS)} if viewer else {}
