"""What-if in the browser: asked by who signs, answered by a job, read by the company that asked alone."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from portal.contracts import actions as contracts
from portal.contracts.models import Document
from portal.whatif.actions import run
from portal.whatif.models import WhatIf
from tests.support.billed_log import billed_log
from tests.support.cast import NOW
from tests.support.documents import KESSLER, POLICY, changed
from tests.support.packs import bought

PATH = "/contracts/what-if"
PERIOD = {"from_on": "2026-03-01", "until_on": "2026-05-01"}
DEARER = changed(POLICY, ('per_hour = "150.00"', 'per_hour = "165.00"'))


@pytest.fixture
def drafts(work_session, cast):
    """Adam's draft of the policy and Ian's of the agreement, by the codes of the form."""
    found = {}
    for actor, version, body in (
        (cast.adam, cast.policy_version, DEARER),
        (
            cast.ian,
            cast.agreement_version,
            changed(KESSLER, ("bp = 7000 },", "bp = 6500 },"), ("bp = 2000 },", "bp = 2500 },")),
        ),
    ):
        document = work_session.get_one(Document, version.document_id)
        contracts.save_draft(work_session, actor, document, body, NOW)
        found[version.kind] = f"draft-{document.id}"
    work_session.commit()
    return found


def test_who_signs_asks_a_job_answers_and_the_page_shows_both_sides(visit, cast, work_session, work_engine, drafts):
    billed_log(work_session, cast)
    bought(work_session, cast, price_minor=90_000)
    adam = visit(cast.adam)
    sent = adam.post(PATH, {**PERIOD, "partnership": "0", "policy": drafts["policy"], "agreement": ""})
    assert sent.status_code == 303
    waiting = adam.get(sent.location).text
    assert "Waiting for the worker" in waiting
    assert "data-looks-again" in waiting
    row = work_session.scalars(select(WhatIf)).one()
    queued = "SELECT args->>'what_if_id' FROM procrastinate_jobs WHERE task_name = 'run_what_if'"
    assert work_session.scalars(text(queued)).all() == [str(row.id)]
    for _ in range(2):
        run(work_engine, row.id, now=NOW)
    shown = adam.get(sent.location).text
    work_session.refresh(row)
    assert row.result["total"]["draft"] > row.result["total"]["signed"] > 0
    for words in ("Cases compared", "Klinikum", "Kessler", "Billed, remote, support, business", "NOR-2", "Computed"):
        assert words in shown
    for words in ("Not recomputed", "Packs sold: their price", "€900.00"):
        assert words in shown
    assert "Done" in adam.get(PATH).text


def test_an_integrator_asks_about_its_own_partnership_only(visit, cast, work_session, work_engine, drafts):
    billed_log(work_session, cast)
    ian = visit(cast.ian)
    asked = {**PERIOD, "partnership": str(cast.factory.id), "policy": "", "agreement": drafts["agreement"]}
    sent = ian.post(PATH, asked)
    assert sent.status_code == 303
    row = work_session.scalars(select(WhatIf)).one()
    assert (row.manufacturer_id, row.integrator_id) == (cast.factory.id, cast.integrator.id)
    run(work_engine, row.id, now=NOW)
    assert "Parties" in ian.get(sent.location).text
    assert "All integrators" not in ian.get(PATH).text.split("What was asked")[0]
    # The other company of the partnership does not read what Kessler asked, nor its draft.
    assert visit(cast.adam).get(sent.location).status_code == 404
    assert drafts["agreement"] not in visit(cast.adam).get(PATH).text


@pytest.mark.parametrize("who", ["fay", "leo", "mia", "tom", "bea", "flo", "sam"])
def test_nobody_else_asks(visit, cast, who):
    browser = visit(getattr(cast, who))
    assert browser.get(PATH).status_code == 404
    assert browser.post(PATH, PERIOD).status_code == 404


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Choose at least one text to try."),
        ({"policy": "draft", "until_on": "2026-01-01"}, "This has to be after the first day."),
        ({"policy": "draft-999999"}, "Not a valid choice"),
        ({"from_on": "soon"}, "Not a valid date"),
    ],
)
def test_what_cannot_be_asked_is_said_at_its_field(visit, cast, drafts, work_session, typed, words):
    typed = {name: drafts["policy"] if value == "draft" else value for name, value in typed.items()}
    answer = visit(cast.adam).post(PATH, {**PERIOD, "partnership": "0", "policy": "", "agreement": "", **typed})
    assert answer.status_code == 422
    assert words in answer.text
    assert work_session.scalars(select(WhatIf)).all() == []


def test_a_period_without_bills_is_answered_in_words(visit, cast, drafts, work_session, work_engine):
    adam = visit(cast.adam)
    sent = adam.post(PATH, {**PERIOD, "partnership": "0", "policy": drafts["policy"], "agreement": ""})
    run(work_engine, work_session.scalars(select(WhatIf.id)).one(), now=NOW)
    assert "Nothing was billed in this period: choose another." in adam.get(sent.location).text
