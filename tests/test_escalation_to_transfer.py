"""The whole story, from a technician who is stuck to money that arrives, through the portal's real edges.

Pages over HTTP, jobs by the worker's tasks, mail over SMTP, Stripe's calls and signed deliveries; then every cent is
followed from the transfer back to a time entry, and forth.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from portal.billing.books import check_books
from portal.billing.models import CashApplication, Invoice
from portal.billing.queries import live_items
from portal.cases.models import ChallengeDecision
from portal.entitlement.models import Authorization, Emergency, GrantDraw, GrantReservation
from portal.payments.models import CashReceipt, Intent, ProviderEventOutcome
from portal.payments.queries import tie_out, unmatched_movements
from portal.settlement import cockpit
from portal.settlement import queries as settled
from portal.settlement.books import all_problems
from tests.conftest import CommittedDatabase
from tests.support.billed import shares_of
from tests.support.story import Stage, set_up_payouts, staged, utc
from tests.support.surfing import Surfer
from tests.support.telling import (
    answer_by_mail,
    approve_all_time,
    case_of,
    end_for_good,
    escalate,
    period_of,
    resolve,
    say,
    settle,
    statement_of,
    work,
)
from tests.support.tracing import followed_back, followed_forth, standing_entries, standing_items

LOG = b"09:00 denied\n" * 50


@dataclass
class Story:
    """What is told so far: the stage, and the cases by what they are about."""

    stage: Stage
    cases: dict[str, str] = field(default_factory=dict)


def test_a_case_becomes_money_and_every_cent_is_followed(committed_database: CommittedDatabase, tmp_path: Path) -> None:
    with staged(committed_database.settings.database_url or "", tmp_path) as stage:
        story = Story(stage)
        set_up_payouts(stage)
        doors_are_repaired_for_money(story)
        doors_are_covered_by_the_plan(story)
        a_split_is_challenged(story)
        a_system_is_down_at_two_in_the_morning(story)
        march_is_billed_and_closed(story)
        the_challenge_ends_by_the_fallback(story)
        the_invoice_is_paid(story)
        march_is_settled(story)
        april_is_closed_and_one_line_contested(story)
        two_people_pay_out_april(story)
        every_cent_is_followed(story)
        the_contest_ends_and_its_line_comes_back(story)
        the_books_are_right(story)


def doors_are_repaired_for_money(story: Story) -> None:
    """Time and materials: yes by the mailed link, custody by the mailed link, two people's work."""
    stage, cast = story.stage, story.stage.cast
    name = escalate(stage, cast.plain_system, upto="600", files=[("answers.log", ("door.log", LOG))])
    story.cases["money"] = name
    answer_by_mail(stage, cast.bea, f"{name} Doors", "Yes, up to this")
    answer_by_mail(stage, cast.ana, f"{name} Doors stay locked: waits", "Accept the case")
    assert stage.enter(cast.ana).open(f"/cases/{name}").follow("door.log").html == LOG.decode()
    ana = work(stage, cast.ana, name, minutes=65, note="Read the log, set the door groups again")
    say(ana, name, "The groups of the ward were empty after the update.")
    tom = stage.enter(cast.tom)
    tom.open(f"/time/new?case={name}")
    on_site = {"started_at": "2026-03-10T12:00", "ended_at": "2026-03-10T14:00", "mode": "on_site"}
    stage.at(utc(3, 10, 14))
    tom.press("Log the time", {**on_site, "note": "Tried every door of the ward"})
    resolve(ana, name, "configuration", "remote_configuration")
    stage.enter(cast.mia).open(f"/cases/{name}").press("Confirm the resolution")
    approve_all_time(stage, cast.leo, cast.mia)


def doors_are_covered_by_the_plan(story: Story) -> None:
    """Included minutes: reserved when the work is approved, drawn when the case is billed."""
    stage, cast = story.stage, story.stage.cast
    story.cases["plan"] = name = escalate(stage, cast.system)
    stage.enter(cast.ana).open(f"/cases/{name}").press("Accept")
    ana = work(stage, cast.ana, name, minutes=60, note="Set the groups of the main building")
    resolve(ana, name, "configuration", "remote_configuration")
    stage.enter(cast.mia).open(f"/cases/{name}").press("Confirm the resolution")
    approve_all_time(stage, cast.leo)
    with stage.work() as session:
        assert session.scalars(select(GrantReservation.seconds)).all() == [3600]


def a_split_is_challenged(story: Story) -> None:
    """The managers propose different splits and leave it at that."""
    stage, cast = story.stage, story.stage.cast
    stage.at(utc(3, 11, 9))
    story.cases["challenged"] = name = escalate(stage, cast.plain_system, upto="450")
    answer_by_mail(stage, cast.bea, f"{name} Doors", "Yes, up to this")
    stage.enter(cast.ana).open(f"/cases/{name}").press("Accept")
    ana = work(stage, cast.ana, name, minutes=120, note="Explained how the groups are filled")
    resolve(ana, name, "operation", "instructed")
    approve_all_time(stage, cast.leo)
    mia = stage.enter(cast.mia).open(f"/cases/{name}").follow("Challenge")
    mia.press("Challenge", {"subject": "split", "weights": "60", "reason": "Our technician found it."})
    leo = stage.enter(cast.leo).open(f"/cases/{name}").follow("Open the challenge")
    leo.press("Propose", {"weights": "10"})


def a_system_is_down_at_two_in_the_morning(story: Story) -> None:
    """Nobody answers, so severity 1 goes on at the factory's risk and is ratified the next day."""
    stage, cast = story.stage, story.stage.cast
    stage.at(utc(3, 12, 1))
    story.cases["night"] = name = escalate(stage, cast.plain_system, {"severity": "1"}, upto="500")
    stage.enter(cast.eli).open(f"/cases/{name}").press("Accept")
    stage.at(utc(3, 12, 1, 16))
    with stage.work() as session:
        assert session.scalars(select(Emergency.case_id)).all() == [case_of(stage, name).id]
    eli = work(stage, cast.eli, name, minutes=60, note="Opened the doors by the fire panel")
    resolve(eli, name, "network", "instructed")
    stage.at(utc(3, 13, 8))
    answer_by_mail(stage, cast.bea, f"{name} Doors", "Ratify up to this")
    stage.enter(cast.mia).open(f"/cases/{name}").press("Confirm the resolution")
    approve_all_time(stage, cast.leo)


def march_is_billed_and_closed(story: Story) -> None:
    """Each case is billed when its reopen window ends; the month is closed by its timetable."""
    stage = story.stage
    stage.at(utc(3, 31, 9))
    neutral = Surfer(stage.address).open(stage.mailed_link("vogt@schlichtung.example", "please decide"))
    assert "Our technician found it." in neutral.text
    expected = {"money": (55_250, 0), "plan": (0, 12_000), "challenged": (30_000, 0), "night": (22_500, 0)}
    with stage.work() as session:
        for key, amounts in expected.items():
            (item,) = live_items(session, case_of(stage, story.cases[key]).id)
            assert (item.amount_minor, item.use_minor) == amounts
        assert session.scalars(select(GrantDraw.seconds)).all() == [3600]
        given = session.scalars(select(Authorization.basis).order_by(Authorization.id)).all()
        assert given == ["link", "link", "ratified"]
    stage.at(utc(4, 3, 6))
    stage.sweep()
    assert period_of(stage, "2026-03").state == "soft_closed"
    with stage.work() as session:
        invoice = session.scalars(select(Invoice)).one()
        assert (invoice.name, invoice.total_minor) == ("NOR-INV-1", 165_750)


def the_challenge_ends_by_the_fallback(story: Story) -> None:
    """The neutral was asked and did not answer; its last day is over on the first of April."""
    stage = story.stage
    assert [mail["Subject"] for mail in stage.postbox.to("vogt@schlichtung.example")] == [
        f"{story.cases['challenged']}: please decide a challenge between Nordlicht Access and Kessler Sicherheit"
    ]
    with stage.work() as session:
        decision = session.scalars(select(ChallengeDecision)).one()
        assert (decision.basis, decision.integrator_bp, decision.decided_at) == ("fallback", 4000, utc(4, 1, 10))
        (item,) = live_items(session, decision.case_id)
        assert sorted(shares_of(session, item)) == [
            ("integrator", 2_400), ("manufacturer", 3_600), ("manufacturer", 23_100), ("operator", 900)
        ]  # fmt: skip


def the_invoice_is_paid(story: Story) -> None:
    """On Stripe's page; the signed delivery makes it cash, and cash makes the shares payable."""
    stage = story.stage
    stage.at(utc(4, 9, 10))
    flo = stage.enter(stage.cast.flo).open("/invoices").follow("NOR-INV-1").follow("Pay at Stripe")
    assert flo.url.startswith(stage.standin.base_url)
    flo.press("Pay 1,657.50 EUR", {"way": "card"})
    stage.deliver()
    with stage.work() as session:
        receipt = session.scalars(select(CashReceipt)).one()
        outcomes = session.scalars(select(ProviderEventOutcome.outcome)).all()
        assert "invoice paid, 1 payments taken" in outcomes
        assert (receipt.amount_minor, receipt.source, receipt.fee_minor > 0) == (165_750, "stripe", True)
        applied = session.scalar(select(func.sum(CashApplication.amount_minor)))
        # The plan's 290.00 are earned by use and by time, not by cash.
        assert applied == receipt.amount_minor - 2 * 29_000
    assert "Pay at Stripe" not in flo.open(f"{stage.address}/invoices").follow("NOR-INV-1").text


def march_is_settled(story: Story) -> None:
    """In March included minutes were used and the rest of the plan's month was earned when it was over.

    Of the 17,000 that were left the resolvers' 42 % follow the case that the month covered: a quarter is Kessler's.
    """
    stage, cast = story.stage, story.stage.cast
    stage.at(utc(4, 14, 8))
    period = period_of(stage, "2026-03")
    parts = {party.code: settle(stage, period, party) for party in (cast.integrator, cast.factory)}
    assert parts == {"KES": {"transferred": 1_200 + 2_550 + 1_785}, "NOR": {"retained": 10_800 + 12_665}}
    end_for_good(stage, period)


def april_is_closed_and_one_line_contested(story: Story) -> None:
    """The period of the cash; Kessler's finance disputes one line, which holds that line alone."""
    stage, cast = story.stage, story.stage.cast
    stage.at(utc(5, 1, 6))
    stage.enter(cast.fay).open("/periods").follow("2026-04").press("Close the period")
    stage.run()
    period = period_of(stage, "2026-04")
    assert period.state == "soft_closed"
    with stage.work() as session:
        statement = statement_of(session, period, cast.integrator)
        lines = settled.lines(session, cast.ivo, statement.id)
        assert [(line.kind, line.case_name, line.amount_minor) for line in lines] == [
            ("share", story.cases["money"], 28_546),
            ("share", story.cases["challenged"], 2_400),
            ("share", story.cases["night"], 1_125),
            ("plan", "", 9_222),
        ]
    ivo = stage.enter(cast.ivo).open("/statements").follow(statement.name)
    ivo.open(f"/statement-lines/{lines[2].id}").follow("Contest the line")
    ivo.press("Contest the line", {"reason": "Tom was there too."})
    assert "Contested" in ivo.text


def two_people_pay_out_april(story: Story) -> None:
    """Fay prepares, Fin approves; Kessler's money leaves by transfer, the operator's own part stays."""
    stage, cast = story.stage, story.stage.cast
    stage.at(utc(5, 14, 8))
    period = period_of(stage, "2026-04")
    parts = {party.code: settle(stage, period, party) for party in (cast.integrator, cast.factory)}
    assert parts == {"KES": {"transferred": 30_946 + 9_222, "held": 1_125}, "NOR": {"retained": 75_679 + 19_778}}
    stage.deliver()
    with stage.work() as session:
        transfers = session.scalars(select(Intent).where(Intent.kind == "transfer").order_by(Intent.created_at)).all()
        assert [(each.state, each.amount_minor) for each in transfers] == [("succeeded", 5_535), ("succeeded", 40_168)]
        assert all((each.provider_object_id or "").startswith("tr_") for each in transfers)
    end_for_good(stage, period)


def every_cent_is_followed(story: Story) -> None:
    """From the transfer back to the minute, from the minute forth, and the sums of every step between."""
    stage, cast = story.stage, story.stage.cast
    with stage.work() as session:
        april, march = (
            [statement_of(session, period_of(stage, label), party) for party in (cast.integrator, cast.factory)]
            for label in ("2026-04", "2026-03")
        )
        paid = settled.dispositions_of(session, april[0].id)
        (sent,) = stage.edges.gateway.find_transfers(f"statement-{april[0].id}")
        assert sent.amount_minor == paid[0].amount_minor == april[0].net_minor - paid[1].amount_minor
        traces = [trace for statement in (*april, *march) for trace in followed_back(session, cast.fay, statement)]
        items = standing_items(session)
        paid_out = Counter[int]()
        for trace in traces:
            paid_out[trace.item_id] += trace.amount_minor
        assert paid_out == {item.id: item.amount_minor + item.use_minor for item in items}
        entries = frozenset().union(*(trace.entry_ids for trace in traces))
        assert entries == standing_entries(session)
        forth = followed_forth(session, cast.fay, entries)
        assert forth == {trace.line_id for trace in traces}
    fay = stage.enter(cast.fay).open(f"/statement-lines/{traces[0].line_id}")
    assert "Read the log, set the door groups again" in fay.text
    assert "€552.50" in fay.follow(f"The bill of {story.cases['money']}").text
    stage.enter(cast.tom).open(f"/statement-lines/{traces[0].line_id}", expect=404)


def the_contest_ends_and_its_line_comes_back(story: Story) -> None:
    """Nordlicht says that the line stands; what was held is a line of May's statement."""
    stage, cast = story.stage, story.stage.cast
    fin = stage.enter(cast.fin).open("/contests").follow("line 3")
    fin.press("End the contest", {"outcome": "stands", "explanation": "Only Eli worked that night."})
    stage.at(utc(6, 1, 6))
    stage.enter(cast.fay).open("/periods").follow("2026-05").press("Close the period")
    stage.run()
    with stage.work() as session:
        statement = statement_of(session, period_of(stage, "2026-05"), cast.integrator)
        (line,) = settled.lines(session, cast.ivo, statement.id)
        assert (line.kind, line.amount_minor) == ("released", 1_125)
        (trace,) = followed_back(session, cast.fay, statement)
        assert trace.amount_minor == 1_125
    ivo = stage.enter(cast.ivo).open(f"/statement-lines/{line.id}").follow("which was contested")
    assert "Only Eli worked that night." in ivo.text


def the_books_are_right(story: Story) -> None:
    """Every check is empty, and Stripe's balance is what the books say it is."""
    stage, cast = story.stage, story.stage.cast
    stage.sweep()
    with stage.work() as session:
        assert check_books(session) == []
        assert all_problems(session) == []
        (tied,) = tie_out(session)
        assert tied.difference_minor == 0
        assert stage.edges.gateway.available_balance() == {"EUR": tied.books_minor}
        assert unmatched_movements(session) == []
        for label in ("2026-03", "2026-04"):
            (sums,) = cockpit.settled_amounts(session, cast.fay, period_of(stage, label).id)
            assert sums.approved_minor == sum(sums.by_kind.values())
    assert not stage.failures()
