"""Short ways to write terms, work and facts in tests of rating."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from portal.calendars import Calendar, Window
from portal.rating.facts import CaseFacts, Cover, WorkInterval
from portal.rating.tariff import build_tariff
from portal.rating.terms import BandTerm, Bill, MinimumTerm, PlanTerms, RateTerm, Rounding, RoundingTerm

NEW_YORK = "America/New_York"
EVER = datetime(2000, 1, 1, tzinfo=UTC)
# A Tuesday, 09:00 in New York.
NINE = datetime(2026, 3, 3, 9, tzinfo=ZoneInfo(NEW_YORK))


def weekly(*windows, zone=NEW_YORK):
    """A calendar of (first weekday, last weekday, opening hour, closing hour)."""
    rows = [Window(day, int(a * 60), int(b * 60)) for first, last, a, b in windows for day in range(first, last + 1)]
    return Calendar(zone, tuple(rows))


BUSINESS = weekly((0, 4, 8, 17))
ALWAYS_OPEN = weekly((0, 6, 0, 24))


def customer_pays(_situation):
    return Bill()


def steps(minutes, level="case", *, direction="up", grace=0, modes=()):
    return RoundingTerm(Rounding(minutes * 60, direction, level, grace * 60), modes)


def least(minutes, level="case", *, modes=(), bands=()):
    return MinimumTerm(minutes * 60, level, modes, bands)


def hourly(major, *bands, modes=()):
    return RateTerm(Fraction(str(major)) * 100, tuple(modes), tuple(bands))


def plan(*rates, key="list", roundings=(), minimums=(), cover=None):
    return PlanTerms(key, tuple(rates), tuple(roundings), tuple(minimums), cover)


def tariff(*plans, bands=(("business", BUSINESS),), bill_to=customer_pays, favours=None, zone=NEW_YORK, currency="USD"):
    """The first plan is the list plan."""
    return build_tariff(
        currency=currency,
        zone=zone,
        bands=[BandTerm(*band) for band in bands],
        otherwise="after_hours",
        plans=plans,
        list_plan=plans[0].key,
        bill_to=bill_to,
        favours=favours,
    )


def local(text, zone=NEW_YORK):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def work(entry_id, started_at, minutes, mode="remote", **more):
    if isinstance(started_at, str):
        started_at = local(started_at)
    ended_at = started_at + timedelta(seconds=int(minutes * 60))
    return WorkInterval(entry_id, 1, started_at, ended_at, mode, **more)


def facts(plan_key="list", **more):
    return CaseFacts(cover=(Cover(EVER, plan_key),), **more)
