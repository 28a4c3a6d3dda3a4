"""A mapping is read like a policy: what is wrong in it is named with line and key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.access import Side
from portal.contracts.agreement import agreement_against_policy, parse_agreement
from portal.contracts.blocks import Company
from portal.contracts.policy import parse_policy
from portal.errors import DocumentInvalid, Invalid
from portal.importing.actions import plan_import
from portal.importing.mapping import Mapping, parse_mapping, side_of
from tests.importing.logs import MAPPINGS, VINST, vinst

TEXT = VINST.read_text("utf-8")


def problems(old: str, new: str) -> list[str]:
    assert old in TEXT
    with pytest.raises(DocumentInvalid) as refused:
        parse_mapping(TEXT.replace(old, new, 1))
    return [str(problem) for problem in refused.value.problems]


def line_of(words: str) -> int:
    return TEXT[: TEXT.index(words)].count("\n") + 1


def test_the_bundled_documents_fit_each_other():
    policy = parse_policy((MAPPINGS / "vinst_policy.toml").read_text("utf-8"))
    agreement = parse_agreement((MAPPINGS / "vinst_agreement.toml").read_text("utf-8"))
    assert agreement_against_policy(agreement, policy) == ()
    assert (policy.lifecycle.reopen_hours, policy.lifecycle.interim_cut_days) == (0, None)


def test_the_bundled_mapping_says_where_things_begin():
    mapping = vinst()
    assert mapping.effective_from() == datetime(2009, 12, 31, 23, tzinfo=UTC)
    assert mapping.first_period_at() == datetime(2012, 5, 1, 12, tzinfo=UTC)
    assert mapping.company_of == {
        "L1": Company.INTEGRATOR, "L2": Company.MANUFACTURER, "L3": Company.MANUFACTURER, "L2/L3": Company.MANUFACTURER,
    }  # fmt: skip
    assert side_of(Company.INTEGRATOR) is Side.INTEGRATOR


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("cap_minutes = 240", "cap_minutes = 0", "work.cap_minutes", "greater than or equal to 1"),
        ('case = "case"', 'kase = "case"', "columns.kase", "This key is not known. Allowed here: at, case"),
        ('code = "VINST"', 'code = "vinst"', "manufacturer.code", "does not have the form"),
        ('values = ["L1"]', 'values = ["L2"]', "integrator.values[1]", '"L2" means both companies'),
        ('code = "VINSTFL"', 'code = "VINST"', "integrator.code", "the two companies have one code"),
        ('idle = ["Accepted / Assigned",', 'idle = ["Accepted / In Progress",', "states.idle", "stands twice"),
        ('resolving = ["Completed / Resolved",', 'resolving = ["Done",', "states.resolving", "not among the completed"),
        ('name = "VINST customer {value}"', 'name = "Customer"', "customers.name", "has no {value}"),
        ('"buyer@{code}.', '"buyer@one.', "customers.buyer.mail", "has no {code}"),
        ('same = { SE = "se" }', 'same = { SE = "se", se = "x" }', "customers.same.SE", '"se" is itself another value'),
    ],
)
def test_a_mistake_is_named_with_line_and_key(old, new, key, message):
    found = [problem for problem in problems(old, new) if f", {key}: " in problem]
    assert found, problems(old, new)
    assert message in found[0]
    assert found[0].startswith(f"line {line_of(old)}")


def test_a_mapping_without_severities_is_refused():
    start, end = TEXT.index("[severities]"), TEXT.index("[manufacturer]")
    with pytest.raises(DocumentInvalid) as refused:
        parse_mapping(TEXT[:start] + "[severities]\n\n" + TEXT[end:])
    assert [problem.message for problem in refused.value.problems] == ["no severity is named."]


def with_instant(**instant: str) -> Mapping:
    words = "\n".join(f'{key} = "{value}"' for key, value in instant.items())
    return parse_mapping(f"{TEXT}\n[instant]\n{words}\n")


def test_instants_in_another_form_take_the_zone_of_the_mapping():
    mapping = with_instant(form="%d.%m.%Y %H:%M", zone="Europe/Stockholm")
    assert mapping.instant_of("07.05.2012 08:30") == datetime(2012, 5, 7, 6, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="names no zone"):
        with_instant(form="%d.%m.%Y %H:%M").instant_of("07.05.2012 08:30")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('code = "VINSTFL"', 'code = "OTHER"', "The agreement is between VINST and VINSTFL"),
        ('currency = "EUR"', 'currency = "USD"', "The policy's currency is EUR, the mapping's USD"),
        ('last_action = "solved_factory"', 'last_action = "prayed"', "Choose what was done last"),
    ],
)
def test_documents_that_do_not_fit_the_mapping_are_refused(tmp_path, old, new, message):
    for name in ("vinst_policy.toml", "vinst_agreement.toml"):
        (tmp_path / name).write_text((MAPPINGS / name).read_text("utf-8"), "utf-8")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(Invalid, match=message):
        plan_import(tmp_path / "log.csv", mapping)
