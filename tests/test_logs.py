"""Log lines are JSON, whoever writes them, and show no variables."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest
import structlog

from portal import logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_a_librarys_lines_have_one_form(capsys):
    logs.configure("INFO")
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger("portal.x").info("case_opened", case_id=7)
        logging.getLogger("library").warning("it is %s", "late")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["case_id"], ours["request"], ours["level"]) == ("case_opened", 7, "r1", "info")
    assert (theirs["event"], theirs["logger"], theirs["request"]) == ("it is late", "library", "r1")
    assert ours["at"].endswith("Z")


def test_lines_below_the_level_are_dropped_and_chatty_libraries_stay_quiet(capsys):
    logs.configure("INFO")
    structlog.get_logger("portal.x").debug("detail")
    logging.getLogger("procrastinate.worker").info("Starting job")
    assert lines(capsys) == []


def test_a_traceback_shows_no_variables(capsys):
    logs.configure("INFO")
    secret = "hunter" + "2"
    try:
        _ = {"kept": secret}["missing"]
    except KeyError:
        structlog.get_logger("portal.x").exception("failed")
    (line,) = lines(capsys)
    assert "KeyError" in line["exception"]
    assert secret not in line["exception"]


def test_absent_package_is_not_found_and_back_afterwards() -> None:
    sys.modules.pop("colorsys", None)
    with logs.absent("colorsys"), pytest.raises(ImportError):
        import_module("colorsys")
    assert import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_package_that_was_imported_before_stays() -> None:
    known = import_module("colorsys")
    with logs.absent("colorsys"):
        assert import_module("colorsys") is known
    assert import_module("colorsys") is known
