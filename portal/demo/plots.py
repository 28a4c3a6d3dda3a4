"""What happens in the demonstration: troubles that come up, and the ways a case can go.

Values only; ``story`` turns them into acts. Everything random is drawn from the one generator of the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from random import Random
from zoneinfo import ZoneInfo

from portal.demo.world import PLACES, SYSTEMS, Installed, Place


class Course(StrEnum):
    """How a case goes."""

    FACTORY = "factory"
    QUESTION = "question"
    VISIT = "visit"
    CALL = "call"
    FRONT_LINE = "front_line"


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong: what is said, what it was, what mended it."""

    title: str
    symptom: str
    cause: str
    last_action: str
    done: str
    severity: int


@dataclass(frozen=True)
class Plot:
    """One case to be: where, what, when, how it goes, and how long the factory works on it."""

    installed: Installed
    place: Place
    trouble: Trouble
    opened_at: datetime
    course: Course
    minutes: int


TROUBLES = {
    "DoorController": (
        Trouble(
            "Door 4 stays locked",
            "The reader blinks red for every card since the morning. Power cycled twice.",
            "configuration",
            "remote_configuration",
            "Time zone table was overwritten; restored from the last backup and checked on two doors.",
            2,
        ),
        Trouble(
            "Controller restarts every few minutes",
            "Log shows watchdog resets. Doors unlock for a second at each restart.",
            "firmware_defect",
            "firmware_update",
            "Known memory leak in 4.1; updated to 4.3 and watched for an hour.",
            2,
        ),
        Trouble(
            "Intercom at the gate is silent",
            "Call button lights up, no sound on either side.",
            "installation",
            "rewired",
            "Shield was grounded on both ends; rewired at the gate.",
            3,
        ),
        Trouble(
            "Lock hums and does not release",
            "Measured 9.8 V at the lock while releasing.",
            "hardware_defect",
            "part_replaced",
            "Output stage was damaged; board replaced on site.",
            3,
        ),
        Trouble(
            "Holiday schedule is ignored",
            "Doors opened on the public holiday although the schedule says closed.",
            "operation",
            "instructed",
            "Schedule was saved as a draft; showed how to activate it.",
            4,
        ),
    ),
    "AccessServer": (
        Trouble(
            "Nobody can sign in to the access server",
            "The web page answers with an empty page after the password.",
            "configuration",
            "remote_configuration",
            "Certificate had expired; renewed it and set the reminder.",
            2,
        ),
        Trouble(
            "Events arrive hours late",
            "Door events of the night appear at noon.",
            "network",
            "remote_configuration",
            "Clock server unreachable behind the new firewall; pointed to the local one.",
            3,
        ),
        Trouble(
            "Report of last month is empty",
            "The monthly report holds no rows although doors were used.",
            "firmware_defect",
            "firmware_update",
            "Fixed in 7.2; updated and re-ran the report.",
            4,
        ),
    ),
    "ConferenceDSP": (
        Trouble(
            "Feedback on stage left",
            "Howling above 2 kHz as soon as monitor 3 is opened.",
            "configuration",
            "remote_configuration",
            "Notch filter was bypassed in the show preset; switched on and saved.",
            2,
        ),
        Trouble(
            "No signal from wireless receivers",
            "All eight receivers show locked, the desk stays silent.",
            "network",
            "remote_configuration",
            "Multicast was filtered on the new switch; opened it with the house technician.",
            1,
        ),
        Trouble(
            "Fan is loud during shows",
            "Unit is audible in row 5.",
            "hardware_defect",
            "part_replaced",
            "Fan bearing worn; replaced on site.",
            4,
        ),
    ),
}

COURSES = (
    (Course.FACTORY, 40),
    (Course.QUESTION, 20),
    (Course.VISIT, 20),
    (Course.CALL, 10),
    (Course.FRONT_LINE, 10),
)


def plots(random: Random, first: date, last: date) -> Iterator[Plot]:
    """The cases opened on working days in [first, last), in time order; about five a week."""
    places = {place.key: place for place in PLACES}
    running = [installed for installed in SYSTEMS if installed.age_days > 0]
    day = first
    while day < last:
        if day.weekday() < 5:
            for minute in sorted(random.sample(range(0, 420, 35), random.choices((0, 1, 2), (30, 50, 20))[0])):
                installed = random.choice(running)
                place = places[installed.place]
                yield Plot(
                    installed=installed,
                    place=place,
                    trouble=random.choice(TROUBLES[installed.line]),
                    opened_at=_at(day, minute, place),
                    course=random.choices([course for course, _ in COURSES], [weight for _, weight in COURSES])[0],
                    minutes=random.choice((20, 35, 50, 65, 80, 110)),
                )
        day += timedelta(days=1)


def _at(day: date, minute: int, place: Place) -> datetime:
    """Minutes after nine o'clock where the manufacturer works."""
    zone = "Europe/Berlin" if place.manufacturer == "NOR" else "America/New_York"
    local = datetime.combine(day, time(9), ZoneInfo(zone)) + timedelta(minutes=minute)
    return local.astimezone(UTC)
