"""`portal quote` answers from files alone."""

import json
import re

import pytest
from click.testing import CliRunner

from portal.cli import main
from portal.config import ROOT
from tests.support.documents import DOCUMENTS, KESSLER, POLICY

CASE = """
title = "A door that does not open"
opened_at = 2026-03-03T16:30:00
plan = "assured"
severity = 2

[[work]]
minutes = 50
"""


@pytest.fixture
def ask(tmp_path):
    def run(case, *more):
        file = tmp_path / "case"
        file.write_text(case, encoding="utf-8")
        documents = ("--policy", str(DOCUMENTS / POLICY), "--agreement", str(DOCUMENTS / KESSLER))
        return CliRunner().invoke(main, ["quote", *documents, "--case", str(file), *more])

    return run


def test_quote_prices_covers_and_dates_a_case_in_words(ask):
    said = ask(CASE).output
    assert "Response due 2026-03-04T08:30:00+01:00 (60 min, Monday to Friday, 08:00 to 17:00)." in said
    assert "Billable: 30 min. Amount: 112.50 EUR." in said


def test_quote_is_the_same_as_json_from_json(ask):
    as_json = json.dumps({"opened_at": "2026-03-03T16:30:00", "plan": "assured", "work": [{"minutes": 50}]})
    answer = json.loads(ask(as_json, "--json").output)
    assert (answer["bill"]["amount"], answer["bill"]["billable_minutes"]) == ("112.50", 30)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("severity = 2", "severity = 9", "line 5, severity: Allowed here: less than or equal to 4."),
        ("severity = 2", "urgency = 2", "line 5, urgency: This key is not known."),
        ("minutes = 50", "", "line 7, work[1]: Work has either ends_at or minutes."),
        ('plan = "assured"', 'plan = "gold"', 'The policy has no plan "gold".'),
    ],
)
def test_quote_refuses_a_case_with_line_and_key(ask, old, new, words):
    answered = ask(CASE.replace(old, new))
    assert answered.exit_code == 1
    assert words in answered.output


README = re.findall(r"```toml\n(title = .*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (README[0], "30 min business, remote: included in the plan; it would have cost 75.00 EUR."),
        (README[1], "Amount: 300.00 EUR."),
        (README[2], "Subscription: amount 3480.00."),
    ],
    ids=["covered", "visit", "plan"],
)
def test_cases_of_the_readme_are_answered(ask, case, words):
    said = ask(case)
    assert said.exit_code == 0
    assert words in said.output, said.output


def test_readme_shows_three_cases():
    assert len(README) == 3


def test_quote_shares_by_the_volume_that_is_named(tmp_path):
    agreement = (
        (DOCUMENTS / KESSLER)
        .read_text("utf-8")
        .replace(
            'revenues = ["time_and_materials"]',
            'revenues = ["time_and_materials"]\nvolumes = [{ above = "50000", tranches = [{ to = "seller" }] }]',
        )
    )
    signed, case = tmp_path / "agreement.toml", tmp_path / "case.toml"
    signed.write_text(agreement, encoding="utf-8")
    asked = ["quote", "--policy", str(DOCUMENTS / POLICY), "--agreement", str(signed), "--case", str(case), "--json"]
    parties = {}
    for volume in ("50000", "50000.01"):
        case.write_text(f'volume = "{volume}"\n{CASE.replace("assured", "complimentary")}', encoding="utf-8")
        answer = json.loads(CliRunner().invoke(main, asked).output)
        parties[volume] = [share["party"] for share in answer["shares"]]
    assert parties["50000.01"] == ["manufacturer"]
    assert len(parties["50000"]) > 1
