"""Installed systems: the list, one with its phase, warranty, punch list, history and cases, and a new one."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired, Optional

from portal.access import Actor, Role, Side
from portal.cases import queries as cases
from portal.directory import actions, queries, rules
from portal.directory.actions import NewSystem
from portal.directory.models import System
from portal.errors import NotFound
from portal.identity.queries import names as people_names
from portal.web import paging
from portal.web.directory.blueprint import blueprint
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to

WORDS_LIMIT = 200
PHASES = {
    rules.Phase.COMMISSIONING: ("Before Day 1", "accent"),
    rules.Phase.TRANSITION: ("Transition", "warn"),
    rules.Phase.SERVICE: ("In service", "good"),
}


class PunchForm(Form):
    description = line_field("What is still open", required="Say what is still open.", limit=500)


class SystemForm(Form):
    site_id = SelectField("Site", coerce=int, validators=[InputRequired("Choose the site.")])
    product_line_id = SelectField("Product line", coerce=int, validators=[InputRequired("Choose the product line.")])
    serial = line_field("Serial number", required="Enter the serial number.", limit=100)
    name = line_field("Name", required="Give it a name people use.", limit=200)
    installed_on = DateField("Installed", validators=[Optional()])
    warranty_starts_on = DateField("Warranty from", validators=[Optional()])
    warranty_ends_on = DateField("Warranty to", validators=[Optional()])
    day_one_on = DateField("Day 1", validators=[Optional()])
    transition_ends_on = DateField("Transition ends", validators=[Optional()])


class ProductLineForm(Form):
    code = line_field("Code", required="Give it the code that documents use.", limit=80)
    name = line_field("Name", required="Give it a name.", limit=200)


def may_record_systems(actor: Actor) -> bool:
    """Systems are recorded by their manufacturer."""
    return actor.side is Side.MANUFACTURER and actor.has(Role.ADMINISTRATOR, Role.SUPPORT_LEAD)


def may_keep_punch_list(actor: Actor) -> bool:
    """The punch list is owned by service."""
    return actor.has(Role.SERVICE_MANAGER, Role.TECHNICIAN, Role.SUPPORT_LEAD, Role.ENGINEER)


@blueprint.get("/systems")
@open_to(anyone)
def systems() -> ResponseReturnValue:
    session, actor, on = current_session(), current_actor(), current_now().date()
    words = request.args.get("q", "").replace("\x00", "").strip()[:WORDS_LIMIT]
    key = paging.key_from(request.args.get("after"), 2)
    after = (key[0], key[1]) if key and isinstance(key[0], str) and isinstance(key[1], int) else None
    rows = queries.systems_after(session, actor, on, words=words, after=after, limit=paging.PAGE_SIZE + 1)
    shown = paging.page_of(rows, lambda row: (row.name, row.id))
    return render_template(
        "directory/systems.html",
        page=shown,
        words=words,
        sites={site.id: site.name for site in queries.sites(session, actor)},
        names=queries.organisation_names(session, [row.customer_id for row in shown.rows]),
        lines=queries.product_line_names(session, [row.product_line_id for row in shown.rows]),
        phases={row.id: PHASES[rules.phase_on(on, row.day_one_on, row.transition_ends_on)] for row in shown.rows},
        in_warranty={
            row.id for row in shown.rows if rules.in_warranty(on, row.warranty_starts_on, row.warranty_ends_on)
        },
        may_record=may_record_systems(actor),
    )


@blueprint.get("/systems/<int:system_id>")
@open_to(anyone)
def system(system_id: int) -> ResponseReturnValue:
    return _system_page(_system(system_id), PunchForm(None))


@blueprint.post("/systems/<int:system_id>/punch-list")
@open_to(may_keep_punch_list)
def add_punch_item(system_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = _system(system_id)
    form = PunchForm()
    if form.validate():
        with refusals_of(form):
            servicing = _servicing(found)
            actions.add_punch_item(
                session,
                actor,
                found,
                integrator_id=servicing or found.manufacturer_id,
                description=form.description.data,
                now=now,
            )
            flash("It is on the punch list.", "good")
            return redirect(url_for("directory.system", system_id=system_id), code=303)
    return _system_page(found, form)


@blueprint.post("/systems/<int:system_id>/punch-list/<int:punch_item_id>/closure")
@open_to(may_keep_punch_list)
def close_punch_item(system_id: int, punch_item_id: int) -> ResponseReturnValue:
    _system(system_id)
    item = actions.close_punch_item(current_session(), current_actor(), punch_item_id, current_now())
    if item.system_id != system_id:
        raise NotFound
    flash("It is done.", "good")
    return redirect(url_for("directory.system", system_id=system_id), code=303)


@blueprint.route("/systems/new", methods=["GET", "POST"])
@open_to(may_record_systems)
def new_system() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = SystemForm()
    form.site_id.choices = [(site.id, site.name) for site in queries.sites(session, actor)]
    lines = queries.product_lines(session, actor.organisation_id)
    form.product_line_id.choices = [(line.id, line.name) for line in lines]
    if form.validate_on_submit():
        with refusals_of(form):
            said = {name: value for name, value in form.data.items() if name != "csrf_token"}
            recorded = actions.add_system(session, actor, NewSystem(**said), current_now())
            flash(f"{recorded.serial} is recorded.", "good")
            return redirect(url_for("directory.system", system_id=recorded.id), code=303)
    return page("directory/new_system.html", form, line_form=ProductLineForm(None))


@blueprint.post("/product-lines")
@open_to(may_record_systems)
def add_product_line() -> ResponseReturnValue:
    form = ProductLineForm()
    if form.validate():
        actions.add_product_line(
            current_session(), current_actor(), code=form.code.data, name=form.name.data, now=current_now()
        )
        flash(f"{form.name.data} is a product line now.", "good")
    else:
        flash("A product line needs a code and a name.", "bad")
    return redirect(url_for("directory.new_system"), code=303)


def _system_page(found: System, form: PunchForm) -> ResponseReturnValue:
    session, actor, on = current_session(), current_actor(), current_now().date()
    servicing = _servicing(found)
    ids = [found.manufacturer_id, found.customer_id, *([servicing] if servicing else [])]
    trained = [row for row in queries.certificates(session, actor) if row.product_line_id == found.product_line_id]
    return page(
        "directory/system.html",
        form,
        system=found,
        names=queries.organisation_names(session, ids),
        servicing_id=servicing,
        line=queries.product_line_names(session, [found.product_line_id]).get(found.product_line_id, ""),
        site_name={site.id: site.name for site in queries.sites(session, actor)}.get(found.site_id, ""),
        phase=PHASES[rules.phase_on(on, found.day_one_on, found.transition_ends_on)],
        in_warranty=rules.in_warranty(on, found.warranty_starts_on, found.warranty_ends_on),
        punch_items=queries.open_punch_items(session, found.id),
        history=queries.handed_over(session, found.id),
        cases=cases.cases_of_system(session, actor, found.id),
        certificates=[(row, rules.is_valid_on(on, row.issued_on, row.expires_on)) for row in trained],
        people=people_names(session, {row.person_id for row in trained}),
        may_keep_punch_list=may_keep_punch_list(actor),
    )


def _system(system_id: int) -> System:
    return queries.system(current_session(), current_actor(), system_id, current_now().date())


def _servicing(found: System) -> int | None:
    return queries.servicing_integrator_id(
        current_session(), site_id=found.site_id, product_line_id=found.product_line_id, on=current_now().date()
    )
