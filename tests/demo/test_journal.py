"""The demonstration's books, checked by programs that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from portal.ledger.models import Period
from tests.demo.conftest import Built
from tests.support.checkers import BOTH, CHANGES, complaint, spoiled, written

pytestmark = pytest.mark.xdist_group("demo")


@pytest.mark.parametrize("syntax", BOTH)
def test_every_month_is_accepted(built: Built, tmp_path: Path, syntax: str) -> None:
    for period in built.session.scalars(select(Period).order_by(Period.id)).all():
        assert complaint(tmp_path, *written(built.session, period, syntax)) == ""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("syntax", BOTH)
def test_changed_month_is_refused(built: Built, tmp_path: Path, syntax: str, change: str) -> None:
    closed = built.session.scalars(select(Period).order_by(Period.id)).first()
    assert closed is not None
    name, journal = written(built.session, closed, syntax)
    assert complaint(tmp_path, name, spoiled(journal, change))
