"""The product of a change of plan that failed is archived at Stripe: nobody has it, and no list of what is sold grows.

Archiving is the same however often it is done, and moves nothing; a change that is tried again sells the product again.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine

from portal.db import transaction
from portal.payments import rules
from portal.payments.gateway import Gateway
from portal.payments.models import Intent

ARCHIVED = "archived"


def archive_product(engine: Engine, gateway: Gateway, intent_id: UUID) -> bool:
    """Archive what a failed change made; whether there was something. *Raises*: Unknown, Busy: tried again later."""
    with transaction(engine) as session:
        intent = session.get_one(Intent, intent_id)
        product_id = str(intent.request["product"]["id"])
    if intent.state != rules.FAILED or not gateway.sell_product(product_id, active=False):
        return False
    with transaction(engine) as session:
        locked = session.get_one(Intent, intent_id, with_for_update=True)
        locked.progress = {**locked.progress, ARCHIVED: True}
    return True
