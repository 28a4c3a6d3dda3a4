"""One case's rows read as custody, happenings, pauses, resolutions and work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.cases.rules import State
from portal.contracts.blocks import Company
from portal.errors import RuleBroken
from portal.importing import rules
from portal.importing.rules import Piece, Row, cut_overlaps, read_case, row_from
from tests.importing.logs import ASSIGNED, CLOSED, HEADING, QUEUED, RESOLVED, WAIT, WORK, cells, vinst

MAPPING = vinst()
CALENDAR = MAPPING.work.calendar.opened_in("UTC")
FACTORY, FRONT = Company.MANUFACTURER, Company.INTEGRATOR


def row(line: int, at: str, state: tuple[str, str] = WORK, where: str = "L2", **more: str) -> Row:
    return row_from(dict(zip(HEADING, cells("C-1", f"2012-05-{at}", state, where, **more), strict=True)), MAPPING, line)


def read(*rows: Row) -> rules.ReadCase:
    return read_case(rows, MAPPING, CALENDAR)


def kinds(case: rules.ReadCase) -> list[str]:
    return [event.kind for event in case.events]


def test_a_row_is_read_by_the_mapping():
    read = row(2, "07T08:00:00", WORK, "L3", owner="Ann", team="T1", country="SE", impact="Major")
    assert (read.company, read.meaning, read.status) == (FACTORY, rules.Meaning.WORK, "Accepted / In Progress")
    assert (read.worker, read.worker_name, read.customer, read.severity) == ("Ann / T1", "Ann", "se", 1)
    assert read.at == datetime(2012, 5, 7, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("case", "", "case is empty"),
        ("product", "x" * 201, "product is longer than 200"),
        ("owner", "x" * 1001, "owner is longer than 1000"),
        ("owner", "a\x00b", "owner has characters that cannot be shown"),
        ("owner", "a\x1b[2Jb", "owner has characters"),
        ("owner", "a\udcffb", "owner is not written in UTF-8"),
        ("line", "L9", 'line: the mapping does not know "L9"'),
        ("impact", "", 'impact: the mapping does not know ""'),
        ("status", "Lost", 'does not know the state "Lost / In Progress"'),
        ("changed_at", "yesterday", "is no instant"),
        ("changed_at", "2012-05-07T08:00:00", "is no instant"),
        ("changed_at", "0001-01-01T00:00:00+14:00", "is no instant"),
    ],
)
def test_a_row_is_refused_with_its_reason(column, text, reason):
    found = dict(zip(HEADING, cells("C-1", "2012-05-07T08:00:00"), strict=True)) | {column: text}
    with pytest.raises(RuleBroken, match=reason):
        row_from(found, MAPPING, 2)


def test_a_name_in_any_script_is_read():
    assert row(2, "07T08:00:00", owner="Ænne 李").worker_name == "Ænne 李"


def test_a_case_is_handed_over_worked_on_and_closed():
    case = read(
        row(2, "07T08:00:00", WORK, "L1"),
        row(3, "07T09:00:00", QUEUED, "L2"),
        row(4, "07T10:00:00", WORK, "L2"),
        row(5, "07T10:30:00", RESOLVED, "L2"),
        row(6, "08T00:30:00", CLOSED, "L1"),
    )
    assert kinds(case) == ["opened", "accepted", "status_noted", "resolved", "accepted", "closed"]
    assert [(held.seq, held.company, held.channel) for held, _ in case.acceptances] == [
        (1, FRONT, "import"), (2, FACTORY, "import"), (3, FRONT, "import"),
    ]  # fmt: skip
    assert (case.state, case.holder, case.resolver, case.hand_overs) == (State.CLOSED, FRONT, FACTORY, 2)
    assert (case.first.line, case.closed_at) == (2, case.rows[-1].at)
    assert [(piece.line, piece.seconds, piece.note) for piece in case.pieces] == [
        (4, 1800, "Accepted / In Progress, PROD1")
    ]


def test_work_after_a_completion_is_a_reopening():
    case = read(
        row(2, "07T08:00:00", RESOLVED, "L1"),
        row(3, "07T09:00:00", CLOSED, "L1"),
        row(4, "07T10:00:00", WORK, "L2"),
        row(5, "07T11:00:00", CLOSED, "L2"),
    )
    assert kinds(case) == ["opened", "resolved", "status_noted", "reopened", "accepted", "resolved", "closed"]
    assert case.reopenings == 1
    # The last row that resolves decides, even from before the reopening.
    assert [each.by for each in case.resolutions] == [FRONT, FRONT]
    assert (case.resolver, case.resolutions[-1].row.line, case.resolutions[-1].seq) == (FRONT, 5, 6)


def test_the_last_completed_row_resolves_when_none_says_so():
    case = read(row(2, "07T08:00:00", CLOSED, "L1"), row(3, "07T09:00:00", CLOSED, "L2"))
    assert (case.resolver, case.state) == (FACTORY, State.CLOSED)


def test_a_case_without_completion_stays_open_with_nobody_resolving():
    case = read(row(2, "07T08:00:00", WORK, "L1"), row(3, "07T09:00:00", WAIT, "L2"))
    assert (case.state, case.resolver, case.closed_at, case.holder) == (State.OPEN, None, None, FACTORY)
    assert [(pause.start.line, pause.end) for pause in case.pauses] == [(3, None)]


def test_pauses_follow_the_reason_that_the_log_gives():
    other = ("Accepted", "Wait - Vendor")
    case = read(
        row(2, "07T08:00:00", WAIT),
        row(3, "07T08:10:00", WAIT),
        row(4, "07T08:20:00", other),
        row(5, "07T08:30:00", ASSIGNED),
        row(6, "07T08:40:00", RESOLVED),
    )
    assert [(pause.start.line, pause.end) for pause in case.pauses] == [
        (2, case.rows[2].at),
        (4, case.rows[3].at),
    ]
    assert kinds(case) == ["opened", "paused", "status_noted", "paused", "resumed", "resolved", "closed"]


def test_only_open_time_up_to_the_cap_is_kept():
    # From Friday 16:00 to Tuesday at +01:00 is from 17:00 on the summer clock of Stockholm: Monday 08:00 to 12:00.
    case = read(row(2, "04T16:00:00"), row(3, "08T16:00:00", RESOLVED))
    assert [(piece.start, piece.end) for piece in case.pieces] == [
        (datetime(2012, 5, 7, 6, tzinfo=UTC), datetime(2012, 5, 7, 10, tzinfo=UTC))
    ]
    over_night = read(row(2, "07T14:00:00"), row(3, "08T16:00:00", RESOLVED))
    assert [piece.seconds for piece in over_night.pieces] == [2 * 3600, 2 * 3600]


def test_a_system_logs_no_time_and_its_seconds_are_counted():
    case = read(row(2, "07T08:00:00", owner="Siebel"), row(3, "07T09:00:00", RESOLVED))
    assert (case.pieces, case.system_seconds) == ((), 3600)


def test_work_of_the_other_company_is_no_time_of_ours():
    case = read(row(2, "07T08:00:00", WORK, "L1"), row(3, "07T09:00:00", RESOLVED, "L1"))
    assert case.pieces == ()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (lambda: [row(2, "07T08:00:00"), row(3, "07T07:59:59")], "Line 3 is earlier than line 2"),
        (
            lambda: [row(2, "07T08:00:00", WORK, "L1"), row(3, "07T08:00:00", WORK, "L2")],
            "Line 3: the case changes hands twice in one second",
        ),
        (lambda: [row(2, "07T08:00:00")] * (rules.MOST_ROWS_OF_A_CASE + 1), "more than 10,000 rows"),
    ],
)
def test_a_case_is_refused_as_a_whole(rows, reason):
    with pytest.raises(RuleBroken, match=reason):
        read(*rows())


def test_a_step_that_the_rules_of_a_case_forbid_is_refused():
    walk = rules._Walk([row(2, "07T08:00:00")])
    with pytest.raises(RuleBroken, match="Line 2: The case can no longer be reopened"):
        walk._step(rules.Verb.REOPEN, row(2, "07T08:00:00"))


def piece(start: int, end: int) -> Piece:
    at = datetime(2012, 5, 7, tzinfo=UTC)
    return Piece(1, "w", "w", at + timedelta(seconds=start), at + timedelta(seconds=end), "n")


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=12))
def test_overlaps_leave_each_second_to_the_earliest_piece(spans):
    pieces = sorted((piece(start, start + length) for start, length in spans), key=lambda each: each.start)
    taken: set[datetime] = set()
    for given_piece, (kept, cut) in zip(pieces, cut_overlaps(pieces), strict=True):
        seconds = {given_piece.start + timedelta(seconds=number) for number in range(given_piece.seconds)}
        left = seconds - taken
        assert cut == len(seconds) - len(left)
        assert (kept.seconds if kept else 0) == len(left)
        assert kept is None or {kept.start, kept.end - timedelta(seconds=1)} <= left
        taken |= seconds


def test_the_row_of_a_state_says_who_resolved():
    assert rules.resolving_row([row(2, "07T08:00:00")]) is None
