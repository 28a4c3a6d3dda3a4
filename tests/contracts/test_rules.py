"""What a signed document says about one thing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from portal.contracts import prices, rules
from portal.contracts.blocks import Level, Revenue, Weights
from portal.contracts.conditions import WorkKey
from portal.contracts.rates import RateRow
from portal.contracts.rules import PayerFacts
from portal.contracts.targets import Clock
from portal.contracts.terms import FieldKind, IntakeField
from portal.errors import Invalid, RuleBroken
from tests.support.documents import ALPEN, agreement, policy

P = policy()
K = agreement()


@dataclass(frozen=True)
class Version:
    effective_from: datetime


VERSIONS = [Version(datetime(2026, month, 1, tzinfo=UTC)) for month in (4, 1, 7)]


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 1, tzinfo=UTC), 1),
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 4, 1, tzinfo=UTC), 4),
        (datetime(2030, 1, 1, tzinfo=UTC), 7),
    ],
)
def test_version_holds_until_the_next_begins_when_several_are_signed(at, month):
    found = rules.version_in_force(VERSIONS, at)
    assert (found and found.effective_from.month) == month


def test_amounts_are_minor_units_when_read_from_a_document():
    assert rules.amount_minor("450.00", "EUR") == 45_000
    assert rules.amount_minor("450", "JPY") == 450
    assert rules.rate_minor("1.2345", "EUR") == Fraction("123.45")
    with pytest.raises(RuleBroken):
        rules.amount_minor("0.005", "EUR")


def test_calendar_and_label_are_found_by_name():
    assert rules.calendar_named(P, "business").zone == "Europe/Berlin"
    assert date(2026, 4, 3) in rules.calendar_named(P, "business").holidays
    assert (12, 25) in rules.calendar_named(P, "business").yearly_holidays
    assert rules.calendar_named(P, "always").zone == "UTC"
    assert rules.calendar_label(K, "integrator") == "Kessler office"
    assert rules.calendar_label(K, "business") == "business"
    assert rules.calendar_label(K, "nowhere") == "nowhere"
    with pytest.raises(RuleBroken):
        rules.calendar_named(P, "nowhere")


def test_complimentary_plan_speaks_when_nothing_was_chosen():
    assert rules.plan_named(P, None).code == "complimentary"
    assert rules.plan_named(P, "assured").name == "Assured"
    with pytest.raises(RuleBroken):
        rules.plan_named(P, "gold")


def test_included_hour_is_worth_its_part_of_the_price_when_not_stated():
    without = policy(('included_worth_per_hour = "120.00"\n', ""))
    assert rules.plan_named(without, "assured").included_worth == Fraction(290) * 60 / 120
    assert rules.plan_named(P, "assured").included_worth == 120
    assert rules.plan_named(P, None).included_worth == 0


@pytest.mark.parametrize(
    ("at", "band"),
    [
        (datetime(2026, 11, 20, 15, 59, 59, tzinfo=UTC), "business"),
        (datetime(2026, 11, 20, 16, 0, tzinfo=UTC), "after_hours"),
        (datetime(2026, 12, 25, 12, 0, tzinfo=UTC), "after_hours"),
    ],
)
def test_band_is_the_first_that_is_open(at, band):
    assert rules.band_at(P, at).code == band


@pytest.mark.parametrize(
    ("mode", "band", "task_class", "price"),
    [
        ("remote", "business", "support", 15_000),
        ("remote", "after_hours", "support", 22_500),
        ("phone", "business", "commissioning", 12_000),
        ("phone", "after_hours", "commissioning", 22_500),
        ("on_site", "business", "commissioning", 18_000),
        ("on_site", "after_hours", "support", 27_000),
        ("travel", "after_hours", "support", 9_000),
    ],
)
def test_first_fitting_rate_is_the_price_of_an_hour(mode, band, task_class, price):
    assert prices.price_of(P, WorkKey(mode, band, task_class, "X", "assured")).hourly == price


def test_price_is_missing_when_the_band_is_unknown():
    narrow = P.model_copy(update={"rates": (RateRow(bands=("business",), per_hour="1"),)})
    with pytest.raises(RuleBroken):
        prices.price_of(narrow, WorkKey("remote", "night", "support", plan="assured"))


@pytest.mark.parametrize(
    ("document", "task_class", "price"),
    [(K, "commissioning", 9_500), (K, "support", 12_500), (None, "commissioning", 12_000), (None, "support", 15_000)],
)
def test_integrator_pays_the_net_price_when_the_agreement_names_one(document, task_class, price):
    work = WorkKey("remote", "business", task_class, "X")
    assert prices.net_price_of(P, document, work).hourly == price


def test_integrator_pays_the_policys_price_when_no_row_fits():
    short = K.model_copy(update={"intercompany": ()})
    work = WorkKey("remote", "business", "support", "X")
    assert prices.net_price_of(P, short, work).hourly == 15_000


def test_minimum_depends_on_mode_and_level():
    assert prices.minimum_minutes(P, Level.CASE, WorkKey("phone", "business", "support")) == 30
    assert prices.minimum_minutes(P, Level.CASE, WorkKey("on_site", "business", "support")) == 120
    assert prices.minimum_minutes(P, Level.CASE, WorkKey("travel", "business", "support")) == 0
    assert prices.minimum_minutes(P, Level.ENTRY, WorkKey("phone", "business", "support")) == 0


@pytest.mark.parametrize(
    ("line", "starts_on", "over_on"),
    [
        ("DoorController", date(2026, 1, 31), date(2029, 1, 31)),
        ("Other", date(2024, 2, 29), date(2026, 2, 28)),
        ("Other", date(2026, 12, 31), date(2028, 12, 31)),
        ("Other", date(2026, 11, 30), date(2028, 11, 30)),
    ],
)
def test_warranty_ends_on_the_same_day_of_the_month_when_there_is_one(line, starts_on, over_on):
    assert rules.warranty_end(P, line, starts_on) == over_on


def test_no_warranty_when_the_policy_grants_none():
    bare = P.model_copy(update={"warranty": ()})
    assert rules.warranty_for(bare, "X") is None
    assert rules.warranty_end(bare, "X", date(2026, 1, 1)) is None
    assert rules.free_causes(bare, "X", in_warranty=True) == ("firmware_defect",)


def test_causes_are_free_always_or_under_warranty():
    assert rules.free_causes(P, "X", in_warranty=True) == ("hardware_defect", "firmware_defect")
    assert rules.free_causes(P, "X", in_warranty=False) == ("firmware_defect",)
    assert rules.cause_named(P, "network").label == "Customer's network or power"
    with pytest.raises(Invalid):
        rules.cause_named(P, "sunspots")


FACTS = {"task_class": "support", "plan": "assured", "before_day1": False, "in_warranty": False, "certified": True}


@pytest.mark.parametrize(
    ("change", "payer"),
    [
        ({}, "customer"),
        ({"task_class": "commissioning"}, "integrator"),
        ({"before_day1": True}, "integrator"),
        ({"task_class": "how_to"}, "customer"),
        ({"task_class": "how_to", "certified": False}, "integrator"),
        ({"cause": "hardware_defect"}, "customer"),
        ({"cause": "hardware_defect", "in_warranty": True}, "manufacturer"),
        ({"cause": "installation"}, "integrator"),
    ],
)
def test_first_row_that_holds_says_who_pays(change, payer):
    assert rules.bill_to_row(P, PayerFacts(**{**FACTS, **change})).payer == payer


def test_nobody_pays_when_no_row_holds():
    bare = P.model_copy(update={"bill_to": P.bill_to[:1]})
    with pytest.raises(RuleBroken):
        rules.bill_to_row(bare, PayerFacts(**FACTS))


@pytest.mark.parametrize(
    ("plan", "clock", "severity", "certified", "minutes"),
    [
        (None, Clock.RESPONSE, 1, True, 240),
        (None, Clock.RESPONSE, 1, False, 480),
        (None, Clock.RESPONSE, 3, False, 960),
        ("assured", Clock.RESPONSE, 1, False, 30),
        ("assured", Clock.RESOLUTION, 3, True, None),
        ("assured", Clock.WORKAROUND, 1, True, None),
    ],
)
def test_first_fitting_target_is_the_promise(plan, clock, severity, certified, minutes):
    target = rules.target_for(rules.plan_named(P, plan), clock, severity=severity, certified=certified)
    assert (target and target.minutes) == minutes


def test_checklist_follows_the_product_line():
    assert rules.intake_fields(P, "DoorController")[0].code == "serial"
    assert [field.code for field in rules.intake_fields(P, "Else")] == ["firmware", "since", "log"]
    assert rules.intake_fields(P.model_copy(update={"intake": ()}), "Else") == ()


def test_what_is_missing_or_wrong_is_said_at_each_field():
    count = IntakeField(code="doors", label="Doors", kind=FieldKind.NUMBER)
    fields = (*rules.intake_fields(P, "DoorController"), count)
    assert rules.intake_problems(fields, {"serial": " ", "leds": "pink", "doors": "many"}) == {
        "serial": "Serial number of the controller is missing.",
        "firmware": "Firmware version is missing.",
        "leds": "Choose one of: green, red, blinking, dark.",
        "doors": "Doors is a number.",
    }
    answers = {"serial": "A1", "firmware": "3", "leds": "red", "doors": "-1.5", "log": "a.txt"}
    assert rules.intake_problems(fields, answers) == {}


@pytest.mark.parametrize(
    ("answers", "complete"),
    [({"serial": "A1", "firmware": "3", "leds": "red", "since": "today"}, True), ({"serial": "A1"}, False)],
)
def test_a_checklist_is_complete_without_its_files(answers, complete):
    assert rules.intake_complete(rules.intake_fields(P, "DoorController"), answers) is complete


def test_weights_come_from_the_agreements_table_when_it_speaks():
    found = rules.resolution_weights(P, K, cause="firmware_defect", last_action="none")
    assert (found.integrator_bp, found.manufacturer_bp, found.from_table) == (1000, 9000, True)
    assert found.resolved_by == "jointly"


def test_weights_come_from_house_terms_when_there_is_no_agreement():
    found = rules.resolution_weights(P, None, cause="installation", last_action="rewired")
    assert found.integrator_bp == 6000


def test_leaving_the_table_needs_a_reason():
    lone = Weights(integrator_bp=0, manufacturer_bp=10_000)
    facts = {"cause": "firmware_defect", "last_action": "none"}
    with pytest.raises(Invalid) as caught:
        rules.resolution_weights(P, K, proposed=lone, **facts)
    assert "reason" in caught.value.fields
    found = rules.resolution_weights(P, K, proposed=lone, reason=" known bug ", **facts)
    assert (found.from_table, found.reason, found.resolved_by) == (False, "known bug", "manufacturer")
    same = rules.resolution_weights(P, K, proposed=Weights(integrator_bp=1000, manufacturer_bp=9000), **facts)
    assert same.from_table


def test_outside_the_table_weights_are_proposed_with_a_reason():
    facts = {"cause": "installation", "last_action": "none"}
    with pytest.raises(Invalid) as caught:
        rules.resolution_weights(P, K, **facts)
    assert "weights" in caught.value.fields
    lone = Weights(integrator_bp=10_000, manufacturer_bp=0)
    with pytest.raises(Invalid):
        rules.resolution_weights(P, K, proposed=lone, **facts)
    assert rules.resolution_weights(P, K, proposed=lone, reason="x", **facts).resolved_by == "integrator"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cause": "moon"}, "cause"),
        ({"last_action": "sang"}, "last_action"),
        ({"proposed": Weights(integrator_bp=1, manufacturer_bp=2), "reason": "x"}, "weights"),
    ],
)
def test_resolution_is_refused_when_its_words_or_weights_are_wrong(change, field):
    with pytest.raises(Invalid) as caught:
        rules.resolution_weights(P, K, **{"cause": "network", "last_action": "none", **change})
    assert field in caught.value.fields


def test_resale_is_refused_only_above_the_ceiling():
    assert rules.resale_ceiling_minor(K, 29_001) == 36_251
    rules.check_resale_price(K, list_minor=29_001, price_minor=36_251)
    with pytest.raises(Invalid):
        rules.check_resale_price(K, list_minor=29_001, price_minor=36_252)
    free = agreement(ALPEN)
    assert rules.resale_ceiling_minor(free, 100) is None
    rules.check_resale_price(free, list_minor=1, price_minor=10**9)


def test_shares_of_a_kind_follow_the_agreement_else_the_house_terms():
    assert rules.share_row(P, K, Revenue.SUBSCRIPTION) in K.shares
    assert rules.share_row(P, agreement(ALPEN), Revenue.SUBSCRIPTION) in P.house_terms.shares
    assert rules.split_terms(P, None) is P.house_terms
    assert rules.split_terms(P, K) is K


@pytest.mark.parametrize(
    ("months", "from_on", "is_cheaper", "until"),
    [
        (12, date(2026, 5, 1), True, date(2027, 3, 10)),
        (12, date(2027, 3, 9), True, date(2027, 3, 10)),
        (12, date(2027, 3, 10), True, None),
        (12, date(2026, 5, 1), False, None),
        (0, date(2026, 3, 10), True, None),
    ],
)
def test_a_cheaper_plan_waits_for_the_end_of_a_minimum_term(months, from_on, is_cheaper, until):
    begun_on = date(2026, 3, 10)
    assert rules.held_until(months, begun_on=begun_on, from_on=from_on, is_cheaper=is_cheaper) == until
