"""Training: who holds which certificate, a new one by the person's address, and one that ends early."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from portal.access import Side
from portal.directory import actions, queries, rules
from portal.identity.queries import names as people_names
from portal.web.directory.blueprint import blueprint
from portal.web.directory.systems import may_record_systems
from portal.web.forms import Form, email_field, line_field, page, refusals_of
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to


class CertificateForm(Form):
    organisation_id = SelectField("Company", coerce=int, validators=[InputRequired("Choose the company.")])
    email = email_field(autocomplete="off")
    product_line_id = SelectField("Product line", coerce=int, validators=[InputRequired("Choose the product line.")])
    number = line_field("Number", required="Enter the certificate's number.", limit=100)
    issued_on = DateField("From", validators=[InputRequired("Choose the first day.")])
    expires_on = DateField("Until, not including", validators=[InputRequired("Choose the day on which it ends.")])


class ExpiryForm(Form):
    reason = line_field("Why it ends", required="Say why it ends.", limit=300)


@blueprint.get("/certificates")
@open_to(anyone)
def certificates() -> ResponseReturnValue:
    session, actor, on = current_session(), current_actor(), current_now().date()
    rows = queries.certificates(session, actor)
    return render_template(
        "directory/certificates.html",
        rows=[(row, rules.is_valid_on(on, row.issued_on, row.expires_on)) for row in rows],
        people=people_names(session, {row.person_id for row in rows}),
        names=queries.organisation_names(session, [row.organisation_id for row in rows]),
        lines=queries.product_line_names(session, [row.product_line_id for row in rows]),
        may_certify=may_record_systems(actor),
    )


@blueprint.route("/certificates/new", methods=["GET", "POST"])
@open_to(may_record_systems)
def new_certificate() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = CertificateForm()
    known = [each for each in queries.organisations(session, actor) if each.side != Side.MANUFACTURER]
    form.organisation_id.choices = [(each.id, each.name) for each in known]
    lines = queries.product_lines(session, actor.organisation_id)
    form.product_line_id.choices = [(line.id, line.name) for line in lines]
    if form.validate_on_submit():
        with refusals_of(form):
            company_id = form.organisation_id.data
            actions.certify(
                session,
                actor,
                person_id=queries.member_by_address(session, form.email.data, company_id),
                organisation_id=company_id,
                product_line_id=form.product_line_id.data,
                number=form.number.data,
                issued_on=form.issued_on.data,
                expires_on=form.expires_on.data,
                now=current_now(),
            )
            flash(f"Certificate {form.number.data} is recorded.", "good")
            return redirect(url_for("directory.certificates"), code=303)
    return page("directory/new_certificate.html", form)


@blueprint.route("/certificates/<int:certificate_id>/expiry", methods=["GET", "POST"])
@open_to(may_record_systems)
def expire_certificate(certificate_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.certificate_issued(session, actor, certificate_id)
    form = ExpiryForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.end_certificate(session, actor, found, reason=form.reason.data, now=now)
            flash(f"Certificate {found.number} has ended.", "good")
            return redirect(url_for("directory.certificates"), code=303)
    holder = people_names(session, {found.person_id}).get(found.person_id, "")
    return page("directory/expire_certificate.html", form, certificate=found, holder=holder)
