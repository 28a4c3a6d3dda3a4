"""Tasks of sign-in through a company's own provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.db import transaction
from portal.identity.sso import flows
from portal.notifications import company_letters
from portal.worker.registry import Edges, task


@task("mail_domain_claim", own_transactions=True)
def mail_domain_claim(edges: Edges, now: datetime, *, domain_id: int) -> None:
    with transaction(edges.engine) as session:
        company_letters.mail_domain_claim(session, domain_id, secret=edges.settings.secret_key, now=now)


@task("mail_provisioned", own_transactions=True)
def mail_provisioned(edges: Edges, now: datetime, *, membership_id: int) -> None:
    with transaction(edges.engine) as session:
        company_letters.mail_provisioned(session, membership_id, secret=edges.settings.secret_key, now=now)


@task("sweep_provider_flows", every="17 * * * *")
def sweep_provider_flows(session: Session, now: datetime) -> None:
    flows.sweep(session, now)
