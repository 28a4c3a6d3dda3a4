"""Reads of cases, always as the actor may: lists by keyset, one case with its record, search.

``scope`` says once which cases and which rows an actor sees; ``lists`` are the pages of many cases, a fixed number of
statements whatever they hold; ``dossier`` and ``timeline`` are one case. Row security says the same in the database.
"""

from portal.cases.queries.dossier import (
    ChallengeView,
    Dossier,
    case_by_id,
    case_by_name,
    challenge_view,
    clock_lines,
    custody_segments,
    deadline_proof,
    dossier,
    resolutions_of,
)
from portal.cases.queries.gates import paid_ahead, waits_for
from portal.cases.queries.lists import (
    CAP,
    CaseRow,
    ListFilter,
    OpenChallenge,
    customer_cases,
    factory_queue,
    integrator_cases,
    list_key,
    longest_unchanged,
    my_cases,
    open_challenges,
    queue_counts,
    queue_key,
    search,
    unanswered_resolutions,
)
from portal.cases.queries.queue_words import queue_words
from portal.cases.queries.recent import cases_by_id, cases_of_system, recent_systems
from portal.cases.queries.scope import case_scope
from portal.cases.queries.timeline import Entry, timeline

__all__ = [
    "CAP",
    "CaseRow",
    "ChallengeView",
    "Dossier",
    "Entry",
    "ListFilter",
    "OpenChallenge",
    "case_by_id",
    "case_by_name",
    "case_scope",
    "cases_by_id",
    "cases_of_system",
    "challenge_view",
    "clock_lines",
    "custody_segments",
    "customer_cases",
    "deadline_proof",
    "dossier",
    "factory_queue",
    "integrator_cases",
    "list_key",
    "longest_unchanged",
    "my_cases",
    "open_challenges",
    "paid_ahead",
    "queue_counts",
    "queue_key",
    "queue_words",
    "recent_systems",
    "resolutions_of",
    "search",
    "timeline",
    "unanswered_resolutions",
    "waits_for",
]
