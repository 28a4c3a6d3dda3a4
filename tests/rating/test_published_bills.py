"""Bills that published policies come to, as far as bands, minimums, increments, cover and hours left make them.

Each row restates a worked example: policy and number, the terms, the case, what it costs and how many minutes count.
"""

from dataclasses import dataclass, field

import pytest

from portal.rating.engine import rate
from portal.rating.facts import GrantState
from portal.rating.lines import PAID_KINDS
from portal.rating.terms import CoverTerms, Favours
from tests.rating.builders import ALWAYS_OPEN, BUSINESS, NINE, facts, hourly, least, plan, steps, tariff, weekly, work

SATURDAY, SUNDAY = "2026-03-07T09:00", "2026-03-08T10:00"
PHONE, ON_SITE, REMOTE = ("phone",), ("on_site",), ("remote",)


@dataclass
class Bill:
    terms: object
    work: list
    amount: int | None = None
    minutes: int | None = None
    case: object = field(default_factory=facts)
    grants: list = field(default_factory=list)


digital_speech = tariff(
    plan(hourly(150), minimums=[least(60, "entry", modes=("phone", "remote")), least(120, "entry", modes=ON_SITE)]),
    favours=Favours(warranty_task_classes=("support",)),
)
krika = tariff(plan(hourly(150, "business"), hourly(250)), bands=[("business", weekly((0, 4, 8, 18)))])
neverfail = tariff(
    plan(hourly(150), roundings=[steps(15)], cover=CoverTerms(weekly((0, 4, 7, 19)), unlimited=True)),
)
transoft = tariff(
    plan(
        hourly(200, "business"),
        hourly(300, "evening"),
        hourly(400),
        roundings=[steps(15)],
        minimums=[least(60, bands=("evening", "after_hours")), least(60, modes=ON_SITE), least(15)],
    ),
    bands=[("business", BUSINESS), ("evening", weekly((0, 4, 17, 21)))],
)
epic_alarm = tariff(plan(hourly(1), roundings=[steps(30, "entry")]))
adelyte = tariff(
    plan(hourly(150, "business"), hourly(225), roundings=[steps(6)]),
)
frank_olsen = tariff(
    plan(hourly("187.50", "weekday"), hourly("281.25", "saturday"), hourly(565), minimums=[least(240, modes=ON_SITE)]),
    bands=[("weekday", weekly((0, 4, 8, 17))), ("saturday", weekly((5, 5, 0, 24)))],
)
douglas = tariff(
    plan(
        hourly(150, modes=PHONE),
        hourly(198, "weekday"),
        hourly(384, "sunday"),
        hourly(269),
        minimums=[least(0, "day", modes=PHONE), least(480, "day", bands=("weekday",))],
    ),
    bands=[("weekday", weekly((0, 4, 0, 24))), ("sunday", weekly((6, 6, 0, 24)))],
)
royal_city = tariff(
    plan(hourly(125, "business"), hourly(150), minimums=[least(240, "day")]),
    bands=[("business", weekly((0, 4, 7, 17)))],
    currency="CAD",
)
plc_paramedics = tariff(plan(hourly(150), minimums=[least(240)]))
sun_automation = tariff(
    plan(hourly(110, "weekday"), hourly(220, "sunday"), hourly(165), minimums=[least(480, "day")]),
    bands=[("weekday", weekly((0, 4, 0, 24))), ("sunday", weekly((6, 6, 0, 24)))],
)
interstates = tariff(
    plan(hourly(1), minimums=[least(60, bands=("business",)), least(120)]),
    plan(hourly(1), key="two", minimums=[least(60)]),
    plan(hourly(1), key="three", cover=CoverTerms(ALWAYS_OPEN, unlimited=True)),
)
smart_digital = tariff(
    plan(hourly(120), minimums=[least(180)]), plan(hourly(115), key="combined", minimums=[least(180)])
)
current_amx = tariff(plan(hourly(125), minimums=[least(240, modes=ON_SITE), least(120)]))
current_lutron = tariff(plan(hourly(85), minimums=[least(120)]))
internet_solutions = tariff(
    plan(hourly(100, "business"), hourly(500, "holiday"), hourly(200), minimums=[least(60)]),
    bands=[("business", BUSINESS), ("holiday", weekly((6, 6, 0, 24)))],
)
tech_dispatch = tariff(
    plan(
        hourly(1),
        roundings=[steps(15, "entry", direction="nearest")],
        minimums=[least(60, "entry", modes=ON_SITE), least(15, "entry")],
    )
)
call_tracking = tariff(plan(hourly(1), roundings=[steps(15, "day")]))
gorelo = tariff(
    plan(
        hourly(1),
        roundings=[steps(30, grace=10, modes=REMOTE), steps(60, grace=15)],
        minimums=[least(120, modes=ON_SITE)],
    ),
    plan(hourly(1), key="none", roundings=[steps(60, grace=10)]),
)
cameras_nz = tariff(
    plan(hourly("85.80"), roundings=[steps(1)]), plan(hourly(135), key="none", roundings=[steps(1)]), currency="NZD"
)
simply_ct = tariff(
    plan(hourly(120), roundings=[steps(15, modes=REMOTE)], minimums=[least(60, modes=ON_SITE), least(15)]),
    currency="CAD",
)
mobile_mobility = tariff(plan(hourly(60), minimums=[least(60)]))
cjd_lapsed = tariff(plan(hourly(250), minimums=[least(240)]))
pc_services = tariff(
    plan(hourly(1, "standard"), hourly("1.5", "raised"), hourly(2), minimums=[least(60, bands=("raised",)), least(90)]),
    bands=[("standard", BUSINESS), ("raised", weekly((0, 4, 17, 20), (0, 4, 7, 8), (5, 5, 9, 15)))],
    currency="ZAR",
)
sinning = tariff(plan(hourly("79.98"), roundings=[steps(30)]), currency="EUR")
pots = tariff(plan(hourly(100), minimums=[least(120)]), favours=Favours({"vendor_fault": "manufacturer"}))
microsoft = tariff(plan(hourly(100)), favours=Favours({"product_bug": "manufacturer"}))

BILLS = {
    "digital-speech-systems/1": Bill(digital_speech, [work(1, NINE, 20, "phone")], 15_000, 60),
    "digital-speech-systems/2": Bill(
        digital_speech, [work(1, NINE, 20, "phone"), work(2, "2026-03-03T12:00", 30, "phone")], 30_000, 120
    ),
    "digital-speech-systems/3": Bill(digital_speech, [work(1, NINE, 75, "on_site")], 30_000, 120),
    "digital-speech-systems/4": Bill(
        digital_speech, [work(1, NINE, 45, "phone")], 0, 0, facts(warranty_until=NINE.replace(year=2027))
    ),
    "krika-aftercare/1": Bill(krika, [work(1, "2026-03-03T17:00", 120)], 40_000, 120),
    "neverfail-out-of-hours/3": Bill(neverfail, [work(1, "2026-03-03T20:00", 40)], 11_250, 45),
    "neverfail-out-of-hours/4": Bill(neverfail, [work(1, "2026-03-03T18:30", 50)], 7_500, 30),
    "transoft-labs/1": Bill(transoft, [work(1, "2026-03-03T10:00", 20)], 10_000, 30),
    "transoft-labs/2": Bill(transoft, [work(1, "2026-03-03T18:00", 25)], 30_000, 60),
    "transoft-labs/3": Bill(transoft, [work(1, "2026-03-03T20:30", 60)], 35_000, 60),
    "epic-alarm/1": Bill(epic_alarm, [work(1, NINE, 30, "on_site")], minutes=30),
    "epic-alarm/2": Bill(epic_alarm, [work(1, NINE, 45, "on_site")], minutes=60),
    "epic-alarm/3": Bill(epic_alarm, [work(1, NINE, 75, "on_site")], minutes=90),
    "epic-alarm/4": Bill(
        epic_alarm, [work(1, NINE, 91, "on_site"), work(2, "2026-03-04T09:00", 5, "on_site")], minutes=150
    ),
    "adelyte/1": Bill(adelyte, [work(1, NINE, 47)], 12_000, 48),
    "adelyte/3, labour": Bill(adelyte, [work(1, "2026-03-03T19:00", 61)], 24_750, 66),
    "frank-a-olsen/1": Bill(frank_olsen, [work(1, NINE, 180, "on_site")], 75_000, 240),
    "frank-a-olsen/3": Bill(frank_olsen, [work(1, SATURDAY, 300, "on_site")], 140_625, 300),
    "douglas-machine/1": Bill(douglas, [work(1, "2026-03-02T09:00", 360, "on_site")], 158_400, 480),
    "douglas-machine/4": Bill(douglas, [work(1, NINE, 30, "phone")], 7_500, 30),
    "royal-city-industrial/1, labour": Bill(royal_city, [work(1, "2026-03-04T09:00", 150, "on_site")], 50_000, 240),
    "royal-city-industrial/2": Bill(royal_city, [work(1, "2026-03-04T15:00", 240, "on_site")], 55_000, 240),
    "plc-paramedics/1": Bill(plc_paramedics, [work(1, NINE, 60, "on_site")], 60_000, 240),
    "plc-paramedics/2": Bill(plc_paramedics, [work(1, NINE, 330, "on_site")], 82_500, 330),
    "sun-automation/1": Bill(sun_automation, [work(1, "2026-03-02T09:00", 300, "on_site")], 88_000, 480),
    "sun-automation/4": Bill(sun_automation, [work(1, SUNDAY, 360, "on_site")], 176_000, 480),
    "interstates-control/1": Bill(interstates, [work(1, NINE, 20)], minutes=60),
    "interstates-control/2": Bill(interstates, [work(1, "2026-03-03T19:00", 50)], minutes=120),
    "interstates-control/3": Bill(interstates, [work(1, "2026-03-03T19:00", 50)], minutes=60, case=facts("two")),
    "interstates-control/4": Bill(interstates, [work(1, "2026-03-03T18:00", 300)], 0, 0, facts("three")),
    "smart-digital-tech/1": Bill(
        smart_digital, [work(1, NINE, 60, "on_site"), work(2, "2026-03-03T10:00", 40, "travel")], 36_000, 180
    ),
    "smart-digital-tech/3": Bill(smart_digital, [work(1, NINE, 100, "on_site")], 34_500, 180, facts("combined")),
    "current-electric-cecad/1": Bill(current_amx, [work(1, NINE, 60)], 25_000, 120),
    "current-electric-cecad/2": Bill(current_amx, [work(1, NINE, 180, "on_site")], 50_000, 240),
    "current-electric-cecad/3": Bill(current_lutron, [work(1, NINE, 150)], 21_250, 150),
    "internet-software-solutions/2": Bill(internet_solutions, [work(1, NINE, 25)], 10_000, 60),
    "internet-software-solutions/3": Bill(internet_solutions, [work(1, SUNDAY, 90)], 75_000, 90),
    "tech-dispatch/1": Bill(tech_dispatch, [work(1, NINE, 4)], minutes=15),
    "tech-dispatch/2": Bill(tech_dispatch, [work(1, NINE, 22)], minutes=15),
    "tech-dispatch/3": Bill(tech_dispatch, [work(1, NINE, 23)], minutes=30),
    "tech-dispatch/4": Bill(tech_dispatch, [work(1, NINE, 67, "on_site")], minutes=60),
    "tech-dispatch/5": Bill(tech_dispatch, [work(1, NINE, 68, "on_site")], minutes=75),
    "calltrackingmetrics/1": Bill(call_tracking, [work(1, NINE, 5), work(2, "2026-03-03T15:00", 35)], minutes=45),
    "calltrackingmetrics/2": Bill(call_tracking, [work(1, NINE, 5), work(2, "2026-03-04T15:00", 35)], minutes=60),
    "calltrackingmetrics/3": Bill(call_tracking, [work(1, NINE, 40), work(2, NINE, 40)], minutes=90),
    "gorelo-msp-rules/1": Bill(gorelo, [work(1, NINE, 35)], minutes=30),
    "gorelo-msp-rules/2": Bill(gorelo, [work(1, NINE, 41)], minutes=60),
    "gorelo-msp-rules/3": Bill(gorelo, [work(1, NINE, 135, "on_site")], minutes=120),
    "gorelo-msp-rules/4": Bill(gorelo, [work(1, NINE, 138, "on_site")], minutes=180),
    "gorelo-msp-rules/5": Bill(gorelo, [work(1, NINE, 71)], minutes=120, case=facts("none")),
    "securitycameras-nz/1": Bill(
        cameras_nz, [work(1, NINE, 20, "phone")], 1_144, 8, grants=[GrantState(1, "included", 720)]
    ),
    "securitycameras-nz/2": Bill(
        cameras_nz,
        [work(1, NINE, 7, "phone"), work(2, "2026-03-03T12:00", 8, "phone")],
        429,
        3,
        grants=[GrantState(1, "included", 720)],
    ),
    "securitycameras-nz/3": Bill(cameras_nz, [work(1, NINE, 10, "phone")], 2_250, 10, facts("none")),
    "simply-ct/1": Bill(simply_ct, [work(1, NINE, 20)], 6_000, 30),
    "simply-ct/2": Bill(simply_ct, [work(1, NINE, 30, "on_site")], 12_000, 60),
    "mobile-mobility/1": Bill(mobile_mobility, [work(1, NINE, 30, "on_site")], 6_000, 60),
    "mobile-mobility/2": Bill(mobile_mobility, [work(1, NINE, 120, "on_site")], 12_000, 120),
    "cjd-software/3": Bill(cjd_lapsed, [work(1, NINE, 60, "phone")], 100_000, 240),
    "pcservices-za/1": Bill(pc_services, [work(1, "2026-03-03T17:30", 20)], 150, 60),
    "pcservices-za/2": Bill(pc_services, [work(1, SUNDAY, 30)], 300, 90),
    "pcservices-za/3": Bill(pc_services, [work(1, SATURDAY, 120)], 300, 120),
    "sinning-de/1, labour": Bill(sinning, [work(1, "2026-03-03T10:00", 70, "on_site")], 11_997, 90),
    "pots-line-replacement/1": Bill(pots, [work(1, "2026-03-03T20:00", 35)], 20_000, 120),
    "pots-line-replacement/2": Bill(pots, [work(1, "2026-03-03T20:00", 35)], 0, 0, facts(cause="vendor_fault")),
    "pots-line-replacement/3": Bill(pots, [work(1, "2026-03-03T20:00", 150)], 25_000, 150),
    "microsoft-professional/3": Bill(microsoft, [work(1, NINE, 360)], 0, 0, facts(cause="product_bug")),
}


@pytest.mark.parametrize("bill", BILLS.values(), ids=BILLS.keys())
def test_bill_comes_to_what_the_policy_publishes(bill):
    rated = rate(bill.case, bill.work, bill.grants, bill.terms)

    paid = [line for line in rated.lines if line.kind in PAID_KINDS]
    if bill.amount is not None:
        assert rated.amount_minor == bill.amount
    if bill.minutes is not None:
        assert sum(line.seconds for line in paid) == bill.minutes * 60
    assert all(line.amount_minor >= 0 for line in rated.lines)
