"""Whether the books are right: the ledger in itself, and every figure of billing against it.

Each check lists what breaks it; an empty list means that the books are right. Settlement adds its own checks to these.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.billing.deferred.books import deferred_problems
from portal.billing.promises import promise_problems
from portal.billing.rules.postings import BILLED, DECIDED, MOVED, USE_DECIDED, USED
from portal.ledger.queries import BookProblem, ledger_problems, problems_of
from portal.money import THREE_DECIMAL_STEP, currencies_of

# What billing posts about shares; settlement moves payables on by kinds of its own.
_OF_ITEMS = (BILLED, USED, DECIDED, USE_DECIDED)
_KINDS = ", ".join(f"'{kind}'" for kind in (*_OF_ITEMS, *(f"{kind}_reversal" for kind in _OF_ITEMS), *MOVED))
# An invoice over the net that a party owes is settlement's: it has no lines, and its disposition is its posting.
_OF_WORK = "NOT EXISTS (SELECT FROM disposition WHERE disposition.intent_id = invoice.intent_id)"

# In these currencies an invoice asks the next amount that can be paid.
_THREE_DECIMALS = ", ".join(f"'{code}'" for code in currencies_of(digits=3))
_ROUNDED_UP = (
    "total_minor - (SELECT coalesce(sum(line.amount_minor), 0) FROM invoice_item line"
    " WHERE line.invoice_id = invoice.id)::bigint"
)

# Each finds rows (subject, detail) that break it.


def _shares_are_right(shares: str, whole: str, name: str, *, kind: str, stages: str = "'payable'") -> str:
    """The shares of a table sum to the amount they are parts of, and each is posted; names are our own."""
    return f"""
        SELECT {name}, 'is ' || whole.amount_minor || ', shares ' || coalesce(sum(part.amount_minor), 0)
        FROM {whole} whole LEFT JOIN {shares} part ON part.{whole}_id = whole.id
        GROUP BY whole.id HAVING coalesce(sum(part.amount_minor), 0) <> whole.amount_minor
        UNION ALL
        SELECT '{shares.replace("_", " ")} ' || part.id,
               'is ' || part.amount_minor || ', posted ' || coalesce(-sum(posting.amount_minor), 0)
        FROM {shares} part
        LEFT JOIN (posting JOIN account ON account.id = posting.account_id AND account.purpose IN ({stages})
                   JOIN journal_transaction journal ON journal.id = posting.transaction_id AND journal.kind = '{kind}')
            ON posting.document_type = '{shares}' AND posting.document_id = part.id::text
               AND posting.party_id = part.party_id
        GROUP BY part.id HAVING coalesce(-sum(posting.amount_minor), 0) <> part.amount_minor
    """


_CHECKS = {
    "lines sum to their item": """
        SELECT 'bill item ' || item.id,
               'costs ' || item.amount_minor || ', its lines ' || coalesce(sum(line.amount_minor), 0)
        FROM bill_item item LEFT JOIN bill_line line ON line.bill_item_id = item.id AND line.bearer = 'payer'
        GROUP BY item.id HAVING coalesce(sum(line.amount_minor), 0) <> item.amount_minor
    """,
    "shares sum to their item": """
        SELECT 'bill item ' || item.id, 'shares of ' || part.funding_kind || ' sum to ' || part.shared
               || ' instead of ' || part.wanted
        FROM bill_item item
        LEFT JOIN bill_item_reversal gone ON gone.bill_item_id = item.id
        CROSS JOIN LATERAL (
            SELECT 'money' AS funding_kind,
                   coalesce((SELECT sum(amount_minor) FROM share
                             WHERE bill_item_id = item.id AND funding <> 'use'), 0) AS shared,
                   CASE WHEN gone.id IS NULL THEN item.amount_minor ELSE 0 END AS wanted
            UNION ALL
            SELECT 'use',
                   coalesce((SELECT sum(amount_minor) FROM share
                             WHERE bill_item_id = item.id AND funding = 'use'), 0),
                   CASE WHEN gone.id IS NULL THEN item.use_minor ELSE 0 END
        ) part
        WHERE part.shared <> part.wanted
    """,
    "one item of a cut stands": """
        SELECT 'cut ' || item.cut_id, count(*) || ' items stand'
        FROM bill_item item
        WHERE NOT EXISTS (SELECT FROM bill_item_reversal WHERE bill_item_id = item.id)
        GROUP BY item.cut_id HAVING count(*) > 1
    """,
    "a party's shares equal its postings": f"""
        SELECT 'party ' || coalesce(one.party_id::text, 'undetermined') || ' ' || one.currency,
               'shares ' || sum(one.shared) || ', postings ' || sum(one.posted)
        FROM (
            SELECT manufacturer_id, currency, party_id, amount_minor AS shared, 0 AS posted
            FROM share WHERE funding <> 'set_off'
            UNION ALL
            SELECT posting.manufacturer_id, posting.currency, posting.party_id, 0, -posting.amount_minor
            FROM posting
            JOIN account ON account.id = posting.account_id
            JOIN journal_transaction journal ON journal.id = posting.transaction_id
            JOIN share ON posting.document_type = 'share' AND share.id = posting.document_id::bigint
            WHERE share.funding <> 'set_off' AND journal.kind IN ({_KINDS})
              AND account.purpose IN ('payable_accrued', 'payable', 'undetermined_accrued', 'undetermined')
        ) one
        GROUP BY one.manufacturer_id, one.currency, one.party_id HAVING sum(one.shared) <> sum(one.posted)
    """,
    "what is payable equals cash applied and use": f"""
        SELECT 'share ' || one.share_id, 'payable ' || sum(one.due) || ', earned ' || sum(one.earned)
        FROM (
            SELECT coalesce(share.reverses_id, share.id) AS share_id, -posting.amount_minor AS due, 0 AS earned
            FROM posting
            JOIN account ON account.id = posting.account_id
            JOIN journal_transaction journal ON journal.id = posting.transaction_id
            JOIN share ON posting.document_type = 'share' AND share.id = posting.document_id::bigint
            WHERE account.purpose IN ('payable', 'undetermined') AND journal.kind IN ({_KINDS})
            UNION ALL
            SELECT coalesce(reverses_id, id), 0, amount_minor FROM share WHERE funding = 'use'
            UNION ALL
            SELECT coalesce(share.reverses_id, share.id), 0, part.amount_minor
            FROM cash_application part JOIN share ON share.id = part.share_id
        ) one
        GROUP BY one.share_id HAVING sum(one.due) <> sum(one.earned)
    """,
    "cash applied stays within its share": """
        SELECT 'share ' || share.id, 'has ' || sum(part.amount_minor) || ' of ' || share.amount_minor
        FROM cash_application part JOIN share ON share.id = part.share_id
        GROUP BY share.id
        HAVING sum(part.amount_minor) NOT BETWEEN least(share.amount_minor, 0) AND greatest(share.amount_minor, 0)
    """,
    "unbilled is what was billed and not invoiced": f"""
        SELECT 'debtor ' || one.debtor_id || ' ' || one.currency, 'facts ' || sum(one.fact) || ', account '
               || sum(one.posted)
        FROM (
            SELECT posting.manufacturer_id, posting.currency, posting.party_id AS debtor_id, 0 AS fact,
                   posting.amount_minor AS posted
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE account.purpose = 'receivable_unbilled'
            UNION ALL
            SELECT item.manufacturer_id, item.currency,
                   CASE WHEN item.collector_id = item.integrator_id AND item.integrator_id <> item.manufacturer_id
                             AND item.payer_id = item.customer_id
                        THEN item.collector_id ELSE item.payer_id END,
                   item.amount_minor - coalesce((SELECT sum(amount_minor) FROM share WHERE bill_item_id = item.id
                                                 AND funding = 'set_off' AND kind <> 'reversal'), 0), 0
            FROM bill_item item
            WHERE NOT EXISTS (SELECT FROM bill_item_reversal WHERE bill_item_id = item.id)
            UNION ALL
            SELECT manufacturer_id, currency,
                   CASE WHEN collector_id = integrator_id AND integrator_id <> manufacturer_id
                        THEN collector_id ELSE payer_id END,
                   amount_minor, 0
            FROM plan_sale WHERE paid_by = 'invoice'
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, amount_minor, 0 FROM pack_sale WHERE paid_by = 'invoice'
            UNION ALL
            SELECT manufacturer_id, currency,
                   CASE WHEN collector_id = integrator_id AND integrator_id <> manufacturer_id
                        THEN collector_id ELSE payer_id END,
                   amount_minor, 0
            FROM supplement
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, -total_minor, 0 FROM invoice WHERE {_OF_WORK}
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, {_ROUNDED_UP}, 0 FROM invoice
            WHERE {_OF_WORK} AND currency IN ({_THREE_DECIMALS})
        ) one
        GROUP BY one.manufacturer_id, one.currency, one.debtor_id HAVING sum(one.fact) <> sum(one.posted)
    """,
    "what is accrued equals shares, less cash and credits": """
        SELECT 'share ' || one.share_id, 'accrued ' || sum(one.posted) || ', left of it ' || sum(one.fact)
        FROM (
            SELECT coalesce(share.reverses_id, share.id) AS share_id, -posting.amount_minor AS posted, 0 AS fact
            FROM posting
            JOIN account ON account.id = posting.account_id
            JOIN share ON posting.document_type = 'share' AND share.id = posting.document_id::bigint
            WHERE account.purpose IN ('payable_accrued', 'undetermined_accrued')
            UNION ALL
            SELECT coalesce(reverses_id, id), 0, amount_minor FROM share WHERE funding = 'cash'
            UNION ALL
            SELECT coalesce(share.reverses_id, share.id), 0, -part.amount_minor
            FROM cash_application part JOIN share ON share.id = part.share_id
            UNION ALL
            SELECT coalesce(share.reverses_id, share.id), 0, -part.amount_minor
            FROM adjustment_part part JOIN share ON share.id = part.share_id WHERE part.stage = 'accrued'
        ) one
        GROUP BY one.share_id HAVING sum(one.posted) <> sum(one.fact)
    """,
    "nothing accrued is below zero": """
        SELECT 'party ' || coalesce(account.party_id::text, 'undetermined') || ' ' || account.currency,
               'accrued ' || -sum(posting.amount_minor)
        FROM account JOIN posting ON posting.account_id = account.id
        WHERE account.purpose IN ('payable_accrued', 'undetermined_accrued')
        GROUP BY account.id HAVING sum(posting.amount_minor) > 0
    """,
    "a bill that was taken back keeps no cash": """
        SELECT 'bill item ' || gone.bill_item_id, 'keeps ' || sum(part.amount_minor)
        FROM bill_item_reversal gone
        JOIN share ON share.bill_item_id = gone.bill_item_id
        JOIN cash_application part ON part.share_id = share.id
        GROUP BY gone.bill_item_id, coalesce(share.reverses_id, share.id) HAVING sum(part.amount_minor) <> 0
    """,
    "what is receivable was invoiced and not paid": f"""
        SELECT 'payer ' || one.payer_id || ' ' || one.currency, 'facts ' || sum(one.fact) || ', account '
               || sum(one.posted)
        FROM (
            SELECT posting.manufacturer_id, posting.currency, posting.party_id AS payer_id, 0 AS fact,
                   posting.amount_minor AS posted
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE account.purpose = 'receivable'
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, total_minor, 0 FROM invoice WHERE {_OF_WORK}
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, tax_minor, 0 FROM invoice_tax
            UNION ALL
            SELECT invoice.manufacturer_id, invoice.currency, invoice.payer_id, -receipt.amount_minor, 0
            FROM cash_receipt receipt JOIN invoice ON invoice.id = receipt.invoice_id
            WHERE {_OF_WORK}
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, -amount_minor, 0 FROM line_reduction WHERE lowers_net
        ) one
        GROUP BY one.manufacturer_id, one.currency, one.payer_id HAVING sum(one.fact) <> sum(one.posted)
    """,
    "the tax of invoices is its lines' and is posted": """
        SELECT 'invoice ' || invoice.name, 'tax ' || tax.tax_minor || ', lines ' || coalesce(line.minor, 0)
               || ', posted ' || coalesce(posted.minor, 0)
        FROM invoice_tax tax JOIN invoice ON invoice.id = tax.invoice_id
        LEFT JOIN LATERAL (SELECT sum(tax_minor) AS minor FROM invoice_item_tax
                           WHERE invoice_id = tax.invoice_id) line ON true
        LEFT JOIN LATERAL (
            SELECT -sum(posting.amount_minor) AS minor
            FROM journal_transaction journal JOIN posting ON posting.transaction_id = journal.id
            JOIN account ON account.id = posting.account_id AND account.purpose = 'tax'
            WHERE (journal.kind, journal.document_type, journal.document_id)
                = ('invoice_taxed', 'invoice', tax.invoice_id::text)) posted ON true
        WHERE coalesce(line.minor, 0) <> tax.tax_minor OR coalesce(posted.minor, 0) <> tax.tax_minor
    """,
    "what goes back of a tax was its part of what went back": """
        SELECT one.cause_type || ' ' || one.cause_id, 'tax taken back ' || sum(one.minor) || ', posted '
               || sum(one.posted)
        FROM (
            SELECT cause_type, cause_id::text, amount_minor AS minor, 0 AS posted
            FROM adjustment_part WHERE stage = 'tax'
            UNION ALL
            SELECT journal.document_type, journal.document_id, 0, posting.amount_minor
            FROM journal_transaction journal JOIN posting ON posting.transaction_id = journal.id
            JOIN account ON account.id = posting.account_id AND account.purpose = 'tax'
            WHERE journal.kind IN ('shares_taken_back', 'shares_given_back')
        ) one
        GROUP BY one.cause_type, one.cause_id HAVING sum(one.minor) <> sum(one.posted)
    """,
    "what was paid ahead is held or was sold": """
        SELECT 'payer ' || one.payer_id || ' ' || one.currency, 'facts ' || sum(one.fact) || ', account '
               || sum(one.posted)
        FROM (
            SELECT posting.manufacturer_id, posting.currency, posting.party_id AS payer_id, 0 AS fact,
                   -posting.amount_minor AS posted
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE account.purpose = 'customer_prepaid'
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, amount_minor - tax_minor, 0
            FROM cash_receipt WHERE intent_id IS NOT NULL
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, -amount_minor, 0 FROM plan_sale WHERE paid_by = 'ahead'
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, -amount_minor, 0 FROM pack_sale WHERE paid_by = 'ahead'
            UNION ALL
            SELECT manufacturer_id, currency, payer_id, tax_minor - amount_minor, 0 FROM line_reduction
            WHERE receipt_id IS NOT NULL AND pack_sale_id IS NULL AND plan_sale_id IS NULL
        ) one
        GROUP BY one.manufacturer_id, one.currency, one.payer_id HAVING sum(one.fact) <> sum(one.posted)
    """,
    "what is deferred was sold and not used or earned": """
        SELECT 'customer ' || one.customer_id || ' ' || one.currency, 'facts ' || sum(one.fact) || ', account '
               || sum(one.posted)
        FROM (
            SELECT posting.manufacturer_id, posting.currency, posting.party_id AS customer_id, 0 AS fact,
                   -posting.amount_minor AS posted
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE account.purpose = 'deferred_revenue'
            UNION ALL
            SELECT manufacturer_id, currency, customer_id, amount_minor, 0 FROM plan_sale
            UNION ALL
            SELECT manufacturer_id, currency, customer_id, -amount_minor, 0 FROM share WHERE funding = 'use'
            UNION ALL
            SELECT sale.manufacturer_id, sale.currency, sale.customer_id, -earning.amount_minor, 0
            FROM plan_earning earning JOIN plan_sale sale ON sale.id = earning.plan_sale_id
            UNION ALL
            SELECT manufacturer_id, currency, customer_id, amount_minor, 0 FROM pack_sale
            UNION ALL
            SELECT sale.manufacturer_id, sale.currency, sale.customer_id, -earning.amount_minor, 0
            FROM pack_earning earning JOIN pack_sale sale ON sale.id = earning.pack_sale_id
            UNION ALL
            SELECT sale.manufacturer_id, sale.currency, sale.customer_id, -reduction.deferred_minor, 0
            FROM line_reduction reduction
            LEFT JOIN invoice_item line ON line.id = reduction.invoice_item_id
            JOIN plan_sale sale ON sale.id = coalesce(line.plan_sale_id, reduction.plan_sale_id)
            UNION ALL
            SELECT sale.manufacturer_id, sale.currency, sale.customer_id, -reduction.deferred_minor, 0
            FROM line_reduction reduction JOIN pack_sale sale ON sale.id = reduction.pack_sale_id
        ) one
        GROUP BY one.manufacturer_id, one.currency, one.customer_id HAVING sum(one.fact) <> sum(one.posted)
    """,
    "a plan's shares sum to what it earned and are payable": _shares_are_right(
        "plan_share",
        "plan_earning",
        "'plan sale ' || whole.plan_sale_id",
        kind="plan_earned",
        stages="'payable', 'payable_accrued'",
    ),
    "a pack's shares sum to what it earned and are payable": _shares_are_right(
        "pack_share",
        "pack_earning",
        "'pack sale ' || whole.pack_sale_id",
        kind="pack_earned",
        stages="'payable', 'payable_accrued'",
    ),
    "a supplement's shares sum to what is owed and are payable": _shares_are_right(
        "supplement_share", "supplement", "'supplement ' || whole.id", kind="supplemented"
    ),
    "gross revenue is the shares that are its cost": """
        SELECT one.document_type || ' ' || one.document_id,
               'is ' || coalesce(sum(one.amount), 0) || ', cost posted ' || sum(one.posted)
        FROM (
            SELECT posting.document_type, posting.document_id, sum(posting.amount_minor) AS posted,
                   NULL::bigint AS amount
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE account.purpose = 'cost_of_share' GROUP BY 1, 2
            UNION ALL SELECT 'share', id::text, 0, amount_minor FROM share
            UNION ALL SELECT 'share', share_id::text, 0, -amount_minor FROM adjustment_part
                      WHERE share_id IS NOT NULL
            UNION ALL SELECT 'plan_share', id::text, 0, amount_minor FROM plan_share
            UNION ALL SELECT 'pack_share', id::text, 0, amount_minor FROM pack_share
            UNION ALL SELECT 'supplement_share', id::text, 0, amount_minor FROM supplement_share
        ) one
        GROUP BY 1, one.document_type, one.document_id
        HAVING sum(one.posted) <> 0 AND sum(one.posted) <> coalesce(sum(one.amount), 0)
        UNION ALL
        SELECT 'ledger ' || posting.manufacturer_id || ' ' || posting.currency,
               'gross revenue and the cost of shares differ by ' || sum(posting.amount_minor)
        FROM posting JOIN account ON account.id = posting.account_id
        WHERE account.purpose IN ('gross_revenue', 'cost_of_share')
        GROUP BY posting.manufacturer_id, posting.currency HAVING sum(posting.amount_minor) <> 0
    """,
    "invoices and receipts are posted": f"""
        SELECT 'invoice ' || invoice.name, 'is not posted' FROM invoice
        WHERE {_OF_WORK} AND NOT EXISTS (SELECT FROM journal_transaction
                          WHERE (kind, document_type, document_id) = ('invoiced', 'invoice', invoice.id::text))
        UNION ALL
        SELECT 'cash receipt ' || receipt.id, 'is not posted' FROM cash_receipt receipt
        WHERE NOT EXISTS (SELECT FROM journal_transaction
                          WHERE (kind, document_type, document_id)
                              = ('cash_received', 'cash_receipt', receipt.id::text))
    """,
    "an invoice's lines sum to it": f"""
        SELECT 'invoice ' || invoice.name, 'lines ' || coalesce(sum(line.amount_minor), 0) || ', total '
               || invoice.total_minor
        FROM invoice LEFT JOIN invoice_item line ON line.invoice_id = invoice.id
        WHERE {_OF_WORK}
        GROUP BY invoice.id
        HAVING invoice.total_minor - coalesce(sum(line.amount_minor), 0) NOT BETWEEN 0
            AND CASE WHEN invoice.currency IN ({_THREE_DECIMALS}) THEN {THREE_DECIMAL_STEP - 1} ELSE 0 END
    """,
    "what invoices ask beyond their lines is income by rounding": f"""
        SELECT 'currency ' || one.currency, 'rounded up ' || sum(one.fact) || ', account ' || sum(one.posted)
        FROM (
            SELECT manufacturer_id, currency, {_ROUNDED_UP} AS fact, 0 AS posted FROM invoice
            WHERE {_OF_WORK} AND currency IN ({_THREE_DECIMALS})
            UNION ALL
            SELECT manufacturer_id, currency, -amount_minor, 0 FROM adjustment_part WHERE stage = 'rounding'
            UNION ALL
            SELECT posting.manufacturer_id, posting.currency, 0, -posting.amount_minor
            FROM posting JOIN account ON account.id = posting.account_id WHERE account.purpose = 'rounded_up'
        ) one
        GROUP BY one.manufacturer_id, one.currency HAVING sum(one.fact) <> sum(one.posted)
    """,
}

# Stripe's own figures: every movement of its balance is in our clearing account, and nothing else is.
_TIE_OUT = {
    "Stripe's balance equals its clearing account": """
        SELECT 'currency ' || one.currency, 'Stripe ' || sum(one.stripe) || ', clearing account ' || sum(one.ours)
        FROM (
            SELECT upper(currency) AS currency, net_minor AS stripe, 0 AS ours FROM balance_movement
            UNION ALL
            SELECT posting.currency, 0, posting.amount_minor
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE account.purpose = 'stripe_clearing'
        ) one
        GROUP BY one.currency HAVING sum(one.stripe) <> sum(one.ours)
    """,
}


def billing_problems(session: Session) -> list[BookProblem]:
    """What is wrong between billing's facts and the ledger."""
    return [*problems_of(session, _CHECKS), *deferred_problems(session), *promise_problems(session)]


def stripe_tie_out(session: Session) -> list[BookProblem]:
    """Where Stripe's imported movements and our clearing account differ; movements may still be on their way."""
    return problems_of(session, _TIE_OUT)


def check_books(session: Session) -> list[BookProblem]:
    """Everything that is wrong in the ledger and in billing."""
    return [*ledger_problems(session), *billing_problems(session)]
