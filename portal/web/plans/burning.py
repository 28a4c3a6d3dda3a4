"""Hours left, day by day: a chart of what was left beside using them evenly, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.entitlement.burning import burned
from portal.entitlement.queries import HoursLeft
from portal.entitlement.rules.burning import DayLeft
from portal.errors import NotFound
from portal.reporting.rules import Chart, Kind, Series
from portal.web import charts
from portal.web.gate import current_now, current_session, current_zone, open_to
from portal.web.plans.blueprint import blueprint
from portal.web.plans.choosing import SitePlan, may_see_plans, place_named


@dataclass(frozen=True)
class Burned:
    """One grant with its days; ``used`` are those on which something was taken."""

    hours: HoursLeft
    days: tuple[DayLeft, ...]

    @property
    def title(self) -> str:
        """What people call the grant."""
        return "Included this month" if self.hours.kind == "included" else "Bought"

    @property
    def used(self) -> list[DayLeft]:
        """The days the table shows: those with use, and the last."""
        return [day for day in self.days if day.used_seconds or day is self.days[-1]]

    @property
    def is_fast(self) -> bool:
        """Whether more is used than evenly."""
        return self.days[-1].left_seconds < self.days[-1].even_seconds


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
    found = burned(current_session(), place.hours, now=current_now(), zone=current_zone())
    return [Burned(hours, days) for hours, days in zip(place.hours, found, strict=True)]


def _chart(place: SitePlan, grant: Burned) -> Chart:
    return Chart(
        title=f"Hours left at {place.site.name}: {grant.title}",
        labels=tuple(f"{day.on:%d %b}" for day in grant.days),
        series=(
            Series("Left", "accent", tuple(day.left_seconds for day in grant.days)),
            Series("Used evenly", "plain", tuple(day.even_seconds for day in grant.days)),
        ),
        kind=Kind.SECONDS,
    )
