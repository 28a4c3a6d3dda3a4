"""Whether what was promised is kept: hours, packs, yeses and purchase orders against the bills that draw on them.

Each check lists what breaks it, as those of ``portal.billing.books`` do, which carries them out with its own.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.ledger.queries import BookProblem, problems_of

# Each finds rows (subject, detail) that break it.
_CHECKS = {
    "hours are conserved": """
        SELECT 'grant ' || given.id, granted || ' granted, ' || accounted || ' accounted for'
        FROM usage_grant given
        JOIN grant_balance balance ON balance.grant_id = given.id
        LEFT JOIN (SELECT grant_id, sum(seconds) AS seconds, sum(incidents) AS incidents
                   FROM grant_draw GROUP BY grant_id) drawn ON drawn.grant_id = given.id
        LEFT JOIN (SELECT grant_id, sum(seconds) AS seconds, sum(incidents) AS incidents
                   FROM grant_expiry GROUP BY grant_id) gone ON gone.grant_id = given.id
        LEFT JOIN (SELECT grant_id, sum(seconds) AS seconds, sum(incidents) AS incidents
                   FROM grant_withdrawal GROUP BY grant_id) back ON back.grant_id = given.id
        CROSS JOIN LATERAL (
            VALUES (given.granted_seconds || ' seconds',
                    given.granted_seconds,
                    balance.free_seconds + balance.reserved_seconds + coalesce(drawn.seconds, 0)
                        + coalesce(gone.seconds, 0) + coalesce(back.seconds, 0)),
                   (given.granted_incidents || ' incidents',
                    given.granted_incidents,
                    balance.free_incidents + balance.reserved_incidents + coalesce(drawn.incidents, 0)
                        + coalesce(gone.incidents, 0) + coalesce(back.incidents, 0))
        ) counted (granted, given, accounted)
        WHERE counted.given <> counted.accounted
    """,
    "what is reserved is in reservations": """
        SELECT 'grant ' || balance.grant_id,
               'reserved ' || balance.reserved_seconds || ' seconds and ' || balance.reserved_incidents
               || ' incidents, reservations ' || coalesce(kept.seconds, 0) || ' and ' || coalesce(kept.incidents, 0)
        FROM grant_balance balance
        LEFT JOIN (SELECT grant_id, sum(seconds) AS seconds, sum(incidents) AS incidents
                   FROM grant_reservation reservation
                   WHERE NOT EXISTS (SELECT FROM reservation_release WHERE reservation_id = reservation.id)
                   GROUP BY grant_id) kept ON kept.grant_id = balance.grant_id
        WHERE (balance.reserved_seconds, balance.reserved_incidents)
            <> (coalesce(kept.seconds, 0), coalesce(kept.incidents, 0))
    """,
    "a pack earns its price at most": """
        SELECT 'pack sale ' || sale.id, 'cost ' || sale.amount_minor || ', earned ' || sum(one.earned)
        FROM pack_sale sale
        JOIN (
            SELECT pack_sale_id, amount_minor AS earned FROM pack_earning
            UNION ALL
            SELECT used.pack_sale_id, used.amount_minor FROM pack_use used
            WHERE NOT EXISTS (SELECT FROM bill_item_reversal WHERE bill_item_id = used.bill_item_id)
        ) one ON one.pack_sale_id = sale.id
        GROUP BY sale.id HAVING sum(one.earned) NOT BETWEEN 0 AND sale.amount_minor
    """,
    "authorizations are drawn by what is billed": """
        SELECT 'case ' || one.case_id || ' payer ' || one.payer_id, 'used ' || one.used || ', billed ' || one.billed
        FROM (
            SELECT yes.case_id, yes.payer_id, sum(yes.nte_minor - balance.left_minor) AS used,
                   coalesce((SELECT sum(item.amount_minor) FROM bill_item item
                             WHERE item.case_id = yes.case_id AND item.payer_id = yes.payer_id
                               AND NOT EXISTS (SELECT FROM bill_item_reversal WHERE bill_item_id = item.id)), 0)
                       AS billed
            FROM "authorization" yes JOIN authorization_balance balance ON balance.authorization_id = yes.id
            GROUP BY yes.case_id, yes.payer_id
        ) one
        WHERE one.used <> one.billed
    """,
    "a purchase order is drawn by what is billed": """
        SELECT 'case ' || one.case_id || ' order ' || one.purchase_order_id,
               'reserved ' || one.reserved || ' of ' || one.left_minor || ' left, drawn ' || one.drawn || ' of '
               || one.used || ' billed'
        FROM (
            SELECT moved.case_id, moved.purchase_order_id,
                   balance.left_minor, yes.nte_minor - balance.left_minor AS used,
                   sum(moved.reserved_minor) AS reserved, sum(moved.drawn_minor) AS drawn
            FROM purchase_order_movement moved
            JOIN "authorization" yes ON yes.id = moved.authorization_id
            JOIN authorization_balance balance ON balance.authorization_id = yes.id
            GROUP BY moved.case_id, moved.purchase_order_id, yes.id, balance.authorization_id
        ) one
        WHERE one.reserved > one.left_minor OR one.drawn > one.used
    """,
}


def promise_problems(session: Session) -> list[BookProblem]:
    """What is wrong between promises and bills."""
    return problems_of(session, _CHECKS)
