"""What the people of a story do, through the portal's pages without a screen: one function an act of somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases.models import SupportCase
from portal.directory.models import Organisation, System
from portal.ledger.models import Period
from portal.settlement import queries as settled
from portal.settlement.models import Statement
from tests.support.story import Stage
from tests.support.surfing import File, Surfer

DOORS = {
    "severity": "2",
    "title": "Doors stay locked",
    "symptom": "Since this morning no card opens the ward's doors.",
    "answers.serial": "NA-2002",
    "answers.firmware": "4.2.1",
    "answers.leds": "red",
}


def settle(stage: Stage, period: Period, party: Organisation) -> dict[str, int]:
    """Fay prepares, Fin opens the lines he has to and approves what was prepared; what became of the net, by kind."""
    with stage.work() as session:
        statement = statement_of(session, period, party)
    fay = stage.enter(stage.cast.fay).open("/periods").follow(period.label).follow(statement.name)
    fay.follow("Prepare it").press("Prepare it")
    fin = stage.enter(stage.cast.fin).open(fay.path).follow("Look and approve")
    fin.press("Approve exactly this", {"opened": fin.choices("opened")})
    stage.run()
    with stage.work() as session:
        return {each.kind: each.amount_minor for each in settled.dispositions_of(session, statement.id)}


def end_for_good(stage: Stage, period: Period) -> None:
    """Fay signs the period's end."""
    stage.enter(stage.cast.fay).open(f"/periods/{period.id}").press("Close it for good")
    stage.run()
    assert period_of(stage, period.label).state == "hard_closed"


def period_of(stage: Stage, label: str) -> Period:
    with stage.work() as session:
        return session.scalars(select(Period).where(Period.label == label)).one()


def statement_of(session: Session, period: Period, party: Organisation) -> Statement:
    wanted = select(Statement).where(Statement.period_id == period.id, Statement.party_id == party.id)
    return session.scalars(wanted).one()


def escalate(
    stage: Stage, system: System, said: dict[str, str] | None = None, *, upto: str = "", files: Sequence[File] = ()
) -> str:
    """Tom escalates through the form; the name of the case."""
    tom = stage.enter(stage.cast.tom).open("/escalate").follow(system.serial)
    tom.press("See cover and price", {**DOORS, **(said or {})}, files=files)
    tom.press("Send to the factory", {"nte": upto} if upto else {})
    assert tom.path.startswith("/cases/NOR-"), tom.text
    stage.run()
    return tom.path.rsplit("/", 1)[1]


def answer_by_mail(stage: Stage, actor: Actor, subject: str, button: str) -> None:
    """Somebody who is not signed in opens the link of a mail and presses its button."""
    link = stage.mailed_link(stage.email_of(actor), subject)
    Surfer(stage.address).open(link).press(button)
    stage.run()


def work(stage: Stage, actor: Actor, name: str, *, minutes: int, note: str) -> Surfer:
    """The timer runs for some minutes; the browser it was stopped in."""
    surfer = stage.enter(actor).open(f"/cases/{name}")
    surfer.press("Start the timer")
    stage.at(stage.clock.now + timedelta(minutes=minutes))
    surfer.open("/timer").press("Stop and log the time", {"note": note})
    return surfer


def say(surfer: Surfer, name: str, words: str) -> None:
    surfer.open(f"/cases/{name}").press("Save the note", {"body": words, "audience": "customer"})


def resolve(surfer: Surfer, name: str, cause: str, last_action: str) -> None:
    surfer.open(f"/cases/{name}").follow("Resolve")
    surfer.press("Resolve the case", {"cause": cause, "last_action": last_action, "summary": "Door groups set again."})


def approve_all_time(stage: Stage, *approvers: Actor) -> None:
    """The lead and the manager tick what their people worked."""
    for approver in approvers:
        surfer = stage.enter(approver).open("/time/approvals")
        surfer.press("Approve the ticked entries", {"entries": surfer.choices("entries")})
    stage.run()


def case_of(stage: Stage, name: str) -> SupportCase:
    with stage.work() as session:
        return session.scalars(select(SupportCase).where(SupportCase.name == name)).one()
