"""Every word by which one table of a document names another: one that names nothing is reported with line and key."""

from __future__ import annotations

import pytest

from portal.contracts.agreement import agreement_against_policy, parse_agreement
from portal.contracts.policy import parse_policy
from portal.errors import DocumentInvalid
from tests.support.documents import KESSLER, POLICY, changed, policy

ENTRY = '[[entry]]\ndecision = "refuse"\n'
RATE = '[[rates]]\nmodes = ["travel"]'
SURCHARGE = '[[surcharges]]\npercent = "5"\n'
PACK = '[[packs]]\ncode = "night"\nlabel = "Night"\nminutes = 60\ncalendar = "moon"\n\n'
TARGET = "severities = [2], minutes = 60"
EMERGENCY, PLANS = "[emergency]", 'code = "assured"'
CLASS = '[[customer_classes]]\ncode = "members"\n\n'


def before(anchor: str, *lines: str) -> tuple[str, str]:
    return anchor, "\n".join((*lines, "", anchor))


POLICIES = [
    (before(RATE, ENTRY + 'plans = ["gold"]'), "entry[1].plans", '"gold" is not in plans; allowed here: assured'),
    (before(RATE, ENTRY + 'customer_classes = ["vip"]'), "entry[1].customer_classes", "allowed here: none"),
    (before(RATE, ENTRY + "levels = [4]"), "entry[1].levels", "allowed here: 1, 2, 3"),
    (before(RATE, ENTRY + 'outside = "moon"'), "entry[1].outside", '"moon" is not in calendars'),
    (before(RATE, CLASS + ENTRY + 'customer_classes = ["vip"]'), "entry[1].customer_classes", "allowed here: members"),
    (before(RATE, SURCHARGE + 'bands = ["dawn"]'), "surcharges[1].bands", "allowed here: after_hours, business"),
    (before(RATE, SURCHARGE + 'plans = ["gold"]'), "surcharges[1].plans", "allowed here: assured, complimentary"),
    (before(RATE, SURCHARGE + 'roles = ["wizard"]'), "surcharges[1].roles", "allowed here: none"),
    (before(RATE, SURCHARGE + 'skills = ["magic"]'), "surcharges[1].skills", "allowed here: none"),
    (before(RATE, SURCHARGE + 'requested = ["rush"]'), "surcharges[1].requested", "allowed here: none"),
    (before(RATE, SURCHARGE + 'product_lines = ["doorcontroller"]'), None, 'is written "'),
    (before("[[plans]]\n" + PLANS, PACK), "packs[3].calendar", '"moon" is not in calendars'),
    ((TARGET, TARGET + ', customer_classes = ["vip"]'), "plans[2].targets[2].customer_classes", "allowed here: none"),
    ((TARGET, TARGET + ", levels = [9]"), "plans[2].targets[2].levels", '"9" is not in the support levels'),
    ((TARGET, TARGET + ', pauses = ["tea"]'), "plans[2].targets[2].pauses", "allowed here: none"),
    (before(EMERGENCY, "[reclassification]", 'calendar = "moon"'), "reclassification.calendar", "not in calendars"),
]


@pytest.mark.parametrize(("change", "key", "words"), POLICIES)
def test_a_word_of_a_policy_that_names_nothing_is_reported(change, key, words):
    text = changed(POLICY, change)
    with pytest.raises(DocumentInvalid) as refused:
        parse_policy(text)
    found = [each for each in refused.value.problems if words in each.message and key in (None, each.key)]
    assert found, [str(each) for each in refused.value.problems]
    assert found[0].line is not None


LABOUR = '[[owing.labour]]\namount = "10"\n'
REFERRAL = '[[owing.referrals]]\namount = "10"\n'
MATERIAL = '[[owing.materials]]\nborne_by = "manufacturer"\n'
PRICE = 'per_hour = "95.00"'
OWED = [
    (before("[settlement]", LABOUR + 'causes = ["gremlins"]'), "owing.labour[1].causes", "the policy's causes"),
    (before("[settlement]", REFERRAL + 'causes = ["gremlins"]'), "owing.referrals[1].causes", '"gremlins" is not in'),
    (before("[settlement]", MATERIAL + 'causes = ["gremlins"]'), "owing.materials[1].causes", '"gremlins" is not in'),
    ((f'bands = ["business"]\n{PRICE}', f'bands = ["dawn"]\n{PRICE}'), "intercompany[1].bands", "the policy's bands"),
    ((PRICE, PRICE + '\nroles = ["wizard"]'), "intercompany[1].roles", "the policy's roles; allowed here: none"),
    ((PRICE, PRICE + '\nskills = ["magic"]'), "intercompany[1].skills", "the policy's skills"),
    ((PRICE, PRICE + '\nrequested = ["rush"]'), "intercompany[1].requested", "the policy's requests"),
    ((PRICE, PRICE + '\ncustomer_classes = ["vip"]'), "intercompany[1].customer_classes", "the policy's"),
    (before("[settlement]", LABOUR + 'product_lines = ["DOORCONTROLLER"]'), "owing.labour[1].product_lines", "written"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "key", "words"), OWED)
def test_a_word_of_an_agreement_that_the_policy_does_not_know_is_reported(change, key, words):
    text = changed(KESSLER, change)
    found = [each for each in agreement_against_policy(parse_agreement(text), policy(), text) if each.key == key]
    assert [words in each.message for each in found] == [True]
    assert found[0].line is not None


def test_a_product_line_written_in_two_ways_names_both_places():
    text = changed(KESSLER, before("[settlement]", LABOUR + 'product_lines = ["Door", "door"]'))
    with pytest.raises(DocumentInvalid) as refused:
        parse_agreement(text)
    assert ['"door" is written "Door" elsewhere' in each.message for each in refused.value.problems] == [True]


def test_a_product_line_written_as_the_policy_has_it_is_right():
    text = changed(KESSLER, before("[settlement]", LABOUR + 'product_lines = ["DoorController"]'))
    assert agreement_against_policy(parse_agreement(text), policy(), text) == ()
