"""Tables about work that contradict themselves are refused with both places; remarks point at what misleads."""

import pytest

from portal.contracts.policy import parse_policy
from portal.contracts.style import policy_remarks
from portal.errors import DocumentInvalid

HEAD = 'title = "T"\ncurrency = "USD"\nzone = "UTC"\n'
RATES = '[[rates]]\nper_hour = "10.00"\n'
PACK = '[[packs]]\ncode = "p"\nlabel = "P"\nminutes = 60\n'


def problems_of(*parts):
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy("\n".join([HEAD, *parts]))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([RATES + 'per_minute = "1.00"\n'], "rates[1]: Exactly one of per_hour, per_minute, per_day is stated"),
        ([RATES + 'roles = ["chief"]\n', RATES], 'rates[1].roles: "chief" is not in roles; allowed here: none'),
        ([RATES, RATES + 'modes = ["phone"]\n'], "rates[2]: this row never applies, an earlier one always comes first"),
        ([RATES + 'modes = ["phone"]\n'], "no row for all product lines prices remote work"),
        ([RATES + 'over = [{ minutes = 60, per_hour = "1" }, { minutes = 30, per_hour = "1" }]\n'], "rising order"),
        ([RATES + "over_for_all = true\n"], "ver_for_all belongs to over"),
        ([RATES, "[[minimums]]\nminutes = 5\namount = '5.00'\n"], "Exactly one of minutes, amount"),
        ([RATES, "[[minimums]]\nminutes = 90\n[[caps]]\nlevel = 'case'\nminutes = 60\n"], "see caps[1] (line"),
        ([RATES, "[[minimums]]\namount = '9'\n[[caps]]\nlevel = 'case'\namount = '5'\n"], "the minimum is above a cap"),
        ([RATES, "[[minimums]]\nminutes = 5\n[[minimums]]\nminutes = 9\n"], "minimums[2]: this row never applies"),
        ([RATES, "[[burns]]\nfactor = '2'\n"], "without packs there are no bought minutes to use"),
        ([RATES, PACK + "incidents = 2\n"], "Exactly one of minutes, incidents"),
        ([RATES, PACK + "carry_over_top_up_minutes = 60\n"], "a pack that never expires has nothing to carry over"),
        ([RATES, PACK + "calendar = 'nights'\n"], '"nights" is not in calendars'),
        ([RATES, PACK, PACK], 'packs[2].code: "p" is named twice'),
        ([RATES, "[[discounts]]\npercent = '101'\n"], "a discount is at most 100 percent"),
        ([RATES, "[[fees]]\ncode = 'f'\nlabel = 'F'\n"], "fees[1]: Exactly one of amount, minutes, percent_of_labour"),
        (
            [RATES, "[[fees]]\ncode = 'f'\nlabel = 'F'\namount = '1'\ndistance_from = 9\ndistance_below = 9\n"],
            "the zone ends before it begins",
        ),
        (
            [RATES, *(f"[[fees]]\ncode = 'f'\nlabel = 'F'\namount = '1'\nper = '{per}'\n" for per in ("case", "day"))],
            'fees[2].per: rows of "f" are for one occasion; see fees[1].per',
        ),
        ([RATES, "[[fees]]\ncode = 'f'\nlabel = 'F'\namount = '1.001'\n"], "amounts in USD have 2 decimals"),
        ([RATES, "[[cancellations]]\namount = '5'\nor_travel = true\n"], "r_travel belongs to minutes"),
        ([RATES, "[[fees]]\ncode = 'f'\nlabel = 'F'\namount = '1'\ntip = 1\n"], "fees[1].tip: This key is not known"),
    ],
)
def test_contradiction_is_refused_with_its_places(parts, words):
    found = problems_of(*parts)
    assert any(words in problem for problem in found), found


def test_minimums_of_money_and_of_time_stand_beside_each_other():
    policy = parse_policy("\n".join([HEAD, RATES, "[[minimums]]\nminutes = 5\n[[minimums]]\namount = '9.00'\n"]))
    assert len(policy.minimums) == 2


def test_the_least_policy_is_a_few_lines():
    policy = parse_policy(HEAD + RATES)
    assert [plan.code for plan in policy.plans] == ["time_and_materials"]
    assert policy_remarks(policy) == ()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ('[[skills]]\ncode = "welding"\n', 'no row about work names "welding"'),
        ('[[calendars]]\ncode = "c"\nwindows = ["mon 08:00-09:00"]\n', 'nothing uses the calendar "c"'),
        ("[[surcharges]]\npercent = '0'\n", "a surcharge of 0 percent changes nothing"),
        ("[[caps]]\namount = '5'\n", "this cap holds for all work, travel too"),
    ],
)
def test_remarks_point_at_what_misleads(part, words):
    text = "\n".join([HEAD, RATES, part])
    (remark,) = policy_remarks(parse_policy(text), text)
    assert words in remark.message
    assert remark.line is not None
