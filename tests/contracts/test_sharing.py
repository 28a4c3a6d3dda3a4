"""Who gets what: exact, in party order, summing to the amount."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.contracts.blocks import Company, Payer, Revenue, ShareRow, Weights
from portal.contracts.sharing import (
    UNDETERMINED,
    RevenuePart,
    SharingFacts,
    average_weights,
    months_counted,
    settle_undetermined,
    shares_of,
)
from portal.errors import RuleBroken
from tests.support.documents import ALPEN, KESSLER, agreement, policy

P, K, A = policy(), agreement(), agreement(ALPEN)
TM, INCLUDED, SUBSCRIPTION = Revenue.TIME_AND_MATERIALS, Revenue.INCLUDED, Revenue.SUBSCRIPTION
WORKED = ((Company.MANUFACTURER, 5_100), (Company.INTEGRATOR, 900))
QUARTER = Weights(integrator_bp=2_500, manufacturer_bp=7_500)


def facts(amount=21_250, revenue=TM, **changes):
    values = {"worked": WORKED, "weights": QUARTER, "seller": "integrator", **changes}
    return SharingFacts((RevenuePart(revenue, amount),), **values)


def amounts(shares):
    return {share.party: share.amount_minor for share in shares}


def test_time_and_materials_goes_to_operator_seller_workers_and_resolvers():
    shares = shares_of(P, K, facts())
    # 3 % operator; 7 % seller + 15 of 100 minutes of 70 % + a quarter of 20 % integrator; the rest manufacturer.
    assert amounts(shares) == {"integrator": 4_781, "manufacturer": 15_831, "operator": 638}
    assert [share.weight_bp for share in shares] == [2_250, 7_450, 300]
    assert shares[0].explanation == (
        "7 % to the seller",
        "70 % by worked time: 15 of 100 min",
        "20 % to who resolved it, weight 25 %",
    )


def test_what_is_above_a_cap_goes_to_the_next_tranche():
    shares = amounts(shares_of(P, K, facts(100_000)))
    assert shares["operator"] == 2_500
    assert shares["integrator"] == 7_000 + 500 + 10_500 + 5_000
    assert sum(shares.values()) == 100_000


def test_house_terms_split_when_there_is_no_agreement():
    assert amounts(shares_of(P, None, facts(10_000))) == {"manufacturer": 8_075, "integrator": 1_425, "operator": 500}


def test_manufacturer_stands_in_when_there_is_no_integrator():
    shares = shares_of(P, None, facts(10_000, has_integrator=False, worked=((Company.MANUFACTURER, 60),)))
    assert amounts(shares) == {"manufacturer": 9_500, "operator": 500}
    sold = shares_of(P, K, facts(10_000, has_integrator=False))
    assert amounts(sold) == {"manufacturer": 9_700, "operator": 300}


def test_house_terms_state_the_kind_the_agreement_leaves_out():
    assert amounts(shares_of(P, A, facts(10_000, SUBSCRIPTION))) == {"manufacturer": 9_500, "operator": 500}


def test_payer_gets_no_share_when_the_integrator_pays():
    shares = shares_of(P, K, facts(10_000, payer=Payer.INTEGRATOR, weights=None))
    assert amounts(shares) == {"manufacturer": 9_700, "operator": 300}
    assert any("pays net" in sentence for sentence in shares[0].explanation)


def test_undecided_part_is_one_share_when_the_resolution_is_open():
    shares = shares_of(P, K, facts(weights=None))
    assert shares[-1].party == UNDETERMINED
    assert amounts(shares)[UNDETERMINED] == 4_250
    settled = settle_undetermined(P, K, shares[-1], QUARTER)
    assert amounts(settled) == {"integrator": 1_063, "manufacturer": 3_187}
    assert amounts(settle_undetermined(P, K, shares[-1], QUARTER, has_integrator=False)) == {"manufacturer": 4_250}


def test_resolvers_get_the_worked_part_when_nobody_worked():
    assert amounts(shares_of(P, K, facts(10_000, worked=()))) == {
        "integrator": 700 + 2_250,
        "manufacturer": 6_750,
        "operator": 300,
    }


def test_a_company_that_did_not_work_has_no_row():
    shares = shares_of(P, A, facts(10_000, worked=((Company.MANUFACTURER, 60), (Company.INTEGRATOR, 0))))
    assert amounts(shares) == {"manufacturer": 9_500, "operator": 500}


def test_each_kind_sums_by_itself_when_an_item_has_two():
    parts = (RevenuePart(TM, 21_250), RevenuePart(INCLUDED, 24_001), RevenuePart(Revenue.PACK_USE, 0))
    shares = shares_of(P, K, SharingFacts(parts, WORKED, QUARTER, seller="integrator"))
    assert sum(share.amount_minor for share in shares if share.revenue is TM) == 21_250
    assert sum(share.amount_minor for share in shares if share.revenue is INCLUDED) == 24_001
    assert {share.revenue for share in shares} == {TM, INCLUDED}


def test_a_further_party_gets_its_tranche():
    text = (
        ('integrator = "KES"', 'integrator = "KES"\nfurther = [{ code = "distributor", organisation = "DIS" }]'),
        ('party_order = ["integrator", ', 'party_order = ["distributor", "integrator", '),
        ('{ to = "seller", bp = 700 }', '{ to = "party", party = "distributor", bp = 700 }'),
    )
    assert amounts(shares_of(P, agreement(KESSLER, *text), facts(10_000)))["distributor"] == 700


def test_minutes_are_shown_with_a_fraction_when_seconds_do_not_make_them_whole():
    shares = shares_of(P, A, facts(10_000, worked=((Company.MANUFACTURER, 90), (Company.INTEGRATOR, 90))))
    assert "95 % by worked time: 1.5 of 3 min" in shares[0].explanation
    odd = agreement(ALPEN, ("bp = 500 }", "bp = 525 }"), ("bp = 9500 }", "bp = 9475 }"))
    assert shares_of(P, odd, facts())[-1].explanation == ("5.25 % to the operator",)


def test_negative_amount_is_refused_because_reversals_follow_posted_shares():
    with pytest.raises(RuleBroken):
        shares_of(P, K, facts(-1))


def test_tranches_that_do_not_sum_are_refused_when_a_document_was_not_checked():
    row = K.shares[0].model_copy(update={"tranches": K.shares[0].tranches[:2]})
    with pytest.raises(RuleBroken):
        shares_of(P, K.model_copy(update={"shares": (row,)}), facts())


weights = st.none() | st.integers(0, 10_000).map(lambda bp: Weights(integrator_bp=bp, manufacturer_bp=10_000 - bp))
seconds = st.integers(0, 10**6)


@given(
    document=st.sampled_from([K, A, None]),
    revenue=st.sampled_from(list(Revenue)),
    amount=st.integers(0, 10**9),
    worked=st.tuples(seconds, seconds),
    decided=weights,
    payer=st.sampled_from(list(Payer)),
    has_integrator=st.booleans(),
    seller=st.sampled_from(["integrator", "manufacturer", "operator"]),
)
def test_shares_sum_to_the_amount_in_party_order_whatever_the_facts(
    *, document, revenue, amount, worked, decided, payer, has_integrator, seller
):
    pairs = tuple(zip((Company.MANUFACTURER, Company.INTEGRATOR), worked, strict=True))
    given_facts = SharingFacts((RevenuePart(revenue, amount),), pairs, decided, seller, payer, has_integrator)
    shares = shares_of(P, document, given_facts)
    order = [*(document or P.house_terms).party_order, UNDETERMINED]
    places = [order.index(share.party) for share in shares]
    assert places == sorted(set(places))
    assert sum(share.amount_minor for share in shares) == amount
    assert all(share.amount_minor >= 0 for share in shares)
    if payer is Payer.INTEGRATOR or not has_integrator:
        assert "integrator" not in amounts(shares)
    if decided is not None or not has_integrator:
        assert UNDETERMINED not in amounts(shares)


@given(amount=st.integers(1, 10**9), decided=weights.filter(bool))
def test_deciding_gives_out_exactly_what_was_held(amount, decided):
    held = shares_of(P, K, facts(amount, weights=None))
    settled = settle_undetermined(P, K, held[-1], decided)
    assert sum(share.amount_minor for share in settled) == held[-1].amount_minor
    assert all(share.amount_minor >= 0 for share in settled)


def row_of(*tranches):
    return ShareRow.model_validate_json(json.dumps({"revenues": ["subscription"], "tranches": tranches}))


OPERATOR, SELLER = {"to": "party", "party": "operator"}, {"to": "seller"}


@pytest.mark.parametrize(
    ("tranches", "parts"),
    [
        ([{**OPERATOR, "bp": 300}, SELLER], [300, 9_700]),
        ([OPERATOR, {**SELLER, "bp": 9_000}], [1_000, 9_000]),
        ([{**OPERATOR, "bp": 10_000}, SELLER], [10_000, 0]),
        ([SELLER], [10_000]),
        ([{**OPERATOR, "bp": 300}, {**SELLER, "bp": 9_700}], [300, 9_700]),
    ],
)
def test_a_tranche_that_states_nothing_takes_the_rest(tranches, parts):
    assert [each.bp for each in row_of(*tranches).tranches] == parts


@pytest.mark.parametrize(
    ("tranches", "sentence"),
    [
        # split-014 of the published vectors: two remaining clauses.
        ([SELLER, {**OPERATOR, "bp": 800}, {"to": "worked_time"}], "only one tranche of a kind takes the rest"),
        ([SELLER, {**OPERATOR, "bp": 6_000}, {"to": "worked_time", "bp": 6_000}], "nothing is left for the other"),
    ],
)
def test_there_is_one_rest_and_it_is_not_below_zero(tranches, sentence):
    with pytest.raises(ValueError, match=sentence):
        row_of(*tranches)


def sharing(**row):
    """Kessler's agreement with another row for time and materials."""
    stated = {"revenues": ["time_and_materials"], **row}
    return K.model_copy(update={"shares": (ShareRow.model_validate_json(json.dumps(stated)),)})


INTEGRATOR, MANUFACTURER = {"to": "party", "party": "integrator"}, {"to": "party", "party": "manufacturer"}
BY_VOLUME = {
    "tranches": [{**OPERATOR, "bp": 500}, MANUFACTURER],
    "volume_months": 3,
    "volumes": [
        {"above": "1000.00", "tranches": [{**INTEGRATOR, "bp": 2_000}, MANUFACTURER]},
        {"above": "5000.00", "tranches": [INTEGRATOR]},
    ],
}


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        ({}, {"operator": 500, "manufacturer": 9_500}),
        ({3: 100_000}, {"operator": 500, "manufacturer": 9_500}),
        ({3: 100_001}, {"integrator": 2_000, "manufacturer": 8_000}),
        ({3: 500_001}, {"integrator": 10_000}),
        ({12: 500_001}, {"operator": 500, "manufacturer": 9_500}),
    ],
)
def test_the_last_volume_that_was_passed_decides(volumes, expected):
    assert amounts(shares_of(P, sharing(**BY_VOLUME), facts(10_000, volumes=volumes))) == expected


def test_slices_by_volume_say_why_they_hold():
    (share,) = shares_of(P, sharing(**BY_VOLUME), facts(10_000, volumes={3: 600_000}))
    assert share.explanation == ("100 %, with more than 5000.00 in the 3 months before to the integrator",)


def test_documents_name_the_months_they_count():
    assert months_counted(P, sharing(**BY_VOLUME)) == {3}
    assert months_counted(P, K) == frozenset()


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        # 10 % of 300.00 is more than the floor, 10 % of 100.00 is not, and 20.00 do not reach it.
        (30_000, {"operator": 3_000, "integrator": 15_000, "manufacturer": 12_000}),
        (10_000, {"operator": 2_500, "integrator": 5_000, "manufacturer": 2_500}),
        (4_000, {"operator": 2_500, "integrator": 1_500}),
        (2_000, {"operator": 2_000}),
    ],
)
def test_a_floor_is_taken_from_the_last_tranches(amount, expected):
    slices = [{**OPERATOR, "bp": 1_000, "floor": "25.00"}, {**INTEGRATOR, "bp": 5_000}, MANUFACTURER]
    assert amounts(shares_of(P, sharing(tranches=slices), facts(amount))) == expected


floors = st.none() | st.integers(0, 10**6).map(lambda minor: f"{minor // 100}.{minor % 100:02d}")


@given(amount=st.integers(1, 10**7), bps=st.lists(st.integers(0, 3_000), min_size=1, max_size=3), data=st.data())
def test_caps_and_floors_leave_nothing_over(amount, bps, data):
    slices = [
        {"to": "party", "party": party, "bp": bp, "cap": data.draw(floors), "floor": data.draw(floors)}
        for party, bp in zip(("operator", "integrator", "manufacturer"), bps, strict=False)
    ]
    shares = shares_of(P, sharing(tranches=[*slices, {"to": "seller"}]), facts(amount))
    assert sum(share.amount_minor for share in shares) == amount
    assert all(share.amount_minor >= 0 for share in shares)


@pytest.mark.parametrize(
    ("found", "integrator_bp"), [([], 4_000), ([3_000], 3_000), ([3_000, 5_000], 4_000), ([3_000, 3_001], 3_001)]
)
def test_weights_of_several_cases_are_averaged_each_once(found, integrator_bp):
    def weights(bp):
        return Weights(integrator_bp=bp, manufacturer_bp=10_000 - bp)

    assert average_weights([weights(bp) for bp in found], weights(4_000)) == weights(integrator_bp)
