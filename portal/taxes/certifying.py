"""A taxpayer's certification is kept: the number sealed, only its last four characters beside it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit import actions as audit
from portal.directory.models import Organisation
from portal.errors import Invalid
from portal.identity import sealing
from portal.taxes import queries
from portal.taxes.models import TaxpayerForm
from portal.taxes.rules.taxpayer import SHOWN_DIGITS, certification_problems, tidy_taxpayer_number
from portal.zones import local_day

SEALED_FOR = "taxpayer number"


def certify(
    session: Session,
    actor: Actor,
    *,
    form: str,
    classification: str,
    certified_name: str,
    number_type: str,
    number: str,
    certified_on: date,
    secret: str,
    now: datetime,
) -> TaxpayerForm:
    """Keep what the organisation's finance certifies. *Raises*: NotAllowed, Invalid by field."""
    queries.check_keeper(actor)
    tidy = tidy_taxpayer_number(number)
    zone = session.get_one(Organisation, actor.organisation_id).zone
    problems = certification_problems(form, number_type, tidy, certified_on, local_day(zone, now))
    if problems:
        raise Invalid("This certification cannot be taken as it is.", problems)
    row = TaxpayerForm(
        organisation_id=actor.organisation_id,
        form=form,
        classification=classification,
        certified_name=certified_name,
        number_type=number_type,
        number_sealed=sealing.seal(tidy, secret=secret, purpose=SEALED_FOR, row=str(actor.organisation_id)),
        last_four=tidy[-SHOWN_DIGITS:],
        certified_on=certified_on,
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "certify_taxpayer", "taxpayer_form", row.id, details={"form": form}, now=now)
    return row
