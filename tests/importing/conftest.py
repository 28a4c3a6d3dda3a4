"""The VINST log, imported once and closed once for the tests of this folder that read it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from portal.db import engine_for, transaction
from portal.importing import actions
from portal.settlement.closing import close_period
from tests.conftest import settings_for
from tests.importing.logs import NOW, VINST
from tests.support.database import PREFIX, Cluster
from tests.support.vinst import AFTER_MAY, LOG, Vinst, period, quiet


@pytest.fixture(scope="session")
def vinst(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vinst]:
    name = f"{PREFIX}_vinst_{os.getpid()}"
    settings = settings_for(cluster.clone(name), tmp_path_factory.mktemp("vinst"))
    engine = engine_for(str(settings.work_database_url))
    run_id, figures = actions.import_log(engine, actions.plan_import(LOG, VINST), now=NOW, progress=quiet)
    yield Vinst(settings, engine, run_id, figures)
    engine.dispose()
    cluster.drop(name)


@pytest.fixture(scope="session")
def vinst_closed(vinst: Vinst) -> Vinst:
    """Its cuts billed and its month closed."""
    engine = vinst.engine
    assert actions.bill_imported(engine, vinst.run_id, now=AFTER_MAY, livemode=False, progress=quiet) == 7_546
    with transaction(engine) as session:
        may = period(session, "2012-05")
    assert close_period(engine, may.manufacturer_id, may.id, livemode=False, now=AFTER_MAY) == "soft_closed"
    return vinst
