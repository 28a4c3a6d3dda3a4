"""The floor: the least that a server-rendered Flask page with a session, its queries and one template costs here.

Same database and driver, same server settings, and for each page the rows that the portal's page shows; none of its
rules: no row security, no forms, no menu, no rules about who sees what.
"""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask, Response, abort, redirect, render_template_string, request, session
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from portal.db import engine_for
from portal.serving import serve_pages

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title></head><body>
<h1>{{ title }}</h1><p>{{ who }}</p>
<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell if cell is not none }}</td>{% endfor %}</tr>
{% endfor %}</table></body></html>"""

_WHO = text("""
    SELECT person.id, person.display_name, membership.organisation_id
    FROM person JOIN membership ON membership.person_id = person.id WHERE lower(person.email) = :email
""")
_PERSON = text("SELECT display_name FROM person WHERE id = :person_id")
_ROW = """
    SELECT page.name, page.title, page.severity, page.state, page.due_at, page.system_name, page.opened_at,
           site.name, customer.name
    FROM page JOIN site ON site.id = page.site_id JOIN organisation customer ON customer.id = page.customer_id
"""
_QUEUE = text(f"""
    WITH page AS (
        SELECT * FROM support_case WHERE manufacturer_id = :own AND state IN ('open', 'offered', 'waiting')
        ORDER BY entitlement_rank, severity, due_at, id LIMIT 51)
    {_ROW} ORDER BY page.entitlement_rank, page.severity, page.due_at, page.id
""")
_SEARCH = text(f"""
    WITH page AS (
        SELECT * FROM support_case
        WHERE search_document @@ websearch_to_tsquery('simple', :words) AND manufacturer_id = :own
        ORDER BY id DESC LIMIT 51)
    {_ROW} ORDER BY page.id DESC
""")
_CASE = text("SELECT * FROM support_case WHERE name = :name AND manufacturer_id = :own")
_OF_CASE = tuple(
    text(statement)
    for statement in (
        "SELECT occurred_at, kind, person_name FROM case_event WHERE case_id = :id ORDER BY seq",
        "SELECT written_at, body, person_name FROM note WHERE case_id = :id ORDER BY id",
        "SELECT from_at, channel, accepted_name FROM custody_acceptance WHERE case_id = :id ORDER BY seq",
        "SELECT started_at, kind, due_at FROM case_clock WHERE case_id = :id",
        "SELECT started_at, note, seconds FROM time_entry WHERE case_id = :id ORDER BY started_at",
    )
)
_OPEN = text("""
    WITH opened AS (
        INSERT INTO support_case (manufacturer_id, integrator_id, customer_id, number, name, system_id, site_id,
            product_line_id, system_serial, system_name, title, symptom, intake, severity, task_class, state, seq,
            holder_side, holder_id, offered_to_id, entitlement_rank, opened_at, opened_by, opened_by_name, opener_side,
            changed_at, source)
        SELECT manufacturer_id, integrator_id, customer_id, given.number, 'F-' || given.number, system_id, site_id,
            product_line_id, system_serial, system_name, :title, :symptom, '{}', 2, 'support', 'offered', 1,
            'integrator', integrator_id, manufacturer_id, 80, now(), opened_by, opened_by_name, 'integrator', now(),
            'floor'
        FROM support_case,
            (SELECT next_number(manufacturer_id, 'case') AS number FROM support_case WHERE id = :like) given
        WHERE support_case.id = :like
        RETURNING *)
    INSERT INTO case_event (case_id, manufacturer_id, integrator_id, customer_id, seq, kind, audience, owner_id,
        person_id, person_name, occurred_at, recorded_at, details)
    SELECT id, manufacturer_id, integrator_id, customer_id, 1, 'opened', 'customer', integrator_id, opened_by,
        opened_by_name, now(), now(), '{}' FROM opened
    RETURNING case_id
""")


def create_floor(database_url: str) -> Flask:
    """The app; ``database_url`` is the work role's."""
    app = Flask("floor")
    app.secret_key = "floor-" * 8
    engine = engine_for(database_url)

    def shown(title: str, who: str, rows: Any) -> str:
        return render_template_string(_PAGE, title=title, who=who, rows=rows)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        with engine.connect() as connection:
            found = connection.execute(_WHO, {"email": request.args["email"]}).one()
        session.update(person_id=found.id, own=found.organisation_id)
        return redirect("/queue")

    @app.get("/queue")
    def queue() -> ResponseReturnValue:
        with engine.connect() as connection:
            who = connection.scalar(_PERSON, {"person_id": session["person_id"]})
            return shown("Queue", who, connection.execute(_QUEUE, {"own": session["own"]}))

    @app.get("/search")
    def search() -> ResponseReturnValue:
        with engine.connect() as connection:
            who = connection.scalar(_PERSON, {"person_id": session["person_id"]})
            asked = {"own": session["own"], "words": request.args.get("words", "")}
            return shown("Search", who, connection.execute(_SEARCH, asked))

    @app.get("/cases/<name>")
    def case(name: str) -> ResponseReturnValue:
        with engine.connect() as connection:
            who = connection.scalar(_PERSON, {"person_id": session["person_id"]})
            found = connection.execute(_CASE, {"name": name, "own": session["own"]}).one_or_none()
            if found is None:
                abort(404)
            rows = [row for each in _OF_CASE for row in connection.execute(each, {"id": found.id})]
            return shown(found.title, who, rows)

    @app.post("/cases")
    def open_case() -> ResponseReturnValue:
        with engine.begin() as connection:
            connection.scalar(_PERSON, {"person_id": session["person_id"]})
            made = connection.scalar(_OPEN, request.form.to_dict())
        return Response(str(made), status=303)

    return app


if __name__ == "__main__":
    serve_pages(lambda: create_floor(sys.argv[1]), bind=sys.argv[2], workers=2, threads=4)
