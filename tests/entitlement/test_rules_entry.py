"""The entry table: who is let in, who waits, who is sent elsewhere; and warranty by part."""

from datetime import UTC, date, datetime

import pytest

from portal.contracts.entry import EntryDecision, Gate, Opener
from portal.contracts.policy import parse_policy
from portal.contracts.rules import plan_named, warranty_for, warranty_over_on
from portal.contracts.targets import Channel
from portal.entitlement.rules.entry import Asking, entry_for
from portal.errors import DocumentInvalid
from tests.support.documents import POLICY, changed

TUESDAY = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)
ENTRY = """
[[entry]]
openers = ["end_user"]
decision = "refuse"
refer_to = "your integrator"

[[entry]]
openers = ["technician"]
levels = [1, 2]
decision = "refer"
refer_to = "your distributor"

[[entry]]
channels = ["chat"]
plans = ["complimentary"]
decision = "refuse"
because = "Chat belongs to Assured."

[[entry]]
outside = "business"
plans = ["complimentary"]
decision = "wait"

[[entry]]
openers = ["certified_technician"]
identified = true
requires = ["purchase_order", "checklist"]
decision = "accept"

[[warranty]]
"""


def policy(entry: str = ENTRY):
    text = changed(POLICY, ("[[warranty]]\nproduct_lines", f"{entry}product_lines"))
    return parse_policy(text)


def asked(opener=Opener.TECHNICIAN, plan="complimentary", now=TUESDAY, **more):
    found = policy()
    return entry_for(found, plan_named(found, plan), Asking(opener, 3, **more), now)


def test_end_users_are_sent_to_who_serves_them():
    found = asked(Opener.END_USER)
    assert (found.decision, found.refer_to, found.lets_in) == (EntryDecision.REFUSE, "your integrator", False)
    assert asked(level=2).decision is EntryDecision.REFER


def test_outside_the_hours_a_plan_waits_for_them():
    found = asked(now=SATURDAY)
    assert (found.decision, found.lets_in) == (EntryDecision.WAIT, True)
    assert found.opens_at == datetime(2026, 3, 16, 7, 0, tzinfo=UTC)
    assert asked(now=SATURDAY, plan="assured").decision is EntryDecision.ACCEPT


def test_a_channel_belongs_to_a_plan():
    assert asked(channel=Channel.CHAT).sentence == "Chat belongs to Assured."
    assert asked(channel=Channel.CHAT, plan="assured").lets_in


def test_what_has_to_be_there_first_is_said():
    found = asked(certified=True)
    assert found.requires == (Gate.PURCHASE_ORDER, Gate.CHECKLIST)
    assert found.sentence.startswith("Before work begins, a purchase order")
    assert asked(certified=True, identified=False).requires == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('decision = "refer"', "to whom"),
        ('decision = "wait"', "which calendar has to open"),
        ('decision = "refuse"\nrequires = ["checklist"]', "let in"),
        ('decision = "accept"\nplans = ["gold"]', "not in plans"),
        ('decision = "accept"\n[[entry]]\ndecision = "refuse"', "never applies"),
    ],
)
def test_entry_rows_that_say_too_little_are_refused(row, said):
    with pytest.raises(DocumentInvalid) as caught:
        policy(f"[[entry]]\n{row}\n\n[[warranty]]\n")
    assert any(said in str(problem) for problem in caught.value.problems)


PARTS = """[[warranty]]
parts = ["overlay"]
days = 90

[[warranty]]
parts = ["flex_unit"]
months = 36
longer_with = ["assured"]
longer_months = 60

[[warranty]]
"""


def test_warranty_differs_by_part_and_lasts_longer_with_a_plan():
    found = policy(PARTS)
    overlay, flex = (warranty_for(found, "X", part) for part in ("overlay", "flex_unit"))
    assert warranty_over_on(overlay, date(2026, 1, 1)) == date(2026, 4, 2)  # the ninetieth day is within it
    assert warranty_over_on(flex, date(2022, 3, 1)) == date(2025, 3, 1)
    assert warranty_over_on(flex, date(2022, 3, 1), longer=True) == date(2027, 3, 1)
    assert warranty_for(found, "X").months == 24


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("months = 1\ndays = 30", "months, or days"),
        ('months = 1\nlonger_with = ["assured"]', "names plans exactly"),
        ('months = 12\nlonger_with = ["assured"]\nlonger_months = 12', "no longer so"),
    ],
)
def test_warranty_rows_that_contradict_themselves_are_refused(row, said):
    with pytest.raises(DocumentInvalid) as caught:
        policy(f'[[warranty]]\nparts = ["x"]\n{row}\n\n[[warranty]]\n')
    assert any(said in str(problem) for problem in caught.value.problems)
