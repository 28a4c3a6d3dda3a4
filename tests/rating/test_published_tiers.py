"""Published cases of tiers, blocks, rounding and multipliers, priced from documents; a unit of a case is an hour."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from portal.contracts.agreement import parse_agreement
from portal.contracts.policy import parse_policy
from portal.errors import DocumentInvalid
from portal.rating.engine import rate
from portal.rating.facts import BOUGHT_GRANT, CaseFacts, Cover, GrantState, WorkInterval
from portal.rating.policies import compile_tariff
from portal.rating.pricing import PAID_KINDS

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "money_vectors.json").read_text(encoding="utf-8"))
VECTORS = {vector["id"]: vector for vector in PUBLISHED["vectors"]}
OPENED = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOUR = 60

# A flat sum of the first tier is a fee; of later ones it is due once their price is reached.
GRADUATED = [f"rate-{number}" for number in ("002", "003", "004", "005", "008", "019", "040", "041", "042")]
VOLUME = ["rate-012", "rate-013"]
BLOCKS = ["rate-030", "rate-031", "rate-033", "rate-034", "rate-035"]


def policy_text(rates, *more, increment=1):
    head = f'title = "T"\ncurrency = "USD"\nzone = "UTC"\nrounding = {{ increment_minutes = {increment} }}\n'
    return "\n".join([head, rates, *more])


def amount_of(text, minutes, **facts):
    """Dollars of one stretch of remote work."""
    policy = parse_policy(text)
    tariff = compile_tariff(policy, product_line="")
    work = [WorkInterval(1, 1, OPENED, OPENED + timedelta(minutes=minutes), "remote")] if minutes else []
    cover = (Cover(OPENED, "time_and_materials"),)
    return rate(CaseFacts(cover=cover, opened_at=OPENED, **facts), work, (), tariff)


def priced(tiers, *, for_all):
    """A rate row of tiers; prices are of an hour."""
    begins = [int(Fraction(str(tier["up_to"])) * HOUR) for tier in tiers[:-1]]
    over = ", ".join(
        f'{{ minutes = {begin}, level = "case", per_hour = "{plain(tier["unit"])}"'
        + (f', amount = "{tier["flat"]}"' if Fraction(tier["flat"]) and not for_all else "")
        + " }"
        for begin, tier in zip(begins, tiers[1:], strict=True)
    )
    whole = "over_for_all = true" if for_all else ""
    return f'[[rates]]\nper_hour = "{plain(tiers[0]["unit"])}"\nover = [{over}]\n{whole}\n'


def plain(number):
    return format(Decimal(str(number)).normalize(), "f")


@pytest.mark.parametrize("name", [*GRADUATED, *VOLUME])
def test_units_are_priced_by_their_tiers(name):
    given, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    volume = VECTORS[name]["rule"] == "volume"
    flat = given["tiers"][0]["flat"]
    fee = f'[[fees]]\ncode = "flat"\nlabel = "Flat"\namount = "{flat}"\n' if Fraction(flat) and not volume else ""
    text = policy_text(priced(given["tiers"], for_all=volume), fee)
    rated = amount_of(text, int(Fraction(given["units"]) * HOUR))
    assert rated.amount_minor == Fraction(expected["amount"]) * 100


def test_rate_009_a_flat_sum_is_due_for_no_unit_at_all():
    given, expected = VECTORS["rate-009"]["input"], VECTORS["rate-009"]["expected"]
    fee = f'[[fees]]\ncode = "flat"\nlabel = "Flat"\namount = "{given["tiers"][0]["flat"]}"\n'
    rated = amount_of(policy_text('[[rates]]\nper_hour = "2"\n', fee), 0)
    assert rated.amount_minor == int(expected["amount"]) * 100


@pytest.mark.parametrize("name", BLOCKS)
def test_begun_blocks_are_whole_ones_at_the_price_of_their_tier(name):
    given, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    # A unit is a minute here: blocks are steps of rounding, their prices those of an hour's worth of blocks.
    tiers, ends = given["tiers"], [0]
    for tier in given["tiers"]:
        ends.append(ends[-1] + tier["block"] * tier["max_blocks"])
    hourly = [plain(Decimal(tier["price"]) * 60 / tier["block"]) for tier in tiers]
    over = ", ".join(
        f'{{ minutes = {end}, level = "case", per_hour = "{price}" }}'
        for end, price in zip(ends[1:], hourly[1:], strict=False)
    )
    whole = "over_for_all = true" if VECTORS[name]["rule"] == "blocks_top_tier" else ""
    reached = next((tier for tier, end in zip(tiers, ends[1:], strict=True) if given["units"] <= end), tiers[-1])
    text = policy_text(f'[[rates]]\nper_hour = "{hourly[0]}"\nover = [{over}]\n{whole}\n', increment=reached["block"])
    assert amount_of(text, given["units"]).amount_minor == Fraction(expected["amount"]) * 100


@pytest.mark.parametrize(
    ("name", "minutes", "increment", "direction", "billed"),
    [
        ("round-011", 15, 30, "nearest", 30),
        ("round-015", 130, 15, "up", 135),
        ("round-016", 74, 15, "nearest", 75),
    ],
)
def test_time_is_rounded_as_published(name, minutes, increment, direction, billed):
    assert Fraction(str(VECTORS[name]["input"].get("minutes", minutes))) == minutes
    text = 'title = "T"\ncurrency = "USD"\nzone = "UTC"\nrates = [{ per_hour = "60" }]\n'
    text += f'rounding = {{ increment_minutes = {increment}, direction = "{direction}" }}\n'
    rated = amount_of(text, minutes)
    assert sum(line.seconds for line in rated.lines if line.kind in PAID_KINDS) == billed * 60


def test_round_023_each_day_is_rounded_or_the_case_once():
    given, expected = VECTORS["round-023"]["input"], VECTORS["round-023"]["expected"]

    def hours(level):
        text = 'title = "T"\ncurrency = "USD"\nzone = "UTC"\nrates = [{ per_hour = "60" }]\n'
        text += f'rounding = {{ increment_minutes = {given["increment"]}, level = "{level}" }}\n'
        starts = [OPENED + timedelta(days=day) for day in range(given["days"])]
        work = [
            WorkInterval(number, 1, start, start + timedelta(minutes=given["minutes_per_day"]), "remote")
            for number, start in enumerate(starts, start=1)
        ]
        tariff = compile_tariff(parse_policy(text), product_line="")
        return rate(CaseFacts(cover=(Cover(OPENED, "time_and_materials"),)), work, (), tariff).seconds // 3600

    assert hours("day") == expected["hours_total_if_daily"]
    assert hours("case") == expected["hours_total_if_summed_first"]


@pytest.mark.parametrize("name", ["rate-046", "rate-047"])
def test_bought_hours_are_used_at_their_factor(name):
    given, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    text = policy_text(
        '[[rates]]\nper_hour = "60"\n',
        '[[packs]]\ncode = "p"\nlabel = "P"\nminutes = 600\n',
        f'[[burns]]\nfactor = "{given["multiplier"]}"\n',
    )
    tariff = compile_tariff(parse_policy(text), product_line="")
    minutes = int(Fraction(given["worked_hours"]) * HOUR)
    work = [WorkInterval(1, 1, OPENED, OPENED + timedelta(minutes=minutes), "remote")]
    facts = CaseFacts(cover=(Cover(OPENED, "time_and_materials"),))
    rated = rate(facts, work, [GrantState(1, BOUGHT_GRANT, 36_000)], tariff)
    assert rated.draws[0].seconds == Fraction(expected["deducted_hours"]) * 3600
    assert rated.amount_minor == 0


@pytest.mark.parametrize(
    ("name", "shares", "words"),
    [
        ("split-013", (5_000, 5_000, 5_000), "sum to 15000 basis points instead of 10000"),
        ("split-015", (10_010,), "Allowed here"),
    ],
)
def test_shares_that_are_not_the_whole_are_refused(name, shares, words):
    parties = ("operator", "manufacturer", "integrator")
    rows = ", ".join(
        f'{{ to = "party", party = "{party}", bp = {bp} }}' for party, bp in zip(parties, shares, strict=False)
    )
    assert VECTORS[name]["rule"] == "validation"
    text = 'title = "T"\ncurrency = "USD"\nzone = "UTC"\nparties = { manufacturer = "AB", integrator = "CD" }\n'
    with pytest.raises(DocumentInvalid) as caught:
        parse_agreement(f'{text}[[shares]]\nrevenues = ["pack_use"]\ntranches = [{rows}]\n')
    assert any(words in str(problem) for problem in caught.value.problems)
