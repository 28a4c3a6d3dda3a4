"""Each error carries a sentence a user may read, and what its page needs beside it."""

import inspect

import pytest

from portal import errors
from portal.errors import DocumentInvalid, Happening, Invalid, NotFound, PortalError, Problem, Stale, TooOften

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PortalError)]


def needs_only_a_sentence(kind: type[PortalError]) -> bool:
    parameters = inspect.signature(kind).parameters
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    return "sentence" in parameters and set(required) <= {"sentence"}


@pytest.mark.parametrize("kind", [kind for kind in TREE if needs_only_a_sentence(kind)])
def test_an_error_reads_as_its_sentence(kind):
    error = kind("The case has moved on.")
    assert error.sentence == str(error) == "The case has moved on."


def test_what_is_not_found_may_be_hidden():
    assert "not yours to see" in NotFound().sentence


def test_a_stale_form_tells_what_happened_since():
    happened = [Happening("Ana", "accepted custody", "2026-03-01T10:00:00Z")]
    assert Stale("The case has moved on.", happened).since == tuple(happened)
    assert Stale("The case has moved on.").since == ()


def test_bad_input_tells_each_field_and_keeps_it_from_changing():
    fields = {"amount": "Write an amount."}
    error = Invalid("Look again.", fields)
    fields["amount"] = "changed"
    assert error.fields == {"amount": "Write an amount."}
    assert Invalid("Look again.").fields == {}


def test_too_many_tries_say_when_to_come_back():
    error = TooOften("Wait a little.", 30)
    assert (error.sentence, error.retry_seconds) == ("Wait a little.", 30)


@pytest.mark.parametrize(
    ("problem", "reads"),
    [
        (Problem(3, "rates.day", "is negative"), "line 3, rates.day: is negative"),
        (Problem(None, "rates.day", "is negative"), "rates.day: is negative"),
        (Problem(3, "", "is no TOML"), "line 3: is no TOML"),
        (Problem(None, "", "is empty"), "is empty"),
    ],
)
def test_a_problem_of_a_document_names_its_place(problem, reads):
    assert str(problem) == reads
    assert DocumentInvalid([problem]).fields == {"text": reads}
    assert DocumentInvalid([problem]).sentence == "The document has one problem."


def test_a_document_tells_all_its_problems():
    problems = [Problem(1, "a", "is missing"), Problem(2, "b", "is unknown")]
    error = DocumentInvalid(problems)
    assert error.problems == tuple(problems)
    assert error.sentence == "The document has 2 problems."


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (errors.Stale, errors.Conflict),
        (errors.Invalid, errors.RuleBroken),
        (errors.CurrencyMismatch, errors.RuleBroken),
        (errors.PeriodClosed, errors.RuleBroken),
        (errors.NotAuthorized, errors.RuleBroken),
    ],
)
def test_an_error_belongs_to_the_family_that_its_page_answers(kind, family):
    assert issubclass(kind, family)


def test_the_families_do_not_overlap():
    families = [errors.NotFound, errors.NotAllowed, errors.Conflict, errors.RuleBroken, errors.ProviderTrouble]
    for kind in TREE:
        assert sum(issubclass(kind, family) for family in families) <= 1
