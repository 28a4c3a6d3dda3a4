"""Sites and who services what there; the change of servicing integrator by the customer's letter."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from portal.access import Side
from portal.directory import actions, queries
from portal.errors import NotAllowed
from portal.selling.sellers import sellers_at
from portal.web.directory.blueprint import blueprint
from portal.web.directory.companies import may_keep_directory
from portal.web.directory.systems import may_record_systems
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to

NOBODY = 0


class SiteForm(Form):
    customer_id = SelectField("Customer", coerce=int, validators=[InputRequired("Choose the customer.")])
    name = line_field("Name", required="Enter a name.", limit=200)
    address = line_field("Address", limit=300)
    zone = line_field("Time zone", required="Choose a time zone such as Europe/Berlin.", limit=60)


class ServiceForm(Form):
    product_line_id = SelectField("Product line", coerce=int, validators=[InputRequired("Choose the product line.")])
    integrator_id = SelectField("Serviced by", coerce=int, validators=[InputRequired("Choose the integrator.")])
    from_on = DateField("From", validators=[InputRequired("Choose the first day.")])
    letter_reference = line_field("The customer's letter", required="Name the customer's letter.", limit=200)


@blueprint.get("/sites")
@open_to(anyone)
def sites() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.sites(session, actor)
    return render_template(
        "directory/sites.html",
        sites=found,
        names=queries.organisation_names(session, [site.customer_id for site in found]),
        may_keep=may_keep_directory(actor),
    )


@blueprint.route("/sites/new", methods=["GET", "POST"])
@open_to(may_keep_directory)
def new_site() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = SiteForm(zone=queries.organisation(session, actor.organisation_id).zone)
    form.customer_id.choices = [(each.id, each.name) for each in queries.organisations(session, actor, Side.CUSTOMER)]
    if form.validate_on_submit():
        with refusals_of(form):
            added = actions.add_site(
                session,
                actor,
                customer_id=form.customer_id.data,
                name=form.name.data,
                address=form.address.data or "",
                zone=form.zone.data,
                now=current_now(),
            )
            flash(f"{added.name} is added.", "good")
            return redirect(url_for("directory.service", site_id=added.id), code=303)
    return page("directory/new_site.html", form)


@blueprint.route("/sites/<int:site_id>/service", methods=["GET", "POST"])
@open_to(anyone)
def service(site_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    site = queries.site(session, actor, site_id)
    if request.method == "POST" and not may_record_systems(actor):
        raise NotAllowed("Who services what is changed by the manufacturer, by the customer's letter.")
    form = _service_form() if may_record_systems(actor) else None
    if form is not None and form.validate_on_submit():
        with refusals_of(form):
            flash(_change(form, site_id), "good")
            return redirect(url_for("directory.service", site_id=site_id), code=303)
    rows = queries.service_at(session, site_id)
    context = {
        "site": site,
        "rows": rows,
        "sellers": sellers_at(session, actor, site, now=current_now()),
        "names": queries.organisation_names(session, [row.integrator_id for row in rows]),
        "lines": queries.product_line_names(session, [row.product_line_id for row in rows]),
    }
    if form is None:
        return render_template("directory/service.html", form=None, **context)
    return page("directory/service.html", form, **context)


def _change(form: ServiceForm, site_id: int) -> str:
    """Record who services a product line from a day on, or that nobody does; what the page says then."""
    where = {"site_id": site_id, "product_line_id": form.product_line_id.data}
    letter, day, now = form.letter_reference.data, form.from_on.data, current_now()
    if form.integrator_id.data == NOBODY:
        actions.end_service(current_session(), current_actor(), **where, to_on=day, letter_reference=letter, now=now)
        return "The change is recorded; the integrator is told."
    actions.begin_service(
        current_session(), current_actor(), **where, integrator_id=form.integrator_id.data, from_on=day,
        letter_reference=letter, now=now,
    )  # fmt: skip
    return "The change is recorded; both integrators are told."


def _service_form() -> ServiceForm:
    session, actor = current_session(), current_actor()
    form = ServiceForm()
    lines = queries.product_lines(session, actor.organisation_id)
    form.product_line_id.choices = [(line.id, line.name) for line in lines]
    integrators = queries.organisations(session, actor, Side.INTEGRATOR)
    nobody = (NOBODY, "Nobody: the customer deals with the manufacturer")
    form.integrator_id.choices = [*((each.id, each.name) for each in integrators), nobody]
    return form
