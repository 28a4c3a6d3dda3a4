"""The way in: a technician escalates, a customer's contact opens a case; find the system, say what is wrong, see cover
and price, send.

Every step is a page of its own that works without scripts. The last one shows what the act costs before it is done;
when that has changed since it was shown, it is shown again instead of sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_authorize_spending, may_open_case
from portal.cases import actions, queries
from portal.cases.actions import NewCase
from portal.cases.models import SupportCase
from portal.contracts.blocks import Payer
from portal.directory import queries as directory
from portal.directory.models import System
from portal.entitlement.actions import Coverage
from portal.web import uploads
from portal.web.cases.blueprint import blueprint
from portal.web.cases.circumstances import circumstances_of
from portal.web.cases.coverage import CoverageView, coverage_view, shown_key
from portal.web.cases.opening_forms import OpeningForm, amount_of, answers_of, once_key_of, opening_form
from portal.web.forms import page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to

WORDS_LIMIT = 200
# What the price is asked for before anybody has said how bad it is.
USUAL_SEVERITY = 3

Open = Callable[..., SupportCase]


@dataclass(frozen=True)
class Way:
    """One of the two ways in: how it is called, where its steps are, which action it ends with."""

    title: str
    send: str
    first_step: str
    next_step: str
    open_case: Open


ESCALATE = Way("Escalate a case", "Send to the factory", "cases.escalate", "cases.escalate_system", actions.escalate)
OPEN = Way("Open a case", "Open the case", "cases.open_case", "cases.open_case_system", actions.open_by_contact)


def may_escalate(actor: Actor) -> bool:
    """Escalating is for the integrator's service people."""
    return actor.side is Side.INTEGRATOR and may_open_case(actor)


def may_ask_for_help(actor: Actor) -> bool:
    """A customer's case is opened by its contacts and buyers."""
    return actor.side is Side.CUSTOMER and may_open_case(actor)


@blueprint.get("/escalate")
@open_to(may_escalate)
def escalate() -> ResponseReturnValue:
    return _choose_system(ESCALATE)


@blueprint.route("/escalate/<int:system_id>", methods=["GET", "POST"])
@open_to(may_escalate)
def escalate_system(system_id: int) -> ResponseReturnValue:
    return _say_what_is_wrong(ESCALATE, system_id)


@blueprint.get("/cases/new")
@open_to(may_ask_for_help)
def open_case() -> ResponseReturnValue:
    return _choose_system(OPEN)


@blueprint.route("/cases/new/<int:system_id>", methods=["GET", "POST"])
@open_to(may_ask_for_help)
def open_case_system(system_id: int) -> ResponseReturnValue:
    return _say_what_is_wrong(OPEN, system_id)


def names_of(session: Session, coverage: Coverage) -> dict[int, str]:
    """The names of the three companies."""
    system = coverage.place.system
    ids = [system.manufacturer_id, coverage.place.integrator_id, system.customer_id]
    return directory.organisation_names(session, ids)


def view_of(coverage: Coverage) -> CoverageView:
    """Coverage and price as the person asking reads it."""
    return coverage_view(coverage, current_actor(), names_of(current_session(), coverage))


def _choose_system(way: Way) -> ResponseReturnValue:
    session, actor, on = current_session(), current_actor(), current_now().date()
    words = request.args.get("q", "").replace("\x00", "").strip()[:WORDS_LIMIT]
    recent: list[System] = [] if words else list(queries.recent_systems(session, actor, on))
    found = directory.systems_by_words(session, actor, words, on)
    return render_template(
        "cases/choose_system.html",
        way=way,
        words=words,
        recent=recent,
        systems=[system for system in found if system not in recent],
        sites={site.id: site.name for site in directory.sites(session, actor)},
    )


def _say_what_is_wrong(way: Way, system_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    usual = actions.coverage_before(session, actor, NewCase(system_id, USUAL_SEVERITY, "", ""), now=current_now())
    form = opening_form(actions.checklist(usual), usual.terms.policy, usual.terms.agreement, actor)
    if request.method == "POST":
        uploads.keep(form)
        if form.validate():
            with refusals_of(form):
                return _go_on(way, usual, form)
        uploads.say_refused(form)
    return page(
        "cases/opening.html", form, way=way, system=usual.place.system, cover=view_of(usual), usual=USUAL_SEVERITY
    )


def _go_on(way: Way, usual: Coverage, form: OpeningForm) -> ResponseReturnValue:
    """Show cover and price of what was said; or, when exactly that was shown before, send it."""
    session, actor, now = current_session(), current_actor(), current_now()
    uploads.refuse_if_unkept(form)
    new = _new_case(form, usual.place.system.id)
    coverage = actions.coverage_before(session, actor, new, now=now, gathered=usual)
    kept = actions.own_uploads(session, actor, new.upload_ids)
    actions.check_new_case(new, coverage, kept, is_call=actor.side is not Side.INTEGRATOR)
    shown = shown_key(coverage.decision)
    if form.step.data == "send" and form.shown.data == shown:
        # Where sending is refused the same page comes back: the amount stands on no other.
        with refusals_of(form):
            case = way.open_case(session, actor, _with_amount(new, form, coverage), now=now, gathered=coverage)
            flash(f"{case.name} is sent.", "good")
            return redirect(url_for("cases.case", name=case.name), code=303)
        uploads.say_refused(form)
        return _price_page(way, form, coverage, shown=shown, changed=False)
    changed = form.step.data == "send" and bool(form.shown.data)
    return _price_page(way, form, coverage, shown=shown, changed=changed)


def _price_page(way: Way, form: OpeningForm, coverage: Coverage, *, shown: str, changed: bool) -> ResponseReturnValue:
    actor = current_actor()
    form.shown.data = shown
    if not form.nte.data:
        form.nte.data = amount_of(coverage.decision.nte_suggestion_minor, coverage.decision.currency)
    payer_is_asking = _is_payer(actor, coverage) and may_authorize_spending(actor)
    context: dict[str, Any] = {
        "way": way,
        "system": coverage.place.system,
        "cover": view_of(coverage),
        "changed": changed,
        "payer_is_asking": payer_is_asking,
    }
    return page("cases/opening_price.html", form, **context)


def _new_case(form: OpeningForm, system_id: int) -> NewCase:
    return NewCase(
        system_id=system_id,
        severity=int(form.severity.data),
        title=form.title.data or "",
        symptom=form.symptom.data or "",
        answers=answers_of(form),
        upload_ids=uploads.kept_ids(form),
        task_class=form.task_class_chosen,
        on_site_waiting=form.flag("on_site_waiting"),
        is_fyi=form.flag("is_fyi"),
        once_key=once_key_of(form),
        circumstances=circumstances_of(form),
    )


def _with_amount(new: NewCase, form: OpeningForm, coverage: Coverage) -> NewCase:
    """The case with the amount to authorize, where the payer has to say yes."""
    if not coverage.decision.authorization_needed or new.is_fyi or not form.nte.data:
        return new
    return form.with_amount(new, coverage.decision.currency)


def _is_payer(actor: Actor, coverage: Coverage) -> bool:
    side = {Payer.CUSTOMER: Side.CUSTOMER, Payer.INTEGRATOR: Side.INTEGRATOR}.get(coverage.decision.payer)
    return actor.side is side
