"""The layout holds: direction of imports, purity, homes of libraries, sizes; and each rule can find a violation."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support import architecture
from tests.support.architecture import Source
from tests.support.spreading import group_of

pytestmark = pytest.mark.xdist_group("architecture")

ROOT = Path(__file__).resolve().parent.parent
OWN = "tests/test_architecture.py"
# What a checkout gathers that is not the project: see .gitignore.
NOT_OURS = {
    ".git",
    ".venv",
    "instance",
    "results",
    "screenshots",
    "node_modules",
    "__pycache__",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".import_linter_cache",
}


def project_files() -> list[Path]:
    waiting, files = [ROOT], []
    while waiting:
        for entry in sorted(waiting.pop().iterdir()):
            if entry.name in NOT_OURS or entry.name.endswith(".egg-info") or entry.name.startswith(".coverage"):
                continue
            if entry.is_dir():
                waiting.append(entry)
            elif entry.is_file():
                files.append(entry)
    return sorted(files)


FILES = project_files()
SOURCES = [Source.read(ROOT, file) for file in FILES if file.suffix == ".py"]
PORTAL = [source for source in SOURCES if source.within(["portal/"])]
PROGRAM = [source for source in SOURCES if not source.within(["tests/", "migrations/"])]
DEPLOYED = [source for source in SOURCES if not source.within(["tests/", "bench/"])]


def assert_none(violations):
    found = sorted(violations)
    assert not found, "\n" + "\n".join(found)


def test_imports_go_strictly_downward():
    command = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    run = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "rule",
    [
        architecture.file_is_short,
        architecture.functions_are_short,
        architecture.parameters_are_few,
        architecture.booleans_are_keyword_only,
    ],
)
def test_code_stays_small(rule):
    assert_none(violation for source in PROGRAM for violation in rule(source))


@pytest.mark.parametrize(
    "rule",
    [
        architecture.libraries_stay_home,
        architecture.clock_stays_outside,
        architecture.environment_stays_in_config,
        architecture.stand_in_stands_apart,
    ],
)
def test_the_edges_stay_at_the_edge(rule):
    assert_none(violation for source in PORTAL for violation in rule(source))


def test_the_environment_is_read_in_config_only_by_all_that_is_deployed():
    assert_none(violation for source in DEPLOYED for violation in architecture.environment_stays_in_config(source))


def test_pure_modules_are_pure_and_import_only_pure_ones():
    closure = architecture.pure_closure(SOURCES)
    assert {"portal/money.py", "portal/calendars.py", "portal/contracts/policy.py"} <= {s.path for s in closure}
    assert_none(violation for source in closure for violation in architecture.is_pure(source))


def test_every_module_that_touches_nothing_is_held_to_full_coverage():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]
    held, left_out = (
        {file.relative_to(ROOT).as_posix() for pattern in settings["run"][key] for file in ROOT.glob(pattern)}
        for key in ("include", "omit")
    )
    coded = {source.path for source in PORTAL if architecture.has_code(source)}
    assert (held - left_out) & coded == {source.path for source in architecture.untouched(PORTAL)} & coded
    assert settings["report"]["fail_under"] == 100


def test_every_group_of_tests_is_one_that_is_kept_together():
    marked = {source.path for source in SOURCES if source.within(["tests/"]) and "mark.xdist_group(" in source.text}
    assert group_of("tests/demo/test_building.py") == group_of("tests/demo/test_journal.py") == "demo"
    assert group_of("tests/test_money.py") is None
    assert {path for path in marked - {OWN, "tests/support/spreading.py"} if group_of(path) is None} == set()


def test_partials_stay_small():
    templates = [file for file in FILES if file.suffix == ".html" and file.is_relative_to(ROOT / "templates")]
    assert_none(
        violation
        for file in templates
        for violation in architecture.partial_is_short(file.relative_to(ROOT).as_posix(), file.read_text())
    )


def test_no_file_speaks_of_the_machine_it_was_made_on():
    def violations():
        for file in FILES:
            try:
                text = file.read_text()
            except UnicodeDecodeError:
                continue
            yield from architecture.says_nothing_of_machines(file.relative_to(ROOT).as_posix(), text)

    assert_none(violations())


LONG_FUNCTION = "def long():\n" + "    pass\n" * 60


@pytest.mark.parametrize(
    ("rule", "path", "text", "line"),
    [
        (architecture.file_is_short, "portal/a.py", "\n" * 401, 401),
        (architecture.functions_are_short, "portal/a.py", LONG_FUNCTION, 1),
        (architecture.parameters_are_few, "portal/a.py", "def f(a, b, c, d, e, f, *, g=1): ...", 1),
        (architecture.parameters_are_few, "portal/a.py", "class A:\n    def f(self, a, b, c, d, e, f): ...", 2),
        (architecture.booleans_are_keyword_only, "portal/a.py", "def f(a: int,\n      b: bool | None): ...", 2),
        (architecture.libraries_stay_home, "portal/cases/queries.py", "import flask", 1),
        (architecture.libraries_stay_home, "portal/cases/queries.py", "from flask.views import View", 1),
        (architecture.libraries_stay_home, "portal/web/cases.py", "\nfrom flask_sqlalchemy import SQLAlchemy", 2),
        (architecture.libraries_stay_home, "portal/payments/calls.py", "import stripe", 1),
        (architecture.libraries_stay_home, "portal/worker.py", "import smtplib", 1),
        (architecture.clock_stays_outside, "portal/cases/actions.py", "import datetime\ndatetime.datetime.now()", 2),
        (architecture.clock_stays_outside, "portal/jobs.py", "from datetime import datetime as d\nx = d.utcnow", 2),
        (architecture.clock_stays_outside, "portal/jobs.py", "from datetime import date\ndate.today()", 2),
        (architecture.clock_stays_outside, "portal/jobs.py", "from time import time", 1),
        (architecture.environment_stays_in_config, "portal/jobs.py", "import os\nos.environ['A']", 2),
        (architecture.environment_stays_in_config, "portal/jobs.py", "from os import getenv", 1),
        (architecture.stand_in_stands_apart, "portal/standin/server.py", "from portal.money import Money", 1),
        (architecture.stand_in_stands_apart, "portal/standin/server.py", "from portal import money", 1),
        (architecture.stand_in_stands_apart, "portal/demo/seed.py", "from portal.standin import server", 1),
        (architecture.is_pure, "portal/money.py", "import os.path", 1),
        (architecture.is_pure, "portal/money.py", "from random import choice", 1),
        (architecture.is_pure, "portal/money.py", "import sqlalchemy as sa", 1),
        (architecture.is_pure, "portal/money.py", "import uuid\nx: uuid.UUID = uuid.uuid4()", 2),
        (architecture.is_pure, "portal/money.py", "import datetime as dt\ndt.datetime.now(dt.UTC)", 2),
        (architecture.is_pure, "portal/money.py", "x = 1\ny = open('z')", 2),
    ],
)
def test_a_rule_names_file_and_line_of_a_violation(rule, path, text, line):
    violations = list(rule(Source(path, text)))
    assert violations
    assert violations[0].startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (architecture.file_is_short, "portal/a.py", "\n" * 400),
        (
            architecture.functions_are_short,
            "portal/a.py",
            LONG_FUNCTION.removesuffix("    pass\n"),
        ),
        (architecture.parameters_are_few, "portal/a.py", "class A:\n    def f(self, a, b, c, d, e, *, g): ..."),
        (architecture.booleans_are_keyword_only, "portal/a.py", "def f(a: Callable[[int], bool], *, b: bool): ..."),
        (architecture.libraries_stay_home, "portal/web/cases.py", "from flask import request\nimport flasky"),
        (architecture.libraries_stay_home, "portal/payments/gateway/connection.py", "import stripe"),
        (architecture.clock_stays_outside, "portal/web/cases.py", "import datetime\ndatetime.datetime.now()"),
        (architecture.clock_stays_outside, "portal/cases/queries.py", "from sqlalchemy import func\nfunc.now()"),
        (architecture.clock_stays_outside, "portal/embedded.py", "import time\ntime.monotonic()"),
        (architecture.environment_stays_in_config, "portal/config.py", "import os\nos.environ"),
        (architecture.stand_in_stands_apart, "portal/standin/server.py", "from portal.standin.state import State"),
        (architecture.is_pure, "portal/money.py", "from fractions import Fraction\nimport datetime\n# open(1)"),
        (architecture.is_pure, "portal/identity/rules.py", "from uuid import UUID"),
        (architecture.is_pure, "portal/contracts/policy.py", "import pydantic\nfrom portal.errors import Invalid"),
    ],
)
def test_a_rule_keeps_quiet_about_what_is_allowed(rule, path, text):
    assert list(rule(Source(path, text))) == []


def test_what_a_pure_module_imports_has_to_be_pure():
    rules = Source("portal/cases/rules.py", "from portal.cases import steps")
    steps = Source("portal/cases/steps.py", "from portal.cases.clock import tick")
    clock = Source("portal/cases/clock.py", "import time")
    other = Source("portal/cases/actions.py", "import time")
    closure = architecture.pure_closure([rules, steps, clock, other])
    assert [source.path for source in closure] == [clock.path, rules.path, steps.path]
    assert [violation for source in closure for violation in architecture.is_pure(source)] == [
        "portal/cases/clock.py:1: a pure module imports time"
    ]


def test_what_touches_nothing_is_found_by_what_it_does():
    steps = Source("portal/cases/steps.py", "import enum\nfrom portal.cases.days import DAY")
    days = Source("portal/cases/days.py", "DAY = 86_400")
    clock = Source("portal/cases/clock.py", "import time")
    waiting = Source("portal/cases/waiting.py", "from portal.cases import steps, watch")
    watch = Source("portal/cases/watch.py", "from portal.cases.clock import tick")
    assert architecture.untouched([steps, days, clock, waiting, watch]) == [days, steps]


@pytest.mark.parametrize(
    ("text", "has_code"),
    [
        ('"""What it is for."""\n', False),
        ('"""What it is for."""\nfrom __future__ import annotations\n', False),
        ("", False),
        ("A = 1", True),
        ("import portal.cases", True),
    ],
)
def test_a_docstring_is_no_code(text, has_code):
    assert architecture.has_code(Source("portal/a.py", text)) is has_code


@pytest.mark.parametrize(
    "path",
    [
        "portal/money.py",
        "portal/calendars.py",
        "portal/cases/rules.py",
        "portal/entitlement/rules/cover.py",
        "portal/rating/lines.py",
        "portal/contracts/agreement.py",
    ],
)
def test_modules_are_pure_by_name(path):
    assert architecture.PURE_MODULES.fullmatch(path)


@pytest.mark.parametrize("path", ["portal/web/money.py", "portal/cases/my_rules.py", "tests/money.py", "portal/app.py"])
def test_other_modules_may_touch_the_world(path):
    assert not architecture.PURE_MODULES.fullmatch(path)


def test_a_partial_is_too_long_when_over_forty_lines():
    assert list(architecture.partial_is_short("templates/cases/_row.html", "\n" * 41))
    assert not list(architecture.partial_is_short("templates/cases/_row.html", "\n" * 40))
    assert not list(architecture.partial_is_short("templates/cases/case.html", "\n" * 41))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", "see /" + "root/notes"),
        ("Makefile", "cd /" + "work/main && make"),
        ("tests/a.py", 'open("/' + 'home/ana/x")'),
        ("Makefile", "pip install --" + "index-url https://mirror.example/simple x"),
        ("requirements.txt", "a==1\nb @ https://example.com/b.whl"),
    ],
)
def test_words_of_a_machine_are_found(path, text):
    violations = list(architecture.says_nothing_of_machines(path, text))
    assert violations
    assert violations[0].startswith(f"{path}:{len(text.splitlines())}: ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("templates/base.html", '<a href="/' + 'work/timesheet">'),
        ("portal/app.py", "return root / 'homes'"),
        ("requirements.txt", "# from https://example.com\na==1"),
    ],
)
def test_ordinary_words_are_no_words_of_a_machine(path, text):
    assert list(architecture.says_nothing_of_machines(path, text)) == []
