"""What changes cover: keep coverage and price with a case, the payer's yes and no, hours left.

Rows only: the case's own event for each of these is written by the verbs of ``portal.cases``, which lock the case first
and call these in the same transaction. ``coverage`` decides and keeps the decision, ``authorization`` holds the payer's
answers, ``standing`` the yes given in advance, ``grants`` the hours left, ``packs`` those that were bought.
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
from portal.entitlement.actions.grants import (
    Reserving,
    choices_in_force,
    draw_reserved,
    open_monthly_grants,
    open_plan,
    release_for_case,
    reserve_for_case,
    reserving_for,
)
from portal.entitlement.actions.packs import grant_pack
from portal.entitlement.actions.standing import (
    StandingTerms,
    open_standing,
    return_unused,
    sign_standing,
    use_standing,
)

__all__ = [
    "LINK_ACT",
    "LINK_OBJECT",
    "LINK_VERSION",
    "Ask",
    "Coverage",
    "Place",
    "Reserving",
    "StandingTerms",
    "Wanted",
    "ask_for",
    "authorize",
    "begin_emergency",
    "choices_in_force",
    "coverage_row",
    "decide_again",
    "decide_coverage",
    "decide_for_case",
    "draw_reserved",
    "grant_pack",
    "keep_coverage",
    "new_request",
    "open_monthly_grants",
    "open_plan",
    "open_standing",
    "refuse",
    "refuse_ratification",
    "release_for_case",
    "request_authorization",
    "reserve_for_case",
    "reserving_for",
    "return_unused",
    "sign_standing",
    "spoken_authorization",
    "use_standing",
]
