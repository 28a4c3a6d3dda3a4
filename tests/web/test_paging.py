"""Cursors survive the URL and refuse what a person made up."""

import base64
from datetime import UTC, datetime

import pytest

from portal.web import paging

AT = datetime(2026, 11, 20, 17, 0, 0, 123456, tzinfo=UTC)


def test_a_cursor_returns_the_key_it_was_made_of():
    key = (1, "NOR-1042", None, AT)
    assert paging.key_from(paging.cursor(key), 4) == key


def test_a_page_has_a_cursor_only_when_there_is_more():
    assert paging.page_of([1, 2], lambda row: (row,), size=2).next_cursor is None
    page = paging.page_of([1, 2, 3], lambda row: (row,), size=2)
    assert page.rows == (1, 2)
    assert paging.key_from(page.next_cursor, 1) == (2,)


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "made_up",
    [
        None,
        "",
        "%%%",
        "é",
        "a" * 501,
        _encoded("{}"),
        _encoded("7"),
        _encoded("[1,2]"),
        _encoded("[[1]]"),
        _encoded('[{"at":"x"}]'),
        _encoded('[{"at":"2026-01-01T00:00:00"}]'),
        _encoded('[{"on":1}]'),
        _encoded("[99999999999999999999]"),
        _encoded("[1.5]"),
        _encoded("[NaN]"),
        _encoded("[true]"),
        _encoded('["\\u0000"]'),
    ],
)
def test_a_made_up_cursor_reads_as_no_cursor(made_up):
    assert paging.key_from(made_up, 1) is None
