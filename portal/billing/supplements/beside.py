"""What the page of an ended case reads beside its record: work, what the companies claim, whether anything moved."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam
from sqlalchemy.orm import Session

from portal.billing.supplements.models import Claim, ClaimAnswer, Supplement
from portal.metering.models import TimeApproval, TimeEntry, TimeReversal
from portal.rows import Facts, read_together, together

_CASE: ColumnElement[int] = bindparam("case_id", type_=BigInteger)
_TABLES: tuple[Any, ...] = (TimeEntry, TimeApproval, TimeReversal, Claim, ClaimAnswer, Supplement)
_BESIDE = together({model: model.case_id == _CASE for model in _TABLES}, supplement=("id",))


def beside_case(session: Session, case_id: int) -> Facts:
    """Those rows, as far as the scope may read them, in one statement; of what moved only that it did."""
    return read_together(session, _BESIDE, {"case_id": case_id})
