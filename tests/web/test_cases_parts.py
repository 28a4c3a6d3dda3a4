"""Parts in the browser: recorded on the case, seen by whoever pays, taken back by whoever recorded them."""

from __future__ import annotations

from sqlalchemy import select

from portal.metering.models import FittedPart, PartReversal
from tests.support.billed import paid_case


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
    assert ana.post(f"/parts/{row.id}", {"reason": ""}).status_code == 422
    assert ana.post(f"/parts/{row.id}", {"reason": "Another case"}).status_code == 303
    assert work_session.scalars(select(PartReversal.reason)).one() == "Another case"
    assert "Power supply" not in bea.get(f"/cases/{case.name}").text
