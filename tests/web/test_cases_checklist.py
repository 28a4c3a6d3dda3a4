"""Completing a checklist on its page: only what is missing is asked, and it says when nothing is."""

from __future__ import annotations

from sqlalchemy import select

from portal.cases import actions
from portal.cases.models import SupportCase
from tests.support.cases import new_case
from tests.support.cast import NOW


def test_what_is_missing_is_asked_until_nothing_is(visit, cast, work_session):
    new = new_case(cast, answers={"serial": "NA-1001"})
    case = actions.open_by_contact(work_session, cast.cal, new, now=NOW)
    work_session.commit()
    cal = visit(cast.cal)
    assert "Complete the checklist" in cal.get(f"/cases/{case.name}").text
    page = cal.get(f"/cases/{case.name}/checklist")
    assert "Firmware version" in page.text
    assert "Serial number of the controller" not in page.text
    said = {"seq": case.seq, "answers.firmware": "4.2.1", "answers.leds": "no such lamp"}
    refused = cal.post(f"/cases/{case.name}/checklist", said)
    assert (refused.status_code, "Choose one of" in refused.text or "Not a valid choice" in refused.text) == (422, True)
    done = cal.post(f"/cases/{case.name}/checklist", said | {"answers.leds": "red"})
    assert done.status_code == 303
    kept = work_session.scalars(select(SupportCase.intake)).one()
    assert kept == {"serial": "NA-1001", "firmware": "4.2.1", "leds": "red"}
    assert cal.get(f"/cases/{case.name}/checklist").status_code == 303


def test_others_do_not(visit, cast, work_session):
    case = actions.open_by_contact(work_session, cast.cal, new_case(cast, answers={}), now=NOW)
    work_session.commit()
    assert visit(cast.fay).get(f"/cases/{case.name}/checklist").status_code == 404
    assert visit(cast.sam).get(f"/cases/{case.name}/checklist").status_code == 404
