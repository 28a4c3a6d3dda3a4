"""Mailed links about cases: accept an offer, answer a question, take back, confirm, decide a challenge.

GET shows what the link would do, POST does it and uses the link up. Nobody is signed in by a link; the page shows what
the act needs and nothing else of the case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from portal.access import OneAct
from portal.cases import actions, queries, words
from portal.cases.actions import custody
from portal.cases.actions.challenge import LINK_ACT as DECIDE_ACT
from portal.cases.actions.challenge import LINK_OBJECT as DECIDE_OBJECT
from portal.cases.models import CustodyOffer, Note, Resolution, SupportCase
from portal.cases.queries import records
from portal.errors import Conflict, NotFound
from portal.identity.links import OpenLink
from portal.metering import queries as metering
from portal.metering.rules import TASK_CLASSES
from portal.web import links
from portal.web.cases.challenges import causes_of, proposal_of
from portal.web.cases.resolution import CHOOSE
from portal.web.cases.words import COMPANY_WORDS, RESOLVER_WORDS
from portal.web.forms import Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_now, current_session

MOVED_ON = "The case has moved on: what this link was for is no longer open."


class ConfirmForm(Form):
    pass


class AnswerForm(Form):
    answer = text_field("Answer", required="Write the answer.")


class DecisionForm(Form):
    weights = line_field("Integrator's part in percent", limit=12)
    cause = SelectField("Cause", default="")
    task_class = SelectField("Kind of help", choices=[*CHOOSE, *TASK_CLASSES.items()], default="")
    explanation = text_field("Reasons", required="Both companies read your reasons.", limit=10_000)


@links.act(custody.LINK_ACT)
def accept(link: OpenLink) -> ResponseReturnValue:
    offer = _object(link, CustodyOffer, custody.LINK_OBJECT)
    case = _case(link, offer.case_id)
    if link.act.object_version != offer.seq or case.offered_to_id != link.actor.organisation_id:
        raise Conflict(MOVED_ON)
    return _confirmed(
        link,
        case,
        lambda: actions.accept_by_link(current_session(), link.actor, case, now=current_now()),
        title="Accept the case",
        said=offer.reason,
        button="Accept the case",
        done=f"{case.name} is with you.",
    )


@links.act(words.ANSWER_LINK[0])
def answer(link: OpenLink) -> ResponseReturnValue:
    asked = _object(link, Note, words.ANSWER_LINK[1])
    case = _case(link, asked.case_id)
    open_question = queries.dossier(current_session(), link.actor, case, now=current_now()).question
    if open_question is None or open_question.id != asked.id or link.act.object_version != asked.seq:
        raise Conflict(MOVED_ON)
    form = AnswerForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.answer_information(
                current_session(), link.actor, case, answer=form.answer.data, seq=case.seq, now=current_now()
            )
            links.consume(link)
            return _done("The answer is sent.", case)
    return page("cases/link_answer.html", form, link=link, case=_case(link, asked.case_id), asked=asked)


@links.act(words.TAKE_BACK_LINK[0])
def take_back(link: OpenLink) -> ResponseReturnValue:
    case = _case(link, _number(link, words.TAKE_BACK_LINK[1]))
    held = queries.dossier(current_session(), link.actor, case, now=current_now()).history.acceptances[-1]
    if held.seq != link.act.object_version or held.company_id == link.actor.organisation_id:
        raise Conflict(MOVED_ON)
    return _confirmed(
        link,
        case,
        lambda: actions.take_back(current_session(), link.actor, case, seq=case.seq, now=current_now()),
        title="Take the case back",
        said=f"It is with the {COMPANY_WORDS[case.holder_side]} now ({held.accepted_name or 'nobody in person'}).",
        button="Take it back",
        done=f"{case.name} is with your company.",
    )


@links.act(words.CONFIRM_LINK[0])
def confirm(link: OpenLink) -> ResponseReturnValue:
    proposed = _object(link, Resolution, words.CONFIRM_LINK[1])
    case = _case(link, proposed.case_id)
    last = queries.resolutions_of(current_session(), link.actor, case)[-1]
    if last.id != proposed.id or link.act.object_version != proposed.seq:
        raise Conflict(MOVED_ON)
    return _confirmed(
        link,
        case,
        lambda: actions.confirm(current_session(), link.actor, case, seq=case.seq, now=current_now()),
        title="Confirm the resolution",
        said=f"{proposed.summary}\n\nResolved by {RESOLVER_WORDS[proposed.resolved_by]}.",
        button="Confirm the resolution",
        done="The resolution is confirmed.",
    )


@links.act(DECIDE_ACT)
def decide(link: OpenLink) -> ResponseReturnValue:
    challenge_id = _number(link, DECIDE_OBJECT)
    case, view = queries.challenge_view(current_session(), link.actor, challenge_id)
    if view.decision is not None:
        raise Conflict("The challenge is decided.")
    form = DecisionForm()
    form.cause.choices = causes_of(case)
    if form.validate_on_submit():
        with refusals_of(form):
            actions.decide_as_neutral(
                current_session(),
                link.actor,
                challenge_id,
                proposal_of(view.challenge.subject, form),
                explanation=form.explanation.data,
                now=current_now(),
            )
            links.consume(link)
            return links.done("The challenge is decided", "Both companies read your decision and your reasons.")
    return page("cases/link_decision.html", form, link=link, **_evidence(link, challenge_id))


def _evidence(link: OpenLink, challenge_id: int) -> dict[str, Any]:
    """What the neutral reads: the challenge, and what both companies knew of each other when it was raised."""
    session = current_session()
    case, view = queries.challenge_view(session, link.actor, challenge_id)
    raised_at = view.challenge.raised_at
    work = metering.entries_of_case(session, link.actor, case.id)
    return {
        "case": case,
        "view": view,
        "resolution": records.resolution(session, view.challenge.resolution_id),
        "custody": [
            segment
            for segment in queries.custody_segments(session, case, now=current_now())
            if segment.start <= raised_at
        ],
        "notes": records.said_between_companies(session, case, until=raised_at),
        "work": [
            state.entry
            for state in work
            if state.entry.recorded_at <= raised_at
            and (state.reversal is None or state.reversal.reversed_at > raised_at)
        ],
        "companies": {case.manufacturer_id: "Factory", case.integrator_id: "Integrator", case.customer_id: "Customer"},
        "company_words": COMPANY_WORDS,
        "causes": dict(causes_of(case)),
        "task_classes": TASK_CLASSES,
    }


def _confirmed(
    link: OpenLink, case: SupportCase, perform: Callable[[], object], *, title: str, said: str, button: str, done: str
) -> ResponseReturnValue:
    """Ask once more on GET, act on POST."""
    form = ConfirmForm()
    if form.validate_on_submit():
        with refusals_of(form):
            perform()
            links.consume(link)
            return _done(done, case)
    return page("cases/link_confirm.html", form, link=link, case=case, title=title, said=said, button=button)


def _done(text: str, case: SupportCase) -> ResponseReturnValue:
    return links.done("Thank you", text, url_for("cases.case", name=case.name), f"Open {case.name}")


def _case(link: OpenLink, case_id: int) -> SupportCase:
    return queries.case_by_id(current_session(), link.actor, case_id)


def _object(link: OpenLink, model: Any, object_type: str) -> Any:
    found = current_session().get(model, _number(link, object_type))
    if found is None:
        raise NotFound
    return found


def _number(link: OpenLink, object_type: str) -> int:
    """The id a link names, if it names an object of that type."""
    act: OneAct = link.act
    if act.object_type != object_type or not act.object_id.isdecimal():
        raise NotFound
    return int(act.object_id)
