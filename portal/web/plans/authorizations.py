"""The payer's yes and no: what waits, one request with its price, the answer, a yes said on the telephone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, DateTimeLocalField
from wtforms.validators import Optional

from portal.access import Actor, Role, may_authorize_spending, may_work_cases
from portal.calendars import resolve_local
from portal.cases import actions, queries
from portal.cases.models import SupportCase
from portal.directory.queries import organisation_names
from portal.entitlement import queries as entitlement
from portal.entitlement.models import AuthorizationRequest
from portal.entitlement.queries import RequestState
from portal.entitlement.rules import SpokenYes
from portal.errors import Invalid
from portal.money import Money, plain_amount
from portal.web.cases.opening_forms import AMOUNT_LIMIT, MINUTES_LIMIT, typed_minor, typed_seconds
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.plans.blueprint import blueprint

REASON_LIMIT = 1_000
_NO_AMOUNT = "Say up to which amount."
MINUTE_FORM = "%Y-%m-%dT%H:%M"


class YesForm(Form):
    nte = line_field("Never more than", limit=AMOUNT_LIMIT)
    minutes = line_field("Minutes of your hours", limit=MINUTES_LIMIT)


class NoForm(Form):
    reason = line_field("Why not", required="Say why, so that both companies know how to go on.", limit=REASON_LIMIT)


class SpokenForm(YesForm):
    name = line_field("Who said yes", limit=100)
    number = line_field("Reached at the number", limit=40, render_kw={"inputmode": "tel"})
    said_at = DateTimeLocalField("When", format=MINUTE_FORM, validators=[Optional()])
    read_back = BooleanField("I read the amount and the price of an hour back, and the answer was yes")


@dataclass(frozen=True)
class Asked:
    """A request as a page prints it."""

    id: int
    case: SupportCase
    state: str
    tone: str
    is_open: bool
    payer: str
    upto: Money
    hours_seconds: int
    per_hour: Money
    least: Money
    reason: str
    asked_at: datetime
    ratify_by: datetime | None
    given: Money | None
    given_seconds: int
    replaced_by: int | None = None
    withdrawn: str = ""

    @property
    def suggested(self) -> dict[str, str]:
        """What a form of the answer says at first: what was asked for."""
        return {"nte": plain_amount(self.upto), "minutes": str(self.hours_seconds // 60)}


def may_see_requests(actor: Actor) -> bool:
    """The payer's purse, the service people who wait for its answer, and the customer's contacts."""
    return may_authorize_spending(actor) or may_work_cases(actor) or actor.has(Role.CONTACT)


@blueprint.get("/authorizations")
@open_to(may_see_requests)
def authorizations() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    waiting = asked_of(entitlement.requests_for(session, actor, waiting=True))
    latest = asked_of(entitlement.requests_for(session, actor, waiting=False))
    answered = [each for each in latest if not each.is_open]
    return render_template("plans/authorizations.html", waiting=waiting, answered=answered)


@blueprint.route("/authorizations/<int:request_id>", methods=["GET", "POST"])
@open_to(may_see_requests)
def authorization(request_id: int) -> ResponseReturnValue:
    asked = asked_for(request_id)
    form = YesForm(**asked.suggested)
    if form.validate_on_submit():
        with refusals_of(form):
            say_yes(form, asked)
            flash(f"You said yes for {asked.case.name}.", "good")
            return redirect(url_for("plans.authorization", request_id=request_id), code=303)
    return _request_page(asked, form)


@blueprint.post("/authorizations/<int:request_id>/refusal")
@open_to(may_see_requests)
def refuse(request_id: int) -> ResponseReturnValue:
    asked = asked_for(request_id)
    form = NoForm()
    if form.validate():
        with refusals_of(form):
            actions.refuse_authorization(
                current_session(), current_actor(), request_id, reason=form.reason.data, now=current_now()
            )
            flash(f"You said no for {asked.case.name}.", "good")
            return redirect(url_for("plans.authorization", request_id=request_id), code=303)
    return _request_page(asked, YesForm(None, **asked.suggested), refusing=form)


@blueprint.route("/authorizations/<int:request_id>/spoken", methods=["GET", "POST"])
@open_to(may_work_cases)
def spoken(request_id: int) -> ResponseReturnValue:
    asked = asked_for(request_id)
    form = SpokenForm(**asked.suggested)
    if form.validate_on_submit():
        with refusals_of(form):
            said = SpokenYes(form.name.data or "", form.number.data or "", _said_at(form), form.read_back.data)
            actions.authorize_spoken(
                current_session(),
                current_actor(),
                request_id,
                said,
                **_typed_amounts(form, asked),
                now=current_now(),
            )
            flash("The spoken yes is kept; the payer gets it by mail.", "good")
            return redirect(f"/cases/{asked.case.name}", code=303)
    return page("plans/spoken.html", form, asked=asked)


def asked_for(request_id: int) -> Asked:
    """A request about one of the actor's cases. *Raises*: NotFound."""
    state = entitlement.request_state(current_session(), request_id)
    case = queries.case_by_id(current_session(), current_actor(), state.request.case_id)
    names = organisation_names(current_session(), [state.request.payer_id])
    return _asked(state, case, names.get(state.request.payer_id, "The payer"))


def asked_of(states: Any) -> list[Asked]:
    """Requests with their cases; those about other sites than the actor's are left out."""
    session = current_session()
    cases = queries.cases_by_id(session, current_actor(), [state.request.case_id for state in states])
    names = organisation_names(session, [state.request.payer_id for state in states])
    return [
        _asked(state, cases[state.request.case_id], names.get(state.request.payer_id, "The payer"))
        for state in states
        if state.request.case_id in cases
    ]


def say_yes(form: YesForm, asked: Asked) -> None:
    """The yes to what was typed. *Raises*: Invalid at the field, Conflict when it is answered."""
    actions.authorize(current_session(), current_actor(), asked.id, **_typed_amounts(form, asked), now=current_now())


def _typed_amounts(form: YesForm, asked: Asked) -> dict[str, int]:
    """The money and the hours of an answer; what was not asked for is not looked at."""
    hours_seconds = typed_seconds(form.minutes.data) if asked.hours_seconds else 0
    nte_minor = 0
    if asked.upto.minor and (form.nte.data or not hours_seconds):
        if not form.nte.data:
            raise Invalid(_NO_AMOUNT, {"nte": _NO_AMOUNT})
        nte_minor = typed_minor(form.nte.data, asked.upto.currency)
    return {"nte_minor": nte_minor, "hours_seconds": hours_seconds}


def _request_page(asked: Asked, form: YesForm, refusing: NoForm | None = None) -> ResponseReturnValue:
    actor = current_actor()
    is_payer = entitlement.request_state(current_session(), asked.id).request.payer_id == actor.organisation_id
    answer = page(
        "plans/authorization.html",
        form,
        asked=asked,
        refusing=refusing or NoForm(None),
        may_answer=asked.is_open and is_payer and may_authorize_spending(actor),
        may_record=asked.is_open and may_work_cases(actor),
    )
    return (answer[0], 422) if refusing is not None and isinstance(answer, tuple) else answer


def _asked(state: RequestState, case: SupportCase, payer: str) -> Asked:
    row = state.request
    word, tone = _state(state)
    return Asked(
        id=row.id,
        case=case,
        state=word,
        tone=tone,
        is_open=state.is_open,
        payer=payer,
        upto=_money(row, row.nte_minor),
        hours_seconds=row.hours_seconds,
        per_hour=_money(row, row.price_per_hour_minor),
        least=_money(row, row.least_cost_minor),
        reason=row.reason,
        asked_at=row.asked_at,
        ratify_by=state.emergency.ratify_by if state.emergency else None,
        given=_money(row, state.authorization.nte_minor) if state.authorization else None,
        given_seconds=state.authorization.hours_seconds if state.authorization else 0,
        replaced_by=state.withdrawal.replaced_by_id if state.withdrawal else None,
        withdrawn=state.withdrawal.reason if state.withdrawal else "",
    )


def _state(state: RequestState) -> tuple[str, str]:
    if state.authorization is not None:
        return {"ratified": "Ratified", "spoken": "Yes, spoken"}.get(state.authorization.basis, "Yes"), "good"
    if state.refusal is not None:
        return "No", "bad"
    if state.withdrawal is not None:
        return "Withdrawn", "warn"
    if state.emergency_refusal is not None:
        return "Not ratified", "bad"
    return ("At factory risk", "bad") if state.emergency is not None else ("Waits for a yes", "warn")


def _money(row: AuthorizationRequest, minor: int) -> Money:
    return Money(minor, row.currency)


def _said_at(form: SpokenForm) -> datetime | None:
    said = form.said_at.data
    return resolve_local(current_zone().key, said) if said is not None else None
