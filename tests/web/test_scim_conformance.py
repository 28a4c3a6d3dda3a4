"""A package's client and its conformance checks speak SCIM to the portal; nothing here is our own reading of it."""

from __future__ import annotations

import pytest

from portal.identity.scim import tokens

pytestmark = pytest.mark.xdist_group("scim")


@pytest.fixture
def directory(app, cast, work_session, clock):
    """A package's client with a token of the integrator; imported when it is needed, for it takes seconds."""
    from scim2_client.engines.wsgi import WSGISCIMClient

    token = tokens.make_token(work_session, cast.ian, "Directory", clock())
    work_session.commit()
    return WSGISCIMClient(app, "http://localhost/scim/v2", headers={"Authorization": f"Bearer {token}"})


def test_the_conformance_checks_of_a_package_pass(directory):
    from scim2_tester import Status, check_server

    good = {Status.SUCCESS, Status.COMPLIANT, Status.SKIPPED}
    results = check_server(directory)
    assert len(results) > 50
    assert [f"{each.status.name} {each.title}: {each.reason}" for each in results if each.status not in good] == []
