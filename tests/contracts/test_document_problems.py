"""A document with mistakes: each is named with line, key and what is allowed."""

import pytest

from portal.contracts.agreement import agreement_from_json, parse_agreement
from portal.contracts.policy import parse_policy, policy_from_json
from portal.contracts.reading import LONGEST_DOCUMENT, _as_text
from portal.contracts.style import agreement_remarks, policy_remarks
from portal.errors import DocumentInvalid, Invalid, Problem
from tests.support.documents import ALPEN, KESSLER, POLICY, changed, text_of


def problems_of(name, *changes):
    text = changed(name, *changes)
    parse = parse_policy if name == POLICY else parse_agreement
    with pytest.raises(DocumentInvalid) as caught:
        parse(text)
    return text, caught.value.problems


def only_problem(name, *changes):
    text, problems = problems_of(name, *changes)
    assert len(problems) == 1, [str(each) for each in problems]
    return text.splitlines()[problems[0].line - 1], problems[0]


SHAPE = [
    ('currency = "EUR"', 'currency = "euro"', "currency", 'a currency code such as "EUR"'),
    ('zone = "Europe/Berlin"', 'zone = "Berlin/Europe"', "zone", "is no time zone"),
    ("schema_version = 1", "schema_version = 2", "schema_version", "Allowed here: 1."),
    ('title = "Nordlicht Access service policy"', "title = 5", "title", "Text in quotes"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = "mon"', "calendars[1].windows", "list in square brackets"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["daily"]', "calendars[1].windows[1]", "mon-fri 08:00-17:00"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["may 08:00-17:00"]', "calendars[1].windows[1]", "no weekday"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["fri-mon 08:00-17:00"]', "calendars[1].windows[1]", "forward"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["mon 22:00-06:00"]', "calendars[1].windows[1]", "write two"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["mon 08:00-24:01"]', "calendars[1].windows[1]", "time of day"),
    ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["mon 08:61-17:00"]', "calendars[1].windows[1]", "time of day"),
    ('windows = ["mon-fri 08:00-17:00"]', "", "calendars[1]", "needs windows"),
    ("always = true", 'always = true\nwindows = ["mon 08:00-09:00"]', "calendars[2]", "no windows"),
    ("always = true", "always = 1", "calendars[2].always", "true or false"),
    ('"05-01", ', '"5-1", ', "calendars[1].yearly_holidays[2]", 'such as "12-25"'),
    ('"05-01", ', '"02-30", ', "calendars[1].yearly_holidays[2]", "no day of a year"),
    ('"05-01", ', '"13-01", ', "calendars[1].yearly_holidays[2]", "no day of a year"),
    ("2026-04-03", '"Easter"', "calendars[1].holidays[1]", "valid date"),
    ('per_hour = "90.00"', "per_hour = 90.00", "rates[1].per_hour", 'such as "150.00"'),
    ('per_hour = "90.00"', 'per_hour = "90,00"', "rates[1].per_hour", "an amount such as"),
    ('per_hour = "90.00"', "", "rates[1]", "Exactly one of per_hour"),
    ('modes = ["travel"]', 'modes = ["by_boat"]', "rates[1].modes[1]", "'remote', 'phone', 'on_site' or 'travel'"),
    ("increment_minutes = 15", "increment_minutes = 0", "rounding.increment_minutes", "greater than or equal to 1"),
    ("increment_minutes = 15", "increment_minutes = 15\ngrace_minutes = 15", "rounding", "Grace_minutes must be less"),
    ('direction = "up"', 'direction = "down"\ngrace_minutes = 1', "rounding", 'belongs to direction = "up"'),
    ("free = true", "free = false", "causes[2]", "Borne_by is stated exactly when"),
    ("rank = 20", 'rank = "20"', "plans[2].rank", "whole number"),
    ("rank = 20", "rank = 20\nprize = 1", "plans[2].prize", "Allowed here: always_covered_severities, back_cover"),
    ("severities = [2], minutes = 60", "severities = [5], minutes = 60", "plans[2].targets[2].severities[1]", "to 4"),
    ('kind = "choice"', 'kind = "text"', "intake[1].fields[3]", "stated exactly when"),
    ('kind = "choice"', 'kind = "file"', "intake[1].fields[3]", "stated exactly when"),
    ("manager_days = 5", 'neutral_name = "N"', "house_terms.challenge", "both neutral_name and neutral_mail"),
    ('{ to = "worked_time", bp = 9500 }', '{ to = "party", bp = 9500 }', "house_terms.shares[1].tranches[2]", "names"),
    ("[rounding]", "[rounding]\n[lifecycle_]", "lifecycle_", "not known. Allowed here: allowances, auth"),
    ("[emergency]", "[emergency]\nlevel = 3", "emergency.level", "Allowed here: at_factory_risk, calendar"),
    ("manager_days = 5", "manager_days = 5\nfoo = 1", "house_terms.challenge.foo", "Allowed here: manager_days"),
    (
        'bp = 500 },\n  { to = "worked',
        'bp = 500, tip = 1 },\n  { to = "worked',
        "house_terms.shares[1].tranches[1].tip",
        "cap",
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "words"), SHAPE)
def test_problem_names_key_and_what_is_allowed_when_the_shape_is_wrong(old, new, key, words):
    _, problems = problems_of(POLICY, (old, new))
    found = [problem for problem in problems if problem.key == key]
    assert found, [str(each) for each in problems]
    assert words in found[0].message


def test_problem_points_at_its_line_when_rows_repeat():
    line, problem = only_problem(POLICY, ('per_hour = "270.00"', 'per_hour = "x"'))
    assert (line, problem.key) == ('per_hour = "x"', "rates[3].per_hour")
    assert str(problem).startswith(f"line {problem.line}, rates[3].per_hour: ")


def test_table_is_expected_when_a_value_stands_in_its_place():
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy("rounding = 5\nplans = [1]\n")
    messages = {problem.key: problem.message for problem in caught.value.problems}
    assert messages["rounding"] == messages["plans[1]"] == "A table is expected."


def test_rows_are_expected_when_a_list_is_empty():
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy("plans = []")
    assert "plans: At least one row is needed." in [f"{each.key}: {each.message}" for each in caught.value.problems]


def test_all_problems_come_at_once_in_the_order_of_the_lines():
    text, problems = problems_of(
        POLICY, ("rank = 20", 'rank = "x"'), ('currency = "EUR"', 'currency = "e"'), ('kind = "choice"', 'kind = "c"')
    )
    lines = [problem.line for problem in problems]
    assert lines == sorted(lines)
    assert [text.splitlines()[line - 1][:8] for line in lines] == ["currency", 'rank = "', "  { code"]
    with pytest.raises(Invalid) as caught:
        parse_policy(text)
    assert caught.value.sentence == "The document has 3 problems."
    assert caught.value.fields["text"].count("\n") == 2


@pytest.mark.parametrize(
    ("text", "line"), [("a = ", 1), ("a = 1\n[[x]\n", 2), ("a = 1\na = 2\n", 2), ("\n\na = [1", 3), ('a = "b', 1)]
)
def test_line_is_named_when_the_text_is_no_toml(text, line):
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy(text)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert problem.message.startswith("This is not TOML: ")
    assert caught.value.sentence == "The document has one problem."


def test_hostile_text_is_refused_when_it_would_exhaust_the_reader():
    for text, words in [
        ("a = " + "[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("a = " + "9" * 9_999, "not TOML"),
    ]:
        with pytest.raises(DocumentInvalid) as caught:
            parse_policy(text)
        assert words in caught.value.problems[0].message


def test_document_is_refused_before_reading_when_it_is_too_long():
    with pytest.raises(DocumentInvalid, match="one problem"):
        parse_policy("#" * (LONGEST_DOCUMENT + 1))


def test_time_of_day_is_refused_as_text_when_a_date_is_expected():
    _, problems = problems_of(POLICY, ("2026-04-03", "08:00:00"))
    assert problems[0].key == "calendars[1].holidays[1]"
    assert problems[0].line == 12


def test_stored_document_is_refused_without_lines_when_it_was_changed():
    with pytest.raises(DocumentInvalid) as caught:
        policy_from_json('{"title": ""}')
    assert {problem.line for problem in caught.value.problems} == {None}
    with pytest.raises(DocumentInvalid):
        agreement_from_json("not even JSON")


def test_a_value_that_is_not_from_toml_is_never_written_as_text():
    with pytest.raises(TypeError):
        _as_text(object())


def volumes(*above):
    """Slices by volume, in one line."""
    tiers = [f'{{ above = "{each}", tranches = [{{ to = "seller" }}] }}' for each in above]
    return f"volumes = [{', '.join(tiers)}]"


CONTRADICTIONS = [
    (POLICY, ('code = "always"', 'code = "business"'), "calendars[2].code", "named twice; see calendars[1] (line "),
    (
        POLICY,
        ('windows = ["mon-fri 08:00-17:00"]', 'windows = ["mon-fri 08:00-17:00", "fri 16:00-20:00"]'),
        "calendars[1].windows",
        "on fri the windows 08:00-17:00 and 16:00-20:00 overlap",
    ),
    (POLICY, ('label = "after hours"', 'label = "a"\ncalendar = "always"'), "bands[2].calendar", "has no calendar"),
    (POLICY, ('label = "business hours"\ncalendar = "business"', 'label = "b"'), "bands[1]", "see bands[2]"),
    (POLICY, ('hours"\ncalendar = "business"', 'hours"\ncalendar = "office"'), "bands[1].calendar", "always, business"),
    (POLICY, ('bands = ["business"]\nper_hour = "150.00"', 'bands = ["day"]\nper_hour = "1"'), "rates[5].bands", "day"),
    (
        POLICY,
        ('bands = ["business"]\nper_hour = "150.00"', 'plans = ["gold"]\nper_hour = "1"'),
        "rates[5].plans",
        "gold",
    ),
    (
        POLICY,
        ('[[rates]]\nbands = ["business"]\nper_hour = "150.00"', '[[rates]]\nper_hour = "150.00"'),
        "rates[6]",
        "never applies, an earlier one always comes first; see rates[5]",
    ),
    (POLICY, ('\n[[rates]]\nper_hour = "225.00"', ""), "rates", "no row for all product lines prices remote work"),
    (POLICY, ("[[minimums]]", '[[minimums]]\nlevel = "case"\nminutes = 5\n[[minimums]]'), "minimums[2]", "minimums[1]"),
    (POLICY, ("months = 24", "months = 24\n[[warranty]]\nmonths = 1"), "warranty[3]", "see warranty[2]"),
    (
        POLICY,
        ('months = 24\nfree_causes = ["hardware_defect"', 'months = 24\nfree_causes = ["x"'),
        "warranty[2].free_causes",
        "x",
    ),
    (POLICY, ('code = "network"', 'code = "operation"'), "causes[6].code", "see causes[5]"),
    (POLICY, ('code = "rewired"', 'code = "instructed"'), "corrective_actions[5].code", "see corrective_actions[4]"),
    (POLICY, ('code = "how_to"\nlabel', 'code = "support"\nlabel'), "task_classes[2].code", "see task_classes[1]"),
    (POLICY, ('[[bill_to]]\npayer = "customer"', ""), "bill_to[5]", "has no condition"),
    (POLICY, ('causes = ["installation"]\npayer', 'causes = ["rain"]\npayer'), "bill_to[5].causes", "rain"),
    (POLICY, ('causes = ["installation"]\npayer', 'plans = ["gold"]\npayer'), "bill_to[5].plans", "gold"),
    (POLICY, ("before_day1 = true\npayer", 'task_classes = ["commissioning"]\npayer'), "bill_to[2]", "see bill_to[1]"),
    (
        POLICY,
        (
            'before_day1 = true\npayer = "integrator"',
            'before_day1 = true\npayer = "integrator"\ncollector = "integrator"',
        ),
        "bill_to[2].collector",
        "does not collect from itself; see bill_to[2].payer (line ",
    ),
    (POLICY, ('code = "assured"', 'code = "complimentary"'), "plans[2].code", "see plans[1]"),
    (POLICY, ("complimentary = true\n", ""), "plans", "one plan has complimentary = true"),
    (POLICY, ("rank = 20", "rank = 20\ncomplimentary = true"), "plans[2].complimentary", "see plans[1]"),
    (
        POLICY,
        ("rank = 80", 'rank = 80\nprice_per_month = "1.00"'),
        "plans[1].price_per_month",
        "plans[1].complimentary",
    ),
    (POLICY, ("rank = 20", "rank = 20\nunlimited = true"), "plans[2].included_minutes_per_month", "plans[2].unlimited"),
    (POLICY, ("included_minutes_per_month = 120\n", ""), "plans[2].included_worth_per_hour", "nothing to be worth"),
    (POLICY, ('month = "900.00"', 'month = "200.00"'), "plans[2].standing_limit_per_month", "plans[2].standing_limit"),
    (POLICY, ('standing_limit = "300.00"\n', ""), "plans[2].standing_limit_per_month", "plans[2].standing_limit"),
    (POLICY, ('cover_calendar = "business"\nalways', 'cover_calendar = "x"\nalways'), "plans[2].cover_calendar", '"x"'),
    (
        POLICY,
        ('minutes = 60, calendar = "business"', 'minutes = 60, calendar = "y"'),
        "plans[2].targets[2].calendar",
        "y",
    ),
    (POLICY, ("severities = [2], minutes = 60", "severities = [1], minutes = 60"), "plans[2].targets[2]", "targets[1]"),
    (
        POLICY,
        ('default_nte = "450.00"', 'default_nte = "50.00"'),
        "authorization.default_nte",
        "authorization.least_nte",
    ),
    (POLICY, ('default_nte = "450.00"', 'default_nte = "450.005"'), "authorization.default_nte", "have 2 decimals"),
    (POLICY, ('above = "400.00"', 'above = "1.005"'), "confirm_parts_above", "have 2 decimals"),
    (POLICY, ('currency = "EUR"', 'currency = "EUX"'), "currency", "no currency in use"),
    (POLICY, ('ratification_days = 5\ncalendar = "business"', 'calendar = "z"'), "emergency.calendar", '"z"'),
    (
        POLICY,
        ("[[intake]]\nfields", '[[intake]]\nproduct_lines = ["DoorController"]\nfields'),
        "intake[2]",
        "intake[1]",
    ),
    (POLICY, ('code = "leds"', 'code = "serial"'), "intake[1].fields[3].code", "see intake[1].fields[1]"),
    (POLICY, ('"integrator", "operator"]', '"operator"]'), "house_terms.party_order", '"integrator" 0 times'),
    (POLICY, ('"integrator", "operator"]', '"integrator", "operator", "x"]'), "house_terms.party_order", '"x" is not'),
    (
        POLICY,
        ("bp = 9500 },\n]\n\n[[house_terms.resolution", "bp = 9400 },\n]\n\n[[house_terms.resolution"),
        "house_terms.shares[2].tranches",
        "9900",
    ),
    (POLICY, (', "pack_use"]', "]"), "house_terms.shares", 'no row shares "pack_use"'),
    (
        POLICY,
        ('"pack_breakage"]', '"pack_breakage", "included"]'),
        "house_terms.shares[2].revenues",
        "twice; see house_terms.shares[1]",
    ),
    (POLICY, ('party = "manufacturer", bp', 'party = "bank", bp'), "house_terms.shares[2].tranches[2].party", "bank"),
    (POLICY, ("integrator_bp = 6000", "integrator_bp = 6500"), "house_terms.resolution[1]", "sum to 10500"),
    (POLICY, ("integrator_bp = 3000, m", "integrator_bp = 3001, m"), "house_terms.fallback", "sum to 10001"),
    (
        POLICY,
        ('last_actions = ["part_replaced", "rewired"]\n', ""),
        "house_terms.resolution[2]",
        "see house_terms.resolution[1]",
    ),
    (
        POLICY,
        ('"part_replaced", "rewired"]', '"part_replaced", "sang"]'),
        "house_terms.resolution[1].last_actions",
        "sang",
    ),
    (
        POLICY,
        ('last_actions = ["part_replaced", "rewired"]', 'causes = ["moon"]'),
        "house_terms.resolution[1].causes",
        "moon",
    ),
    (
        POLICY,
        ('integrator_calendar = "business"', 'integrator_calendar = "q"'),
        "house_terms.confirmation.integrator_calendar",
        "q",
    ),
    (KESSLER, ('integrator = "KES"', 'integrator = "NOR"'), "parties.integrator", "see parties.manufacturer"),
    (
        KESSLER,
        ('integrator = "KES"', 'integrator = "KES"\nfurther = [{ code = "operator", organisation = "DIS" }]'),
        "parties.further[1].code",
        "a party already",
    ),
    (KESSLER, ('cap = "25.00" }', 'cap = "25.001" }'), "shares[1].tranches[1].cap", "2 decimals"),
    (
        KESSLER,
        ('{ to = "resolver", bp = 2000 }', '{ to = "resolver", bp = 2000, cap = "1" }'),
        "shares[1].tranches[4].cap",
        "takes the rest",
    ),
    (KESSLER, ('cap = "25.00" }', 'floor = "25.001" }'), "shares[1].tranches[1].floor", "2 decimals"),
    (KESSLER, ('cap = "25.00" }', 'cap = "25", floor = "26" }'), "shares[1].tranches[1].floor", "above the cap"),
    (
        KESSLER,
        ('{ to = "resolver", bp = 2000 }', '{ to = "resolver", bp = 2000, floor = "1" }'),
        "shares[1].tranches[4].floor",
        "takes the rest",
    ),
    (KESSLER, ('["included"]', f'["included"]\n{volumes("5", "4")}'), "shares[2].volumes[2].above", "higher"),
    (KESSLER, ('["included"]', f'["included"]\n{volumes("1.001")}'), "shares[2].volumes[1].above", "2 decimals"),
    (
        KESSLER,
        (
            'revenues = ["subscription", "pack_breakage"]',
            f'revenues = ["subscription", "pack_breakage"]\n{volumes("5")}',
        ),
        "shares[3].volumes",
        'not "pack_breakage" and "subscription"',
    ),
    (
        KESSLER,
        ('{ to = "seller", bp = 700 }', '{ to = "resolver", bp = 700 }'),
        "shares[1].tranches",
        'two tranches go to "resolver"',
    ),
    (
        KESSLER,
        ('per_hour = "95.00"', 'per_hour = "95.00"\nplans = ["assured"]'),
        "intercompany[1].plans",
        "do not depend",
    ),
    (KESSLER, ("recommended_bp = 11000", "recommended_bp = 13000"), "resale.recommended_bp", "see resale.ceiling_bp"),
    (KESSLER, ('borne_by = "operator"', 'borne_by = "bank"'), "settlement.stripe_fees_borne_by", "bank"),
    (
        KESSLER,
        ('integrator_calendar = "integrator"', 'integrator_calendar = "q"'),
        "confirmation.integrator_calendar",
        "q",
    ),
    (KESSLER, ('causes = ["not_found"]\n', ""), None, None),
]


@pytest.mark.parametrize(("name", "change", "key", "words"), CONTRADICTIONS)
def test_both_places_are_named_when_a_document_contradicts_itself(name, change, key, words):
    if key is None:
        parse_agreement(changed(name, change))
        return
    _, problems = problems_of(name, change)
    assert any(words in str(problem) for problem in problems if problem.key == key), [str(each) for each in problems]


def test_minimum_resale_price_is_refused_when_it_is_written():
    _, problem = only_problem(KESSLER, ("ceiling_bp = 12500", "ceiling_bp = 12500\nminimum_bp = 9000"))
    assert problem.message.startswith("A minimum resale price is refused")


def test_further_party_takes_a_tranche_when_it_is_listed_and_ordered():
    text = changed(
        ALPEN,
        ('integrator = "ALP" }', 'integrator = "ALP", further = [{ code = "distributor", organisation = "DIS" }] }'),
        (
            'currency = "EUR"',
            'currency = "EUR"\nparty_order = ["integrator", "manufacturer", "distributor", "operator"]',
        ),
        ('{ to = "party", party = "operator", bp = 500 }', '{ to = "party", party = "distributor", bp = 500 }'),
    )
    assert parse_agreement(text).shares[0].tranches[0].party == "distributor"


def test_problem_without_line_or_key_reads_as_its_message():
    assert str(Problem(None, "", "Broken.")) == "Broken."
    assert text_of(ALPEN)


DINARS = ('currency = "EUR"', 'currency = "KWD"')


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (
            ('price_per_month = "290.00"', 'price_per_month = "290.005"'),
            "plans[2].price_per_month",
            "290.000 or 290.010",
        ),
        (('price = "1350.00"', 'price = "1350.009"'), "packs[1].price", "1350.000 or 1350.010"),
        (('price = "1350.00"', 'price = "0.001"'), "packs[1].price", "the nearest: 0.010"),
        (("zone =", 'lapse.amount = "5.555"\nzone ='), "lapse.amount", "5.550 or 5.560"),
    ],
)
def test_a_price_that_no_processor_takes_is_refused_with_the_nearest_that_it_does(change, key, words):
    (problem,) = problems_of(POLICY, DINARS, change)[1]
    assert problem.key == key
    assert words in problem.message
    # What was signed before the rule stays as it was signed.
    signed = parse_policy(changed(POLICY, DINARS))
    update = {"packs": (signed.packs[0].model_copy(update={"price": "1350.009"}), *signed.packs[1:])}
    assert policy_from_json(signed.model_copy(update=update).model_dump_json()).packs[0].price == "1350.009"


@pytest.mark.parametrize("text", ["1350", "1350.01", "1350.010", "0.500"])
def test_a_price_that_ends_in_a_zero_is_charged_in_three_decimals(text):
    assert parse_policy(changed(POLICY, DINARS, ('price = "1350.00"', f'price = "{text}"'))).packs[0].price == text


def test_what_adds_up_with_other_amounts_first_is_only_remarked():
    fee = (
        '[[packs]]\ncode = "hours_10',
        '[[fees]]\ncode = "f"\nlabel = "F"\namount = "1.001"\n\n[[packs]]\ncode = "hours_10',
    )
    policy = parse_policy(changed(POLICY, DINARS, fee, ('default_nte = "450.00"', 'default_nte = "450.005"')))
    kessler = parse_agreement(changed(KESSLER, DINARS, ('minimum_payout = "50.00"', 'minimum_payout = "50.005"')))
    for remarks, key, nearest in (
        (policy_remarks(policy), "fees[1].amount", "nearest 1.000 or 1.010"),
        (agreement_remarks(kessler), "settlement.minimum_payout", "nearest 50.000 or 50.010"),
    ):
        assert [(each.key, nearest in each.message) for each in remarks if "end in a zero" in each.message] == [
            (key, True)
        ]


def test_a_currency_without_decimals_refuses_them_at_the_field():
    found = {each.key: each.message for each in problems_of(POLICY, ('currency = "EUR"', 'currency = "JPY"'))[1]}
    assert "amounts in JPY have no decimals" in found["packs[1].price"]
    assert "amounts in JPY have no decimals" in found["plans[2].price_per_month"]
