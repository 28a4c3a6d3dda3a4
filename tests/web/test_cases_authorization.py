"""Asking the payer from the case: once at a time, an amount in words, the answer shown with the case."""

from __future__ import annotations

from tests.support import cases as stories
from tests.support.cast import everything


def test_payer_is_asked_once(visit, cast, work_session):
    case = stories.escalated(work_session, cast, system_id=cast.plain_system.id)
    work_session.commit()
    before = len(everything(work_session, "authorization_request"))
    ana = visit(cast.ana)
    path = f"/cases/{case.name}/authorization-requests"
    assert "Authorize up to (EUR)" in ana.get(path).text
    fields = {"seq": case.seq, "nte": "400.00", "reason": "A <b>new</b> relay"}
    assert ana.post(path, {**fields, "nte": "a lot"}).status_code == 422
    answers = [ana.post(path, fields).status_code for _ in range(2)]
    assert answers[-1] == 409
    assert len(everything(work_session, "authorization_request")) <= before + 1
    assert "Waits for the payer" in ana.get(f"/cases/{case.name}").text
    assert visit(cast.eve).post(path, fields).status_code == 404
