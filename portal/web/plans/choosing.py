"""What a customer has chosen for each site, what is left of it this month, and the choice of another plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, RadioField
from wtforms.validators import InputRequired

from portal.access import Actor, Role, Side
from portal.billing.actions import months_given_up
from portal.calendars import resolve_local
from portal.contracts import actions
from portal.contracts import queries as contracts
from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.promises import promise_words
from portal.contracts.queries import PolicyInForce
from portal.contracts.reinstatement import Reinstatement, reinstatement
from portal.contracts.rules import amount_minor, calendar_label, plan_named
from portal.contracts.targets import Clock
from portal.contracts.terms import Plan
from portal.directory import queries as directory
from portal.directory.models import Organisation, Site
from portal.entitlement import queries as entitlement
from portal.entitlement.actions.standing import NO_MONTHLY_LIMIT_MINOR
from portal.entitlement.hours import HoursLeft, hours_left
from portal.entitlement.models import StandingAuthorization
from portal.errors import NotAllowed, NotFound, RuleBroken
from portal.money import Money
from portal.selling.queries import paid_by_subscription
from portal.selling.sellers import sellers_at
from portal.web.display import duration
from portal.web.forms import Form, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.plans.blueprint import blueprint

STARTS = [("now", "Now"), ("month", "On the first of next month")]


class PlanForm(Form):
    plan_code = RadioField("Plan", validators=[InputRequired("Choose a plan.")])
    starts = RadioField("From when", choices=STARTS, default="now", validators=[InputRequired("Choose from when.")])
    accepted = BooleanField("I accept the service policy", validators=[InputRequired("Accept the policy to choose.")])
    shown_sha256 = HiddenField()
    shown_now_minor = HiddenField()
    shown_month_minor = HiddenField()


@dataclass(frozen=True)
class SitePlan:
    """What holds at a site for one manufacturer's systems."""

    site: Site
    maker: Organisation
    in_force: PolicyInForce
    choice: PlanChoice | None
    next_choice: PlanChoice | None
    plan: Plan
    hours: tuple[HoursLeft, ...]
    standing: StandingAuthorization | None

    @property
    def free_seconds(self) -> int:
        """What is left and promised to nobody."""
        return sum(each.free_seconds for each in self.hours)

    @property
    def standing_incident(self) -> Money | None:
        """What is authorized in advance for one case."""
        held = self.standing
        return Money(held.nte_incident_minor, held.currency) if held else None

    @property
    def standing_month(self) -> Money | None:
        """What is authorized in advance for one month; None without a limit."""
        held = self.standing
        limited = held is not None and held.nte_month_minor < NO_MONTHLY_LIMIT_MINOR
        return Money(held.nte_month_minor, held.currency) if held is not None and limited else None


@dataclass(frozen=True)
class Card:
    """One plan beside the others."""

    code: str
    name: str
    summary: str
    price: Money
    rows: tuple[tuple[str, str], ...]
    is_chosen: bool


@dataclass(frozen=True)
class Again:
    """A plan that lapsed at a place: what taking it up again asks by when that begins, or why it cannot be."""

    plan: Plan
    by_start: dict[str, Reinstatement]
    refusal: str


def may_see_plans(actor: Actor) -> bool:
    """Plans are the customer's own affair."""
    return actor.side is Side.CUSTOMER and actor.has(Role.BUYER, Role.CONTACT, Role.FINANCE)


def may_choose(actor: Actor) -> bool:
    """A plan is chosen by the buyer."""
    return actor.side is Side.CUSTOMER and actor.has(Role.BUYER)


@blueprint.get("/plan")
@open_to(may_see_plans)
def plan() -> ResponseReturnValue:
    return render_template("plans/plan.html", places=site_plans())


@blueprint.route("/plan/<int:site_id>/<int:manufacturer_id>", methods=["GET", "POST"])
@open_to(may_see_plans)
def site_plan(site_id: int, manufacturer_id: int) -> ResponseReturnValue:
    place = place_named(site_id, manufacturer_id)
    policy = place.in_force.policy
    again = _again(place)
    ended = months_given_up(current_session(), site_id=place.site.id, manufacturer_id=place.maker.id, at=current_now())
    sellers = [
        each
        for each in sellers_at(current_session(), current_actor(), place.site, now=current_now())
        if each.maker == place.maker.name
    ]
    context = {
        "place": place,
        "cards": _cards(policy, place.plan.code),
        "again": again,
        "ended": ended,
        "sellers": sellers,
    }
    if not may_choose(current_actor()):
        if request.method == "POST":
            raise NotAllowed("A plan is chosen by your organisation's buyer.")
        return render_template("plans/site_plan.html", form=None, **context)
    shown = {f"shown_{start}_minor": str(each.amount_minor) for start, each in again.by_start.items()} if again else {}
    form = PlanForm(plan_code=place.plan.code, shown_sha256=place.in_force.version.sha256, **shown)
    form.plan_code.choices = [(each.code, each.name) for each in policy.plans]
    if form.validate_on_submit():
        with refusals_of(form):
            _choose(form, place)
            flash(f"{plan_named(policy, form.plan_code.data).name} is chosen for {place.site.name}.", "good")
            return redirect(url_for("plans.plan"), code=303)
    return page("plans/site_plan.html", form, **context)


def site_plans() -> list[SitePlan]:
    """Every site of the viewer with each manufacturer it has systems of, where that has a policy."""
    session, actor, now = current_session(), current_actor(), current_now()
    found = []
    for site, maker in directory.makers_at_sites(session, actor, now.date()):
        try:
            found.append(_site_plan(site, maker))
        except NotFound:
            # A manufacturer without a policy offers nothing to choose.
            continue
    return found


def place_named(site_id: int, manufacturer_id: int) -> SitePlan:
    """One site of the viewer and one manufacturer there. *Raises*: NotFound."""
    session, actor, now = current_session(), current_actor(), current_now()
    for site, maker in directory.makers_at_sites(session, actor, now.date()):
        if (site.id, maker.id) == (site_id, manufacturer_id):
            return _site_plan(site, maker)
    raise NotFound


def _site_plan(site: Site, maker: Organisation) -> SitePlan:
    session, actor, now = current_session(), current_actor(), current_now()
    in_force = contracts.policy_in_force(session, maker.id, now)
    choices = contracts.plan_choices(session, site_id=site.id, manufacturer_id=maker.id)
    begun = [each for each in choices if each.from_at <= now]
    later = [each for each in choices if each.from_at > now]
    choice = begun[-1] if begun else None
    hours = hours_left(session, actor, site_id=site.id, manufacturer_id=maker.id, now=now)
    return SitePlan(
        site=site,
        maker=maker,
        in_force=in_force,
        choice=choice,
        next_choice=later[0] if later else None,
        plan=plan_named(in_force.policy, choice.plan_code if choice else None),
        hours=tuple(hours),
        standing=entitlement.standing_at(session, site_id=site.id, manufacturer_id=maker.id, now=now),
    )


def _choose(form: PlanForm, place: SitePlan) -> None:
    now = current_now()
    from_at = now if form.starts.data == "now" else _next_month(place.in_force.policy, now)
    if _is_chosen(form, place, from_at):
        return
    if paid_by_subscription(current_session(), site_id=place.site.id, manufacturer_id=place.maker.id, at=now):
        raise RuleBroken("This plan is paid by subscription. Change or end it on its page, under Bought.")
    actions.choose_plan(
        current_session(),
        current_actor(),
        site=place.site,
        version=place.in_force.version,
        shown_sha256=form.shown_sha256.data or "",
        plan_code=form.plan_code.data,
        from_at=from_at,
        now=now,
        shown_reinstatement_minor=minor_shown(
            form.shown_now_minor.data if form.starts.data == "now" else form.shown_month_minor.data
        ),
    )


def minor_shown(sent: str | None) -> int:
    """The amount that a form carries back; 0 for none."""
    typed = sent or ""
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 16 else 0


def _again(place: SitePlan) -> Again | None:
    """What taking up again the plan that lapsed asks, from now and from the first of next month."""
    now, policy = current_now(), place.in_force.policy
    found, refusal, lapsed = {}, "", None
    for start, at in (("now", now), ("month", _next_month(policy, now))):
        for each in policy.plans:
            gap = contracts.gap_at(
                current_session(), site_id=place.site.id, manufacturer_id=place.maker.id, plan_code=each.code, at=at
            )
            if gap is None:
                continue
            lapsed = each
            try:
                found[start] = reinstatement(policy, gap, months=None)
            except RuleBroken as refused:
                refusal = refused.sentence
    return None if lapsed is None else Again(lapsed, found, refusal)


def _is_chosen(form: PlanForm, place: SitePlan, from_at: datetime) -> bool:
    """Whether exactly this was chosen already: then a form sent twice changes nothing."""
    same = [each for each in (place.choice, place.next_choice) if each is not None and each.from_at <= from_at]
    last = same[-1] if same else None
    return last is not None and (last.plan_code, last.sha256) == (form.plan_code.data, form.shown_sha256.data)


def _next_month(policy: Policy, now: datetime) -> datetime:
    month = entitlement.month_on(policy, now)
    first = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    return resolve_local(policy.zone, datetime(first.year, first.month, first.day))  # noqa: DTZ001


def _cards(policy: Policy, chosen: str) -> list[Card]:
    return [
        Card(
            code=each.code,
            name=each.name,
            summary=each.summary or "",
            price=Money(amount_minor(each.price_per_month, policy.currency), policy.currency),
            rows=_rows(policy, each),
            is_chosen=each.code == chosen,
        )
        for each in policy.plans
    ]


def _rows(policy: Policy, plan: Plan) -> tuple[tuple[str, str], ...]:
    included = "Unlimited" if plan.unlimited else duration(plan.included_minutes_per_month * 60)
    rows = [("Included each month", included), ("Covers", calendar_label(policy, plan.cover_calendar))]
    for target in plan.targets:
        if target.clock is Clock.RESPONSE and target.certified is not True:
            levels = ", ".join(str(level) for level in target.severities) or "any"
            text = f"{promise_words(target)}, {calendar_label(policy, target.calendar)}"
            rows.append((f"Answer, severity {levels}", text))
    return tuple(rows)
