"""Pure decisions about cover: what a case costs, who pays, who must say yes, which hours are promised to whom.

Facts, signed documents and "now" go in, values come out; nothing here reads a clock, a table or a setting.
"""

from portal.entitlement.rules.authorization import (
    AuthorizationFact,
    EmergencyStep,
    SpokenYes,
    authorized_minor,
    check_nte,
    check_ratification,
    check_spoken_yes,
    emergency_step,
    expires_at,
    may_go_on,
    ratify_by,
)
from portal.entitlement.rules.beyond import Beyond, check_asked, means_to_ask, suggested_seconds
from portal.entitlement.rules.coverage import coverage_for
from portal.entitlement.rules.decision import (
    BandPrice,
    CoverageDecision,
    CoverageFacts,
    EmergencyPath,
    Reason,
    Response,
    StandingFacts,
    Step,
    decision_from_json,
    facts_from_json,
    is_dearer,
    standing_room_minor,
    to_json,
)
from portal.entitlement.rules.gates import Prepaid, Present, gate_sentence, may_wait_for, missing_gates
from portal.entitlement.rules.reservations import NOTHING, Amount, Promise, Room, included_window, promises, window_of

__all__ = [
    "NOTHING",
    "Amount",
    "AuthorizationFact",
    "BandPrice",
    "Beyond",
    "CoverageDecision",
    "CoverageFacts",
    "EmergencyPath",
    "EmergencyStep",
    "Prepaid",
    "Present",
    "Promise",
    "Reason",
    "Response",
    "Room",
    "SpokenYes",
    "StandingFacts",
    "Step",
    "authorized_minor",
    "check_asked",
    "check_nte",
    "check_ratification",
    "check_spoken_yes",
    "coverage_for",
    "decision_from_json",
    "emergency_step",
    "expires_at",
    "facts_from_json",
    "gate_sentence",
    "included_window",
    "is_dearer",
    "may_go_on",
    "may_wait_for",
    "means_to_ask",
    "missing_gates",
    "promises",
    "ratify_by",
    "standing_room_minor",
    "suggested_seconds",
    "to_json",
    "window_of",
]
