"""Logging a call while it rings, on one screen: who calls, which system, the price to read aloud, the timer running.

The timer starts without a case and is given one when the call is saved. Looking up needs nothing but the serial number;
what was typed so far stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Field, RadioField, SelectField
from wtforms.validators import InputRequired

from portal.access import Actor, Side, may_open_case
from portal.cases import actions, queries
from portal.cases.actions import NewCase
from portal.cases.actions.opening import LONGEST_TEXT, LONGEST_TITLE
from portal.contracts.blocks import Mode, TaskClass
from portal.contracts.circumstances import questions_of
from portal.directory import queries as directory
from portal.directory.models import Organisation, System
from portal.entitlement.actions import Coverage
from portal.errors import Invalid
from portal.metering import actions as metering
from portal.metering import queries as metered
from portal.web.cases.blueprint import blueprint
from portal.web.cases.circumstances import circumstance_fields, circumstance_fields_of, circumstances_of
from portal.web.cases.coverage import shown_key
from portal.web.cases.opening import view_of
from portal.web.cases.opening_forms import CaseForm, once_key_of, severity_choices
from portal.web.forms import line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to

SERIAL_LIMIT = 100
PHONE_LIMIT = 40
USUAL_SEVERITY = "3"
CALLERS = [("technician", "The integrator's technician"), ("contact", "The customer's contact")]
CHECKS = [
    ("", "Choose"),
    ("certificate number", "By the certificate number"),
    ("called back", "Called back on the number we hold"),
    ("knows site and contact", "Knows the site, its contact and the serial number"),
]


class CallForm(CaseForm):
    serial = line_field("Serial number", required="Type the serial number.", limit=SERIAL_LIMIT)
    caller_name = line_field("Caller", required="Say who calls.", limit=100)
    caller_phone = line_field("Caller's number", limit=PHONE_LIMIT, render_kw={"inputmode": "tel"})
    caller_kind = RadioField("Calls as", choices=CALLERS, default="technician", validators=[InputRequired("Choose.")])
    verified_by = SelectField(
        "How you know it is them", choices=CHECKS, validators=[InputRequired("Say how the caller was verified.")]
    )
    certificate = line_field("Certificate number", limit=SERIAL_LIMIT)
    severity = RadioField("How bad is it", default=USUAL_SEVERITY, validators=[InputRequired("Choose how bad it is.")])
    task_class = RadioField(
        "What kind of help",
        choices=[("support", "Support"), ("how_to", "How-to help")],
        default="support",
        validators=[InputRequired("Choose.")],
    )
    title = line_field("What is wrong, in short", required="Say in a few words what is wrong.", limit=LONGEST_TITLE)
    symptom = text_field("What the caller says", required="Describe what happens.", limit=LONGEST_TEXT)

    @property
    def circumstance_fields(self) -> list[Field]:
        """The fields that the prices and cover of the system's policy make necessary."""
        return circumstance_fields_of(self)


@dataclass(frozen=True)
class Found:
    """The system of the call, its coverage and price, and the companies to verify the caller against."""

    system: System
    coverage: Coverage
    companies: tuple[Organisation, ...]
    site_name: str


def may_log_calls(actor: Actor) -> bool:
    """Calls are logged by the factory."""
    return actor.side is Side.MANUFACTURER and may_open_case(actor)


@blueprint.post("/calls")
@open_to(may_log_calls)
def start_call() -> ResponseReturnValue:
    _start_timer()
    return redirect(url_for("cases.log_call"), code=303)


@blueprint.route("/calls/new", methods=["GET", "POST"])
@open_to(may_log_calls)
def log_call() -> ResponseReturnValue:
    form = CallForm()
    form.severity.choices = severity_choices(None)
    if request.method == "GET":
        return _call_page(form, None)
    _start_timer()
    usual, found = None, None
    with refusals_of(form):
        usual = _usual(form)
    if usual is not None:
        form = _form_for(usual)
        with refusals_of(form):
            found = _found(form, usual)
    if found is None or form.step.data != "send" or not form.validate():
        return _call_page(form, found)
    with refusals_of(form):
        if form.shown.data == shown_key(found.coverage.decision):
            return _save(form, found)
        form.refusal = "Cover or price has changed since it was shown. Read it again before you save the call."
    return _call_page(form, found)


def _save(form: CallForm, found: Found) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    case = actions.log_call(session, actor, _new_case(form, found.system), now=now)
    running = metered.running_work(session, actor)
    if running is not None and running.timer.case_id is None:
        metering.attach_timer(session, actor, case, now)
    flash(f"The call is saved as {case.name}. It is with you.", "good")
    if waits := queries.waits_for(session, case, now=now):
        flash(f"The time of this call is kept. {waits}", "warn")
    return redirect(url_for("cases.case", name=case.name), code=303)


def _call_page(form: CallForm, found: Found | None) -> ResponseReturnValue:
    if found is not None:
        form.shown.data = shown_key(found.coverage.decision)
        form.severity.choices = severity_choices(found.coverage.terms.policy)
    return page(
        "cases/log_call.html",
        form,
        found=found,
        cover=view_of(found.coverage) if found else None,
        running=metered.running_work(current_session(), current_actor()),
    )


def _start_timer() -> None:
    """Have the call's timer run; one that runs on a case is left alone, and the page says so."""
    session, actor, now = current_session(), current_actor(), current_now()
    if metered.running_work(session, actor) is None:
        metering.start_timer(session, actor, None, mode=Mode.PHONE, task_class=TaskClass.SUPPORT, now=now)
        # The timer stands whatever becomes of the form.
        session.commit()


def _usual(form: CallForm) -> Coverage:
    """Coverage and price of the system that was typed, before anything is said that only its policy asks."""
    new = _new_case(form, _system_of(form))
    return actions.coverage_before(current_session(), current_actor(), new, now=current_now())


def _form_for(usual: Coverage) -> CallForm:
    """The form with what the policy of the found system asks."""
    asked = circumstance_fields(questions_of(usual.terms.policy, usual.terms.agreement), Side.MANUFACTURER)
    form: CallForm = type("CallOfSystem", (CallForm,), asked)()
    form.serial.data = usual.place.system.serial
    form.severity.choices = severity_choices(usual.terms.policy)
    return form


def _found(form: CallForm, usual: Coverage) -> Found:
    session, actor, now = current_session(), current_actor(), current_now()
    system = usual.place.system
    coverage = actions.coverage_before(session, actor, _new_case(form, system), now=now, gathered=usual)
    ids = dict.fromkeys((coverage.place.integrator_id, system.customer_id))
    companies = tuple(directory.organisation(session, each) for each in ids if each != system.manufacturer_id)
    sites = {site.id: site.name for site in directory.sites(session, actor)}
    return Found(system, coverage, companies, sites.get(system.site_id, ""))


def _system_of(form: CallForm) -> System:
    session, actor, on = current_session(), current_actor(), current_now().date()
    words = (form.serial.data or "")[:SERIAL_LIMIT]
    fitting = directory.systems_by_words(session, actor, words, on) if words else ()
    exact = [system for system in fitting if system.serial.lower() == words.lower()]
    if len(exact) == 1 or len(fitting) == 1:
        found = (exact or fitting)[0]
        form.serial.data = found.serial
        return found
    sentence = "No system of yours has this serial number."
    if not words:
        sentence = "Type the serial number."
    elif fitting:
        sentence = f"Several systems fit: {', '.join(system.serial for system in fitting[:5])}."
    raise Invalid("Find the system first.", {"serial": sentence})


def _new_case(form: CallForm, system: System) -> NewCase:
    severity = form.severity.data or ""
    return NewCase(
        system_id=system.id,
        severity=int(severity) if severity.isdecimal() else 0,
        title=form.title.data or "",
        symptom=form.symptom.data or "",
        task_class=TaskClass.HOW_TO if form.task_class.data == TaskClass.HOW_TO else TaskClass.SUPPORT,
        mode=Mode.PHONE,
        caller_name=form.caller_name.data or "",
        caller_phone=form.caller_phone.data or "",
        caller_certified=_certified(form, system),
        caller_verified_by=form.verified_by.data or "",
        once_key=once_key_of(form),
        circumstances=circumstances_of(form),
    )


def _certified(form: CallForm, system: System) -> bool | None:
    """Whether the calling technician is certified; None for a contact. *Raises*: Invalid for a wrong number."""
    if form.caller_kind.data == "contact":
        return None
    if not form.certificate.data:
        return False
    number, on = form.certificate.data, current_now().date()
    if directory.has_valid_certificate(current_session(), current_actor(), number, system.product_line_id, on=on):
        return True
    sentence = "This number is no valid certificate for the product line."
    raise Invalid(sentence, {"certificate": sentence})
