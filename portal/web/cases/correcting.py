"""Correcting what was said of a case when it was opened: the policy's questions once more, with why."""

from __future__ import annotations

from dataclasses import replace

from flask import flash
from flask.typing import ResponseReturnValue
from wtforms import BooleanField

from portal.cases import actions
from portal.cases.models import SupportCase
from portal.cases.rules import Verb
from portal.contracts.circumstances import NO_QUESTIONS, Questions, questions_of
from portal.contracts.targets import Channel
from portal.web.cases.acting import Act, take
from portal.web.cases.blueprint import blueprint, case_named, to_case
from portal.web.cases.circumstances import CALL_CHANNELS, circumstance_fields, circumstances_of
from portal.web.cases.lists import works_the_queue
from portal.web.cases.resolution import terms_of
from portal.web.forms import Form, seq_field, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to

CORRECT = Act(
    "Correct what was said",
    "Correct it",
    "It is corrected; cover and price are decided again.",
    "The decision before stays on record. Whoever pays is told and asked where it gets dearer.",
    Verb.CORRECT_CIRCUMSTANCES,
)


def asks_something(case: SupportCase) -> bool:
    """Whether the policy makes anything depend on what is said of a case."""
    return _questions(case) != NO_QUESTIONS


@blueprint.route("/cases/<name>/corrections", methods=["GET", "POST"])
@open_to(works_the_queue)
def correct_circumstances(name: str) -> ResponseReturnValue:
    found = case_named(name)
    if not asks_something(found):
        flash("The signed policy makes nothing depend on what is said of a case: there is nothing to correct.", "warn")
        return to_case(found.name)
    form = _form(found)
    return take(
        name,
        replace(CORRECT, helps={each.name: each.description for each in form if each.description}),
        form,
        lambda case: actions.correct_circumstances(
            current_session(),
            current_actor(),
            case,
            said=circumstances_of(form),
            reason=form["reason"].data,
            bill_again=bool("bill_again" in form and form["bill_again"].data),
            seq=form["seq"].data,
            now=current_now(),
        ),
        found=found,
    )


def _form(case: SupportCase) -> Form:
    """The questions with what stands now, why, and for a closed case the yes to its new bill."""
    fields: dict[str, object] = dict(circumstance_fields(_questions(case), current_actor().side))
    fields["reason"] = text_field("Why", required="Say why: everybody on the case reads this.", limit=4_000)
    if case.state == "closed":
        fields["bill_again"] = BooleanField("Bill the case again", description="Its bill is taken back and made anew.")
    said = case.circumstances
    shown = {
        "customer_class": said.customer_class,
        "requested": list(said.requested),
        "distance": said.distance,
        "level": str(said.level or ""),
        "channel": said.channel.value,
    }
    form: Form = type("CorrectionForm", (Form,), {"seq": seq_field(), **fields})(
        **{name: value for name, value in shown.items() if name in fields}
    )
    if "channel" in form:
        form["channel"].choices = [(Channel.PORTAL.value, "In the portal"), *CALL_CHANNELS]
    return form


def _questions(case: SupportCase) -> Questions:
    terms = terms_of(case)
    return questions_of(terms.policy, terms.agreement)
