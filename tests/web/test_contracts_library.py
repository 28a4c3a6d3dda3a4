"""Ready documents in the browser: worked examples, and a draft begun from one with the companies' own codes."""

from __future__ import annotations

import pytest


def test_ready_documents_are_listed_with_worked_examples(visit, cast):
    adam = visit(cast.adam)
    assert "AV maker, day blocks" in adam.get("/contracts/library").text
    page = adam.get("/contracts/library/document?name=av_day_blocks").text
    assert "Twelve hours are a day, and two hours of overtime" in page
    assert "Amount: 2200.00 USD." in page
    assert "per_day = &#34;1600.00&#34;" in page


def test_a_draft_begins_from_a_ready_document_with_the_companies_codes(visit, cast):
    path = f"/contracts/{cast.agreement_version.document_id}/draft?begin=per_minute"
    page = visit(cast.ian).get(path).text
    assert "manufacturer = &#34;NOR&#34;, integrator = &#34;KES&#34;" in page
    path = f"/contracts/{cast.policy_version.document_id}/draft?begin=per_minute"
    page = visit(cast.adam).get(path).text
    assert "per_minute = &#34;1.80&#34;" in page
    assert "Nothing is wrong with this text" in page


@pytest.mark.parametrize(
    ("who", "path"), [("bea", "library"), ("tom", "library"), ("adam", "library/document?name=nothing")]
)
def test_others_and_other_names_find_nothing(visit, cast, who, path):
    assert visit(getattr(cast, who)).get(f"/contracts/{path}").status_code == 404
