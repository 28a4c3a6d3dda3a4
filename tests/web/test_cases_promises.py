"""Promises in the browser: a workaround is said, a deadline is opened window by window and counted again offline."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from portal.cli import main
from tests.support.cases import event_kinds
from tests.support.cast import hours_later


@pytest.fixture
def with_factory(escalated, work_session, cast):
    from portal.cases import actions

    actions.accept_custody(work_session, cast.ana, escalated, seq=escalated.seq, now=hours_later(0.5))
    work_session.commit()
    return escalated


def test_engineer_gives_a_workaround_once(visit, cast, with_factory, work_session):
    ana = visit(cast.ana)
    path = f"/cases/{with_factory.name}/kept-promises"
    assert "The customer can work again by a workaround" in ana.get(path).text
    seq = with_factory.seq
    assert ana.post(path, {"seq": seq, "clock": "workaround", "words": " "}).status_code == 422
    assert ana.post(path, {"seq": seq, "clock": "workaround", "words": "Use door 5."}).status_code == 303
    assert ana.post(path, {"seq": seq, "clock": "workaround", "words": "Use door 5."}).status_code == 409
    assert event_kinds(work_session, with_factory).count("workaround_given") == 1
    assert "gave a workaround" in visit(cast.cal).get(f"/cases/{with_factory.name}").text


def test_workaround_is_the_factorys_to_give(visit, cast, with_factory):
    tom, eve = visit(cast.tom), visit(cast.eve)
    fields = {"seq": with_factory.seq, "clock": "workaround", "words": "Use door 5."}
    assert tom.post(f"/cases/{with_factory.name}/kept-promises", fields).status_code == 403
    assert eve.post(f"/cases/{with_factory.name}/kept-promises", fields).status_code == 404


def test_deadline_opens_window_by_window_and_is_counted_again_from_its_file(visit, cast, with_factory, tmp_path):
    tom = visit(cast.tom)
    shown = tom.get(f"/cases/{with_factory.name}").text
    assert "Counted in “Monday to Friday, 08:00 to 17:00”" in shown
    link = shown.split('">Download to count again')[0].rsplit('href="', 1)[1]
    answer = tom.get(link)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    file = tmp_path / "deadline.json"
    file.write_text(answer.text, encoding="utf-8")
    counted = CliRunner().invoke(main, ["why-deadline", str(file)])
    assert counted.exit_code == 0
    assert "Counted again from this file alone: it agrees." in counted.output
    file.write_text(answer.text.replace('"target_seconds": ', '"target_seconds": 1'), encoding="utf-8")
    changed = CliRunner().invoke(main, ["why-deadline", str(file)])
    assert changed.exit_code == 1
    assert "DIFFERS: due at" in changed.output
    file.write_text("{}", encoding="utf-8")
    assert "no deadline's calculation" in CliRunner().invoke(main, ["why-deadline", str(file)]).output


def test_stranger_gets_no_calculation(visit, cast, with_factory):
    shown = visit(cast.tom).get(f"/cases/{with_factory.name}").text
    link = shown.split('">Download to count again')[0].rsplit('href="', 1)[1]
    assert visit(cast.eve).get(link).status_code == 404
    assert visit(cast.tom).get(link.rsplit("/", 1)[0] + "/999999").status_code == 404
