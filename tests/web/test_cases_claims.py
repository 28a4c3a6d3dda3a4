"""Claims between the companies in the browser: claimed on the case, answered by the other, unseen by the customer."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.billing.supplements.models import Claim, ClaimAnswer
from tests.billing.test_claims import case, resolved_case
from tests.support.beginnings import begins_with

__all__ = ["case"]

pytestmark = begins_with(resolved_case)


def test_claimed_on_the_case_and_answered_by_the_other_company(visit, cast, work_session, case, clock):
    clock.advance(hours=40)
    work_session.commit()
    tom = visit(cast.tom)
    address = f"/cases/{case.name}/claims"
    assert "Claim what is owed" in tom.get(f"/cases/{case.name}").text
    said = {"seq": case.seq, "kind": "material", "amount": "99.00", "part": "Power supply", "disposition": ""}
    refused = tom.post(address, said)
    assert (refused.status_code, "Say what became of the old part." in refused.text) == (422, True)
    assert tom.post(address, said | {"disposition": "returned", "rma": "R-9"}).status_code == 303
    claim = work_session.scalars(select(Claim)).one()
    leo = visit(cast.leo)
    assert f"/claims/{claim.id}" in leo.get(f"/cases/{case.name}").text
    page = leo.get(f"/claims/{claim.id}")
    for words in ("Power supply", "R-9", "€99.00", "the manufacturer bears it"):
        assert words in page.text
    assert leo.post(f"/claims/{claim.id}", {"answer": "no", "reason": ""}).status_code == 422
    assert leo.post(f"/claims/{claim.id}", {"answer": "yes", "reason": ""}).status_code == 303
    assert work_session.scalars(select(ClaimAnswer.accepted)).one() is True
    assert "Accepted" in tom.get(f"/cases/{case.name}").text
    assert "Power supply" not in visit(cast.bea).get(f"/cases/{case.name}").text


@pytest.mark.parametrize(("who", "status"), [("cal", 404), ("bea", 404), ("sam", 404), ("eve", 404)])
def test_others_claim_nothing(visit, cast, work_session, case, who, status):
    work_session.commit()
    assert visit(getattr(cast, who)).get(f"/cases/{case.name}/claims").status_code == status
