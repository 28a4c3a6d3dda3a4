"""Tables of cases: a mutable header, everything else facts that are only inserted.

The header holds current values for lists; custody, clocks, resolutions and events are the truth it is derived from.
A case keeps its three companies from opening on; every row below carries them, held by a composite foreign key.
"""

from portal.cases.models.custody import (
    CaseClock,
    CasePause,
    ClockClosing,
    CustodyAcceptance,
    CustodyDecline,
    CustodyOffer,
    PauseEnd,
)
from portal.cases.models.header import (
    CaseClosing,
    CaseEvent,
    CaseKnownIssue,
    CaseLink,
    CaseReference,
    KnownIssue,
    SupportCase,
)
from portal.cases.models.promises import PromiseRemedy, RemedyReversal, SeverityChallenge, SeverityDecision
from portal.cases.models.record import (
    Attachment,
    Note,
    Upload,
)
from portal.cases.models.resolution import (
    Challenge,
    ChallengeDecision,
    ChallengeProposal,
    ChallengeStep,
    Resolution,
    ResolutionAnswer,
)

__all__ = [
    "Attachment",
    "CaseClock",
    "CaseClosing",
    "CaseEvent",
    "CaseKnownIssue",
    "CaseLink",
    "CasePause",
    "CaseReference",
    "Challenge",
    "ChallengeDecision",
    "ChallengeProposal",
    "ChallengeStep",
    "ClockClosing",
    "CustodyAcceptance",
    "CustodyDecline",
    "CustodyOffer",
    "KnownIssue",
    "Note",
    "PauseEnd",
    "PromiseRemedy",
    "RemedyReversal",
    "Resolution",
    "ResolutionAnswer",
    "SeverityChallenge",
    "SeverityDecision",
    "SupportCase",
    "Upload",
]
