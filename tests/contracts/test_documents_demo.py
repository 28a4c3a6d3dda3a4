"""The documents that come with the product are read, hashed and read back."""

from pathlib import Path

import pytest

from portal.contracts.agreement import agreement_against_policy, agreement_from_json, parse_agreement
from portal.contracts.canonical import canonical_json, sha256
from portal.contracts.policy import parse_policy, policy_from_json

DOCUMENTS = Path(__file__).parents[2] / "portal" / "demo" / "documents"
AGREEMENTS = ["nordlicht_kessler_agreement.toml", "nordlicht_alpen_agreement.toml"]


def text_of(name: str) -> str:
    return (DOCUMENTS / name).read_text(encoding="utf-8")


def test_policy_comes_back_equal_when_read_from_its_canonical_json():
    policy = parse_policy(text_of("nordlicht_policy.toml"))
    again = policy_from_json(canonical_json(policy))
    assert again == policy
    assert sha256(again) == sha256(policy)


@pytest.mark.parametrize("name", AGREEMENTS)
def test_agreement_fits_its_policy_when_read_from_the_product(name):
    policy = parse_policy(text_of("nordlicht_policy.toml"))
    agreement = parse_agreement(text_of(name))
    assert agreement_from_json(canonical_json(agreement)) == agreement
    assert agreement_against_policy(agreement, policy, text_of(name)) == ()


def test_hash_is_the_same_when_the_text_is_laid_out_differently():
    text = text_of("nordlicht_alpen_agreement.toml")
    moved = (
        text.replace("\n\n", "\n# a remark\n\n")
        .replace('currency = "EUR"\n', "")
        .replace("title = ", 'currency = "EUR"\ntitle = ')
    )
    assert sha256(parse_agreement(moved)) == sha256(parse_agreement(text))
