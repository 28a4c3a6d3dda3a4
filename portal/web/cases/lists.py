"""Lists of cases: the factory's queue in entitlement order, each side's own cases, search. Filters stand in the URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import Actor, Role, Side, may_work_cases
from portal.cases import queries
from portal.cases.queries import CaseRow, ListFilter
from portal.errors import NotFound
from portal.web import paging
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.words import SEVERITIES, queue_lines
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to

QUEUE_VIEWS = {
    "": "All",
    "to_us": "Offered to us",
    "mine": "With me",
    "unassigned": "With nobody",
    "waiting": "Waiting",
}
WORDS_LIMIT = 200


@dataclass(frozen=True)
class View:
    """One tab of "Cases"."""

    code: str
    label: str
    load: Callable[[tuple[Any, ...] | None], Sequence[CaseRow]]
    key: Callable[[CaseRow], tuple[Any, ...]]
    empty: str = "No case here"


def works_the_queue(actor: Actor) -> bool:
    """The queue is the factory's."""
    return actor.side is Side.MANUFACTURER and may_work_cases(actor)


@blueprint.get("/queue")
@open_to(works_the_queue)
def queue() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    filters = _queue_filters()
    chosen = ListFilter(
        state=filters.get("state"),
        severity=_number(filters.get("severity")),
        product_line_id=_number(filters.get("line")),
    )
    after = _key(4, (int, int, datetime, int))
    rows = queries.factory_queue(session, actor, chosen, after=after)
    page = paging.page_of(rows, queries.queue_key)
    words = queries.queue_words(session, actor, current_now())
    return render_template(
        "cases/queue.html",
        page=page,
        lines=queue_lines(page.rows, actor),
        views=QUEUE_VIEWS,
        filters=filters,
        severities=SEVERITIES,
        product_lines=words.product_lines,
        plans=words.plans,
    )


@blueprint.get("/cases")
@open_to(anyone)
def mine() -> ResponseReturnValue:
    views = _views(current_actor())
    wanted = request.args.get("view", "")
    view = next((each for each in views if each.code == wanted), views[0])
    rows = view.load(_key(2, (datetime, int)))
    page = paging.page_of(rows, view.key)
    return render_template(
        "cases/mine.html",
        page=page,
        lines=queue_lines(page.rows, current_actor()),
        views=views,
        view=view,
    )


@blueprint.get("/search")
@open_to(anyone)
def search() -> ResponseReturnValue:
    words = request.args.get("words", "")[:WORDS_LIMIT].strip()
    before = paging.key_from(request.args.get("after"), 1)
    before_id = before[0] if before and isinstance(before[0], int) else None
    named = _exactly(words)
    if named is not None and before_id is None:
        return redirect(url_for("cases.case", name=named), code=303)
    rows = queries.search(current_session(), current_actor(), words, before_id=before_id) if words else []
    page = paging.page_of(rows, lambda row: (row.id,))
    return render_template("cases/search.html", words=words, page=page, lines=queue_lines(page.rows, current_actor()))


def _views(actor: Actor) -> list[View]:
    if actor.side is Side.CUSTOMER:
        return [
            _customer_view("all", "All", None, "No case yet"),
            _customer_view("resolved", "Resolved", "resolved", "No case waits for your word that it works"),
            _customer_view("closed", "Closed", "closed", "No case is closed yet"),
        ]
    own = View("mine", "With me", _my_cases, queries.list_key, "No case is with you")
    answer = View("to_confirm", "To confirm", _unanswered, lambda row: (row.due_at, row.id), "No resolution to answer")
    if actor.side is Side.MANUFACTURER:
        return [own, answer]
    company = [
        _integrator_view("with_us", "With us", "No case is with your company"),
        _integrator_view("to_us", "Offered to us", "Nothing is offered to you"),
        _integrator_view("with_them", "With the factory", "No case is with the factory"),
        answer,
        _integrator_view("closed", "Closed", "No case is closed yet"),
    ]
    leads = actor.has(Role.SERVICE_MANAGER, Role.FINANCE, Role.ADMINISTRATOR)
    return [*company, own] if leads else [own, *company]


def _my_cases(after: tuple[Any, ...] | None) -> Sequence[CaseRow]:
    return queries.my_cases(current_session(), current_actor(), after=after)


def _unanswered(after: tuple[Any, ...] | None) -> Sequence[CaseRow]:
    # Few at any time: this list has one page.
    return queries.unanswered_resolutions(current_session(), current_actor())[: paging.PAGE_SIZE]


def _integrator_view(state: str, label: str, empty: str) -> View:
    def load(after: tuple[Any, ...] | None) -> Sequence[CaseRow]:
        chosen = ListFilter(state=state)
        return queries.integrator_cases(current_session(), current_actor(), chosen, after=after)

    return View(state, label, load, queries.list_key, empty)


def _customer_view(code: str, label: str, state: str | None, empty: str) -> View:
    def load(after: tuple[Any, ...] | None) -> Sequence[CaseRow]:
        chosen = ListFilter(state=state)
        return queries.customer_cases(current_session(), current_actor(), chosen, after=after)

    return View(code, label, load, queries.list_key, empty)


def _queue_filters() -> dict[str, str]:
    """The filters of the URL that mean something; the others are dropped."""
    asked = {name: request.args.get(name, "") for name in ("state", "severity", "line")}
    known = {
        "state": asked["state"] in QUEUE_VIEWS,
        "severity": asked["severity"] in {str(level) for level in SEVERITIES},
        "line": _number(asked["line"]) is not None,
    }
    return {name: value for name, value in asked.items() if value and known[name]}


def _number(text: str | None) -> int | None:
    fits = text is not None and text.isascii() and text.isdecimal() and len(text) < 19
    return int(text) if fits and text is not None else None


def _key(length: int, kinds: tuple[type, ...]) -> tuple[Any, ...] | None:
    """The cursor of the URL, if its parts are of the kinds the list sorts by; a due time may be none."""
    key = paging.key_from(request.args.get("after"), length)
    if key is None:
        return None
    fits = all(
        isinstance(part, kind) or (part is None and kind is datetime) for part, kind in zip(key, kinds, strict=True)
    )
    return key if fits else None


def _exactly(words: str) -> str | None:
    """The name of the case, when the words are one."""
    try:
        return case_named(words).name if words else None
    except NotFound:
        return None
