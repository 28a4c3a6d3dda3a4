"""What people send that nobody should: too much, too odd, twice."""

import pytest

from tests.web.support.refusals import problems_of

TEN_MEGABYTES = 10 * 1024 * 1024


def test_a_paste_of_ten_megabytes_is_refused_at_the_field(visit, cast):
    browser = visit(cast.ana)
    browser.get("/security")
    answer = browser.post("/security/profile", {"name": "x" * TEN_MEGABYTES, "zone": "UTC"})
    assert answer.status_code == 422
    assert "At most 100 characters" in answer.text


def test_a_request_beyond_all_bounds_is_refused_in_words(visit, cast):
    browser = visit(cast.ana)
    browser.get("/security")
    answer = browser.post("/security/profile", {"name": "x" * (TEN_MEGABYTES * 2), "zone": "UTC"})
    assert answer.status_code == 413
    assert "That is too large" in answer.text


@pytest.mark.parametrize(
    "name", ["Ana\x00Ruiz", "\u202eevil", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "😀" * 25]
)
def test_odd_text_is_kept_as_text(visit, cast, name):
    browser = visit(cast.ana)
    browser.get("/security")
    assert browser.post("/security/profile", {"name": name, "zone": "UTC"}).status_code == 303
    page = browser.get("/security").text
    assert "<script>alert(1)" not in page
    assert "\x00" not in page


@pytest.mark.parametrize("path", ["/people/99999999999999999999999", "/people/%00", "/audit-log%00", "/?q=%00"])
def test_an_address_no_row_can_have_reads_as_nothing_here(visit, cast, path):
    assert visit(cast.adam).get(path).status_code == 404


def test_fields_of_the_wrong_kind_do_no_harm(visit, cast, member_id):
    browser = visit(cast.adam)
    path = f"/people/{member_id(cast.ana)}"
    browser.get(path)
    assert browser.post(path, {"roles": ["nonsense", "engineer"]}).status_code == 422
    assert browser.post("/acting-for", {"membership_id": "9" * 40}).status_code == 404


REFUSED = """<div role="alert"><ul><li><a href="#name">Name</a>: no.</li></ul></div><a href="#main">Skip</a>
<input id="{id}" name="name" value="A &amp; B"><textarea name="why">
two
lines</textarea><select name="plan"><option value="a" selected>A</option><option value="b">B</option></select>
<input type="checkbox" name="yes" value="y"><input type="password" name="password">"""


@pytest.mark.parametrize(
    ("named", "sent", "wrong"),
    [
        ("name", {"name": "A & B", "why": " two\r\nlines", "plan": "a", "password": "secret", "elsewhere": "x"}, ""),
        ("name", {"plan": "forged", "yes": ""}, ""),
        ("other", {}, "the error links to #name, which is not on the page"),
        ("name", {"name": "Anna"}, "what was typed into name is gone: 'anna'"),
        ("name", {"plan": "b"}, "what was typed into plan is gone: 'b'"),
        ("name", {"yes": "y"}, "what was typed into yes is gone: 'y'"),
        ("name", {"why": "one"}, "what was typed into why is gone: 'one'"),
    ],
)
def test_a_refused_page_leads_to_its_fields_and_keeps_what_was_typed(named, sent, wrong):
    found = list(problems_of(REFUSED.format(id=named), {name: [value] for name, value in sent.items()}))
    assert found == ([wrong] if wrong else [])
