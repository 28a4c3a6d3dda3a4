"""Pure decisions of selling: what is sold at which price, what covers a case now, how a purchase stands."""

from portal.selling.rules.catalogue import (
    MOST_QUANTITY,
    Interval,
    Item,
    Kind,
    catalogue,
    ceiling_minor,
    integrator_shares,
    item_named,
    total_minor,
)
from portal.selling.rules.changing import PlanChange, plan_changes
from portal.selling.rules.covering import Cure, cures
from portal.selling.rules.promotions import Discount, Promotion, discount_of, goods_of
from portal.selling.rules.steps import CheckoutFacts, State, Step, payment_steps, state_of

__all__ = [
    "MOST_QUANTITY",
    "CheckoutFacts",
    "Cure",
    "Discount",
    "Interval",
    "Item",
    "Kind",
    "PlanChange",
    "Promotion",
    "State",
    "Step",
    "catalogue",
    "ceiling_minor",
    "cures",
    "discount_of",
    "goods_of",
    "integrator_shares",
    "item_named",
    "payment_steps",
    "plan_changes",
    "state_of",
    "total_minor",
]
