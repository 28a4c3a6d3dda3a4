"""What changes cover: keep coverage and price with a case, the payer's yes and no, hours left.

Rows only: the case's own event for each of these is written by the verbs of ``portal.cases``, which lock the case first
and call these in the same transaction. ``coverage`` decides and keeps the decision, ``authorization`` holds the payer's
answers, ``standing`` the yes given in advance; ``grants`` opens a plan's hours, ``packs`` those that were bought, and
``promises`` holds, reserves and draws them.
"""

from portal.entitlement.actions.authorization import (
    LINK_ACT,
    LINK_OBJECT,
    LINK_VERSION,
    Ask,
    ask_for,
    authorize,
    begin_emergency,
    new_request,
    refuse,
    refuse_ratification,
    request_authorization,
    spoken_authorization,
    withdraw_request,
)
from portal.entitlement.actions.coverage import (
    Coverage,
    Place,
    Wanted,
    coverage_row,
    decide_again,
    decide_coverage,
    decide_for_case,
    keep_coverage,
)
from portal.entitlement.actions.ending import end_grants
from portal.entitlement.actions.grants import anchor_of, choices_in_force, open_monthly_grants, open_plan
from portal.entitlement.actions.packs import grant_pack
from portal.entitlement.actions.promises import (
    Available,
    Held,
    draw_reserved,
    hold_hours,
    keep_promises,
    make_room,
    release_for_case,
)
from portal.entitlement.actions.replacing import INSTEAD_OF, begins_instead
from portal.entitlement.actions.standing import (
    StandingTerms,
    open_standing,
    return_unused,
    sign_standing,
    use_standing,
)

__all__ = [
    "INSTEAD_OF",
    "LINK_ACT",
    "LINK_OBJECT",
    "LINK_VERSION",
    "Ask",
    "Available",
    "Coverage",
    "Held",
    "Place",
    "StandingTerms",
    "Wanted",
    "anchor_of",
    "ask_for",
    "authorize",
    "begin_emergency",
    "begins_instead",
    "choices_in_force",
    "coverage_row",
    "decide_again",
    "decide_coverage",
    "decide_for_case",
    "draw_reserved",
    "end_grants",
    "grant_pack",
    "hold_hours",
    "keep_coverage",
    "keep_promises",
    "make_room",
    "new_request",
    "open_monthly_grants",
    "open_plan",
    "open_standing",
    "refuse",
    "refuse_ratification",
    "release_for_case",
    "request_authorization",
    "return_unused",
    "sign_standing",
    "spoken_authorization",
    "use_standing",
    "withdraw_request",
]
