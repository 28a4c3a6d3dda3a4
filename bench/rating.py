"""Rate work entries cold on one core: mixed bands, plans, grants, rounding levels, limits and favours.

Run ``python -m bench.rating [entries]``. The facts are made in batches outside the measured time; the tariff is fresh,
so its day tables are computed inside it. Prints a table and one JSON line.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from portal.calendars import Calendar, Window
from portal.config import ROOT
from portal.rating.engine import rate
from portal.rating.facts import CaseFacts, Cover, GrantState, WorkInterval
from portal.rating.tariff import Tariff, build_tariff
from portal.rating.terms import (
    INTERCOMPANY,
    BandTerm,
    Bill,
    CoverTerms,
    Favours,
    MinimumTerm,
    PlanTerms,
    RateTerm,
    Rounding,
    RoundingTerm,
    Situation,
)

ENTRIES = 1_000_000
BATCH = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC)
HOURLY = (
    RateTerm(Fraction(27_000), bands=("after_hours",)),
    RateTerm(Fraction(36_000), bands=("sunday",)),
    RateTerm(Fraction(18_000)),
)
PLANS = ("time_and_materials", "gold", "silver", "day")
Case = tuple[CaseFacts, list[WorkInterval], list[GrantState]]


def tariff() -> Tariff:
    """Three bands, four plans with every rounding level, cover hours, favours and intercompany rates."""
    business = Calendar("America/New_York", tuple(Window(day, 480, 1_020) for day in range(5)))
    sunday = Calendar("America/New_York", (Window(6, 0, 1_440),))
    minimums = (MinimumTerm(3_600, bands=("sunday",)), MinimumTerm(900))
    cover = CoverTerms(business, modes=("remote", "phone"), always_severities=(1,))
    return build_tariff(
        currency="USD",
        zone="America/New_York",
        bands=[BandTerm("business", business), BandTerm("sunday", sunday)],
        otherwise="after_hours",
        list_plan="time_and_materials",
        plans=[
            PlanTerms("time_and_materials", HOURLY, _steps_of(1_800, "case"), minimums),
            PlanTerms("gold", (RateTerm(Fraction(14_900)),), _steps_of(900, "case"), cover=cover),
            PlanTerms("silver", (RateTerm(Fraction(16_500)),), _steps_of(360, "entry"), minimums, cover),
            PlanTerms("day", (RateTerm(Fraction(16_000)),), _steps_of(900, "day")),
            PlanTerms(INTERCOMPANY, (RateTerm(Fraction(9_000)),), _steps_of(900, "case")),
        ],
        bill_to=_bill_to,
        favours=Favours({"defect": "manufacturer"}, warranty_task_classes=("support",)),
    )


def _bill_to(situation: Situation) -> Bill:
    uncertified = situation.task_class == "how_to" and not situation.certified
    return Bill("integrator" if uncertified else "customer")


def _steps_of(seconds: int, level: str) -> tuple[RoundingTerm, ...]:
    return (RoundingTerm(Rounding(seconds, level=level)),)


def cases(count: int, seed: int = 7) -> Iterator[tuple[list[Case], int]]:
    """Batches of cases holding ``count`` entries together, one to five entries a case, over a year."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        batch: list[Case] = []
        size = 0
        while size < BATCH and made + size < count:
            entries = min(chance.randint(1, 5), count - made - size)
            batch.append(_case(chance, made + size, entries))
            size += entries
        made += size
        yield batch, size


def _case(chance: random.Random, first_id: int, entries: int) -> Case:
    plan = chance.choice(PLANS)
    opened = START + timedelta(seconds=chance.randrange(365 * 86_400))
    work = []
    for number in range(entries):
        started = opened + timedelta(seconds=chance.randrange(4 * 86_400))
        ended = started + timedelta(seconds=chance.randrange(120, 3 * 3_600))
        mode = chance.choice(("remote", "remote", "phone", "on_site"))
        task = chance.choice(("support", "support", "support", "how_to"))
        work.append(WorkInterval(first_id + number, chance.randrange(50), started, ended, mode, task))
    grants = [GrantState(first_id, "included", 3_600)] if plan in ("gold", "silver") else []
    facts = CaseFacts(
        cover=(Cover(EVER, plan),),
        certified=chance.random() < 0.8,
        warranty_until=opened + timedelta(days=2) if chance.random() < 0.1 else None,
        cause="defect" if chance.random() < 0.1 else None,
        nte_minor={"customer": chance.choice((30_000, 60_000, 500_000))},
    )
    return facts, work, grants


@dataclass(frozen=True)
class Rated:
    """What rating so many entries took: seconds of one core, milliseconds of the case at the 99th of 100, memory."""

    entries: int
    cases: int
    lines: int
    amount_minor: int
    seconds: float
    case_p99_ms: float
    peak_mb: float


def rate_all(count: int) -> Rated:
    """Rate them, one case after the other, by one tariff that is new."""
    terms = tariff()
    lines = total = 0
    times: list[int] = []
    for batch, _ in cases(count):
        for facts, work, grants in batch:
            began = time.process_time_ns()
            rated = rate(facts, work, grants, terms)
            times.append(time.process_time_ns() - began)
            lines += len(rated.lines)
            total += rated.amount_minor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    p99 = sorted(times)[len(times) * 99 // 100]
    return Rated(count, len(times), lines, total, sum(times) / 1e9, p99 / 1e6, peak)


def rate_apart(count: int = ENTRIES) -> Rated:
    """The same in a process of its own, so that its memory is its own too."""
    command = [sys.executable, "-m", "bench.rating", str(count)]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Rated(**json.loads(said.splitlines()[-1]))


def main(count: int) -> None:
    """Rate and print."""
    done = rate_all(count)
    print(f"{'entries':>12}{'cases':>12}{'lines':>12}{'seconds':>10}{'entries/s':>12}{'p99 ms':>9}{'peak MB':>9}")
    print(
        f"{count:>12,}{done.cases:>12,}{done.lines:>12,}{done.seconds:>10.2f}{count / done.seconds:>12,.0f}"
        f"{done.case_p99_ms:>9.3f}{done.peak_mb:>9.0f}"
    )
    print(json.dumps(asdict(done)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)
