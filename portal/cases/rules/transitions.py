"""The state machine: states, verbs, and for each verb from where, to where and by whom.

Custody is not a state: a case is with one company at each instant, and an offer moves nothing until it is accepted. A
question may be asked by the company that was offered the case; the case then stays where it is. Customers never hold
custody. A challenge of the split changes no state: it never keeps a case from closing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from portal.access import Actor, Audience, Role, Side
from portal.contracts.blocks import Company
from portal.errors import Conflict, NotAllowed


class State(StrEnum):
    """Where a case is in its life."""

    OPEN = "open"
    OFFERED = "offered"
    WAITING = "waiting"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Verb(StrEnum):
    """What can be done to a case."""

    OFFER = "offer"
    WITHDRAW_OFFER = "withdraw_offer"
    ACCEPT = "accept"
    DECLINE = "decline"
    HAND_BACK = "hand_back"
    TAKE_BACK = "take_back"
    ASK_INFORMATION = "ask_information"
    ANSWER = "answer"
    WITHDRAW_QUESTION = "withdraw_question"
    RESOLVE = "resolve"
    CONFIRM = "confirm"
    CHALLENGE = "challenge"
    CHALLENGE_CAUSE = "challenge_cause"
    CONFIRM_FIXED = "confirm_fixed"
    REOPEN = "reopen"
    CLOSE = "close"
    CHANGE_SEVERITY = "change_severity"
    CHALLENGE_SEVERITY = "challenge_severity"
    CHANGE_TASK_CLASS = "change_task_class"
    CORRECT_CIRCUMSTANCES = "correct_circumstances"
    KEEP_PROMISE = "keep_promise"
    NOTE = "note"
    SET_REFERENCE = "set_reference"


class Standing(StrEnum):
    """What an actor is to a case at a moment."""

    HOLDER = "holder"
    OTHER_COMPANY = "other_company"
    OFFERED = "offered"
    OFFERER = "offerer"
    ASKER = "asker"
    RESOLVER = "resolver"
    ANSWERER = "answerer"
    FACTORY = "factory"
    INTEGRATOR = "integrator"
    CUSTOMER = "customer"
    PORTAL = "portal"


@dataclass(frozen=True)
class Offer:
    """An offer of custody that nobody has answered."""

    by: Company
    to: Company


@dataclass(frozen=True)
class Situation:
    """What the rules need to know of a case.

    ``offer`` is the open one, also while the case waits; ``question_by`` is who waits for information;
    ``resolution_by`` who proposed the last resolution; ``answered`` whether the other company has confirmed or
    challenged it; a yes by silence answers it only once it can no longer be undone.
    """

    state: State
    holder: Company
    offer: Offer | None = None
    question_by: Company | None = None
    resolution_by: Company | None = None
    answered: bool = False
    within_reopen_window: bool = False
    has_integrator: bool = True


@dataclass(frozen=True)
class Transition:
    """One verb: the states it starts from, those it can lead to, who may, and why not otherwise."""

    sources: frozenset[State]
    targets: frozenset[State]
    by: frozenset[Standing]
    refusal: str


@dataclass(frozen=True)
class Permission:
    """Whether a step may be taken; where not, the sentence that says why, and whether it could be another time."""

    allowed: bool
    sentence: str = ""
    ever: bool = True


_RUNNING = frozenset({State.OPEN, State.OFFERED, State.WAITING})
_UNASKED = frozenset({State.OPEN, State.OFFERED})
_WAITING = frozenset({State.WAITING})
_RESOLVED = frozenset({State.RESOLVED})
_CLOSED = frozenset({State.CLOSED})
_ENDED = frozenset({State.RESOLVED, State.CLOSED})
_EVER = frozenset(State)
_COMPANIES = frozenset({Standing.HOLDER, Standing.OTHER_COMPANY})
_EVERYBODY = _COMPANIES | {Standing.CUSTOMER}


def _step(
    sources: frozenset[State], targets: frozenset[State], by: Standing | frozenset[Standing], refusal: str
) -> Transition:
    return Transition(sources, targets, by if isinstance(by, frozenset) else frozenset({by}), refusal)


TRANSITIONS: Mapping[Verb, Transition] = MappingProxyType(
    {
        Verb.OFFER: _step(_RUNNING, _RUNNING, Standing.HOLDER, "Only the company that holds the case offers it."),
        Verb.WITHDRAW_OFFER: _step(_RUNNING, _RUNNING, Standing.OFFERER, "Your company has offered nothing."),
        Verb.ACCEPT: _step(_RUNNING, _RUNNING, Standing.OFFERED, "The case is not offered to your company."),
        Verb.DECLINE: _step(_RUNNING, _RUNNING, Standing.OFFERED, "The case is not offered to your company."),
        Verb.HAND_BACK: _step(
            _RUNNING, _RUNNING, Standing.HOLDER, "Only the factory, while it holds the case, hands it back."
        ),
        Verb.TAKE_BACK: _step(_RUNNING, _RUNNING, Standing.INTEGRATOR, "Only the integrator takes a case back."),
        Verb.ASK_INFORMATION: _step(
            _UNASKED,
            _WAITING,
            frozenset({Standing.HOLDER, Standing.OFFERED}),
            "Only the company that holds the case, or is offered it, asks for information.",
        ),
        Verb.ANSWER: _step(_WAITING, _UNASKED, _EVERYBODY, "Nobody is waiting for information."),
        Verb.WITHDRAW_QUESTION: _step(_WAITING, _UNASKED, Standing.ASKER, "Your company has asked nothing."),
        Verb.RESOLVE: _step(_RUNNING, _RESOLVED, Standing.HOLDER, "Only the company that holds the case resolves it."),
        Verb.CONFIRM: _step(_ENDED, _ENDED, Standing.ANSWERER, "The other company confirms the resolution, once."),
        Verb.CHALLENGE: _step(_ENDED, _ENDED, Standing.ANSWERER, "The other company challenges the resolution, once."),
        Verb.CHALLENGE_CAUSE: _step(
            _ENDED,
            _ENDED,
            frozenset({Standing.ANSWERER, Standing.CUSTOMER}),
            "Cause and task class are challenged by the other company or by the payer.",
        ),
        Verb.CONFIRM_FIXED: _step(_RESOLVED, _CLOSED, Standing.CUSTOMER, "The customer's contact says that it works."),
        Verb.REOPEN: _step(
            _RESOLVED,
            frozenset({State.OPEN}),
            _EVERYBODY,
            "The case can no longer be reopened: open a linked case.",
        ),
        Verb.CLOSE: _step(_RESOLVED, _CLOSED, Standing.PORTAL, "A case closes when its reopen window ends."),
        Verb.CHANGE_SEVERITY: _step(_RUNNING, _RUNNING, _COMPANIES, "Severity is changed while the case is open."),
        Verb.CHALLENGE_SEVERITY: _step(
            _RUNNING,
            _RUNNING,
            frozenset({Standing.INTEGRATOR, Standing.CUSTOMER}),
            "The other side disputes a severity that the factory has set.",
        ),
        Verb.CHANGE_TASK_CLASS: _step(
            _RUNNING | _RESOLVED, _RUNNING | _RESOLVED, Standing.FACTORY, "The factory proposes the task class."
        ),
        Verb.CORRECT_CIRCUMSTANCES: _step(
            _EVER, _EVER, Standing.FACTORY, "The factory corrects what was said of a case when it was opened."
        ),
        Verb.KEEP_PROMISE: _step(
            _RUNNING, _RUNNING, Standing.FACTORY, "The factory says when it has kept a promise of its own."
        ),
        Verb.NOTE: _step(_EVER, _EVER, _EVERYBODY, "You are no party to this case."),
        Verb.SET_REFERENCE: _step(_EVER, _EVER, _EVERYBODY, "You are no party to this case."),
    }
)

_OFFERING = frozenset({Verb.OFFER, Verb.HAND_BACK})
_ENDS_OFFER = frozenset({Verb.WITHDRAW_OFFER, Verb.ACCEPT, Verb.DECLINE, Verb.TAKE_BACK})
_ENDS_QUESTION = frozenset({Verb.ANSWER, Verb.WITHDRAW_QUESTION})
# What each company, and the customer, can ever be to a case.
_POSSIBLE: Mapping[Company | None, frozenset[Standing]] = MappingProxyType(
    {
        Company.MANUFACTURER: frozenset(Standing) - {Standing.INTEGRATOR, Standing.CUSTOMER, Standing.PORTAL},
        Company.INTEGRATOR: frozenset(Standing) - {Standing.FACTORY, Standing.CUSTOMER, Standing.PORTAL},
        None: frozenset({Standing.CUSTOMER}),
    }
)
_ROLES: Mapping[Side, frozenset[Role]] = MappingProxyType(
    {
        Side.MANUFACTURER: frozenset({Role.ENGINEER, Role.SUPPORT_LEAD}),
        Side.INTEGRATOR: frozenset({Role.TECHNICIAN, Role.SERVICE_MANAGER}),
        Side.CUSTOMER: frozenset({Role.CONTACT, Role.BUYER}),
    }
)
# A challenge speaks for a company, a cause is challenged by who pays: these people need no hand in the work.
_SPEAKERS: Mapping[Side, frozenset[Role]] = MappingProxyType(
    {
        Side.MANUFACTURER: frozenset({Role.SUPPORT_LEAD, Role.FINANCE}),
        Side.INTEGRATOR: frozenset({Role.SERVICE_MANAGER, Role.FINANCE}),
        Side.CUSTOMER: frozenset({Role.BUYER}),
    }
)
# A case closes, and silence counts as a yes, by job.
_BY_JOB = frozenset({Verb.CLOSE, Verb.CONFIRM})
_SPOKEN = frozenset({Verb.CHALLENGE, Verb.CHALLENGE_CAUSE})


def company_of(actor: Actor) -> Company | None:
    """The company an actor works for; None for a customer's person."""
    return None if actor.side == Side.CUSTOMER else Company(actor.side)


def other_company(company: Company) -> Company:
    """The company on the other side."""
    return Company.INTEGRATOR if company == Company.MANUFACTURER else Company.MANUFACTURER


def standings_of(situation: Situation, company: Company | None) -> frozenset[Standing]:
    """Everything a company (None: the customer) is to the case at this moment."""
    if company is None:
        return frozenset({Standing.CUSTOMER})
    found = {Standing.FACTORY if company == Company.MANUFACTURER else Standing.INTEGRATOR}
    found.add(Standing.HOLDER if company == situation.holder else Standing.OTHER_COMPANY)
    if situation.offer is not None:
        found.add(Standing.OFFERED if company == situation.offer.to else Standing.OFFERER)
    if situation.question_by == company:
        found.add(Standing.ASKER)
    if situation.resolution_by is not None:
        found.add(Standing.RESOLVER if company == situation.resolution_by else Standing.ANSWERER)
    return frozenset(found)


def may(verb: Verb, situation: Situation, actor: Actor | None) -> Permission:
    """Whether ``actor`` (None: the portal's own job) may take this step now; the caller has checked that it is a party.

    A mailed link's actor is checked by its one act, not here by role.
    """
    if situation.state not in TRANSITIONS[verb].sources:
        return may_as(verb, situation, None)
    if actor is None:
        refusal = _refusal(verb, situation, None) if verb in _BY_JOB else TRANSITIONS[verb].refusal
        return Permission(not refusal, refusal)
    if actor.act is None and not actor.has(*(_SPEAKERS if verb in _SPOKEN else _ROLES)[actor.side]):
        return Permission(False, "This is not among your roles.", ever=False)
    return may_as(verb, situation, company_of(actor))


def may_as(verb: Verb, situation: Situation, company: Company | None) -> Permission:
    """Whether a company (None: the customer) may take this step now, whoever speaks for it."""
    step = TRANSITIONS[verb]
    if situation.state not in step.sources:
        return Permission(False, f"The case is {situation.state}: this step is not open.")
    if step.by.isdisjoint(_POSSIBLE[company]):
        return Permission(False, step.refusal, ever=False)
    if step.by.isdisjoint(standings_of(situation, company)):
        return Permission(False, step.refusal)
    refusal = _refusal(verb, situation, company)
    return Permission(not refusal, refusal)


def _refusal(verb: Verb, situation: Situation, company: Company | None) -> str:
    """What beside state and standing forbids a step; empty where nothing does."""
    if verb in _OFFERING:
        giver = Company.INTEGRATOR if verb == Verb.OFFER else Company.MANUFACTURER
        if company != giver:
            return "The integrator offers a case to the factory, the factory hands it back."
        if not situation.has_integrator:
            return "No integrator services this site."
        if situation.offer is not None:
            return "The case is offered already."
    if verb == Verb.TAKE_BACK and situation.holder == Company.INTEGRATOR:
        return "Your company holds the case already."
    if verb in (Verb.CONFIRM, Verb.CHALLENGE) and situation.answered:
        return "The resolution is answered already."
    if verb == Verb.REOPEN and not situation.within_reopen_window:
        return TRANSITIONS[Verb.REOPEN].refusal
    return ""


def check(verb: Verb, situation: Situation, actor: Actor | None) -> None:
    """Refuse a step that may not be taken.

    *Raises*: Conflict where the case's state or somebody else's step forbids it, NotAllowed where the person never may.
    """
    permission = may(verb, situation, actor)
    if not permission.allowed:
        raise (Conflict if permission.ever else NotAllowed)(permission.sentence)


def possible_verbs(situation: Situation, actor: Actor) -> tuple[Verb, ...]:
    """The steps this person may take now, in the order of the table."""
    return tuple(verb for verb in Verb if may(verb, situation, actor).allowed)


def state_after(verb: Verb, situation: Situation) -> State:
    """The state a step leads to: a running case waits while a question is open, is offered while an offer is."""
    targets = TRANSITIONS[verb].targets
    if len(targets) == 1:
        return next(iter(targets))
    if situation.state in _ENDED:
        return situation.state
    if situation.state == State.WAITING and verb not in _ENDS_QUESTION:
        return State.WAITING
    offered = verb in _OFFERING or (situation.offer is not None and verb not in _ENDS_OFFER)
    return State.OFFERED if offered else State.OPEN


def custody_after(verb: Verb, situation: Situation) -> Company:
    """Who holds the case after a step: only accepting an offer and taking back move it."""
    if verb == Verb.ACCEPT and situation.offer is not None:
        return situation.offer.to
    return Company.INTEGRATOR if verb == Verb.TAKE_BACK else situation.holder


def reply_accepts(situation: Situation, company: Company | None, audience: Audience, *, substantive: bool) -> bool:
    """Whether a note is the first substantive reply that accepts an offer: by the company offered, to the other one."""
    offered = situation.offer is not None and company == situation.offer.to
    return offered and substantive and audience != Audience.OWN
