"""The page of a case and the lists: who sees what, and what is never shown to whom."""

from __future__ import annotations

import re

import pytest

from portal.billing.actions import reserve_hours
from portal.contracts.blocks import TaskClass
from portal.metering import actions as metering
from portal.metering.actions import Work
from tests.metering.test_waiting_work import prepaid
from tests.support import cases as stories
from tests.support.builders import opened_case
from tests.support.cast import NOW, hours_later

EVERYBODY = ["ana", "leo", "fay", "adam", "tom", "mia", "ivo", "bea", "cal", "flo"]


def _main(answer):
    return answer.text.split("<main", 1)[1]


@pytest.mark.parametrize("who", EVERYBODY)
def test_every_role_of_the_three_parties_reads_the_case(visit, cast, escalated, who):
    shown = visit(getattr(cast, who)).get(f"/cases/{escalated.name}")
    assert shown.status_code == 200
    assert "With: integrator" in shown.text
    assert "Doors stay locked" in shown.text


@pytest.mark.parametrize("who", ["eve", "sam", "bob"])
def test_outsiders_case_reads_as_an_unknown_one(visit, cast, escalated, who):
    stranger = visit(getattr(cast, who))
    unknown = stranger.get("/cases/NOR-99999")
    found = stranger.get(f"/cases/{escalated.name}")
    assert (found.status_code, found.text) == (404, unknown.text)


@pytest.mark.parametrize("name", ["x", "NOR", "NOR-0", "NOR-1x", "NOR-" + "9" * 30, "%00", "NOR-1/../2"])
def test_odd_names_are_unknown_cases(visit, cast, escalated, name):
    assert visit(cast.ana).get(f"/cases/{name}").status_code == 404


def test_name_is_found_in_small_letters(visit, cast, escalated):
    assert visit(cast.ana).get(f"/cases/{escalated.name.lower()}").status_code == 200


@pytest.mark.parametrize("who", EVERYBODY)
def test_every_role_has_first_page_and_lists(visit, cast, accepted, resolved, who):
    browser = visit(getattr(cast, who))
    for path in ("/", "/cases", "/search", "/search?words=doors", f"/cases/{resolved.name}"):
        assert browser.get(path).status_code == 200, path


def test_hostile_title_and_symptom_are_escaped(visit, cast, work_session):
    case = stories.escalated(work_session, cast, title="<img src=x onerror=1>", symptom="<script>1</script>")
    work_session.commit()
    for path in ("/queue", "/", f"/cases/{case.name}", f"/cases/{case.name}/declines"):
        shown = visit(cast.ana).get(path).text
        assert "<img src=x" not in shown
        assert "<script>1" not in shown


def test_deadline_opens_window_by_window(visit, cast, escalated):
    shown = visit(cast.ana).get(f"/cases/{escalated.name}").text
    assert "Why this deadline" in shown
    assert re.search(r"Together [^,]+, so it is due", shown)


def test_missed_clock_is_told_in_the_story(visit, cast, work_session, clock):
    case = stories.accepted(work_session, cast, at=hours_later(30))
    work_session.commit()
    clock.now = hours_later(31)
    assert "Response clock missed" in visit(cast.ana).get(f"/cases/{case.name}").text


def test_story_is_filtered_and_the_filter_is_in_the_address(visit, cast, accepted):
    ana = visit(cast.ana)
    fields = {"seq": accepted.seq, "body": "A quiet remark", "audience": "companies"}
    ana.post(f"/cases/{accepted.name}/notes", fields)
    only_notes = ana.get(f"/cases/{accepted.name}?only=notes").text
    assert "A quiet remark" in only_notes
    assert "accepted the case" not in only_notes
    custody = ana.get(f"/cases/{accepted.name}?only=custody").text
    assert "A quiet remark" not in custody
    assert ana.get(f"/cases/{accepted.name}?only=nonsense&before=x").status_code == 200


@pytest.mark.parametrize(("who", "sees"), [("ana", True), ("tom", True), ("mia", True), ("bea", False), ("cal", False)])
def test_price_that_the_integrator_pays_is_not_the_customers_to_read(visit, cast, work_session, who, sees):
    case = stories.escalated(
        work_session, cast, actor=cast.tia, task_class=TaskClass.HOW_TO, system_id=cast.plain_system.id
    )
    work_session.commit()
    shown = _main(visit(getattr(cast, who)).get(f"/cases/{case.name}"))
    assert ("an hour" in shown) == sees
    assert ("€" in shown) == sees


@pytest.mark.parametrize("who", ["tom", "bea", "cal"])
def test_no_share_is_shown_to_technicians_and_customers(visit, cast, resolved, who):
    browser = visit(getattr(cast, who))
    for path in (f"/cases/{resolved.name}", f"/cases/{resolved.name}?only=resolution"):
        assert "%" not in _main(browser.get(path))


def test_work_is_listed_and_the_timer_starts_with_one_click(visit, cast, accepted, work_session):
    said = Work("remote", "support", "Read the <b>log</b>")
    started_at, ended_at = NOW.replace(hour=7), NOW.replace(hour=8)
    metering.enter_time(work_session, cast.ana, accepted, said, started_at=started_at, ended_at=ended_at, now=NOW)
    work_session.commit()
    ana = visit(cast.ana)
    shown = ana.get(f"/cases/{accepted.name}").text
    assert "1 h 00 min" in shown
    assert "Read the &lt;b&gt;log" in shown
    assert ana.post("/timer", {"case": accepted.name, "mode": "remote"}).location == f"/cases/{accepted.name}"
    assert "Start the timer" not in visit(cast.cal).get(f"/cases/{accepted.name}").text


def test_queue_is_narrowed_by_its_address(visit, cast, work_session):
    first = stories.escalated(work_session, cast, severity=1, title="Everything is down")
    second = stories.escalated(work_session, cast, severity=3, title="One reader blinks")
    work_session.commit()
    leo = visit(cast.leo)
    both = leo.get("/queue").text
    assert both.index(first.title) < both.index(second.title)
    assert second.title not in leo.get("/queue?severity=1").text
    assert first.title in leo.get(f"/queue?line={cast.product_line.id}").text
    assert "No case fits" in leo.get("/queue?state=mine").text
    assert first.title in leo.get("/queue?state=to_us").text


@pytest.mark.parametrize(
    "query",
    ["severity=x", "severity=99", "line=x", "line=" + "9" * 40, "state=closed", "after=x", "after=WzEsMiwzLDRd"],
)
def test_filters_that_mean_nothing_are_dropped(visit, cast, escalated, query):
    answer = visit(cast.ana).get(f"/queue?{query}")
    assert answer.status_code == 200


def test_queue_goes_on_page_by_page(visit, cast, work_session):
    names = [opened_case(work_session, cast).name for _ in range(53)]
    work_session.commit()
    leo = visit(cast.leo)
    first = leo.get("/queue").text
    following = re.search(r'rel="next" href="([^"]+)"', first).group(1).replace("&amp;", "&")
    second = leo.get(following).text
    seen = [set(re.findall(r'class="case-link" href="/cases/([^"]+)"', page)) for page in (first, second)]
    assert [len(each) for each in seen] == [50, 3]
    assert seen[0] | seen[1] == set(names)


@pytest.mark.parametrize("who", ["tom", "mia", "bea", "cal", "fay", "adam"])
def test_queue_is_the_factorys_service(visit, cast, who):
    assert visit(getattr(cast, who)).get("/queue").status_code == 404


def test_search_finds_words_and_goes_straight_to_a_name(visit, cast, escalated):
    tom = visit(cast.tom)
    assert escalated.name in tom.get("/search?words=NA-1001").text
    assert "No case holds all these words" in tom.get("/search?words=zebra").text
    assert tom.get(f"/search?words={escalated.name.lower()}").location == f"/cases/{escalated.name}"
    assert "No case holds" in visit(cast.eve).get(f"/search?words={escalated.name}").text


def test_search_takes_anything(visit, cast, escalated):
    for words in ("'; DROP TABLE", "%25%26", "x" * 5000, "<script>", "a:*&!|()"):
        answer = visit(cast.tom).get("/search", query_string={"words": words})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    ("who", "view"),
    [("tom", "mine"), ("mia", "with_us"), ("mia", "with_them"), ("ana", "mine"), ("cal", "resolved"), ("tom", "x")],
)
def test_every_list_of_cases_opens(visit, cast, resolved, who, view):
    assert visit(getattr(cast, who)).get(f"/cases?view={view}").status_code == 200


def test_resolution_waits_in_the_list_of_who_has_to_answer(visit, cast, resolved):
    assert resolved.name in visit(cast.mia).get("/cases?view=to_confirm").text
    assert resolved.name not in visit(cast.ana).get("/cases?view=to_confirm").text


def test_first_pages_say_what_is_next(visit, cast, escalated):
    assert escalated.name in _main(visit(cast.leo).get("/"))
    assert "Next to accept" in visit(cast.ana).get("/").text
    assert "With the factory" in visit(cast.mia).get("/").text
    assert escalated.name in _main(visit(cast.cal).get("/"))


def test_work_that_waits_for_payment_says_which_case_is_promised(visit, cast, clock, work_session):
    clock.now = hours_later(1)
    one, other = prepaid(work_session, cast)
    work_session.commit()
    ana = visit(cast.ana)
    assert "Work has to wait" in ana.get(f"/cases/{one.name}").text
    reserve_hours(work_session, one.id, now=hours_later(0.7))
    work_session.commit()
    page = ana.get(f"/cases/{one.name}").text
    assert "One case of Five support cases is promised to this case." in page
    assert "Work has to wait" not in page
    assert "Work has to wait" in ana.get(f"/cases/{other.name}").text
