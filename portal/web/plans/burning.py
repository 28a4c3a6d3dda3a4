"""Hours and incidents left, day by day: a chart of what was left beside using them evenly, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.billing.packs.holding import Taken, taken_by_cases
from portal.entitlement.burning import burned
from portal.entitlement.hours import HoursLeft, hours_left
from portal.entitlement.rules.burning import DayLeft
from portal.errors import NotFound
from portal.lazily import lazily
from portal.reporting.rules import Chart, Kind, Series
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.plans.blueprint import blueprint
from portal.web.plans.choosing import SitePlan, may_see_plans, place_named

if TYPE_CHECKING:
    from portal.web import charts
else:
    charts = lazily("portal.web.charts")

# How long a grant that has ended is still shown.
_ENDED_SHOWN = timedelta(days=400)


@dataclass(frozen=True)
class Burned:
    """One grant with its days and what took of it; ``used`` are the days on which something was taken."""

    hours: HoursLeft
    days: tuple[DayLeft, ...]
    takers: tuple[Taken, ...]

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it can be used any more."""
        return self.hours.expires_at is not None and self.hours.expires_at <= current_now()

    @property
    def used(self) -> list[DayLeft]:
        """The days the table shows: those with use, and the last."""
        return [day for day in self.days if day.used or day is self.days[-1]]

    @property
    def is_fast(self) -> bool:
        """Whether more is used than evenly."""
        return not self.has_ended and self.days[-1].left < self.days[-1].even


@blueprint.get("/plan/<int:site_id>/<int:manufacturer_id>/hours")
@open_to(may_see_plans)
def hours(site_id: int, manufacturer_id: int) -> ResponseReturnValue:
    place = place_named(site_id, manufacturer_id)
    return render_template("plans/burned.html", place=place, grants=_grants(place))


@blueprint.get("/plan/<int:site_id>/<int:manufacturer_id>/hours.svg")
@open_to(may_see_plans)
def hours_chart(site_id: int, manufacturer_id: int) -> ResponseReturnValue:
    place = place_named(site_id, manufacturer_id)
    # The grant is one of the place's own: a number that is not reads as one that does not exist.
    wanted = request.args.get("grant", "")
    for grant in _grants(place):
        if str(grant.hours.grant_id) == wanted:
            return charts.lines_response(_chart(place, grant))
    raise NotFound


def _grants(place: SitePlan) -> list[Burned]:
    session, actor, now = current_session(), current_actor(), current_now()
    hours = hours_left(
        session, actor, site_id=place.site.id, manufacturer_id=place.maker.id, now=now, since=now - _ENDED_SHOWN
    )
    days = burned(session, hours, now=now, zone=current_zone())
    takers = taken_by_cases(session, [each.grant_id for each in hours])
    return [Burned(each, of_days, takers.get(each.grant_id, ())) for each, of_days in zip(hours, days, strict=True)]


def _chart(place: SitePlan, grant: Burned) -> Chart:
    of_cases = bool(grant.hours.granted_incidents)
    return Chart(
        title=f"{'Cases' if of_cases else 'Hours'} left at {place.site.name}: {grant.hours.label}",
        labels=tuple(f"{day.on:%d %b}" for day in grant.days),
        series=(
            Series("Left", "accent", tuple(day.left for day in grant.days)),
            Series("Used evenly", "plain", tuple(day.even for day in grant.days)),
        ),
        kind=Kind.COUNT if of_cases else Kind.SECONDS,
    )
