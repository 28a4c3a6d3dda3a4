"""Builds the demonstration into an empty database: three months up to now, the same for the same seed and day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from time import sleep

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.billing import actions as billing
from portal.db import transaction
from portal.demo import founding
from portal.demo.dealings import plan_dealings
from portal.demo.founding import World
from portal.demo.invoicing import plan_invoicing
from portal.demo.money import plan_accounts, plan_last_poll, plan_months
from portal.demo.packs import plan_packs
from portal.demo.parts import plan_parts
from portal.demo.plots import plots
from portal.demo.present import plan_present
from portal.demo.standin_control import StandIn
from portal.demo.story import Story, approve_all, begin_case
from portal.directory.models import DeploymentFact, Organisation
from portal.errors import Misconfigured

SEED = 20260301
FACT = "demo"
MONTHS = 3
LOOK_SECONDS = 0.1
# The last days belong to the cases that are open now.
PRESENT_DAYS = timedelta(days=5)


def is_built(session: Session) -> bool:
    """Whether this database holds a finished demonstration."""
    return session.scalar(select(DeploymentFact.key).where(DeploymentFact.key == FACT)) is not None


def wait_until_built(engine: Engine) -> None:
    """Look again and again until another process has made the demonstration."""
    while True:
        with transaction(engine) as session:
            if is_built(session):
                return
        sleep(LOOK_SECONDS)


def check_empty(session: Session) -> None:
    """Refuse to mix the demonstration with anything else. *Raises*: Misconfigured."""
    if session.scalar(select(Organisation.id).limit(1)) is not None:
        raise Misconfigured(
            "This database holds something else, or a demonstration that was interrupted. Name an empty database, or"
            " remove the instance folder."
        )


def build(
    engine: Engine,
    standin: StandIn,
    *,
    now: datetime,
    run_jobs: Callable[[datetime], object],
    months: int = MONTHS,
    seed: int = SEED,
) -> World:
    """Found the world and let the months happen; ``run_jobs(at)`` runs the jobs that are due by then."""
    first_day = first_day_of(now.date(), months)
    # Noon in London is the first of the month everywhere the story plays.
    founded_at = datetime.combine(first_day, time(12), UTC)
    with transaction(engine) as session:
        world = founding.found_world(session, founded_at)
    run_jobs(founded_at)
    story = Story(engine=engine, world=world, random=Random(seed), run_jobs=run_jobs, now=now)
    for plot in plots(story.random, first_day + timedelta(days=1), now.date() - PRESENT_DAYS):
        begin_case(story, plot)
    plan_accounts(story, standin, founded_at + timedelta(hours=1))
    plan_invoicing(story, founded_at + timedelta(hours=2))
    plan_months(story, standin, month_ends(now.date(), months))
    for month in (founded_at + timedelta(minutes=30), *month_ends(now.date(), months)):
        # What the worker's schedule does every hour matters here once a month: at noon in London, as above.
        story.plan(month.replace(hour=12), lambda session, at: billing.open_month(session, now=at))
    plan_present(story)
    plan_packs(story)
    plan_parts(story)
    plan_dealings(story, standin, paid_at=month_ends(now.date(), months)[-2:][0] + timedelta(days=11))
    _plan_approvals(story, first_day)
    plan_last_poll(story, standin)
    story.play(now)
    standin.set_clock(now)
    with transaction(engine) as session:
        session.add(DeploymentFact(key=FACT, value={"seed": seed, "built_on": now.date().isoformat()}))
    return world


def first_day_of(today: date, months: int) -> date:
    """The first day of the month that lies so many months back."""
    month = today.year * 12 + today.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def month_ends(today: date, months: int) -> list[datetime]:
    """The ends of the story's whole months, oldest first."""
    first = first_day_of(today, months)
    ends = [first.year * 12 + first.month - 1 + number for number in range(1, months + 1)]
    return [datetime(end // 12, end % 12 + 1, 1, tzinfo=UTC) for end in ends]


def _plan_approvals(story: Story, first_day: date) -> None:
    """Time is approved every working evening, on both sides of the ocean."""
    leads = {
        16: (("NOR", Role.SUPPORT_LEAD), ("KES", Role.SERVICE_MANAGER), ("ALP", Role.SERVICE_MANAGER)),
        22: (("MER", Role.SUPPORT_LEAD), ("HUD", Role.SERVICE_MANAGER)),
    }
    day = first_day
    while day <= story.now.date():
        if day.weekday() < 5:
            for hour, approving in leads.items():
                for code, role in approving:
                    story.plan(datetime.combine(day, time(hour), UTC), approve_all(story, code, role))
        day += timedelta(days=1)
