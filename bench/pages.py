"""What is asked of the portal and of the floor: the same pages about the same cases, and a case sent to the factory."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from sqlalchemy import Engine, text

from bench.client import Answer, Operation, Transport, Visitor
from portal.db import open_session
from portal.demo.world import PASSWORD

# A serial, two words that some cases share, a rare code, and a word that every eighth case has.
SEARCHES = ("BD-000100", "reader silent", "E031 4.5", "turnstile")
SYMPTOM = "Since this morning no card opens the ward's doors. Power cycled twice."


@dataclass(frozen=True)
class Places:
    """Who asks and about what, as the loaded database has it."""

    engineers: tuple[str, ...]
    technicians: tuple[str, ...]
    cases: tuple[str, ...]
    open_cases: tuple[str, ...]
    system_id: int
    like_case_id: int


@dataclass(frozen=True)
class Asked:
    """One operation: of whom, and which answer is right."""

    name: str
    people: tuple[str, ...]
    expected: int
    prepare: Callable[[Visitor], Operation]


_CASES = text("""
    SELECT support_case.name FROM support_case JOIN organisation ON organisation.id = manufacturer_id
    WHERE organisation.code = 'NOR' AND support_case.state = ANY (:states)
    ORDER BY hashint8(support_case.id) LIMIT 200
""")
_PEOPLE = text("SELECT email FROM person WHERE email LIKE :like ORDER BY id LIMIT 4")
_SYSTEM = text("""
    SELECT system.id FROM system JOIN service_relationship service
        ON service.site_id = system.site_id AND service.product_line_id = system.product_line_id
    JOIN organisation integrator ON integrator.id = service.integrator_id
    JOIN organisation factory ON factory.id = system.manufacturer_id
    WHERE integrator.code = 'I001' AND factory.code = 'NOR' ORDER BY system.id LIMIT 1
""")


def places(work: Engine) -> Places:
    """People and cases to ask about, the same for the same database."""
    with open_session(work) as session:
        every = ["open", "offered", "waiting", "resolved", "closed"]
        return Places(
            engineers=tuple(session.scalars(_PEOPLE, {"like": "p%@nor.example"})),
            technicians=tuple(session.scalars(_PEOPLE, {"like": "p%@i001.example"})),
            cases=tuple(session.scalars(_CASES, {"states": every})),
            open_cases=tuple(session.scalars(_CASES, {"states": ["open"]})),
            system_id=session.scalars(_SYSTEM).one(),
            like_case_id=session.scalars(text("SELECT min(id) FROM support_case")).one(),
        )


def portal_visitor(transport: Transport, email: str) -> Visitor:
    """Somebody signed in to the portal."""
    return Visitor(transport).sign_in(email, PASSWORD)


def floor_visitor(transport: Transport, email: str) -> Visitor:
    """Somebody the floor knows."""
    visitor = Visitor(transport)
    visitor.get(f"/sign-in?email={quote(email)}")
    return visitor


def portal_pages(where: Places) -> tuple[Asked, ...]:
    """The measured operations of the portal."""
    return (*_reading(where), Asked("escalate", where.technicians, 303, lambda visitor: _escalate(visitor, where)))


def floor_pages(where: Places) -> tuple[Asked, ...]:
    """The same of the floor."""

    def create(visitor: Visitor, turn: int) -> Answer:
        fields = {"title": f"Doors stay locked {turn}", "symptom": SYMPTOM, "like": str(where.like_case_id)}
        return visitor.post("/cases", fields)

    return (*_reading(where), Asked("escalate", where.technicians, 303, lambda visitor: create))


def reply_pages(where: Places, now: datetime) -> tuple[Asked, ...]:
    """A reply and its time, on two cases; for counting statements, so the pages they come from are opened before."""

    def reply(visitor: Visitor) -> Operation:
        paths = [f"/cases/{name}" for name in where.open_cases[:2]]
        seqs = [_hidden(visitor.get(path), "seq") for path in paths]

        def note(visitor: Visitor, turn: int) -> Answer:
            said = {"seq": seqs[turn], "body": "Seen; more tomorrow.", "audience": "companies"}
            return visitor.post(f"{paths[turn]}/notes", said)

        return note

    def log_time(visitor: Visitor) -> Operation:
        visitor.get("/time/new")
        return lambda visitor, turn: visitor.post("/time/new", _time(where.open_cases[turn], now, turn))

    return (
        Asked("reply", where.engineers, 303, reply),
        Asked("log its time", where.engineers, 303, log_time),
    )


def _time(case_name: str, now: datetime, turn: int) -> dict[str, str]:
    """Ten minutes between the time of the closed cases and that of the open ones."""
    started = now - timedelta(days=90, hours=turn)
    return {
        "case": case_name,
        "started_at": started.strftime("%Y-%m-%dT%H:%M"),
        "ended_at": (started + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M"),
        "mode": "remote",
        "task_class": "support",
        "note": "Looked into the door controller.",
    }


def _reading(where: Places) -> tuple[Asked, ...]:
    def case(visitor: Visitor, turn: int) -> Answer:
        return visitor.get(f"/cases/{where.cases[turn % len(where.cases)]}")

    def search(visitor: Visitor, turn: int) -> Answer:
        return visitor.get(f"/search?words={quote(SEARCHES[turn % len(SEARCHES)])}")

    return (
        Asked("queue page", where.engineers, 200, lambda visitor: lambda who, turn: who.get("/queue")),
        Asked("case page", where.engineers, 200, lambda visitor: case),
        Asked("search", where.engineers, 200, lambda visitor: search),
    )


def _escalate(visitor: Visitor, where: Places) -> Operation:
    """Fill the form once as a person does; every turn sends it as a form of its own."""
    path = f"/escalate/{where.system_id}"
    said = {
        "severity": "2",
        "title": "Doors stay locked",
        "symptom": SYMPTOM,
        "answers.serial": "BD-000100",
        "answers.firmware": "4.2.1",
        "answers.leds": "red",
        "task_class": "support",
    }
    once = _hidden(visitor.get(path), "once")
    shown = visitor.post(path, {**said, "once": once})
    amount = re.search(r'name="nte"[^>]* value="([^"]*)"', shown.text)
    cookies = dict(visitor.cookies)
    said |= {"shown": html.unescape(_hidden(shown, "shown")), "step": "send", "nte": amount.group(1) if amount else ""}

    def escalate(visitor: Visitor, turn: int) -> Answer:
        # A person opens the case's page next, which says that it is sent; unsaid words would pile up in the cookie.
        visitor.cookies = dict(cookies)
        return visitor.post(path, {**said, "once": str(uuid.uuid4())})

    return escalate


def _hidden(page: Answer, name: str) -> str:
    """The value of a hidden field. *Raises*: RuntimeError when the page has none."""
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page.text)
    if found is None:
        raise RuntimeError(f"a page answered {page.status} without the field {name}")
    return found.group(1)


def visitors(
    connect: Callable[[], Transport], visit: Callable[[Transport, str], Visitor], people: Sequence[str], count: int
) -> list[Visitor]:
    """So many people, each with a connection of their own."""
    return [visit(connect(), people[number % len(people)]) for number in range(count)]


def utc_now() -> datetime:
    """The real clock; the rest of the bench takes its time from here."""
    return datetime.now(UTC)
