"""A plan ended at once from its page: what goes back is shown, said yes to, refused when stale, and told."""

from __future__ import annotations

from sqlalchemy import select

from portal.notifications.mail import FileMailer
from portal.payments.models import Intent
from portal.selling.models import Purchase
from tests.selling.test_ending_now import BY_DAYS
from tests.support.versions import signed_policy
from tests.web.support.hostile import check_harmless, rename
from tests.web.test_shop import app, gateway, hidden, sent, session_of

__all__ = ["app", "gateway"]


def test_a_buyer_sees_what_goes_back_and_ends_the_plan_once(
    visit, cast, standin, gateway, work_session, run_jobs, clock, settings
):
    signed_policy(work_session, cast, BY_DAYS)
    work_session.commit()
    mailer = FileMailer(settings.mail_dir, settings.mail_from)
    bea = visit(cast.bea)
    sent(bea, f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month")
    standin.control.pay_session(session_of(work_session))
    here = f"/bought/{work_session.scalars(select(Purchase.form_key)).one()}"
    bea.get(f"{here}/back")
    run_jobs(clock(), gateway=gateway, mailer=mailer)
    clock.advance(hours=2)
    standin.control.advance_clock(7_200)
    address = f"{here}/end/now"
    assert f'href="{address}"' in bea.get(here).text
    assert f'href="{address}"' not in visit(cast.fay).get(here).text
    page = bea.get(address)
    for words in ("€280.94", "31 of 32 days are left", "5 to 10 business days", "keeps its cover until it closes"):
        assert words in page.text
    # A stranger, the companies and who is no buyer never get there.
    assert [visit(each).get(address).status_code for each in (cast.bob, cast.fay, cast.mia, cast.cal)] == [404] * 4
    names = ("shown_at", "shown_total_minor", "shown_tax_minor")
    said = {"accepted": "y", **{name: hidden(page, name) for name in names}}
    assert visit(cast.bob).post(address, said).status_code == 404
    assert bea.post(address, {**said, "accepted": ""}).status_code == 422
    for stale in ({"shown_total_minor": "28095"}, {"shown_tax_minor": "1"}, {"shown_at": "nonsense"}):
        again = bea.post(address, {**said, **stale})
        assert (again.status_code, "€280.94" in again.text, "was ended" in again.text) == (422, True, False)
    standin.control.fault("refuse", method="DELETE", path="/v1/subscriptions/.*")
    refused = bea.post(address, said)
    assert (refused.status_code, "Nothing went back" in refused.text) == (409, True)
    assert "was not ended at once" in bea.get(here).text
    rename(work_session, cast)
    check_harmless(bea.get(address))
    clock.advance(minutes=1)
    said |= {"shown_at": hidden(bea.get(address), "shown_at")}
    for _ in range(2):
        assert bea.post(address, said).status_code == 303
    assert "is being ended at once" in bea.get(here).text
    run_jobs(clock(), gateway=gateway, mailer=mailer)
    run_jobs(clock(), gateway=gateway, mailer=mailer)
    shown = bea.get(here)
    check_harmless(shown)
    assert "went back the way it was paid" in shown.text
    assert f'href="{address}"' not in shown.text
    assert "€280.94" in visit(cast.fay).get(here).text
    seen = visit(cast.mia).get(here).text
    assert ("€280.94" in seen, "The plan was ended at once" in seen) == (False, True)
    ends = work_session.scalars(select(Intent.state).where(Intent.kind == "subscription_end")).all()
    assert sorted(ends) == ["failed", "succeeded"]
    over = bea.get(address)
    assert (over.status_code, "has ended" in over.text) == (409, True)
    mailed = [path.read_text() for path in settings.mail_dir.iterdir()]
    assert sum("280.94 EUR" in each and "was ended at once by its buyer" in each for each in mailed) == 1
    assert sum("was not ended at once: it holds as before" in each for each in mailed) >= 4
    for address_of in ("mia@kes.example", "fay@nor.example", "leo@nor.example"):
        assert any(address_of in each and "was ended at once by its buyer" in each for each in mailed)


def test_a_plan_that_gives_nothing_back_says_so_and_offers_its_periods_end(
    visit, cast, standin, gateway, work_session, run_jobs, clock
):
    bea = visit(cast.bea)
    sent(bea, f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month")
    standin.control.pay_session(session_of(work_session))
    here = f"/bought/{work_session.scalars(select(Purchase.form_key)).one()}"
    bea.get(f"{here}/back")
    run_jobs(clock(), gateway=gateway)
    clock.advance(hours=1)
    assert "End it now" not in bea.get(here).text
    page = bea.get(f"{here}/end/now").text
    assert "gives nothing back of a month that is sold" in page
    assert f"{here}/cancellation" in page
    assert bea.post(f"{here}/end/now", {"accepted": "y"}).status_code == 422
