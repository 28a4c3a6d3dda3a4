"""Notes, files and own numbers: to their audience, on their case, kept when something else goes wrong."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from portal.access import Audience
from portal.cases import actions, queries
from portal.cases.actions import NewNote, NewUpload
from portal.errors import Invalid, NotAllowed, NotFound
from tests.support.cases import accepted, escalated, scope_of
from tests.support.cast import NOW, everything, hours_later

FILE = NewUpload("ab/cd", "0" * 64, 12, "../../etc/pass\x00wd<b>.svg", "image/svg+xml")


def test_customers_cannot_write_to_the_companies_only(work_session, cast):
    case = escalated(work_session, cast)
    with pytest.raises(NotAllowed):
        actions.add_note(work_session, cast.cal, case, NewNote("psst", Audience.COMPANIES), now=hours_later(1))


@pytest.mark.parametrize("body", ["", "  \n", "x" * 50_001])
def test_empty_and_endless_notes_are_refused(work_session, cast, body):
    case = escalated(work_session, cast)
    with pytest.raises(Invalid) as refused:
        actions.add_note(work_session, cast.tom, case, NewNote(body, Audience.COMPANIES), now=hours_later(1))
    assert "body" in refused.value.fields


def test_files_have_the_notes_audience(work_session, web_session, cast):
    case = escalated(work_session, cast)
    upload = actions.keep_upload(work_session, cast.tom, FILE, now=NOW)
    note = NewNote("See the log", Audience.COMPANIES, [upload.id])
    actions.add_note(work_session, cast.tom, case, note, now=hours_later(1))
    work_session.commit()

    def files(who):
        session = web_session(scope_of(who))
        found = queries.timeline(session, who, queries.case_by_name(session, who, case.name), only="files")
        return [file.file_name for entry in found for file in entry.attachments]

    assert files(cast.ana) == ["passwd<b>.svg"]
    assert files(cast.cal) == []


def test_file_is_attached_once(work_session, cast):
    case = escalated(work_session, cast)
    upload = actions.keep_upload(work_session, cast.tom, FILE, now=NOW)
    send = {"audience": Audience.CUSTOMER, "now": hours_later(1)}
    actions.attach_files(work_session, cast.tom, case, [upload.id], **send)
    for wrong in ([upload.id], [uuid4()], []):
        with pytest.raises(Invalid):
            actions.attach_files(work_session, cast.tom, case, wrong, **send)


def test_uploads_are_ones_own_and_swept_after_a_day(work_session, web_session, cast):
    upload = actions.keep_upload(work_session, cast.tom, FILE, now=NOW)
    work_session.commit()
    assert list(actions.own_uploads(web_session(scope_of(cast.tia)), cast.tia, [upload.id], must_exist=False)) == []
    assert actions.stale_uploads(work_session, now=NOW + timedelta(hours=23)) == []
    assert actions.stale_uploads(work_session, now=NOW + timedelta(hours=25)) == ["ab/cd"]
    assert everything(work_session, "upload") == []


def test_dropping_a_file_twice_is_harmless(work_session, cast):
    upload = actions.keep_upload(work_session, cast.tom, FILE, now=NOW)
    for _ in range(2):
        actions.drop_upload(work_session, cast.tom, upload.id)

    assert everything(work_session, "upload") == []


def test_each_company_has_its_own_number(work_session, cast):
    case = escalated(work_session, cast)
    actions.set_reference(work_session, cast.tom, case, "K-1", now=hours_later(1))
    actions.set_reference(work_session, cast.ana, case, " N-7 ", now=hours_later(1))
    actions.set_reference(work_session, cast.tom, case, "K-2", now=hours_later(2))

    record = queries.dossier(work_session, cast.tom, case, now=hours_later(3))
    assert record.references == {cast.integrator.id: "K-2", cast.factory.id: "N-7"}
    for wrong in (" ", "x" * 81):
        with pytest.raises(Invalid):
            actions.set_reference(work_session, cast.tom, case, wrong, now=hours_later(3))


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_attach_and_number_nothing(work_session, cast, who):
    case = escalated(work_session, cast)
    actor = getattr(cast, who)
    upload = actions.keep_upload(work_session, actor, FILE, now=NOW)
    with pytest.raises(NotFound):
        actions.attach_files(work_session, actor, case, [upload.id], audience=Audience.CUSTOMER, now=NOW)
    with pytest.raises(NotFound):
        actions.set_reference(work_session, actor, case, "1", now=NOW)


def test_factorys_news_renews_its_promise_of_an_update(work_session, cast):
    case = accepted(work_session, cast, severity=1)
    assert (case.due_kind, case.due_at) == ("update", hours_later(2.5))
    actions.add_note(work_session, cast.ana, case, NewNote("Still at it", Audience.CUSTOMER), now=hours_later(1.5))

    assert (case.due_kind, case.due_at) == ("update", hours_later(3.5))


def test_severity_closes_promises_and_opens_others(work_session, cast):
    case = escalated(work_session, cast, severity=3)
    before = case.entitlement_rank
    actions.change_severity(
        work_session, cast.tom, case, severity=1, reason="All doors", seq=case.seq, now=hours_later(0.2)
    )

    assert [row["outcome"] for row in everything(work_session, "clock_closing")] == ["void"]
    assert (case.due_kind, case.due_at) == ("response", hours_later(0.7))
    assert (case.severity, case.entitlement_rank) == (1, before)
    assert [row["decision"]["severity"] for row in everything(work_session, "coverage_decision")] == [3, 1]
    with pytest.raises(Invalid):
        actions.change_severity(
            work_session, cast.tom, case, severity=1, reason="Again", seq=case.seq, now=hours_later(0.3)
        )


def test_known_issue_links_cases_that_do_not_see_each_other(work_session, cast):
    case = escalated(work_session, cast)
    issue = actions.open_known_issue(
        work_session,
        cast.ana,
        product_line_id=cast.product_line.id,
        title="Doors forget groups",
        advice="Update",
        cause="firmware_defect",
        now=NOW,
    )
    with pytest.raises(NotAllowed):
        actions.link_known_issue(work_session, cast.tom, case, issue.id, seq=case.seq, now=hours_later(1))
    with pytest.raises(NotFound):
        actions.confirm_known_issue(work_session, cast.eve, issue.id, now=hours_later(1))
    for _ in range(2):
        actions.link_known_issue(work_session, cast.ana, case, issue.id, seq=case.seq, now=hours_later(1))
    actions.confirm_known_issue(work_session, cast.ana, issue.id, now=hours_later(2))

    assert len(everything(work_session, "case_known_issue")) == 1
    assert queries.dossier(work_session, cast.tom, case, now=hours_later(3)).known_issues[0].id == issue.id
