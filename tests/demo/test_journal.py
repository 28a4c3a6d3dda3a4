"""The demonstration's books, checked by programs that others wrote."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.access import Actor, Role, Side
from portal.directory.models import Organisation
from portal.ledger.models import Period
from portal.settlement import reconciling, tie_out
from tests.demo.conftest import NOW, Built
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


def test_four_books_agree_on_every_day(built: Built) -> None:
    assert built.all("SELECT kind FROM reconciliation_difference") == []
    assert reconciling.find_differences(built.session, now=NOW + timedelta(days=30)) == 0
    built.session.rollback()
    makers = select(Organisation).where(Organisation.side == "manufacturer")
    for maker in built.session.scalars(makers).all():
        finance = Actor(1, maker.id, Side.MANUFACTURER, frozenset({Role.FINANCE}))
        days = tie_out.tied_days(built.session, finance, zone=maker.zone)
        assert [day for day in days if day.difference_minor] == []
        assert days or not maker.is_operator
