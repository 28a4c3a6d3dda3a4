"""The documents that come with the product are read, hashed and read back."""

import hashlib
import typing

import pytest
from pydantic import BaseModel

from portal.contracts.agreement import Agreement, agreement_against_policy, agreement_from_json, parse_agreement
from portal.contracts.canonical import canonical_json, sha256
from portal.contracts.language import meanings
from portal.contracts.policy import Policy, policy_from_json
from tests.support.documents import ALPEN, KESSLER, changed, text_of
from tests.support.documents import policy as nordlicht


def test_policy_comes_back_equal_when_read_from_its_canonical_json():
    policy = nordlicht()
    again = policy_from_json(canonical_json(policy))
    assert again == policy
    assert sha256(again) == sha256(policy) == hashlib.sha256(canonical_json(policy).encode()).hexdigest()


def test_policy_can_be_a_key_because_it_is_frozen_throughout():
    assert len({nordlicht(), nordlicht()}) == 1


@pytest.mark.parametrize("name", [KESSLER, ALPEN])
def test_agreement_fits_its_policy_when_read_from_the_product(name):
    agreement = parse_agreement(text_of(name))
    assert agreement_from_json(canonical_json(agreement)) == agreement
    assert agreement_against_policy(agreement, nordlicht(), text_of(name)) == ()


def test_a_small_agreement_takes_about_thirty_lines():
    assert len(text_of(ALPEN).splitlines()) <= 35


def test_hash_is_the_same_when_the_text_is_laid_out_differently():
    moved = changed(
        ALPEN, ("\n\n", "\n# a remark\n\n"), ('currency = "EUR"\n', ""), ("title = ", 'currency = "EUR"\ntitle = ')
    )
    assert sha256(parse_agreement(moved)) == sha256(parse_agreement(text_of(ALPEN)))


def test_words_the_policy_does_not_know_are_named_when_an_agreement_is_held_against_it():
    text = changed(
        KESSLER,
        ('causes = ["firmware_defect"]', 'causes = ["sunspots"]'),
        ('last_actions = ["part_replaced"]', 'last_actions = ["prayed"]'),
        (
            'task_classes = ["commissioning"]\nbands = ["business"]',
            'task_classes = ["commissioning"]\nbands = ["dawn"]',
        ),
        ('currency = "EUR"', 'currency = "USD"'),
    )
    problems = agreement_against_policy(parse_agreement(text), nordlicht(), text)
    assert [(problem.key, text.splitlines()[problem.line - 1]) for problem in problems] == [
        ("currency", 'currency = "USD"'),
        ("intercompany[1].bands", 'bands = ["dawn"]'),
        ("resolution[1].causes", 'causes = ["sunspots"]'),
        ("resolution[2].last_actions", 'last_actions = ["prayed"]'),
    ]
    assert "EUR" in problems[0].message
    without_lines = agreement_against_policy(parse_agreement(text), nordlicht())
    assert [problem.line for problem in without_lines] == [None] * 4


def blocks_of(model, seen):
    if model in seen:
        return
    seen.add(model)
    for field in model.model_fields.values():
        for kind in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                blocks_of(kind, seen)


def test_every_field_of_both_documents_says_what_it_is():
    seen = set()
    blocks_of(Policy, seen)
    blocks_of(Agreement, seen)
    assert len(seen) > 25
    assert [
        f"{model.__name__}.{name}"
        for model in seen
        for name in model.model_fields
        if not meanings(model).get(name, "").endswith(".")
    ] == []
