"""Statements that go to the driver as they are: their values, what SQLAlchemy puts together, and how they fail."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, bindparam, select
from sqlalchemy.exc import IntegrityError

from portal.directory.models import Organisation
from portal.sql import Sql


@pytest.mark.parametrize(
    ("words", "values", "rows"),
    [
        ("SELECT :a + :b + :a", {"a": 2, "b": 3}, [(7,)]),
        ("SELECT :a::text || ' 100 %'", {"a": 5}, [("5 100 %",)]),
        ("SELECT one FROM unnest(CAST(:many AS bigint[])) one ORDER BY one", {"many": [3, 1]}, [(1,), (3,)]),
        ("SELECT 1 WHERE :no", {"no": False}, []),
        ("SET LOCAL lock_timeout = 0", {}, []),
    ],
)
def test_a_statement_takes_its_values_by_name_and_gives_its_rows(work_session, words, values, rows):
    assert Sql(words).rows(work_session, values) == rows


def test_one_that_is_put_together_brings_its_own_values(work_session, cast):
    wanted = select(Organisation.id).where(
        Organisation.id == bindparam("id", type_=BigInteger), Organisation.side.in_(["integrator", "manufacturer"])
    )
    statement = Sql(wanted)
    assert statement.rows(work_session, {"id": cast.factory.id}) == [(cast.factory.id,)]
    assert statement.rows(work_session, {"id": 0}) == []


def test_what_the_database_refuses_is_refused_as_everywhere(work_session):
    with pytest.raises(IntegrityError), work_session.begin_nested():
        Sql("INSERT INTO job_failure (job_id, name) VALUES (:id, 'x')").rows(work_session, {"id": 1})
    assert Sql("SELECT 1").rows(work_session, {}) == [(1,)]


def test_one_that_every_page_asks_is_prepared_at_once_and_takes_no_value_where_it_is_given_none(work_session, cast):
    wanted = select(Organisation.name).where(Organisation.side == "manufacturer", Organisation.name != "100 % 'asked'")
    assert (cast.factory.name,) in Sql(wanted, often=True).rows(work_session, {})
    prepared = Sql("SELECT parameter_types::text FROM pg_prepared_statements WHERE statement LIKE :like")
    assert prepared.rows(work_session, {"like": "%''asked''%"}) == [("{}",)]
