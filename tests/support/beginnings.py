"""What many tests begin with beside the cast, made once for those of a process that follow each other.

``pytestmark = begins_with(make)``: before each test of the module ``make(session, cast)`` has run and was committed;
what it returned is fixture ``begun``. ``@begins_with(None)`` has a test begin with the cast alone all the same. What a
test writes is undone as ever.

``make`` is told apart by identity and touches nothing outside the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.db import WORK_ROLE, open_session
from tests.support.cast import Cast, recast, refresh
from tests.support.shared_connection import SharedConnection

Make = Callable[[Session, Cast], Any]


def begins_with(make: Make | None) -> pytest.MarkDecorator:
    """A mark that says what a test begins with."""
    return pytest.mark.begins_with.with_args(make)


class Beginnings:
    """The shared connection with the cast in it, at one beginning or another."""

    def __init__(self, shared: SharedConnection, stored: Cast) -> None:
        self.shared = shared
        self.cast = self._stored = stored
        self.made: Any = None
        self._make: Make | None = None

    def go_to(self, make: Make | None) -> None:
        """Have the next test begin with what ``make`` makes; None: with the cast alone."""
        if make is self._make and (make is None or self.shared.is_begun):
            return
        self.shared.begin_anew()
        self.cast, self.made, self._make = self._stored, None, None
        if make is not None:
            self.cast, self.made = self._made_by(make)
            self._make = make

    def _made_by(self, make: Make) -> tuple[Cast, Any]:
        try:
            with open_session(self.shared.engine(WORK_ROLE)) as session:
                cast = recast(session, self._stored)
                made = make(session, cast)
                session.commit()
                refresh(session, cast)
            self.shared.begin_here()
        except BaseException:
            self.shared.begin_anew()
            raise
        return cast, made
