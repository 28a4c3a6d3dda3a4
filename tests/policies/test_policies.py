"""Every worked example of a published policy comes out of the quote as the vendor says."""

import pytest

from tests.support.policies import POLICIES, differences_of, examples, policy_of

EXAMPLES = [each for each in examples() if not each.out_of_scope]
DOCUMENTS = sorted(file.name for file in POLICIES.glob("*.toml") if "examples" not in file.name.split("."))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_comes_out_as_published(example):
    assert differences_of(example) == []


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if not name.endswith(".agreement.toml")])
def test_document_is_without_contradiction(document):
    assert policy_of(document).title


def test_what_is_out_of_scope_says_why():
    assert all(each.kind == "rma" or len(each.out_of_scope) > 20 for each in examples() if each.out_of_scope)
