"""What is going on at this moment: a case in every state, so that each role finds something to do on its first page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.access import Actor, Audience
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from portal.contracts.blocks import TaskClass
from portal.demo.story import MINUTE, Act, Story, case_of
from portal.metering import actions as metering
from portal.metering.actions import Work

HOUR = 60 * MINUTE
DAY = 24 * HOUR
FACTORY_ZONE = ZoneInfo("Europe/Berlin")
FIRST_HOUR, LAST_HOUR = 15, 16


def plan_present(story: Story) -> None:
    """Plan the cases that are open now; what needs people at work happened while they last were."""
    _system_down(story)
    _offered(story)
    _waiting(story)
    _handed_back(story)
    _resolved(story)
    _challenged(story)
    _unanswered_authorization(story)
    _at_factory_risk(story)
    _commissioning(story)
    _how_to(story)
    _informed_only(story)
    _opened_by_customer(story)
    _nearly_used_up(story)
    _across_the_ocean(story)


def at_work(now: datetime) -> datetime:
    """The latest afternoon moment up to ``now`` at which the factory was at work: a day's cases lie before it."""
    local = now.astimezone(FACTORY_ZONE)
    while local.weekday() >= 5 or local.hour < FIRST_HOUR:
        local = (local - DAY).replace(hour=LAST_HOUR, minute=30)
    return min(local, local.replace(hour=LAST_HOUR, minute=30)).astimezone(UTC)


def _system_down(story: Story) -> None:
    people = story.world.actors
    case = escalation(
        story, "tom", "NA-10441", "Emergency entrance does not open", "Nobody can enter since 20 minutes.", severity=1
    )

    def start_timer(session: Session, row: SupportCase, now: datetime) -> None:
        metering.start_timer(session, people["ana"], row, mode="phone", task_class="support", now=now)

    case.unfolds(
        story.now - 50 * MINUTE,
        {
            4: case.accepted_by("ana"),
            6: case.does(start_timer),
            9: case.noted_by("ana", "Door released by hand; reading the controller's log."),
        },
    )


def _offered(story: Story) -> None:
    case = escalation(
        story, "tia", "NS-2477", "Badge printer is offline", "Printing a badge ends with error 217.", severity=3
    )
    case.unfolds(at_work(story.now) - 25 * MINUTE)


def _waiting(story: Story) -> None:
    case = escalation(
        story, "tom", "NS-2031", "Sync to the directory stops", "New staff do not appear since Monday.", severity=2
    )
    case.unfolds(
        at_work(story.now) - 5 * HOUR,
        {
            7: case.accepted_by("eli"),
            30: case.worked_by("eli", 20, "Read the sync log"),
            31: case.asked_by("eli", "Please send the certificate chain of the directory server."),
        },
    )


def _handed_back(story: Story) -> None:
    case = escalation(
        story, "tom", "NA-12880", "Depot door opens by itself", "Twice last night, no card was used.", severity=2
    )
    case.unfolds(
        at_work(story.now) - 26 * HOUR,
        {
            12: case.accepted_by("ana"),
            70: case.worked_by("ana", 50, "Events show a short on the exit button"),
            72: case.handed_back_by("ana", "Please check the exit button's wiring in the depot."),
        },
    )


def _resolved(story: Story) -> None:
    case = escalation(
        story, "tom", "NA-10440", "Two doors show offline", "Both green on site, offline in the list.", severity=3
    )
    case.unfolds(
        at_work(story.now) - 7 * HOUR,
        {
            9: case.accepted_by("eli"),
            60: case.worked_by("eli", 35, "Address conflict found and mended"),
            62: case.resolved_by("eli", "network", "Two devices shared an address; renumbered one."),
        },
    )


def _challenged(story: Story) -> None:
    people = story.world.actors
    case = escalation(
        story, "tom", "NA-10440", "Lock of the pharmacy hums", "Hums while released, gets hot.", severity=2
    )

    def challenge(session: Session, row: SupportCase, now: datetime) -> None:
        cases.challenge(
            session,
            people["mia"],
            row,
            subject="split",
            reason="Tom found the pulse length; the factory confirmed what he had measured.",
            proposal={"integrator_bp": 6000, "manufacturer_bp": 4000},
            seq=row.seq,
            now=now,
        )

    case.unfolds(
        at_work(story.now) - 4 * DAY,
        {
            9: case.accepted_by("ana"),
            80: case.worked_by("ana", 60, "Measured with the technician on the phone"),
            82: case.resolved_by("ana", "configuration", "Pulse length was wrong; set to three seconds."),
            DAY // MINUTE: case.does(challenge),
        },
    )


def _unanswered_authorization(story: Story) -> None:
    case = escalation(
        story,
        "tom",
        "NA-11207",
        "Waiting room door sticks",
        "Opens only at the second card.",
        severity=3,
        nte_minor=45_000,
    )
    case.unfolds(at_work(story.now) - 2 * HOUR)


def _at_factory_risk(story: Story) -> None:
    case = escalation(
        story,
        "sam",
        "NA-13301",
        "School cannot be locked",
        "All doors stand open, the caretaker is alone.",
        severity=1,
        nte_minor=60_000,
    )
    case.unfolds(
        (story.now - DAY).replace(hour=1, minute=2),
        {
            3: case.accepted_by("eli"),
            70: case.worked_by("eli", 45, "Restored the door schedule from the night before"),
            71: case.noted_by("eli", "Locked again. Nobody of the school answered the request."),
        },
    )


def _commissioning(story: Story) -> None:
    case = escalation(
        story,
        "sam",
        "NA-13302",
        "First start of the gym's doors",
        "Controller does not find the readers.",
        severity=3,
        task_class=TaskClass.COMMISSIONING,
        nte_minor=30_000,
    )
    case.unfolds(at_work(story.now) - 3 * HOUR, {60: case.accepted_by("ana")})


def _how_to(story: Story) -> None:
    case = escalation(
        story,
        "tia",
        "NA-10440",
        "How to copy a door's schedule?",
        "First time with this controller.",
        severity=4,
        task_class=TaskClass.HOW_TO,
        nte_minor=20_000,
    )
    case.unfolds(at_work(story.now) - 28 * HOUR, {60: case.accepted_by("eli")})


def _informed_only(story: Story) -> None:
    case = escalation(
        story, "tom", "NA-10441", "Swapping a reader on Friday", "Planned, no help needed.", severity=4, is_fyi=True
    )
    case.unfolds(at_work(story.now) - 30 * HOUR)


def _opened_by_customer(story: Story) -> None:
    new = cases.NewCase(
        system_id=story.world.systems["NS-2031"].id,
        severity=3,
        title="Visitor badges expire at noon",
        symptom="Since the update all visitor badges end at 12:00.",
        answers={"firmware": "7.2"},
    )
    case = CaseOfNow(story, story.world.actors["cal"], new, by_customer=True)
    case.unfolds(at_work(story.now) - 6 * HOUR)


def _nearly_used_up(story: Story) -> None:
    """The museum has used most of this month's included minutes, if the month is old enough."""
    for number, days in enumerate((3, 2)):
        case = escalation(
            story,
            "tom",
            "NA-12880",
            f"Depot alarm, {'first' if number == 0 else 'second'} report",
            "Alarm although nobody entered.",
            severity=3,
        )
        case.unfolds(
            (at_work(story.now) - days * DAY).replace(hour=9, minute=30),
            {
                5: case.accepted_by("ana"),
                70: case.worked_by("ana", 52, "Followed the alarm through the event list"),
                75: case.resolved_by("ana", "operation", "Alarm zone was armed twice by the cleaners."),
            },
        )


def _across_the_ocean(story: Story) -> None:
    case = escalation(
        story, "joe", "MD-5501", "Monitor mix jumps in level", "Monitor 2 drops by 6 dB in songs.", severity=2
    )
    case.unfolds(story.now - 90 * MINUTE, {10: case.accepted_by("eve")})


@dataclass
class CaseOfNow:
    """A case of the present: how it is opened, and acts on it as it is when they happen."""

    story: Story
    opened_by: Actor
    new: cases.NewCase
    by_customer: bool = False
    id: int = 0

    def open(self, session: Session, now: datetime) -> None:
        """Open the case."""
        verb = cases.open_by_contact if self.by_customer else cases.escalate
        self.id = verb(session, self.opened_by, self.new, now=now).id

    def unfolds(self, at: datetime, acts: Mapping[int, Act] | None = None) -> None:
        """Plan that it is opened, and its acts by the minute after that."""
        self.story.plan(at, self.open)
        for minutes, act in (acts or {}).items():
            self.story.plan(at + minutes * MINUTE, act)

    def does(self, what: Callable[[Session, SupportCase, datetime], object]) -> Act:
        """Any act on the case as it is then."""

        def act(session: Session, now: datetime) -> None:
            what(session, case_of(session, self.id), now)

        return act

    def accepted_by(self, key: str) -> Act:
        """Somebody accepts it."""
        actor = self.story.world.actors[key]
        return self.does(lambda session, row, now: cases.accept_custody(session, actor, row, seq=row.seq, now=now))

    def noted_by(self, key: str, body: str) -> Act:
        """Somebody writes to both companies."""
        note = cases.NewNote(body, audience=Audience.COMPANIES)
        actor = self.story.world.actors[key]
        return self.does(lambda session, row, now: cases.add_note(session, actor, row, note, now=now))

    def asked_by(self, key: str, question: str) -> Act:
        """Somebody asks for information."""
        actor = self.story.world.actors[key]
        return self.does(
            lambda session, row, now: cases.ask_information(
                session, actor, row, question=question, seq=row.seq, now=now
            )
        )

    def handed_back_by(self, key: str, reason: str) -> Act:
        """The factory hands it back."""
        actor = self.story.world.actors[key]
        return self.does(
            lambda session, row, now: cases.hand_back(
                session, actor, row, reason=reason, new_information=True, seq=row.seq, now=now
            )
        )

    def worked_by(self, key: str, minutes: int, note: str) -> Act:
        """Somebody logs the minutes before now."""
        actor = self.story.world.actors[key]
        return self.does(
            lambda session, row, now: metering.enter_time(
                session,
                actor,
                row,
                Work("remote", row.task_class, note),
                started_at=now - minutes * MINUTE,
                ended_at=now,
                now=now,
            )
        )

    def resolved_by(self, key: str, cause: str, summary: str) -> Act:
        """Somebody resolves it by changing the configuration remotely."""
        actor = self.story.world.actors[key]
        resolving = cases.Resolving(cause=cause, last_action="remote_configuration", summary=summary)
        return self.does(lambda session, row, now: cases.resolve(session, actor, row, resolving, seq=row.seq, now=now))


def escalation(story: Story, by: str, serial: str, title: str, symptom: str, **more: Any) -> CaseOfNow:
    """A case that a technician escalates now, not planned yet."""
    new = cases.NewCase(
        system_id=story.world.systems[serial].id,
        title=title,
        symptom=symptom,
        answers={"serial": serial, "firmware": "4.1", "leds": "red", "since": "today"},
        **more,
    )
    return CaseOfNow(story, story.world.actors[by], new)
