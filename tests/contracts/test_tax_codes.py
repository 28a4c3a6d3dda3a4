"""The tax class of each part of what is sold: its shape at the field, and which code holds for what."""

from __future__ import annotations

import pytest

from portal.contracts.packs import Pack
from portal.contracts.policy import parse_policy
from portal.contracts.reading import DocumentInvalid
from portal.contracts.tax_codes import PARTS, SUPPORT, TRAVEL, TaxCodes, class_of_line, code_of, code_of_sold
from portal.contracts.terms import Plan
from tests.support.documents import POLICY, changed

pytestmark = pytest.mark.measured

ALL, LABOUR, GOODS, OWN = "txcd_10000000", "txcd_20030000", "txcd_99999999", "txcd_10103001"
TABLE = f'[tax_codes]\ndefault = "{ALL}"\nparts = "{GOODS}"\n'


@pytest.mark.parametrize(
    ("kind", "mode", "named"),
    [
        ("time", "remote", SUPPORT),
        ("time", "travel", TRAVEL),
        ("fee", "on_site", SUPPORT),
        ("material", "", PARTS),
        ("material", "travel", PARTS),
    ],
)
def test_a_line_of_a_bill_has_the_class_of_what_it_is_for(kind, mode, named):
    assert class_of_line(kind, mode) == named


@pytest.mark.parametrize(
    ("codes", "by_name"),
    [
        (None, {SUPPORT: "", TRAVEL: "", PARTS: ""}),
        (TaxCodes(), {SUPPORT: "", TRAVEL: "", PARTS: ""}),
        (TaxCodes(default=ALL, parts=GOODS), {SUPPORT: ALL, TRAVEL: ALL, PARTS: GOODS}),
        (TaxCodes(support=LABOUR), {SUPPORT: LABOUR, TRAVEL: "", PARTS: ""}),
    ],
)
def test_what_has_no_code_has_the_default_or_the_accounts(codes, by_name):
    assert {named: code_of(codes, named) for named in by_name} == by_name


@pytest.mark.parametrize(
    ("codes", "own", "code"),
    [(None, None, ""), (None, OWN, OWN), (TaxCodes(default=ALL), None, ALL), (TaxCodes(default=ALL), OWN, OWN)],
)
def test_a_plan_and_a_pack_may_name_their_own(codes, own, code):
    plan = Plan(code="basic", name="Basic", tax_code=own)
    pack = Pack(code="ten", label="Ten hours", minutes=600, tax_code=own)
    assert (code_of_sold(codes, plan), code_of_sold(codes, pack)) == (code, code)
    assert code_of_sold(codes, None) == (codes.default if codes else "")


def test_a_policy_says_its_classes_and_a_wrong_one_is_refused_at_its_field():
    text = changed(POLICY)
    assert parse_policy(f"{text}\n{TABLE}").tax_codes == TaxCodes(default=ALL, parts=GOODS)
    wrong_ones = {"tax_codes.parts": TABLE.replace(GOODS, "parts"), "tax_codes.labour": f'{TABLE}labour = "x"\n'}
    for key, wrong in wrong_ones.items():
        with pytest.raises(DocumentInvalid) as refused:
            parse_policy(f"{text}\n{wrong}")
        assert key in str([problem.key for problem in refused.value.problems])
    with pytest.raises(DocumentInvalid) as refused:
        parse_policy(changed(POLICY, ('code = "hours_10"\n', 'code = "hours_10"\ntax_code = "txcd_1"\n')))
    assert 'such as "txcd_20030000"' in refused.value.problems[0].message
