"""Who has the case: offers, acceptances, declines, hand-backs, taking back, questions and answers, pauses."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from wtforms import BooleanField, RadioField

from portal.access import Audience, may_work_cases
from portal.cases import actions, queries
from portal.cases.rules import Verb, audiences_for
from portal.web import uploads
from portal.web.cases.acting import Act, SeqForm, take, take_typed
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.resolution import terms_of
from portal.web.cases.words import audience_choices
from portal.web.forms import Form, line_field, seq_field, text_field
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to

NEW_INFORMATION = "There is new information"
NEW_INFORMATION_HELP = "Without it the clocks go on where they were, instead of starting again."


class OfferForm(Form):
    seq = seq_field()
    reason = text_field("What the factory should do", required="Say what the factory should do.", limit=4_000)
    new_information = BooleanField(NEW_INFORMATION, default=True)


class HandBackForm(Form):
    seq = seq_field()
    reason = text_field("What has to be done", required="Say what has to be done and why.", limit=4_000)
    new_information = BooleanField(NEW_INFORMATION, default=True)


class ReasonForm(Form):
    seq = seq_field()
    reason = text_field("Reason", required="Say why.", limit=4_000)


class NamedPauseForm(Form):
    seq = seq_field()
    reason_code = RadioField("Why it waits")
    reason = text_field("Reason", limit=4_000)


class PhoneForm(Form):
    seq = seq_field()
    accepted_name = line_field("Who accepted", required="Say who accepted.", limit=100)


class QuestionForm(Form):
    seq = seq_field()
    question = text_field("What is missing", required="Say what you need to know.")
    audience = RadioField("Who is asked", coerce=Audience)


class AnswerForm(Form):
    seq = seq_field()
    answer = text_field("Answer", required="Write the answer.")
    files = uploads.files_field()
    kept = uploads.kept_field()


OFFER = Act(
    "Offer to the factory",
    "Offer the case",
    "The case is offered to the factory.",
    "You keep the case until the factory accepts.",
    Verb.OFFER,
    helps={"new_information": NEW_INFORMATION_HELP},
)
WITHDRAWAL = Act("Withdraw the offer", "Withdraw the offer", "The offer is withdrawn; the case stays with you.")
ACCEPTANCE = Act("Accept the case", "Accept the case", "The case is with you.")
PHONE = Act(
    "Accepted by phone",
    "Write it down",
    "The acceptance is written down.",
    "Somebody of the company that was asked said yes on the telephone.",
)
DECLINE = Act(
    "Decline the case",
    "Decline",
    "The case is declined; it stays where it is.",
    "The other company reads the reason.",
    Verb.DECLINE,
)
HAND_BACK = Act(
    "Hand back",
    "Hand the case back",
    "The case is handed back; it is with you until the integrator accepts.",
    "Such as for a visit to the site. You hold the case until the integrator accepts.",
    Verb.HAND_BACK,
    helps={"new_information": NEW_INFORMATION_HELP},
)
TAKE_BACK = Act("Take the case back", "Take it back", "The case is with your company.")
QUESTION = Act(
    "Ask for information",
    "Ask",
    "The question is asked; the case waits for the answer.",
    "The case stays with who holds it.",
    Verb.ASK_INFORMATION,
)
QUESTION_WITHDRAWAL = Act("Withdraw the question", "Withdraw the question", "The question is withdrawn.")
ANSWER = Act("Answer", "Send the answer", "The answer is sent.", verb=Verb.ANSWER, template="cases/answer.html")
PAUSE = Act(
    "Pause the case",
    "Pause",
    "The case is paused.",
    "While it waits for something outside both companies; clocks other than the response clock stand still.",
)
RESUMPTION = Act("Resume the case", "Resume", "The case goes on.")


@blueprint.route("/cases/<name>/offers", methods=["GET", "POST"])
@open_to(may_work_cases)
def offer(name: str) -> ResponseReturnValue:
    return take_typed(name, OFFER, OfferForm(), actions.offer_custody)


@blueprint.post("/cases/<name>/offers/withdrawal")
@open_to(may_work_cases)
def withdraw_offer(name: str) -> ResponseReturnValue:
    return take_typed(name, WITHDRAWAL, SeqForm(), actions.withdraw_offer)


@blueprint.post("/cases/<name>/acceptances")
@open_to(may_work_cases)
def accept(name: str) -> ResponseReturnValue:
    return take_typed(name, ACCEPTANCE, SeqForm(), actions.accept_custody)


@blueprint.route("/cases/<name>/acceptances/by-phone", methods=["GET", "POST"])
@open_to(may_work_cases)
def accept_by_phone(name: str) -> ResponseReturnValue:
    return take_typed(name, PHONE, PhoneForm(), actions.accept_by_phone)


@blueprint.route("/cases/<name>/declines", methods=["GET", "POST"])
@open_to(may_work_cases)
def decline(name: str) -> ResponseReturnValue:
    return take_typed(name, DECLINE, ReasonForm(), actions.decline_custody)


@blueprint.route("/cases/<name>/hand-backs", methods=["GET", "POST"])
@open_to(may_work_cases)
def hand_back(name: str) -> ResponseReturnValue:
    return take_typed(name, HAND_BACK, HandBackForm(), actions.hand_back)


@blueprint.post("/cases/<name>/take-backs")
@open_to(may_work_cases)
def take_back(name: str) -> ResponseReturnValue:
    return take_typed(name, TAKE_BACK, SeqForm(), actions.take_back)


@blueprint.route("/cases/<name>/questions", methods=["GET", "POST"])
@open_to(may_work_cases)
def ask(name: str) -> ResponseReturnValue:
    form = QuestionForm()
    readers = tuple(each for each in audiences_for(current_actor().side) if each is not Audience.OWN)
    form.audience.choices = audience_choices(current_actor().side, readers)
    form.audience.data = form.audience.data or readers[0]
    return take_typed(name, QUESTION, form, actions.ask_information)


@blueprint.post("/cases/<name>/questions/withdrawal")
@open_to(may_work_cases)
def withdraw_question(name: str) -> ResponseReturnValue:
    return take_typed(name, QUESTION_WITHDRAWAL, SeqForm(), actions.withdraw_question)


@blueprint.route("/cases/<name>/answers", methods=["GET", "POST"])
@open_to(anyone)
def answer(name: str) -> ResponseReturnValue:
    found = case_named(name)
    asked = queries.dossier(current_session(), current_actor(), found, now=current_now()).question
    form = AnswerForm()
    if form.is_submitted():
        uploads.keep(form)
    return take(
        name,
        ANSWER,
        form,
        lambda case: actions.answer_information(
            current_session(),
            current_actor(),
            case,
            answer=form.answer.data,
            upload_ids=uploads.kept_ids(form),
            seq=form.seq.data,
            now=current_now(),
        ),
        question=asked,
    )


@blueprint.route("/cases/<name>/pauses", methods=["GET", "POST"])
@open_to(may_work_cases)
def pause(name: str) -> ResponseReturnValue:
    reasons = terms_of(case_named(name)).policy.pause_reasons
    form = NamedPauseForm() if reasons else ReasonForm()
    if isinstance(form, NamedPauseForm):
        form.reason_code.choices = [(each.code, each.label) for each in reasons]
    form.reason.label.text = "What the case waits for"
    return take_typed(name, PAUSE, form, actions.pause)


@blueprint.post("/cases/<name>/pauses/end")
@open_to(may_work_cases)
def resume(name: str) -> ResponseReturnValue:
    return take_typed(name, RESUMPTION, SeqForm(), actions.resume)
