"""Parts in the browser: recorded on the case, seen by whoever pays, taken back by whoever recorded them."""

from __future__ import annotations

import re

from sqlalchemy import select

from portal.metering.models import FittedPart, PartConfirmation, PartReversal
from portal.metering.parts import NewPart, record_part, take_back_part
from tests.support.billed import paid_case
from tests.support.cast import hours_later
from tests.support.versions import signed_policy
from tests.web.support.hostile import FORMULA, MARKUP, NAME, check_harmless


def hidden_seq(page):
    return re.search(r'name="seq" type="hidden" value="(\d+)"', page.text)[1]


def test_a_part_is_recorded_seen_by_its_payer_and_taken_back(visit, cast, work_session, clock):
    case = paid_case(work_session, cast)
    work_session.commit()
    clock.advance(hours=2)
    ana, bea = visit(cast.ana), visit(cast.bea)
    address = f"/cases/{case.name}/parts"
    assert address in ana.get(f"/cases/{case.name}").text
    said = {
        "seq": case.seq, "part": "Power supply", "serial": "4711", "amount": "80.00", "supplier": "manufacturer",
        "bearer": "customer", "disposition": "", "fitted_at": "2026-03-10T11:00",
    }  # fmt: skip
    refused = ana.post(address, said)
    assert (refused.status_code, "Choose what became of the old part." in refused.text) == (422, True)
    assert ana.post(address, said | {"disposition": "returned"}).status_code == 303
    row = work_session.scalars(select(FittedPart)).one()
    assert (row.price_minor, row.on_customer, row.currency) == (8_000, True, "EUR")
    shown = bea.get(f"/cases/{case.name}").text
    assert "Power supply, serial 4711, supplied by the manufacturer, at its list price" in shown
    assert f"/parts/{row.id}" not in shown
    assert bea.get(f"/parts/{row.id}").status_code == 404
    hostile = (f"{FORMULA} {MARKUP} שלום", f"\u202e漢字 {MARKUP}")
    words = dict(zip(("part", "serial"), hostile, strict=True)) | {"rma": FORMULA, "disposition": "returned"}
    # The case has gone on: what follows is said to the case as it is now.
    words["seq"] = hidden_seq(ana.get(address))
    assert ana.post(address, said | words | {"part": NAME}).status_code == 422
    assert ana.post(address, said | words).status_code == 303
    other = work_session.scalars(select(FittedPart).where(FittedPart.id != row.id)).one()
    for page in (ana.get(f"/parts/{other.id}"), ana.get(f"/cases/{case.name}"), bea.get(f"/cases/{case.name}")):
        check_harmless(page)
    assert ana.post(f"/parts/{row.id}", {"reason": ""}).status_code == 422
    assert ana.post(f"/parts/{row.id}", {"reason": "Another case"}).status_code == 303
    assert work_session.scalars(select(PartReversal.reason)).one() == "Another case"
    assert "Power supply" not in bea.get(f"/cases/{case.name}").text


def test_a_dear_part_is_shown_to_who_has_to_confirm_it_and_confirmed_once(visit, cast, work_session, clock):
    signed_policy(work_session, cast, ('above = "400.00"', 'above = "50.00"'))
    case = paid_case(work_session, cast)
    new = NewPart("Power supply", 8_000, "manufacturer", "returned", on_customer=True)
    first, second = (
        record_part(work_session, cast.ana, case, new, fitted_at=hours_later(1), now=hours_later(1)) for _ in range(2)
    )
    work_session.commit()
    clock.advance(hours=2)
    ana, leo, bea = visit(cast.ana), visit(cast.leo), visit(cast.bea)
    assert "waits for a second person to confirm it" in bea.get(f"/cases/{case.name}").text
    assert f"/parts/{first.id}" in leo.get("/time/approvals").text
    address = f"/parts/{first.id}/confirmation"
    assert "it is billed once a lead or manager" in ana.get(f"/parts/{first.id}").text
    assert address not in ana.get(f"/parts/{first.id}").text
    assert (ana.post(address).status_code, bea.post(address).status_code) == (403, 404)
    assert visit(cast.mia).post(address).status_code == 404
    assert address in leo.get(f"/parts/{first.id}").text
    # A double click, and a page that is stale since the part was taken back.
    assert [leo.post(address).status_code for _ in range(2)] == [303, 303]
    assert work_session.scalars(select(PartConfirmation.confirmed_name)).all() == [cast.leo.display_name]
    assert "Confirmed by" in leo.get(f"/parts/{first.id}").text
    take_back_part(work_session, cast.ana, second.id, reason="Twice", now=hours_later(2))
    work_session.commit()
    assert leo.post(f"/parts/{second.id}/confirmation").status_code == 409
    assert "Dear parts that wait" not in leo.get("/time/approvals").text
