"""Disputing a resolution: raise a challenge, propose how it ends, withdraw it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField, SelectField

from portal.access import Actor, Role, Side, may_challenge_split
from portal.cases import actions, queries
from portal.cases.models import SupportCase
from portal.cases.queries import ChallengeView, records
from portal.cases.rules import Verb
from portal.contracts.blocks import WHOLE_BP
from portal.errors import Conflict, Invalid, NotFound
from portal.metering.rules import TASK_CLASSES
from portal.web.cases.acting import NOT_NOW, Act, SeqForm, renew, take
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.resolution import CHOOSE, bp_of, terms_of
from portal.web.forms import Form, line_field, refusals_of, seq_field, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to

SUBJECTS = {"split": "Who resolved it (the split)", "cause": "The cause", "task_class": "The kind of help"}
WEIGHTS_LABEL = "Integrator's part in percent"


class ProposalFields(Form):
    """What each subject could be instead; only the subject's own field counts."""

    seq = seq_field()
    weights = line_field(WEIGHTS_LABEL, limit=12)
    cause = SelectField("Cause", default="")
    task_class = SelectField("Kind of help", choices=[*CHOOSE, *TASK_CLASSES.items()], default="")


class ChallengeForm(ProposalFields):
    subject = RadioField("What is wrong")
    reason = text_field("Why", required="Say why: the managers and the neutral read this.", limit=10_000)


class ProposalForm(ProposalFields):
    pass


CHALLENGE = Act(
    "Challenge the resolution",
    "Challenge",
    "The resolution is challenged: the managers of both companies are asked.",
    "A challenge of the split holds only the shares, never the customer's bill.",
    template="cases/challenge_form.html",
)
# A customer is told nothing of shares, not even that there are any.
PAYERS_CHALLENGE = replace(
    CHALLENGE,
    done="Both companies are told: their managers answer.",
    lead="Who pays can depend on the cause and the kind of help; the managers of both companies answer.",
)
PROPOSAL = Act("Propose an outcome", "Propose", "The outcome is proposed.", template="cases/challenge.html")
WITHDRAWAL = Act("Withdraw the challenge", "Withdraw", "The challenge is withdrawn: the resolution stands.")


def may_dispute(actor: Actor) -> bool:
    """Those who speak for a company, and the payer's buyer."""
    return may_challenge_split(actor) or actor.has(Role.BUYER)


def proposal_of(subject: str, form: Form) -> dict[str, Any]:
    """What the form proposes for the subject. *Raises*: Invalid at the field."""
    if subject == "split":
        if not form.weights.data:
            raise Invalid("Say what it should be.", {"weights": "Say what it should be."})
        integrator_bp = bp_of(form.weights.data, "weights")
        return {"integrator_bp": integrator_bp, "manufacturer_bp": WHOLE_BP - integrator_bp}
    field = form.cause if subject == "cause" else form.task_class
    if not field.data:
        raise Invalid("Say what it should be.", {field.name: "Say what it should be."})
    return {subject: field.data}


@blueprint.route("/cases/<name>/challenges", methods=["GET", "POST"])
@open_to(may_dispute)
def challenge(name: str) -> ResponseReturnValue:
    case = case_named(name)
    form = ChallengeForm()
    form.cause.choices = causes_of(case)
    form.subject.choices = _subjects(case)
    if not form.subject.choices:
        raise Conflict(NOT_NOW)
    form.subject.data = form.subject.data or form.subject.choices[0][0]
    by_customer = current_actor().side is Side.CUSTOMER
    if by_customer:
        del form.weights
    return take(
        name,
        PAYERS_CHALLENGE if by_customer else CHALLENGE,
        form,
        lambda held: actions.challenge(
            current_session(),
            current_actor(),
            held,
            subject=form.subject.data,
            reason=form.reason.data,
            proposal=proposal_of(form.subject.data, form),
            seq=form.seq.data,
            now=current_now(),
        ),
    )


@blueprint.get("/cases/<name>/challenges/<int:challenge_id>")
@open_to(may_dispute)
def show_challenge(name: str, challenge_id: int) -> ResponseReturnValue:
    case, view = _challenge(name, challenge_id)
    form = ProposalForm(formdata=None, seq=case.seq)
    form.cause.choices = causes_of(case)
    return render_template("cases/challenge.html", form=form, conflict=None, **_shown(case, view))


@blueprint.post("/cases/<name>/challenges/<int:challenge_id>/proposals")
@open_to(may_challenge_split)
def propose(name: str, challenge_id: int) -> ResponseReturnValue:
    case, view = _challenge(name, challenge_id)
    form = ProposalForm()
    form.cause.choices = causes_of(case)
    subject = view.challenge.subject
    return _step(
        name,
        challenge_id,
        form,
        PROPOSAL,
        lambda: actions.propose_outcome(
            current_session(),
            current_actor(),
            challenge_id,
            proposal_of(subject, form),
            seq=form.seq.data,
            now=current_now(),
        ),
    )


@blueprint.post("/cases/<name>/challenges/<int:challenge_id>/withdrawal")
@open_to(may_challenge_split)
def withdraw_challenge(name: str, challenge_id: int) -> ResponseReturnValue:
    _challenge(name, challenge_id)
    form = SeqForm()
    return take(
        name,
        WITHDRAWAL,
        form,
        lambda case: actions.withdraw_challenge(
            current_session(), current_actor(), challenge_id, seq=form.seq.data, now=current_now()
        ),
    )


def causes_of(case: SupportCase) -> list[tuple[str, str]]:
    """The policy's causes to choose from."""
    return CHOOSE + [(each.code, each.label) for each in terms_of(case).policy.causes]


def _step(
    name: str, challenge_id: int, form: ProposalForm, act: Act, perform: Callable[[], object]
) -> ResponseReturnValue:
    conflict = None
    if form.validate():
        try:
            with refusals_of(form):
                perform()
                flash(act.done, "good")
                return redirect(url_for("cases.show_challenge", name=name, challenge_id=challenge_id), code=303)
        except Conflict as error:
            current_session().rollback()
            conflict = error
    case, view = _challenge(name, challenge_id)
    renew(form, case)
    body = render_template("cases/challenge.html", form=form, conflict=conflict, **_shown(case, view))
    return body, 409 if conflict else 422


def _subjects(case: SupportCase) -> list[tuple[str, str]]:
    """What this person can challenge now; what was sent is left to the action, which says what happened meanwhile."""
    if request.method == "POST":
        return [
            (key, words) for key, words in SUBJECTS.items() if key != "split" or may_challenge_split(current_actor())
        ]
    verbs = queries.dossier(current_session(), current_actor(), case, now=current_now()).verbs
    found = ["split"] if Verb.CHALLENGE in verbs else []
    found += ["cause", "task_class"] if Verb.CHALLENGE_CAUSE in verbs else []
    return [(each, SUBJECTS[each]) for each in found]


def _challenge(name: str, challenge_id: int) -> tuple[SupportCase, ChallengeView]:
    case, view = queries.challenge_view(current_session(), current_actor(), challenge_id)
    if case.name != name.strip().upper():
        raise NotFound
    return case, view


def _shown(case: SupportCase, view: ChallengeView) -> Mapping[str, Any]:
    """What the page of a challenge prints; a customer reads neither proposals nor resolution."""
    actor = current_actor()
    theirs = actor.side is not Side.CUSTOMER
    return {
        "case": case,
        "act": PROPOSAL,
        "view": view,
        "causes": dict(causes_of(case)),
        "task_classes": TASK_CLASSES,
        "resolution": records.resolution(current_session(), view.challenge.resolution_id) if theirs else None,
        "may_propose": theirs and may_challenge_split(actor) and view.decision is None,
        "may_withdraw": theirs and view.decision is None and view.challenge.company_id == actor.organisation_id,
        "companies": {case.manufacturer_id: "Factory", case.integrator_id: "Integrator", case.customer_id: "Customer"},
    }
