"""A package's client and its conformance checks speak SCIM to the portal; nothing here is our own reading of it."""

from __future__ import annotations

import pytest
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from portal.identity.scim import tokens

GOOD = {Status.SUCCESS, Status.COMPLIANT, Status.SKIPPED}


@pytest.fixture
def directory(app, cast, work_session, clock):
    """A package's client with a token of the integrator."""
    token = tokens.make_token(work_session, cast.ian, "Directory", clock())
    work_session.commit()
    return WSGISCIMClient(app, "http://localhost/scim/v2", headers={"Authorization": f"Bearer {token}"})


def test_the_conformance_checks_of_a_package_pass(directory):
    results = check_server(directory)
    assert len(results) > 50
    assert [f"{each.status.name} {each.title}: {each.reason}" for each in results if each.status not in GOOD] == []
