"""What may be logged as work, when a timer needs a question, and who reads an entry: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from portal.access import Actor, Audience, Role
from portal.errors import Invalid

MODES = {"remote": "Remote", "phone": "Phone", "on_site": "On site", "travel": "Travel"}
TASK_CLASSES = {"support": "Support", "how_to": "How-to help", "commissioning": "Commissioning support"}

# Beyond these a timer was more likely left running than worked with; the person is asked, nothing is cut silently.
IDLE_AFTER = timedelta(minutes=45)
FORGOTTEN_AFTER = timedelta(hours=10)
LONGEST_ENTRY = timedelta(hours=24)
LONGEST_NOTE = 4000


class TimerQuestion(StrEnum):
    """What a person is asked about a running timer."""

    NONE = "none"
    IDLE = "idle"
    FORGOTTEN = "forgotten"


def question_about(started_at: datetime, seen_at: datetime, now: datetime) -> TimerQuestion:
    """Whether to ask the person if they still work: long running counts before not seen for a while."""
    if now - started_at >= FORGOTTEN_AFTER:
        return TimerQuestion.FORGOTTEN
    if now - seen_at >= IDLE_AFTER:
        return TimerQuestion.IDLE
    return TimerQuestion.NONE


def whole_second(at: datetime) -> datetime:
    """The instant without its fraction of a second: work is metered in whole seconds."""
    return at.replace(microsecond=0)


def check_work(
    started_at: datetime, ended_at: datetime, *, mode: str, task_class: str, note: str, now: datetime
) -> None:
    """Refuse what is no interval of work that a payer could be shown. *Raises*: Invalid with a sentence per field."""
    fields = dict(_interval_problems(started_at, ended_at, now))
    if mode not in MODES:
        fields["mode"] = "Choose how you worked."
    if task_class not in TASK_CLASSES:
        fields["task_class"] = "Choose what kind of work it was."
    if not note.strip():
        fields["note"] = "Say what you did: whoever pays for the time reads this."
    elif len(note) > LONGEST_NOTE:
        fields["note"] = f"Use at most {LONGEST_NOTE} characters."
    if fields:
        raise Invalid("This time cannot be logged as it is.", fields)


def audience_of(task_class: str) -> Audience:
    """Who reads an entry: the customer reads support; help that the integrator pays stays between the companies."""
    return Audience.CUSTOMER if task_class == "support" else Audience.COMPANIES


def may_log_time(actor: Actor) -> bool:
    """The service people of the two companies log time; nobody by a mailed link."""
    return actor.has(Role.ENGINEER, Role.SUPPORT_LEAD, Role.TECHNICIAN, Role.SERVICE_MANAGER)


def may_approve(actor: Actor, *, worker_id: int, company_id: int) -> bool:
    """A lead or manager of the worker's company approves, never the worker."""
    in_charge = actor.has(Role.SUPPORT_LEAD, Role.SERVICE_MANAGER)
    return in_charge and actor.organisation_id == company_id and actor.person_id != worker_id


def may_correct(actor: Actor, *, worker_id: int, company_id: int, is_approved: bool) -> bool:
    """The worker corrects what nobody has approved yet; the company's lead or manager corrects anything."""
    if actor.organisation_id != company_id:
        return False
    if actor.has(Role.SUPPORT_LEAD, Role.SERVICE_MANAGER):
        return True
    return may_log_time(actor) and actor.person_id == worker_id and not is_approved


def _interval_problems(started_at: datetime, ended_at: datetime, now: datetime) -> Mapping[str, str]:
    if ended_at <= started_at:
        return {"ended_at": "Work ends after it starts."}
    if ended_at > now:
        return {"ended_at": "This is in the future."}
    if ended_at - started_at > LONGEST_ENTRY:
        return {"ended_at": "One entry is at most 24 hours. Enter the days one by one."}
    return {}
