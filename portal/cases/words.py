"""What each kind of event says, for the timeline, for stale forms and for mail: "Ana accepted the case".

And what mailed links may do, as (act, object type): a link to answer names the question's note and its seq; a link to
take back names the case and the seq of the acceptance it takes the case back from; a link to confirm names the
resolution and its seq. Each ends when the case has moved past what it names.
"""

from __future__ import annotations

# Acts of mailed links, each on one object at one version; accepting an offer and a neutral's decision are named where
# they are done (``actions.custody``, ``actions.challenge``).
ANSWER_LINK = ("answer_question", "note")
TAKE_BACK_LINK = ("take_back", "support_case")
CONFIRM_LINK = ("confirm_resolution", "resolution")

EVENT_WORDS = {
    "opened": "opened the case",
    "call_logged": "logged a call",
    "offered": "offered the case",
    "offer_withdrawn": "withdrew the offer",
    "accepted": "accepted the case",
    "taken_up": "took the case up",
    "taken_back": "took the case back",
    "declined": "declined the case",
    "handed_back": "handed the case back",
    "asked": "asked for information",
    "answered": "answered the question",
    "question_withdrawn": "withdrew the question",
    "noted": "wrote a note",
    "attached": "attached files",
    "reference_set": "gave a number of their own",
    "checklist_answered": "answered a part of the checklist",
    "checklist_completed": "completed the checklist",
    "severity_changed": "changed the severity",
    "cover_bought": "says that cover was bought",
    "severity_challenged": "disputes the severity",
    "severity_decided": "decided how severe the case is",
    "task_class_changed": "changed the kind of help",
    "circumstances_corrected": "corrected what was said of the case",
    "status_noted": "noted a state in the former system",
    "workaround_given": "gave a workaround",
    "arrived_on_site": "is on site",
    "part_delivered": "delivered a part",
    "promise_at_risk": "warns of a promise that is due soon",
    "promise_missed": "says that a promise was missed",
    "management_told": "tells the management about the case",
    "reminded": "reminds of the unanswered question",
    "closing_soon": "reminds that the case is about to close",
    "paused": "paused the case",
    "resumed": "resumed the case",
    "resolved": "resolved the case",
    "confirmed": "confirmed the resolution",
    "deemed_confirmed": "took silence as a confirmation",
    "deemed_undone": "took back the confirmation by silence",
    "silence_to_manager": "asked the manager to answer the resolution",
    "second_notice": "reminded of the unanswered resolution",
    "challenged": "challenged the resolution",
    "outcome_proposed": "proposed an outcome of the challenge",
    "ladder_climbed": "took the challenge to its next stage",
    "challenge_decided": "decided the challenge",
    "fixed_confirmed": "said that it works",
    "reopened": "reopened the case",
    "closed": "closed the case",
    "linked": "linked another case",
    "known_issue_linked": "linked a known issue",
    "authorization_asked": "asked for authorization",
    "authorization_withdrawn": "withdrew what was asked for",
    "authorized": "authorized billable time",
    "authorization_refused": "refused to authorize billable time",
    "emergency_begun": "went on at factory risk",
    "ratified": "ratified the work at factory risk",
    "ratification_refused": "refused to ratify the work at factory risk",
    "coverage_decided": "decided coverage and price again",
}


def sentence(kind: str) -> str:
    """What somebody did, to follow a name."""
    return EVENT_WORDS.get(kind, kind.replace("_", " "))
