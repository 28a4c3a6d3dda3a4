"""How a case is said on a page: whom it is with, its state, a line of a list, a line of its story."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for

from portal.access import Actor, Audience, Side
from portal.cases.models import Attachment, SupportCase
from portal.cases.queries import CaseRow, Entry
from portal.contracts.targets import Channel
from portal.metering.rules import TASK_CLASSES
from portal.money import Money
from portal.web.cases.opening_forms import SEVERITIES as SEVERITY_WORDS
from portal.web.display import percentage

SEVERITIES = {level: f"{level}: {words}" for level, words in SEVERITY_WORDS.items()}
COMPANY_WORDS = {"manufacturer": "factory", "integrator": "integrator"}
RESOLVER_WORDS = {
    "manufacturer": "the factory",
    "integrator": "the integrator",
    "jointly": "both companies",
    "none": "nobody",
}
CLOCK_WORDS = {
    "acknowledgement": "Receipt",
    "response": "Response",
    "update": "Next word",
    "workaround": "Workaround",
    "on_site": "On site",
    "delivery": "Part delivered",
    "resolution": "Resolution",
    "management": "Management told",
}
CHANNEL_WORDS = {"link": "by mailed link", "phone": "by phone", "reply": "by a reply", "import": "by import"}
OUTCOME_WORDS = {"met": "kept", "missed": "missed", "void": "replaced"}
STATE_TONES = {"open": "accent", "offered": "warn", "waiting": "warn", "resolved": "good", "closed": "plain"}
SUBJECT_WORDS = {"split": "the split", "cause": "the cause", "task_class": "the kind of help"}
DECISION_WORDS = {
    "agreed": "both companies agreed",
    "neutral": "the neutral decided",
    "fallback": "the signed fallback holds",
    "withdrawn": "the challenge was withdrawn",
}

# Stands for the name in an address that is asked for once and used for many cases.
_ANY_NAME = "ANY-0"

# Icon and tone of a line of the story, by kind of event; other kinds are quiet.
_LOOKS = {
    "opened": ("box-arrow-in-right", "accent"),
    "call_logged": ("telephone", "accent"),
    "offered": ("arrow-up-right", "warn"),
    "handed_back": ("arrow-down-left", "warn"),
    "offer_withdrawn": ("arrow-counterclockwise", "plain"),
    "accepted": ("person-check", "good"),
    "taken_up": ("person-check", "good"),
    "taken_back": ("arrow-return-left", "accent"),
    "declined": ("x-circle", "bad"),
    "asked": ("question-circle", "warn"),
    "answered": ("chat-left-text", "good"),
    "noted": ("chat-left", "plain"),
    "attached": ("paperclip", "plain"),
    "severity_changed": ("exclamation-triangle", "warn"),
    "cover_bought": ("shield-plus", "good"),
    "severity_challenged": ("shield-exclamation", "warn"),
    "severity_decided": ("shield-check", "good"),
    "workaround_given": ("bandaid", "good"),
    "arrived_on_site": ("geo-alt", "good"),
    "part_delivered": ("box-seam", "good"),
    "promise_at_risk": ("alarm", "warn"),
    "promise_missed": ("alarm", "bad"),
    "management_told": ("megaphone", "warn"),
    "reminded": ("bell", "warn"),
    "closing_soon": ("bell", "warn"),
    "paused": ("pause-circle", "plain"),
    "resumed": ("play-circle", "plain"),
    "resolved": ("check-circle", "good"),
    "confirmed": ("check2-all", "good"),
    "deemed_confirmed": ("hourglass-bottom", "warn"),
    "challenged": ("shield-exclamation", "bad"),
    "challenge_decided": ("shield-check", "accent"),
    "reopened": ("arrow-clockwise", "bad"),
    "closed": ("archive", "plain"),
    "fixed_confirmed": ("hand-thumbs-up", "good"),
    "known_issue_linked": ("bug", "plain"),
    "authorization_asked": ("cash-coin", "warn"),
    "authorization_withdrawn": ("cash-coin", "warn"),
    "authorized": ("cash-coin", "good"),
    "ratified": ("cash-coin", "good"),
    "authorization_refused": ("cash-coin", "bad"),
    "ratification_refused": ("cash-coin", "bad"),
    "emergency_begun": ("lightning", "bad"),
    "clock_met": ("alarm", "good"),
    "clock_missed": ("alarm", "bad"),
}


@dataclass(frozen=True)
class Line:
    """One line of a list of cases; ``accept_href`` where one click accepts it."""

    row: CaseRow
    href: str
    with_whom: str
    state: str
    tone: str
    accept_href: str


@dataclass(frozen=True)
class StoryLine:
    """One line of a case's story.

    ``details`` are sentences, ``limit`` is what was asked for or allowed, ``body`` what somebody wrote.
    """

    entry: Entry
    who: str
    what: str
    icon: str
    tone: str
    audience: str
    details: tuple[str, ...]
    limit: Money | None
    body: str
    attachments: tuple[Attachment, ...]


def with_whom(case: SupportCase | CaseRow) -> str:
    """Who holds the case: ``With: factory (Ana)``."""
    return f"With: {holder_words(case)}"


def holder_words(case: SupportCase | CaseRow) -> str:
    """The company that holds the case and who there: ``factory (Ana)``."""
    name = f" ({case.assignee_name})" if case.assignee_name else ""
    return f"{COMPANY_WORDS[case.holder_side]}{name}"


def state_words(case: SupportCase | CaseRow) -> str:
    """What the case waits for, in a word or two."""
    if case.state == "offered":
        return f"Offered to the {_offered_to(case)}"
    if case.state == "waiting":
        return "Waits for an answer"
    if case.is_fyi and case.state == "open":
        return "For information"
    return case.state.capitalize()


def queue_lines(rows: Iterable[CaseRow], actor: Actor) -> list[Line]:
    """The rows of a list as the actor sees them."""
    # A case's name needs no quoting in a path, so both addresses are asked for once and not for each row.
    page, accept = (url_for(endpoint, name=_ANY_NAME) for endpoint in ("cases.case", "cases.accept"))
    return [
        Line(
            row=row,
            href=page.replace(_ANY_NAME, row.name),
            with_whom=holder_words(row),
            state=state_words(row),
            tone=STATE_TONES[row.state],
            accept_href=accept.replace(_ANY_NAME, row.name) if _accepts_at_once(row, actor) else "",
        )
        for row in rows
    ]


def _accepts_at_once(row: CaseRow, actor: Actor) -> bool:
    own_free = row.assignee_id is None and COMPANY_OF.get(actor.side) == row.holder_side and row.state == "open"
    offered = row.offered_to_id == actor.organisation_id and row.state in ("offered", "waiting")
    return offered or (own_free and not row.is_fyi)


COMPANY_OF = {Side.MANUFACTURER: "manufacturer", Side.INTEGRATOR: "integrator"}


def story_line(entry: Entry) -> StoryLine:
    """A line of the story in words."""
    icon, tone = _LOOKS.get(entry.kind, ("dot", "plain"))
    if entry.clock is not None and entry.closing is not None:
        what = f"{CLOCK_WORDS[entry.clock.kind]} clock {OUTCOME_WORDS[entry.closing.outcome]}"
        return StoryLine(entry, what, "", icon, tone, "", (), None, "", ())
    return StoryLine(
        entry=entry,
        who=entry.person_name,
        what=entry.sentence,
        icon=icon,
        tone=tone,
        audience=entry.audience if entry.note is not None or entry.attachments or entry.audience == "own" else "",
        details=_details(entry.kind, entry.details),
        limit=Money(entry.details["nte_minor"], entry.details["currency"]) if "nte_minor" in entry.details else None,
        body=entry.note.body if entry.note is not None else "",
        attachments=entry.attachments,
    )


def audience_choices(side: Side, audiences: tuple[Audience, ...]) -> list[tuple[str, str]]:
    """To whom one writes, the usual readers first."""
    words = {
        Audience.COMPANIES: "Both companies",
        Audience.CUSTOMER: "Everybody on the case" if side is Side.CUSTOMER else "Both companies and the customer",
        Audience.OWN: "Own organisation only" if side is Side.CUSTOMER else "Own company only",
    }
    return [(audience.value, words[audience]) for audience in audiences]


def _offered_to(case: SupportCase | CaseRow) -> str:
    return "factory" if case.offered_to_id == case.manufacturer_id else "integrator"


def _corrected(details: Mapping[str, Any]) -> list[str]:
    dearer = ["It costs its payer more than before."] if details["dearer_for"] else []
    return [*details["said"], *dearer, *(["Its bill is made again."] if details["billed_again"] else [])]


def _details(kind: str, details: Mapping[str, Any]) -> tuple[str, ...]:
    """What the event's facts add, each as a sentence; unknown facts add nothing."""
    said: list[str] = []
    if kind == "severity_changed":
        said.append(f"From {SEVERITIES[details['before']]} to {SEVERITIES[details['after']]}.")
    if kind == "cover_bought":
        covered = "The case is covered from now on." if details["covered"] else "It does not cover the case now."
        said.append(f"{details['name']}. {covered}")
    if kind == "task_class_changed":
        said.append(f"From {TASK_CLASSES[details['before']]} to {TASK_CLASSES[details['after']]}.")
    if kind == "circumstances_corrected":
        said.extend(_corrected(details))
    if details.get("channel") in CHANNEL_WORDS:
        said.append(f"{CHANNEL_WORDS[details['channel']].capitalize()}.")
    said += ["It is with the team again."] if details.get("team") else []
    if details.get("hours_seconds"):
        said.append(f"{details['hours_seconds'] // 60} more minutes of the customer's hours.")
    if details.get("reference"):
        said.append(str(details["reference"]))
    if kind == "resolved":
        said.append(f"Cause: {details.get('cause_label', '')}.")
        said.append(str(details.get("summary", "")))
    if kind == "known_issue_linked":
        said.append(f"{details['number']}: {details['title']}")
    if "subject" in details:
        said.append(f"About {SUBJECT_WORDS[details['subject']]}.")
    if kind == "challenge_decided":
        said.append(f"{DECISION_WORDS[details['basis']].capitalize()}.")
    if details.get("reason"):
        said.append(str(details["reason"]))
    return tuple(said)


def weights_words(integrator_bp: int, manufacturer_bp: int) -> str:
    """Weights as a person says them."""
    return f"Integrator {percentage(integrator_bp)}, factory {percentage(manufacturer_bp)}"


def told_facts(case: SupportCase) -> list[tuple[str, str]]:
    """What a case said of itself because prices or cover depend on it, as a page lists it."""
    said = case.circumstances
    rows = [
        ("Customer class", said.customer_class.replace("_", " ")),
        ("Asked for", ", ".join(code.replace("_", " ") for code in said.requested)),
        ("Distance, one way", said.distance),
        ("Support level", str(said.level or "")),
        ("Asked by", "" if said.channel is Channel.PORTAL else said.channel.value),
    ]
    return [(label, value) for label, value in rows if value]
