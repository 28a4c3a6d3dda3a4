"""An organisation's finance details: who it is on invoices, and where it is registered for tax."""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, DateField, SelectField
from wtforms.validators import InputRequired, Optional

from portal.taxes import actions, queries
from portal.taxes.rules.filing_layout import LONGEST_PHONE
from portal.taxes.rules.identity import LONGEST_ADDRESS, LONGEST_NAME, LONGEST_NUMBER
from portal.taxes.tables import known_rates
from portal.web.forms import Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.settlement.blueprint import blueprint


class DetailsForm(Form):
    legal_name = line_field("Registered name", required="The name as it is registered.", limit=LONGEST_NAME)
    address = text_field("Address", required="Street, postal code and place.", limit=LONGEST_ADDRESS)
    country = SelectField("Country")
    phone = line_field("Phone", limit=LONGEST_PHONE, render_kw={"autocomplete": "tel", "inputmode": "tel"})
    is_small_business = BooleanField("We are exempt from tax as a small business")


class RegistrationForm(Form):
    country = SelectField("Country of the registration")
    number = line_field("Registration number", required="The number as it is registered.", limit=LONGEST_NUMBER)
    valid_from = DateField("Holds from", validators=[InputRequired("Say from which day it holds.")])
    valid_to = DateField("Does not hold from", validators=[Optional()])


class RegistrationEndForm(Form):
    ends_on = DateField("First day without it", validators=[InputRequired("Say from which day it does not hold.")])


@blueprint.route("/finance-details", methods=["GET", "POST"])
@open_to(queries.may_keep_details)
def finance_details() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    known = queries.own_details(session, actor)
    form = DetailsForm(obj=known)
    form.country.choices = _countries()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.keep_details(
                session,
                actor,
                legal_name=form.legal_name.data,
                address=form.address.data,
                country=form.country.data,
                is_small_business=form.is_small_business.data,
                phone=form.phone.data or "",
                now=current_now(),
            )
            flash("The details are kept; invoices issued from now on carry them.", "good")
            return redirect(url_for("settlement.finance_details"), code=303)
    return page(
        "settlement/finance_details.html",
        form,
        known=known,
        registrations=queries.own_registrations(session, actor),
        countries=known_rates().countries,
        today=current_now().astimezone(current_zone()).date(),
        taxpayer=queries.taxpayer(session, actor, actor.organisation_id),
    )


@blueprint.route("/finance-details/registrations", methods=["GET", "POST"])
@open_to(queries.may_keep_details)
def registration() -> ResponseReturnValue:
    form = RegistrationForm()
    form.country.choices = [(code, name) for code, name in _countries() if known_rates().country(code).levies_tax]
    if form.validate_on_submit():
        with refusals_of(form):
            actions.record_registration(
                current_session(),
                current_actor(),
                country=form.country.data,
                number=form.number.data,
                valid_from=form.valid_from.data,
                valid_to=form.valid_to.data,
                now=current_now(),
            )
            flash("The registration is kept.", "good")
            return redirect(url_for("settlement.finance_details"), code=303)
    return page("settlement/registration.html", form)


@blueprint.route("/finance-details/registrations/<int:registration_id>/end", methods=["GET", "POST"])
@open_to(queries.may_keep_details)
def end_registration(registration_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.own_registration(session, actor, registration_id)
    form = RegistrationEndForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.end_registration(session, actor, registration_id, ends_on=form.ends_on.data, now=now)
            flash("The registration ends on that day.", "good")
            return redirect(url_for("settlement.finance_details"), code=303)
    return page("settlement/registration_end.html", form, registration=found)


def _countries() -> list[tuple[str, str]]:
    return [(code, country.name) for code, country in sorted(known_rates().countries.items())]
