"""What a policy asks of a case because its rows depend on it, and which answers cannot be right."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from portal.contracts.circumstances import (
    ORDINARY_CASE,
    Circumstances,
    Questions,
    checked,
    corrected,
    differences,
    questions_of,
)
from portal.contracts.policy import Policy, parse_policy
from portal.contracts.targets import Channel
from portal.errors import Invalid
from tests.support.documents import POLICY, agreement, changed, policy

WORDS = """
[[customer_classes]]
code = "contract"
label = "With a contract"

[[customer_classes]]
code = "lapsed"
lapsed_over_days = 30

[[customer_classes]]
code = "unnamed"

[[requests]]
code = "rush"
label = "Same day"

[[requests]]
code = "by_post"
"""
BEFORE = '[[rates]]\nmodes = ["travel"]'


def document(*tables: str) -> Policy:
    return parse_policy(changed(POLICY, (BEFORE, WORDS + "\n".join(tables) + "\n" + BEFORE)))


RATE = '[[rates]]\ncustomer_classes = ["contract", "lapsed"]\nper_hour = "100.00"\n'
RUSH = '[[surcharges]]\nrequested = ["rush"]\npercent = "50"\n'
MILEAGE = '[[fees]]\ncode = "way"\nlabel = "Way"\nper = "visit"\nper_distance = "1.00"\n'
ZONE = '[[fees]]\ncode = "zone"\nlabel = "Zone"\nper = "visit"\namount = "20.00"\ndistance_below = 50\n'
FAR = '[[fees]]\ncode = "far"\nlabel = "Far"\nper = "visit"\namount = "20.00"\ndistance_from = 50\n'
FLAT = '[[fees]]\ncode = "flat"\nlabel = "Flat"\namount = "20.00"\n'
LEVELS = '[[entry]]\nlevels = [2, 1]\ndecision = "accept"\n'
CHANNELS = '[[entry]]\nchannels = ["chat"]\ndecision = "refuse"\n'


def asked(found: Questions) -> tuple[list[str], list[str], bool, tuple[int, ...], bool]:
    classes, requests = [each.code for each in found.classes], [each.code for each in found.requests]
    return classes, requests, found.distance, found.levels, found.channels


@pytest.mark.parametrize(
    ("tables", "questions"),
    [
        ((), ([], [], False, (), False)),
        # A class that follows from when a plan ended is not asked for; one that no row names neither.
        ((RATE,), (["contract"], [], False, (), False)),
        ((RUSH,), ([], ["rush"], False, (), False)),
        ((MILEAGE,), ([], [], True, (), False)),
        ((ZONE,), ([], [], True, (), False)),
        ((FAR,), ([], [], True, (), False)),
        ((FLAT,), ([], [], False, (), False)),
        ((LEVELS,), ([], [], False, (1, 2), False)),
        ((CHANNELS,), ([], [], False, (), True)),
        ((RATE, RUSH, ZONE, LEVELS, CHANNELS), (["contract"], ["rush"], True, (1, 2), True)),
    ],
)
def test_a_policy_asks_what_its_rows_depend_on(tables, questions):
    assert asked(questions_of(document(*tables))) == questions


def test_net_prices_and_promises_ask_too():
    terms = agreement("nordlicht_kessler_agreement.toml")
    row = terms.intercompany[0].model_copy(update={"requested": ("by_post",)})
    assert asked(questions_of(document(), terms.model_copy(update={"intercompany": (row,)})))[1] == ["by_post"]
    plan = policy().plans[0]
    target = plan.targets[0].model_copy(update={"levels": (3,)})
    promising = policy().model_copy(update={"plans": (plan.model_copy(update={"targets": (target,)}),)})
    assert questions_of(promising).levels == (3,)


ALL = questions_of(document(RATE, RUSH, ZONE, LEVELS, CHANNELS))
SAID = Circumstances("contract", ("rush",), "12.5", 2, Channel.CHAT)


def test_what_nobody_asks_is_dropped():
    assert checked(ALL, SAID) == SAID
    assert checked(Questions(), SAID) == ORDINARY_CASE
    assert checked(ALL, ORDINARY_CASE) == ORDINARY_CASE
    assert checked(ALL, replace(SAID, requested=("rush", "rush"))) == SAID


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"customer_class": "lapsed"}, "customer_class"),
        ({"requested": ("by_post",)}, "requested"),
        ({"level": 3}, "level"),
        *(({"distance": text}, "distance") for text in ("far", "-1", "1e3", "1.", ".5", "100001", "1.23456", "\u0663")),
    ],
)
def test_what_the_policy_does_not_name_is_refused_at_its_field(changes, field):
    with pytest.raises(Invalid) as refused:
        checked(ALL, replace(SAID, **changes))
    assert list(refused.value.fields) == [field]


def test_distance_is_exact():
    assert (SAID.exact_distance, ORDINARY_CASE.exact_distance) == (Fraction(25, 2), None)


MEMBER = Circumstances("contract", (), "12.5", 2, Channel.CHAT)


def test_what_is_corrected_counts_and_is_said_in_words():
    found = document(RATE, RUSH, ZONE, LEVELS, CHANNELS)
    assert corrected(found, None, MEMBER, SAID) == SAID
    assert differences(found, MEMBER, SAID) == ("Asked for: not stated, now Same day.",)
    assert differences(found, SAID, ORDINARY_CASE) == (
        "Customer class: With a contract, now not stated.",
        "Asked for: Same day, now not stated.",
        "Distance, one way: 12.5, now not stated.",
        "Support level: 2, now not stated.",
        "Asked by: chat, now portal.",
    )
    with pytest.raises(Invalid, match="Nothing is corrected"):
        corrected(found, None, SAID, SAID)


def test_a_class_of_the_record_is_kept_whatever_is_said():
    found = document(RATE, RUSH)
    lapsed = Circumstances("lapsed")
    assert corrected(found, None, lapsed, Circumstances("contract", ("rush",))).customer_class == "lapsed"
