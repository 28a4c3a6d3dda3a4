"""The verbs of selling: offer, order, follow a payment to its sale, end, exempt, promote."""

from portal.selling.actions.accepting import accept_offer, offer_taken_up_again, promotion_for_offer
from portal.selling.actions.changing import (
    AtOnce,
    Changes,
    change_plan,
    changes_possible,
    last_change,
    preview_at_once,
    said_before,
)
from portal.selling.actions.charging import charge_early_ends, charged_sale
from portal.selling.actions.ending import (
    cancel,
    end_overdue,
    give_up,
    grace_until,
    leaving_cost,
    minimum_until,
)
from portal.selling.actions.ending_now import (
    EndNow,
    credits_of,
    end_now,
    end_now_figures,
    end_now_said,
    returns_of,
)
from portal.selling.actions.exempting import end_exemption, keep_exemption
from portal.selling.actions.following import follow_purchase, sell_after_all, sell_purchase
from portal.selling.actions.guessing import count_guess, take_back_guess
from portal.selling.actions.handing_over import HandOver, hand_over_of, hand_over_plans
from portal.selling.actions.offering import (
    Terms,
    end_offer,
    make_offer,
    may_offer,
    may_offer_cover,
    move_offers,
    offer_cover,
    pass_on,
)
from portal.selling.actions.ordering import (
    Order,
    Place,
    is_subscription,
    order,
    price_with,
    taken_up_again,
)
from portal.selling.actions.promoting import (
    Promoted,
    make_code,
    may_promote,
    promotion_for,
    promotion_said,
    withdraw_code,
)

__all__ = [
    "AtOnce",
    "Changes",
    "EndNow",
    "HandOver",
    "Order",
    "Place",
    "Promoted",
    "Terms",
    "accept_offer",
    "cancel",
    "change_plan",
    "changes_possible",
    "charge_early_ends",
    "charged_sale",
    "count_guess",
    "credits_of",
    "end_exemption",
    "end_now",
    "end_now_figures",
    "end_now_said",
    "end_offer",
    "end_overdue",
    "follow_purchase",
    "give_up",
    "grace_until",
    "hand_over_of",
    "hand_over_plans",
    "is_subscription",
    "keep_exemption",
    "last_change",
    "leaving_cost",
    "make_code",
    "make_offer",
    "may_offer",
    "may_offer_cover",
    "may_promote",
    "minimum_until",
    "move_offers",
    "offer_cover",
    "offer_taken_up_again",
    "order",
    "pass_on",
    "preview_at_once",
    "price_with",
    "promotion_for",
    "promotion_for_offer",
    "promotion_said",
    "returns_of",
    "said_before",
    "sell_after_all",
    "sell_purchase",
    "take_back_guess",
    "taken_up_again",
    "withdraw_code",
]
