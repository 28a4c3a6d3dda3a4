"""The buyer's yes in advance: up to how much per case and month, for which severities, who is asked beyond it."""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.validators import InputRequired

from portal.access import Role
from portal.entitlement.actions import StandingTerms, sign_standing
from portal.errors import Conflict
from portal.identity.queries import members
from portal.money import Money, plain_amount
from portal.web.cases.opening_forms import AMOUNT_LIMIT, SEVERITIES, typed_minor
from portal.web.forms import CheckboxesField, Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.plans.blueprint import blueprint
from portal.web.plans.choosing import SitePlan, may_choose, place_named


class StandingForm(Form):
    incident = line_field("Per case, at most", required="Say up to how much per case.", limit=AMOUNT_LIMIT)
    month = line_field("Per month, at most", required="Say up to how much per month.", limit=AMOUNT_LIMIT)
    severities = CheckboxesField(
        "For which severities", choices=[(level, f"{level}: {word}") for level, word in SEVERITIES.items()], coerce=int
    )
    first = SelectField("Asked first beyond it", coerce=int, validators=[InputRequired("Choose who is asked.")])
    second = SelectField("Asked second", coerce=int)

    @property
    def approver_ids(self) -> tuple[int, ...]:
        """Who is asked, in order, each once."""
        return tuple(dict.fromkeys(each for each in (self.first.data, self.second.data) if each))


@blueprint.route("/plan/<int:site_id>/<int:manufacturer_id>/standing", methods=["GET", "POST"])
@open_to(may_choose)
def standing(site_id: int, manufacturer_id: int) -> ResponseReturnValue:
    place = place_named(site_id, manufacturer_id)
    form = _form(place)
    if form.validate_on_submit():
        if place.choice is None:
            raise Conflict("Choose a plan for this site first: the yes in advance belongs to it.")
        with refusals_of(form):
            currency = place.in_force.policy.currency
            terms = StandingTerms(
                incident_minor=typed_minor(form.incident.data, currency, "incident"),
                month_minor=typed_minor(form.month.data, currency, "month"),
                severities=tuple(sorted(form.severities.data or ())),
                approver_ids=form.approver_ids,
            )
            sign_standing(
                current_session(),
                current_actor(),
                place.choice,
                terms,
                policy=place.in_force.policy,
                now=current_now(),
            )
            flash("The yes in advance is signed. It holds from now on.", "good")
            return redirect(url_for("plans.plan"), code=303)
    return page("plans/standing.html", form, place=place, currency=place.in_force.policy.currency)


def _form(place: SitePlan) -> StandingForm:
    held, currency = place.standing, place.in_force.policy.currency
    form = StandingForm(
        incident=plain_amount(Money(held.nte_incident_minor, currency)) if held else "",
        month=plain_amount(place.standing_month) if place.standing_month else "",
        severities=(held.severities or list(SEVERITIES)) if held else [1],
        first=held.approver_ids[0] if held and held.approver_ids else current_actor().person_id,
        second=held.approver_ids[1] if held and len(held.approver_ids) > 1 else 0,
    )
    buyers = [
        (row.person.id, row.person.display_name)
        for row in members(current_session(), current_actor())
        if row.membership.ended_at is None and Role.BUYER in row.membership.roles
    ]
    form.first.choices = buyers
    form.second.choices = [(0, "Nobody"), *buyers]
    return form
