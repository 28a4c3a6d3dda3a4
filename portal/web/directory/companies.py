"""Organisations: those the manufacturer works with, a new one, and the way to bring in an integrator step by step."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.validators import InputRequired

from portal.access import Actor, Side, may_administer
from portal.contracts import queries as contracts
from portal.directory import actions, queries
from portal.directory.actions import NewOrganisation
from portal.directory.models import Organisation
from portal.identity import people
from portal.web.directory.blueprint import blueprint
from portal.web.forms import Form, email_field, line_field, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to

SIDES = [(Side.INTEGRATOR.value, "Integrator"), (Side.CUSTOMER.value, "Customer")]


class OrganisationForm(Form):
    side = SelectField("It is", choices=SIDES, validators=[InputRequired("Choose.")])
    name = line_field("Name", required="Enter its name.", limit=200)
    code = line_field("Code", required="Give it two to eight capital letters and digits.", limit=8)
    zone = line_field("Time zone", required="Choose a time zone such as Europe/Berlin.", limit=60)
    country = line_field("Country, two letters", required="Enter the country.", limit=2)
    currency = line_field("Currency", required="Enter the currency.", limit=3)
    support_phone = line_field("Telephone for call-backs", limit=40)
    accounts_payable_email = line_field("Address for invoices", limit=254)


class FirstAdministratorForm(Form):
    name = line_field("Name", required="Say who is invited.", limit=100)
    email = email_field(autocomplete="off")


def may_keep_directory(actor: Actor) -> bool:
    """Organisations are brought in by the manufacturer's or the operator's administrator."""
    return may_administer(actor) and (actor.is_operator or actor.side is Side.MANUFACTURER)


@blueprint.get("/organisations")
@open_to(may_administer)
def organisations() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    return render_template(
        "directory/organisations.html",
        organisations=queries.organisations(session, actor),
        may_keep=may_keep_directory(actor),
    )


@blueprint.route("/organisations/new", methods=["GET", "POST"])
@open_to(may_keep_directory)
def new_organisation() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    own = queries.organisation(session, actor.organisation_id)
    form = OrganisationForm(zone=own.zone, country=own.country, currency=own.currency)
    if form.validate_on_submit():
        with refusals_of(form):
            new = NewOrganisation(
                side=Side(form.side.data),
                code=form.code.data.upper(),
                name=form.name.data,
                zone=form.zone.data,
                country=form.country.data.upper(),
                currency=form.currency.data.upper(),
                support_phone=form.support_phone.data or "",
                accounts_payable_email=form.accounts_payable_email.data or "",
            )
            added = actions.add_organisation(session, actor, new, current_now())
            flash(f"{added.name} is brought in.", "good")
            return redirect(url_for("directory.organisation", organisation_id=added.id), code=303)
    return page("directory/new_organisation.html", form)


@blueprint.get("/organisations/<int:organisation_id>")
@open_to(may_administer)
def organisation(organisation_id: int) -> ResponseReturnValue:
    return _organisation_page(_known(organisation_id), FirstAdministratorForm(None))


@blueprint.post("/organisations/<int:organisation_id>/administrator")
@open_to(may_keep_directory)
def ask_administrator(organisation_id: int) -> ResponseReturnValue:
    found = _known(organisation_id)
    form = FirstAdministratorForm()
    if form.validate():
        with refusals_of(form):
            people.ask_first_administrator(
                current_session(),
                current_actor(),
                organisation_id,
                email=form.email.data,
                name=form.name.data,
                now=current_now(),
            )
            flash("The invitation goes out now, unless somebody has joined already.", "good")
            return redirect(url_for("directory.organisation", organisation_id=organisation_id), code=303)
    return _organisation_page(found, form)


def _organisation_page(found: Organisation, form: FirstAdministratorForm) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    with_it = [row for row in contracts.documents(session, actor) if row.integrator_id == found.id]
    in_force = contracts.agreement_in_force(session, actor.organisation_id, found.id, current_now())
    return page(
        "directory/organisation.html",
        form,
        organisation=found,
        agreement=with_it[0] if with_it else None,
        is_signed=in_force is not None,
        may_keep=may_keep_directory(actor),
    )


def _known(organisation_id: int) -> Organisation:
    return queries.organisation(current_session(), organisation_id)
