"""The verbs of billing, all run by jobs but the customer's question about a line."""

from portal.billing.actions.cash import apply_cash
from portal.billing.actions.cuts import cut, cut_period_end
from portal.billing.actions.debtors import debtors_to_invoice
from portal.billing.actions.decisions import decide_shares
from portal.billing.actions.giving_up import months_given_up
from portal.billing.actions.hours import first_unauthorized, reserve_anew, reserve_hours
from portal.billing.actions.invoices import gather_invoices
from portal.billing.actions.items import bill, bill_case, rebill, rebill_case
from portal.billing.actions.line_queries import answer, ask
from portal.billing.actions.plans import earn_plans, open_choice, open_month, sell_ahead, sell_late
from portal.billing.packs.expiring import earn_packs
from portal.billing.packs.selling import PackOrder, PackPrice, record_pack_sale, sell_pack

__all__ = [
    "PackOrder",
    "PackPrice",
    "answer",
    "apply_cash",
    "ask",
    "bill",
    "bill_case",
    "cut",
    "cut_period_end",
    "debtors_to_invoice",
    "decide_shares",
    "earn_packs",
    "earn_plans",
    "first_unauthorized",
    "gather_invoices",
    "months_given_up",
    "open_choice",
    "open_month",
    "rebill",
    "rebill_case",
    "record_pack_sale",
    "reserve_anew",
    "reserve_hours",
    "sell_ahead",
    "sell_late",
    "sell_pack",
]
