"""Loads a month of bill items with lines, shares and postings by set-based SQL, half of them invoiced and paid.

Every row obeys the same constraints and triggers as one the portal writes, and the books hold afterwards. A closed case
carries many items, one per cut, so that a million items do not need a million cases. What is paid is a line of a
statement when the month is closed; what is not paid waits for its invoice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.ledger import actions as ledger
from portal.ledger.chain import chain_period
from portal.ledger.models import Period
from portal.ledger.rules import Purpose, credit, debit, month_after

BATCH = 50_000
# So many items are on one invoice.
ON_ONE_INVOICE = 200
# Of so many items every second is paid; the integrator's part of each.
INTEGRATOR_BP = 2_667

Say = Callable[[str], None]


@dataclass(frozen=True)
class Month:
    """The month that was loaded: whose, and what the next one may be closed at."""

    manufacturer_id: int
    period_id: int
    items: int
    seconds: float


def load_month(owner: Engine, count: int, *, now: datetime, say: Say) -> Month:
    """Load a month of the bench's factory that ended before ``now``; its closed cases must be there."""
    began = time.perf_counter()
    with transaction(owner) as session:
        factory: int = session.scalars(text("SELECT id FROM organisation WHERE code = 'NOR'")).one()
        period = _last_month(session, factory, now)
        _prepare(session, factory, period)
    for first in range(1, count + 1, BATCH):
        last = min(first + BATCH - 1, count)
        with transaction(owner) as session:
            for statement in _ITEMS:
                session.execute(text(statement), {"first": first, "last": last, "bp": INTEGRATOR_BP})
        say(f"{last:,} of {count:,} bill items")
    with transaction(owner) as session:
        session.execute(text(_WORK))
        for statement in _PAID:
            session.execute(text(statement), {"page": ON_ONE_INVOICE})
        say("paid")
    _settle(owner)
    return Month(factory, period.id, count, time.perf_counter() - began)


def _last_month(session: Session, factory: int, now: datetime) -> Period:
    """The factory's open period, moved on until it is the last month that has ended."""
    while True:
        period = session.query(Period).filter_by(manufacturer_id=factory, state="open").one()
        following = month_after(period.zone, period.ends_at)
        if following.ends_at > now:
            return period
        closing, _ = ledger.begin_close(session, manufacturer_id=factory, now=following.ends_at)
        chain_period(session, closing.id, now=now)
        ledger.soft_close(session, closing.id, now=now)
        ledger.hard_close(session, closing.id, now=now)


def _prepare(session: Session, factory: int, period: Period) -> None:
    """Tables of the load: its carriers with their accounts, and from which ids on the rows are numbered."""
    parties = text("""
        SELECT DISTINCT unnest(ARRAY[manufacturer_id, integrator_id, customer_id]) AS id FROM support_case
        WHERE manufacturer_id = :own AND state = 'closed'
    """)
    of_all = [row.id for row in session.execute(parties, {"own": factory})]
    purposes = (Purpose.UNBILLED, Purpose.RECEIVABLE, Purpose.ACCRUED, Purpose.PAYABLE)
    legs = [debit(purpose, 1, party) for party in of_all for purpose in purposes]
    ledger.accounts_for(session, factory, "EUR", [*legs, credit(Purpose.STRIPE, 1)])
    session.execute(text("DROP TABLE IF EXISTS bench_carrier, bench_start, bench_billed"))
    session.execute(_CARRIERS, {"own": factory})
    session.execute(_START, {"own": factory, "period": period.id, "starts": period.starts_at, "ends": period.ends_at})
    session.execute(_BILLED)


_CARRIERS = text("""
    CREATE UNLOGGED TABLE bench_carrier AS
    SELECT row_number() OVER (ORDER BY one.id) - 1 AS place, one.id AS case_id, one.name, one.manufacturer_id,
           one.integrator_id, one.customer_id,
           (SELECT max(version_id) FROM document_in_force WHERE manufacturer_id = :own AND integrator_id IS NULL)
               AS policy_id,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'receivable_unbilled'
            AND party_id = one.customer_id AND currency = 'EUR') AS unbilled,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'receivable'
            AND party_id = one.customer_id AND currency = 'EUR') AS receivable,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'payable_accrued'
            AND party_id = one.integrator_id AND currency = 'EUR') AS accrued_theirs,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'payable_accrued'
            AND party_id = one.manufacturer_id AND currency = 'EUR') AS accrued_ours,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'payable'
            AND party_id = one.integrator_id AND currency = 'EUR') AS payable_theirs,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'payable'
            AND party_id = one.manufacturer_id AND currency = 'EUR') AS payable_ours
    FROM support_case one
    WHERE one.manufacturer_id = :own AND one.state = 'closed'
""")

_START = text("""
    CREATE UNLOGGED TABLE bench_start AS
    SELECT CAST(:period AS bigint) AS period_id, CAST(:starts AS timestamptz) AS starts_at,
           CAST(:ends AS timestamptz) AS ends_at,
           (SELECT count(*) FROM bench_carrier) AS carriers,
           (SELECT coalesce(max(id), 0) FROM billing_cut) AS cut, (SELECT coalesce(max(id), 0) FROM bill_item) AS item,
           (SELECT coalesce(max(id), 0) FROM bill_line) AS line, (SELECT coalesce(max(id), 0) FROM share) AS share,
           (SELECT coalesce(max(id), 0) FROM journal_transaction) AS journal,
           (SELECT coalesce(max(id), 0) FROM invoice) AS invoice,
           (SELECT coalesce(max(id), 0) FROM cash_receipt) AS receipt,
           (SELECT id FROM account WHERE manufacturer_id = :own AND purpose = 'stripe_clearing' AND currency = 'EUR')
               AS stripe
""")

_BILLED = text("""
    CREATE UNLOGGED TABLE bench_billed (
        n bigint PRIMARY KEY, place bigint, seq int, amount bigint, theirs bigint, at timestamptz, is_paid boolean)
""")

_OF = (
    "FROM bench_billed b JOIN bench_carrier c USING (place) CROSS JOIN bench_start s WHERE b.n BETWEEN :first AND :last"
)
_CASE = "c.case_id, c.manufacturer_id, c.integrator_id, c.customer_id"

_ITEMS = (
    """
    INSERT INTO bench_billed
    SELECT n, (n - 1) % s.carriers, 1000 + (n - 1) / s.carriers, one.amount, one.amount * :bp / 10000,
           s.starts_at + (s.ends_at - s.starts_at) * ((n % 9973) / 9974.0), (n - 1) / s.carriers % 2 = 0
    FROM generate_series(CAST(:first AS bigint), :last) n CROSS JOIN bench_start s
    CROSS JOIN LATERAL (SELECT 4000 + n * 7919 % 60000 AS amount) one
    """,
    f"""
    INSERT INTO billing_cut (id, case_id, manufacturer_id, integrator_id, customer_id, seq, kind, cut_at)
    OVERRIDING SYSTEM VALUE SELECT s.cut + b.n, {_CASE}, b.seq, 'period_end', b.at {_OF}
    """,
    f"""
    INSERT INTO bill_item (id, case_id, manufacturer_id, integrator_id, customer_id, audience, owner_id, cut_id,
        revision, payer_id, collector_id, seller_of_record_id, currency, amount_minor, list_amount_minor,
        included_seconds, policy_version_id, period_id, explanation, occurred_at, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT s.item + b.n, {_CASE}, 'customer', c.manufacturer_id, s.cut + b.n, 0, c.customer_id, c.manufacturer_id,
           c.manufacturer_id, 'EUR', b.amount, b.amount, 0, c.policy_id, s.period_id, '{{"lines": []}}', b.at, b.at
    {_OF}
    """,
    f"""
    INSERT INTO bill_line (id, case_id, manufacturer_id, integrator_id, customer_id, audience, owner_id, bill_item_id,
        position, kind, bearer, band, mode, task_class, seconds, rate_num, rate_den, currency, amount_minor,
        list_amount_minor, description, explanation)
    OVERRIDING SYSTEM VALUE
    SELECT s.line + b.n, {_CASE}, 'customer', c.manufacturer_id, s.item + b.n, 1, 'time', 'payer', 'business',
           'remote', 'support', 1800, b.amount * 2, 1, 'EUR', b.amount, b.amount, '30 minutes', '{{}}'
    {_OF}
    """,
    f"""
    INSERT INTO share (id, case_id, manufacturer_id, integrator_id, customer_id, bill_item_id, kind, party_id,
        party_role, revenue_kind, funding, weight_bp, currency, amount_minor, explanation, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT s.share + 2 * b.n - part.own, {_CASE}, s.item + b.n, 'original',
           CASE part.own WHEN 1 THEN c.integrator_id ELSE c.manufacturer_id END,
           CASE part.own WHEN 1 THEN 'integrator' ELSE 'manufacturer' END, 'time_and_materials', 'cash',
           CASE part.own WHEN 1 THEN :bp ELSE 10000 - :bp END, 'EUR',
           CASE part.own WHEN 1 THEN b.theirs ELSE b.amount - b.theirs END, '{{}}', b.at
    FROM bench_billed b JOIN bench_carrier c USING (place) CROSS JOIN bench_start s
    CROSS JOIN (VALUES (1), (0)) AS part (own) WHERE b.n BETWEEN :first AND :last
    """,
    f"""
    INSERT INTO journal_transaction (id, manufacturer_id, currency, period_id, kind, document_type, document_id,
        description, livemode, occurred_at, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT s.journal + b.n, c.manufacturer_id, 'EUR', s.period_id, 'bill_item', 'bill_item', (s.item + b.n)::text, '',
           false, b.at, b.at
    {_OF}
    """,
    """
    INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, party_id, amount_minor,
        document_type, document_id)
    SELECT s.journal + b.n, c.manufacturer_id, 'EUR', s.period_id, leg.account, leg.party, leg.minor, leg.kind, leg.doc
    FROM bench_billed b JOIN bench_carrier c USING (place) CROSS JOIN bench_start s
    CROSS JOIN LATERAL (VALUES
        (c.unbilled, c.customer_id, b.amount, 'bill_item', (s.item + b.n)::text),
        (c.accrued_theirs, c.integrator_id, -b.theirs, 'share', (s.share + 2 * b.n - 1)::text),
        (c.accrued_ours, c.manufacturer_id, b.theirs - b.amount, 'share', (s.share + 2 * b.n)::text)
    ) AS leg (account, party, minor, kind, doc)
    WHERE b.n BETWEEN :first AND :last
    """,
)

# The work of a carrier is billed by the first of its items.
_WORK = """
    INSERT INTO bill_segment (case_id, manufacturer_id, integrator_id, customer_id, audience, owner_id, line_id,
        entry_id, started_at, ended_at, seconds, billed_seconds)
    SELECT entry.case_id, entry.manufacturer_id, entry.integrator_id, entry.customer_id, line.audience, line.owner_id,
           line.id, entry.id, entry.started_at, entry.ended_at, entry.seconds, 0
    FROM time_entry entry JOIN bench_carrier c USING (case_id) CROSS JOIN bench_start s
    JOIN bill_line line ON line.id = s.line + c.place + 1
"""

# The paid items of each customer by invoice, and each invoice's cash.
_PAID = (
    """
    CREATE TEMPORARY TABLE bench_paid ON COMMIT DROP AS
    SELECT ranked.*, dense_rank() OVER (ORDER BY customer_id, part) AS k FROM (
        SELECT b.n, b.amount, b.theirs, b.place, c.customer_id,
               (row_number() OVER (PARTITION BY c.customer_id ORDER BY b.n) - 1) / :page + 1 AS part,
               (row_number() OVER (PARTITION BY c.customer_id ORDER BY b.n) - 1) % :page + 1 AS position
        FROM bench_billed b JOIN bench_carrier c USING (place) WHERE b.is_paid) ranked
    """,
    """
    CREATE TEMPORARY TABLE bench_page ON COMMIT DROP AS
    SELECT k, customer_id, part, sum(amount)::bigint AS total, gen_random_uuid() AS intent_id,
           (SELECT max(receivable) FROM bench_carrier c WHERE c.customer_id = one.customer_id) AS receivable,
           (SELECT max(unbilled) FROM bench_carrier c WHERE c.customer_id = one.customer_id) AS unbilled
    FROM bench_paid one GROUP BY k, customer_id, part
    """,
    "ANALYZE bench_paid, bench_page",
    """
    INSERT INTO intent (id, kind, manufacturer_id, organisation_id, document_type, document_id, currency, amount_minor,
        request, progress, state, provider_object_id, livemode, created_at)
    SELECT p.intent_id, 'invoice', o.id, p.customer_id, 'invoice_name', 'bench-' || p.k, 'EUR', p.total,
           '{"receivable": "receivable", "items": []}', '{"status": "paid"}', 'succeeded', 'in_bench_' || p.k, false,
           s.ends_at
    FROM bench_page p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    """,
    """
    INSERT INTO invoice (id, manufacturer_id, payer_id, collector_id, seller_of_record_id, period_id, part, number,
        name, currency, total_minor, due_on, intent_id, issued_at)
    OVERRIDING SYSTEM VALUE
    SELECT s.invoice + p.k, o.id, p.customer_id, o.id, o.id, s.period_id, p.part, 1000000 + p.k, 'NOR-B' || p.k, 'EUR',
           p.total, s.ends_at::date, p.intent_id, s.ends_at - interval '1 hour'
    FROM bench_page p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    """,
    """
    INSERT INTO invoice_item (invoice_id, manufacturer_id, payer_id, bill_item_id, position, kind, description,
        amount_minor)
    SELECT s.invoice + p.k, o.id, p.customer_id, s.item + p.n, p.position, 'charge', 'Support', p.amount
    FROM bench_paid p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    """,
    """
    INSERT INTO cash_receipt (id, invoice_id, manufacturer_id, payer_id, currency, amount_minor, fee_minor, source,
        provider_object_id, livemode, received_at, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT s.receipt + p.k, s.invoice + p.k, o.id, p.customer_id, 'EUR', p.total, 0, 'stripe', 'ch_bench_' || p.k,
           false, s.ends_at - interval '1 minute', s.ends_at - interval '1 minute'
    FROM bench_page p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    """,
    """
    INSERT INTO balance_movement (provider_id, manufacturer_id, category, currency, amount_minor, fee_minor, net_minor,
        source_object_id, livemode, occurred_at, recorded_at)
    SELECT 'txn_bench_' || p.k, o.id, 'charge', 'EUR', p.total, 0, p.total, 'ch_bench_' || p.k, false,
           s.ends_at - interval '1 minute', s.ends_at - interval '1 minute'
    FROM bench_page p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    """,
    """
    INSERT INTO cash_application (case_id, manufacturer_id, integrator_id, customer_id, receipt_id, share_id, party_id,
        currency, amount_minor, applied_at)
    SELECT c.case_id, c.manufacturer_id, c.integrator_id, c.customer_id, s.receipt + p.k, s.share + 2 * p.n - part.own,
           CASE part.own WHEN 1 THEN c.integrator_id ELSE c.manufacturer_id END, 'EUR',
           CASE part.own WHEN 1 THEN p.theirs ELSE p.amount - p.theirs END, s.ends_at - interval '1 minute'
    FROM bench_paid p JOIN bench_carrier c USING (place) CROSS JOIN bench_start s
    CROSS JOIN (VALUES (1), (0)) AS part (own)
    """,
    """
    INSERT INTO journal_transaction (id, manufacturer_id, currency, period_id, kind, document_type, document_id,
        description, livemode, occurred_at, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT s.journal + (SELECT max(n) FROM bench_billed) + 3 * p.k - step.back, o.id, 'EUR', s.period_id, step.kind,
           step.document, (CASE step.back WHEN 2 THEN s.invoice ELSE s.receipt END + p.k)::text, '', false,
           s.ends_at - interval '1 minute', s.ends_at - interval '1 minute'
    FROM bench_page p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    CROSS JOIN (VALUES (2, 'invoiced', 'invoice'), (1, 'cash_received', 'cash_receipt'),
                       (0, 'cash_applied', 'cash_receipt')) AS step (back, kind, document)
    """,
    """
    INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, party_id, amount_minor,
        document_type, document_id)
    SELECT s.journal + (SELECT max(n) FROM bench_billed) + 3 * p.k - leg.back, o.id, 'EUR', s.period_id, leg.account,
           leg.party, leg.minor, leg.kind, (CASE leg.kind WHEN 'invoice' THEN s.invoice ELSE s.receipt END + p.k)::text
    FROM bench_page p CROSS JOIN bench_start s JOIN organisation o ON o.code = 'NOR'
    CROSS JOIN LATERAL (VALUES
        (2, p.receivable, p.customer_id, p.total, 'invoice'), (2, p.unbilled, p.customer_id, -p.total, 'invoice'),
        (1, s.stripe, NULL, p.total, 'cash_receipt'), (1, p.receivable, p.customer_id, -p.total, 'cash_receipt')
    ) AS leg (back, account, party, minor, kind)
    """,
    """
    INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, party_id, amount_minor,
        document_type, document_id)
    SELECT s.journal + (SELECT max(n) FROM bench_billed) + 3 * p.k, c.manufacturer_id, 'EUR', s.period_id, leg.account,
           leg.party, leg.minor, 'share', (s.share + 2 * p.n - leg.own)::text
    FROM bench_paid p JOIN bench_carrier c USING (place) CROSS JOIN bench_start s
    CROSS JOIN LATERAL (VALUES
        (1, c.accrued_theirs, c.integrator_id, p.theirs), (1, c.payable_theirs, c.integrator_id, -p.theirs),
        (0, c.accrued_ours, c.manufacturer_id, p.amount - p.theirs),
        (0, c.payable_ours, c.manufacturer_id, p.theirs - p.amount)
    ) AS leg (own, account, party, minor)
    """,
)


_NUMBERED = ("billing_cut", "bill_item", "bill_line", "share", "journal_transaction", "invoice", "cash_receipt")


def _settle(owner: Engine) -> None:
    """What only the owner may: the next ids follow the rows, and the planner knows the tables."""
    with transaction(owner) as session:
        for name in (
            "billing_cut",
            "bill_item",
            "bill_line",
            "share",
            "journal_transaction",
            "invoice",
            "cash_receipt",
        ):
            session.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
            )
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
