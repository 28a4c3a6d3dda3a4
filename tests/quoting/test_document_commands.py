"""`portal policy` and `portal agreement`: mistakes with their places, remarks, the language, changes in sentences."""

from itertools import pairwise

import pytest
from click.testing import CliRunner

from portal.cli import main
from tests.support.documents import ALPEN, DOCUMENTS, KESSLER, POLICY, changed


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def file_of(tmp_path):
    def write(name, *changes):
        file = tmp_path / f"{len(changes)}_{name}"
        file.write_text(changed(name, *changes), encoding="utf-8")
        return file

    return write


def test_right_policy_is_checked_with_remarks(file_of):
    done = run("policy", "check", file_of(POLICY, ("[rounding]", '[[roles]]\ncode = "master"\n\n[rounding]')))
    assert done.exit_code == 0
    assert 'roles[1]: no row about work names "master".' in done.output.lower()
    assert "Nordlicht Access service policy: no mistakes, 1 remarks." in done.output


def test_wrong_policy_is_refused_with_line_and_key(file_of):
    done = run("policy", "check", file_of(POLICY, ("rank = 20", 'rank = "x"'), ('currency = "EUR"', 'currency = "e"')))
    assert done.exit_code == 1
    assert 'line 4, currency: This does not have the form that is allowed here: a currency code such as "EUR".' in (
        done.output
    )
    assert "plans[2].rank: A whole number is expected, without quotes." in done.output


def test_contradiction_names_both_places(file_of):
    minimum = ("[[warranty]]\nproduct", '[[caps]]\nlevel = "case"\nminutes = 60\n\n[[warranty]]\nproduct')
    done = run("policy", "check", file_of(POLICY, minimum))
    assert "minimums[2].minutes: the minimum is above a cap; see caps[1] (line" in done.output


def test_agreement_is_checked_against_its_policy(file_of):
    assert run("agreement", "check", DOCUMENTS / KESSLER, "--policy", DOCUMENTS / POLICY).exit_code == 0
    strange = file_of(KESSLER, ('causes = ["firmware_defect"]', 'causes = ["moonlight"]'))
    assert run("agreement", "check", strange).exit_code == 0
    done = run("agreement", "check", strange, "--policy", DOCUMENTS / POLICY)
    assert '"moonlight" is not in the policy\'s causes' in done.output


def test_changes_are_said_in_sentences(file_of):
    after = file_of(POLICY, ("rank = 20", "rank = 30"), ('per_hour = "270.00"', 'per_hour = "280.00"'))
    said = run("policy", "diff", DOCUMENTS / POLICY, after).output
    assert "Plans, Assured, rank: was 20, is now 30." in said
    assert "Rates, modes on_site, per hour: was 270.00, is now 280.00." in said.replace("on site", "on_site")
    assert run("policy", "diff", DOCUMENTS / POLICY, DOCUMENTS / POLICY).output == "The two say the same.\n"
    assert "was Nordlicht Access and" in run("agreement", "diff", DOCUMENTS / KESSLER, DOCUMENTS / ALPEN).output


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("policy", ["  bands = list of table Band", "Minimum: The least that is billed", "from 0 to 99"]),
        ("agreement", ["  intercompany = list of table RateRow", '"party" | "seller"']),
        ("case", ["  opened_at = date and time, required", "WorkInput: A piece of work."]),
    ],
)
def test_language_is_described_from_its_own_fields(document, words):
    said = run("policy", "doc", "--for", document).output
    assert all(word in said for word in words), said


def test_every_key_of_the_language_says_what_it_means():
    for document in ("policy", "agreement", "case"):
        lines = run("policy", "doc", "--for", document).output.splitlines()
        bare = [
            line
            for line, after in pairwise([*lines, ""])
            if line.startswith("  ") and line[2] != " " and " = " in line and not after.startswith("      ")
        ]
        assert bare == []
