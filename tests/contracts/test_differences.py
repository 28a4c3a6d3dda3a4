"""Versions side by side, in sentences."""

from portal.contracts.differences import differences
from portal.contracts.rates import RateRow
from tests.support.documents import ALPEN, KESSLER, agreement, policy


def sentences(before, after):
    return [difference.sentence for difference in differences(before, after)]


def test_nothing_is_said_when_versions_are_equal():
    assert differences(policy(), policy()) == ()


def test_changed_values_are_said_with_their_place():
    after = policy(
        ('per_hour = "150.00"', 'per_hour = "160.00"'),
        ("included_minutes_per_month = 120", "included_minutes_per_month = 140"),
        ("at_factory_risk = true", "at_factory_risk = false"),
        ("interim_cut_days = 35\n", ""),
        (
            'party = "operator", bp = 500 },\n  { to = "worked_time", bp = 9500',
            'party = "operator", bp = 450 },\n  { to = "worked_time", bp = 9550',
        ),
        ('direction = "up"', 'direction = "nearest"'),
    )
    assert sentences(policy(), after) == [
        "Rates, bands business, per hour: was 150.00, is now 160.00.",
        "Rounding, direction: was up, is now nearest.",
        "Plans, Assured, included minutes per month: was 120, is now 140.",
        "Emergency, at factory risk: was yes, is now no.",
        "Lifecycle, interim cut days: was 35, is now not stated.",
        "House terms, shares, revenues time and materials, included, pack use, tranches, to party, party operator, "
        "part: was 5.00 %, is now 4.50 %.",
        "House terms, shares, revenues time and materials, included, pack use, tranches, to worked time, "
        "part: was 95.00 %, is now 95.50 %.",
    ]


def test_rows_come_and_go_by_code_or_condition():
    after = policy(
        ('[[causes]]\ncode = "network"\nlabel = "Customer\'s network or power"\n', ""),
        (
            "[[warranty]]\nmonths = 24",
            '[[warranty]]\nproduct_lines = ["Gate"]\nmonths = 12\n\n[[warranty]]\nmonths = 24',
        ),
        ("holidays = [2026-04-03, ", "holidays = ["),
    )
    said = sentences(policy(), after)
    assert "Causes: Customer's network or power is gone." in said
    assert "Warranty: product lines Gate is new (months 12)." in said
    assert any(
        each.startswith("Calendars, Monday to Friday, 08:00 to 17:00, holidays: was 2026-04-03, ") for each in said
    )
    assert len(said) == 3


def test_order_is_said_when_first_match_could_change():
    before = policy()
    causes = before.causes
    after = before.model_copy(update={"causes": (causes[1], causes[0], *causes[2:])})
    assert sentences(before, after)[0].startswith("Causes: the order is now Firmware or software defect; Hardware")


def test_equal_conditions_are_told_apart_by_their_order():
    before = policy()
    twice = (RateRow(per_hour="1"), RateRow(per_hour="2"))
    found = sentences(before.model_copy(update={"rates": twice[:1]}), before.model_copy(update={"rates": twice}))
    assert found == ["Rates: all other is new (per hour 2)."]


def test_a_row_without_more_says_so_and_tables_appear_and_vanish():
    empty = agreement(ALPEN)
    full = agreement(
        ALPEN,
        ('integrator = "ALP" }', 'integrator = "ALP", further = [{ code = "dis", organisation = "DIS" }] }'),
        ('currency = "EUR"', 'currency = "EUR"\nparty_order = ["integrator", "manufacturer", "operator", "dis"]'),
    )
    assert "Parties, further: dis is new (organisation DIS)." in sentences(empty, full)
    assert "Parties, further: dis is gone." in sentences(full, empty)
    described = 'description = "Bringing an installed system back to what it did before."\n'
    bare = policy(('[[task_classes]]\ncode = "support"\nlabel = "Support"\n' + described, ""))
    again = policy((described, ""))
    assert "Task classes: Support is new (nothing more)." in sentences(bare, again)


def test_two_agreements_are_compared_like_two_versions():
    said = sentences(agreement(KESSLER), agreement(ALPEN))
    assert "Parties, integrator: was KES, is now ALP." in said
    assert "Fallback, integrator: was 40.00 %, is now 50.00 %." in said
    assert any(
        "(tranches to party, party operator (part 5.00 %), to worked time (part 95.00 %))" in each for each in said
    )
