"""A promotion code that somebody types: counted before it is looked up, so that nobody guesses codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import request
from wtforms import Field

from portal.errors import Invalid, PortalError
from portal.selling.actions import count_guess, take_back_guess
from portal.web.forms import line_field
from portal.web.gate import current_actor, current_now, current_session


def code_field() -> Field:
    """Where a code is typed."""
    return line_field("Promotion code", limit=40, render_kw={"autocomplete": "off", "autocapitalize": "characters"})


@contextmanager
def code_tried(typed: str | None) -> Iterator[None]:
    """Run what looks a typed code up; where it is not the code that is refused, the try does not count.

    *Raises*: Invalid at the field ``promotion`` for one try too many; stands inside ``refusals_of``.
    """
    if not (typed or "").strip():
        yield
        return
    session, actor, address = current_session(), current_actor(), request.remote_addr or ""
    count_guess(session, actor, address=address, now=current_now())
    # Nobody looks before this stands: an error would undo it, and tries at the same time would not see it.
    session.commit()
    try:
        yield
    except PortalError as error:
        session.rollback()
        if not (isinstance(error, Invalid) and "promotion" in error.fields):
            take_back_guess(session, actor, address=address)
            session.commit()
        raise
    take_back_guess(session, actor, address=address)
