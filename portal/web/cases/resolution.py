"""Resolving a case and answering the resolution: confirm, say that it works, reopen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.validators import InputRequired

from portal.access import Actor, Side, may_see_shares, may_work_cases
from portal.cases import actions
from portal.cases.actions import Resolving
from portal.cases.models import SupportCase
from portal.cases.rules import Verb
from portal.cases.situation import has_integrator
from portal.contracts.blocks import WHOLE_BP, Weights
from portal.contracts.rules import split_terms
from portal.entitlement.queries import Terms, terms_in_force
from portal.errors import Invalid
from portal.web.cases.acting import Act, SeqForm, take, take_typed
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.money import money_view, outcome_with
from portal.web.forms import Form, line_field, page, refusals_of, seq_field, text_field
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to

CHOOSE = [("", "Choose")]
PERCENT = "Type a share between 0 and 100 percent, such as 62.5."


class ResolutionForm(Form):
    seq = seq_field()
    cause = SelectField("Cause", validators=[InputRequired("Choose the cause.")])
    last_action = SelectField("What was done last", validators=[InputRequired("Choose what was done last.")])
    summary = text_field("What was done", required="The customer reads this: say what was done.", limit=10_000)
    weights = line_field("Integrator's part in percent", limit=12)
    reason = text_field("Why the signed table does not fit", limit=4_000)


class SilenceForm(Form):
    seq = seq_field()
    reason = text_field("Why the silence was no yes", required="Say why the silence was no yes.", limit=4_000)


class ReopeningForm(Form):
    seq = seq_field()
    reason = text_field("What is back", required="Say what is back.", limit=4_000)


RESOLUTION = Act(
    "Resolve",
    "Resolve the case",
    "The case is resolved.",
    "The other company confirms or challenges; the customer is told.",
    Verb.RESOLVE,
    template="cases/resolve.html",
    helps={
        "summary": "The customer reads this, and it stands on the bill.",
        "weights": "Only where the table does not fit; it needs the other company's yes.",
    },
)
CONFIRMATION = Act("Confirm the resolution", "Confirm", "The resolution is confirmed.")
SILENCE = Act(
    "Take back the confirmation by silence",
    "Take it back",
    "The confirmation by silence is taken back.",
    "Nobody of your company had answered in time. Now confirm or challenge the resolution in so many words.",
    Verb.CONFIRM,
)
WORKS = Act("It works", "It works", "Thank you: the case is being closed.")
REOPENING = Act(
    "Reopen the case", "Reopen", "The case is open again.", "For the same fault, back within the window.", Verb.REOPEN
)


def may_see_weights(actor: Actor) -> bool:
    """How much of the resolving counts for whom: the factory's service people and those who see shares."""
    return may_see_shares(actor) or (actor.side is Side.MANUFACTURER and may_work_cases(actor))


def terms_of(case: SupportCase) -> Terms:
    """The signed documents of the case's companies, now."""
    return terms_in_force(
        current_session(),
        manufacturer_id=case.manufacturer_id,
        integrator_id=case.integrator_id,
        at=current_now(),
    )


def bp_of(percent: str, name: str) -> int:
    """A typed percentage as basis points. *Raises*: Invalid at the field ``name``."""
    try:
        exact = Decimal(percent.replace(",", ".").rstrip("% ")) * 100
    except InvalidOperation as error:
        raise Invalid(PERCENT, {name: PERCENT}) from error
    if not exact.is_finite() or exact != exact.to_integral_value() or not 0 <= exact <= WHOLE_BP:
        raise Invalid(PERCENT, {name: PERCENT})
    return int(exact)


@blueprint.route("/cases/<name>/resolutions", methods=["GET", "POST"])
@open_to(may_work_cases)
def resolve(name: str) -> ResponseReturnValue:
    case = case_named(name)
    terms = terms_of(case)
    form = ResolutionForm()
    form.cause.choices = CHOOSE + [(each.code, each.label) for each in terms.policy.causes]
    form.last_action.choices = CHOOSE + [(each.code, each.label) for each in terms.policy.corrective_actions]
    shown = may_see_weights(current_actor()) and has_integrator(case)
    if not shown:
        del form.weights
        del form.reason
    table_rows = _signed_table(terms) if shown else ()
    if request.form.get("step") == "preview":
        return _preview(case, form, terms, table_rows)
    return take(
        name,
        RESOLUTION,
        form,
        lambda held: actions.resolve(
            current_session(), current_actor(), held, _resolving(form), seq=form.seq.data, now=current_now()
        ),
        table_rows=table_rows,
        money=money_view(case) if request.method == "GET" else None,
    )


@blueprint.post("/cases/<name>/confirmations")
@open_to(may_work_cases)
def confirm(name: str) -> ResponseReturnValue:
    form = SeqForm()
    return take(
        name,
        CONFIRMATION,
        form,
        lambda case: actions.confirm(current_session(), current_actor(), case, seq=form.seq.data, now=current_now()),
    )


@blueprint.route("/cases/<name>/silence-taken-back", methods=["GET", "POST"])
@open_to(may_work_cases)
def undo_deemed(name: str) -> ResponseReturnValue:
    return take_typed(name, SILENCE, SilenceForm(), actions.undo_deemed)


@blueprint.post("/cases/<name>/closing-confirmations")
@open_to(anyone)
def confirm_fixed(name: str) -> ResponseReturnValue:
    form = SeqForm()
    return take(
        name,
        WORKS,
        form,
        lambda case: actions.confirm_fixed(
            current_session(), current_actor(), case, seq=form.seq.data, now=current_now()
        ),
    )


@blueprint.route("/cases/<name>/reopenings", methods=["GET", "POST"])
@open_to(anyone)
def reopen(name: str) -> ResponseReturnValue:
    form = ReopeningForm()
    return take(
        name,
        REOPENING,
        form,
        lambda case: actions.reopen(
            current_session(), current_actor(), case, reason=form.reason.data, seq=form.seq.data, now=current_now()
        ),
    )


def _preview(
    case: SupportCase, form: ResolutionForm, terms: Terms, table_rows: Sequence[Mapping[str, Any]]
) -> ResponseReturnValue:
    """The same form with what it would do to the money; nothing is saved."""
    money = None
    with refusals_of(form):
        weights = actions.weights_for(case, terms, _resolving(form))
        money = money_view(case, outcome=outcome_with(form.cause.data, weights))
    return page(
        RESOLUTION.template,
        form,
        act=RESOLUTION,
        case=case_named(case.name),
        conflict=None,
        table_rows=table_rows,
        money=money,
    )


def _resolving(form: ResolutionForm) -> Resolving:
    proposed, reason = None, ""
    if form.weights is not None and form.weights.data:
        integrator_bp = bp_of(form.weights.data, "weights")
        proposed = Weights(integrator_bp=integrator_bp, manufacturer_bp=WHOLE_BP - integrator_bp)
        reason = form.reason.data or ""
    return Resolving(form.cause.data, form.last_action.data, form.summary.data or "", proposed, reason)


def _signed_table(terms: Terms) -> list[Mapping[str, Any]]:
    """The rows of the signed table in words; the first that fits decides."""
    causes = {each.code: each.label for each in terms.policy.causes}
    last_actions = {each.code: each.label for each in terms.policy.corrective_actions}
    return [
        {
            "cause": ", ".join(causes.get(code, code) for code in row.causes) or "Any cause",
            "last_action": ", ".join(last_actions.get(code, code) for code in row.last_actions) or "Anything",
            "integrator_bp": row.integrator_bp,
            "manufacturer_bp": row.manufacturer_bp,
        }
        for row in split_terms(terms.policy, terms.agreement).resolution
    ]
