"""Certificates that no sales tax is due: kept by the payer, each with the day it ends."""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField
from wtforms.validators import InputRequired

from portal.errors import Conflict
from portal.selling import queries
from portal.selling.actions import end_exemption, keep_exemption
from portal.taxes.exempting import certificate_day, may_keep
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_edges, current_now, current_session, open_to
from portal.web.shop.blueprint import blueprint

LIMIT = 80


class ExemptionForm(Form):
    jurisdiction = line_field("State or country", required="Say where it holds.", limit=LIMIT)
    number = line_field("Number of the certificate", required="Type its number.", limit=LIMIT)
    valid_from = DateField("Holds from", validators=[InputRequired("Say from which day it holds.")])
    expires_on = DateField("Ends on", validators=[InputRequired("Say on which day it ends.")])


@blueprint.route("/tax-exemptions", methods=["GET", "POST"])
@open_to(may_keep)
def exemptions() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    form = ExemptionForm()
    if form.validate_on_submit():
        with refusals_of(form):
            try:
                keep_exemption(
                    session,
                    actor,
                    jurisdiction=form.jurisdiction.data,
                    number=form.number.data,
                    valid_from=form.valid_from.data,
                    expires_on=form.expires_on.data,
                    now=now,
                )
            except Conflict as known:
                form.number.errors = [known.sentence]
                return page("shop/exemptions.html", form, **_context())
            flash("The certificate is kept; orders and invoices from now on carry no sales tax.", "good")
            return redirect(url_for("shop.exemptions"), code=303)
    return page("shop/exemptions.html", form, **_context())


@blueprint.post("/tax-exemptions/<int:exemption_id>/end")
@open_to(may_keep)
def take_back(exemption_id: int) -> ResponseReturnValue:
    end_exemption(current_session(), current_actor(), exemption_id, now=current_now())
    flash("The certificate no longer counts.", "good")
    return redirect(url_for("shop.exemptions"), code=303)


def _context() -> dict[str, object]:
    session, actor, now = current_session(), current_actor(), current_now()
    return {
        "certificates": queries.exemptions(session, actor),
        "today": certificate_day(session, actor.organisation_id, now),
        "is_switched_on": current_edges().settings.automatic_tax,
    }
