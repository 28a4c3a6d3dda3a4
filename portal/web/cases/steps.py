"""Which steps a case's page offers to somebody, the one that matters most first."""

from __future__ import annotations

from dataclasses import dataclass

from flask import url_for

from portal.access import Actor, Role, Side, may_work_cases
from portal.cases.models import CaseEvent, SeverityChallenge, SupportCase
from portal.cases.queries import Dossier
from portal.cases.rules import Verb
from portal.web.cases.blueprint import may_complete_checklist
from portal.web.cases.words import COMPANY_OF


@dataclass(frozen=True)
class Step:
    """One step: a button that posts, or a link to its form."""

    label: str
    href: str
    icon: str
    posts: bool = False


def steps_of(case: SupportCase, dossier: Dossier, actor: Actor) -> tuple[list[Step], list[Step]]:
    """What is likely next, in order, and what is rarely done."""
    verbs = frozenset(dossier.verbs)
    found = [step for verb, step in _LIKELY if verb in verbs and _sensible(verb, case, dossier, actor)]
    likely = [_made(step, case) for step in found]
    if _may_take_up(case, actor):
        likely.insert(0, _made(_TAKE_UP, case))
    rare = [_made(step, case) for verb, step in _RARE if verb in verbs and _sensible(verb, case, dossier, actor)]
    return likely, [*rare, *_unlisted(case, dossier, actor)]


_TAKE_UP = ("Take it up", "cases.accept", "person-check", True)
_LIKELY: tuple[tuple[Verb, tuple[str, str, str, bool]], ...] = (
    (Verb.ACCEPT, ("Accept", "cases.accept", "person-check", True)),
    (Verb.CONFIRM_FIXED, ("It works", "cases.confirm_fixed", "hand-thumbs-up", True)),
    (Verb.CONFIRM, ("Confirm the resolution", "cases.confirm", "check2-all", True)),
    (Verb.ANSWER, ("Answer", "cases.answer", "chat-left-text", False)),
    (Verb.RESOLVE, ("Resolve", "cases.resolve", "check-circle", False)),
    (Verb.OFFER, ("Offer to the factory", "cases.offer", "arrow-up-right", False)),
    (Verb.ASK_INFORMATION, ("Ask for information", "cases.ask", "question-circle", False)),
    (Verb.HAND_BACK, ("Hand back", "cases.hand_back", "arrow-down-left", False)),
    (Verb.DECLINE, ("Decline", "cases.decline", "x-circle", False)),
    (Verb.TAKE_BACK, ("Take it back", "cases.take_back", "arrow-return-left", True)),
    (Verb.CHALLENGE, ("Challenge", "cases.challenge", "shield-exclamation", False)),
    (Verb.REOPEN, ("Reopen", "cases.reopen", "arrow-clockwise", False)),
)
_RARE: tuple[tuple[Verb, tuple[str, str, str, bool]], ...] = (
    (Verb.WITHDRAW_OFFER, ("Withdraw the offer", "cases.withdraw_offer", "arrow-counterclockwise", True)),
    (Verb.WITHDRAW_QUESTION, ("Withdraw the question", "cases.withdraw_question", "arrow-counterclockwise", True)),
    (Verb.KEEP_PROMISE, ("A workaround is given", "cases.keep_promise", "bandaid", False)),
    (Verb.CHANGE_SEVERITY, ("Change the severity", "cases.change_severity", "exclamation-triangle", False)),
    (Verb.CHALLENGE_SEVERITY, ("Dispute the severity", "cases.challenge_severity", "shield-exclamation", False)),
    (Verb.CHANGE_TASK_CLASS, ("Change the kind of help", "cases.change_task_class", "tag", False)),
    (
        Verb.CORRECT_CIRCUMSTANCES,
        ("Correct what was said", "cases.correct_circumstances", "pencil-square", False),
    ),
)


def _sensible(verb: Verb, case: SupportCase, dossier: Dossier, actor: Actor) -> bool:
    """Leave out what is allowed and yet nobody means: answering one's own question, taking back what one is offered."""
    if verb is Verb.ANSWER:
        return dossier.question is not None and dossier.question.owner_id != actor.organisation_id
    if verb is Verb.CHALLENGE_SEVERITY:
        return _is_disputable(dossier, case)
    if verb is Verb.TAKE_BACK:
        return case.offered_to_id != actor.organisation_id
    return True


def _is_disputable(dossier: Dossier, case: SupportCase) -> bool:
    """Whether the factory has set the severity, and nobody has disputed that yet."""
    changed = dossier.rows[CaseEvent]
    disputed = {challenge.seq for challenge in dossier.rows[SeverityChallenge]}
    return bool(changed) and changed[-1].owner_id == case.manufacturer_id and changed[-1].seq not in disputed


def _may_take_up(case: SupportCase, actor: Actor) -> bool:
    """Whether a person of the company that holds the case could have it in person."""
    holds = COMPANY_OF.get(actor.side) == case.holder_side and case.offered_to_id is None
    running = case.state in ("open", "waiting")
    return may_work_cases(actor) and holds and running and case.assignee_id != actor.person_id


def _unlisted(case: SupportCase, dossier: Dossier, actor: Actor) -> list[Step]:
    """Steps that are no verb of the transition table."""
    works, running = may_work_cases(actor), case.state in ("open", "offered", "waiting")
    holds = works and COMPANY_OF.get(actor.side) == case.holder_side
    found: list[tuple[str, str, str, bool]] = []
    if works and running and case.offered_to_id is not None:
        found.append(("Accepted by phone", "cases.accept_by_phone", "telephone", False))
    if holds and running:
        paused = dossier.history.paused
        found.append(
            ("Resume", "cases.resume", "play-circle", True)
            if paused
            else ("Pause", "cases.pause", "pause-circle", False)
        )
    if running and case.opener_side != Side.INTEGRATOR.value and may_complete_checklist(actor):
        # What a technician escalates is complete; a call, or what a contact opens, need not be.
        found.append(("Complete the checklist", "cases.complete_checklist", "list-check", False))
    if works and running:
        found.append(("Ask for authorization", "cases.ask_authorization", "cash-coin", False))
    if works and case.state in ("resolved", "closed") and case.integrator_id != case.manufacturer_id:
        found.append(("Claim what is owed", "cases.new_claim", "receipt", False))
    if works and actor.side is Side.MANUFACTURER:
        found.append(("Link a known issue", "cases.link_known_issue", "bug", False))
    if Verb.CHALLENGE_CAUSE in dossier.verbs and Verb.CHALLENGE not in dossier.verbs and actor.has(Role.BUYER):
        found.append(("Challenge the cause", "cases.challenge", "shield-exclamation", False))
    if Verb.CONFIRM in dossier.verbs and dossier.answers and dossier.answers[-1].basis == "deemed":
        found.append(("Take back the silence", "cases.undo_deemed", "arrow-counterclockwise", False))
    if Verb.SET_REFERENCE in dossier.verbs:
        found.append(("Set your own number", "cases.set_reference", "hash", False))
    return [_made(step, case) for step in found]


def _made(step: tuple[str, str, str, bool], case: SupportCase) -> Step:
    label, endpoint, icon, posts = step
    return Step(label, url_for(endpoint, name=case.name), icon, posts)
