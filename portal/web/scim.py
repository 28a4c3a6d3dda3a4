"""SCIM 2.0: an organisation's directory creates, changes and takes away people and groups, with a token of its own.

Every answer is SCIM's own JSON, errors included; nothing here reads a cookie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, g, json, request
from flask.typing import ResponseReturnValue
from psycopg.errors import UniqueViolation
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from portal.errors import PortalError
from portal.identity import throttling
from portal.identity.scim import description, groups, tokens, users
from portal.identity.scim.models import ScimGroup, ScimUser
from portal.identity.scim.rules import patches, resources, schemas, sorting
from portal.identity.scim.rules.errors import ScimRefused
from portal.identity.sso import rules as sso
from portal.web.errors import status_of
from portal.web.gate import current_edges, current_now, current_session

blueprint = Blueprint("scim", __name__, url_prefix="/scim/v2")
log = structlog.get_logger("portal.web")

MEDIA_TYPE = "application/scim+json"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LARGEST_BYTES = 2 * 1024 * 1024
Row = ScimUser | ScimGroup


@blueprint.before_request
def admit() -> None:
    """Only a directory with a live token gets any further."""
    request.max_content_length = LARGEST_BYTES
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    host = request.remote_addr or ""
    directory = (
        tokens.directory_of(current_session(), token.strip(), current_now()) if kind.lower() == "bearer" else None
    )
    if directory is None:
        # Tries without a good token count, and are kept although the request is refused.
        throttling.count_try(current_session(), "scim_host", (host,), sso.SCIM_REFUSALS_PER_HOST, current_now())
        current_session().commit()
        raise ScimRefused("A live token of your organisation is needed.", "", 401)
    structlog.contextvars.bind_contextvars(organisation_id=directory.organisation_id, scim_token=directory.token_id)
    g.directory = directory


@blueprint.get("/ServiceProviderConfig")
def config() -> ResponseReturnValue:
    _refuse_filter()
    return _answer(description.config(_base()))


@blueprint.get("/ResourceTypes")
def resource_types() -> ResponseReturnValue:
    _refuse_filter()
    return _list(description.resource_types(_base()))


@blueprint.get("/ResourceTypes/<name>")
def resource_type(name: str) -> ResponseReturnValue:
    return _answer(_named(description.resource_types(_base()), name))


@blueprint.get("/Schemas")
def all_schemas() -> ResponseReturnValue:
    _refuse_filter()
    return _list(description.all_schemas(_base()))


@blueprint.get("/Schemas/<name>")
def schema(name: str) -> ResponseReturnValue:
    return _answer(_named(description.all_schemas(_base()), name))


@blueprint.get("/Users")
def list_users() -> ResponseReturnValue:
    return _found(request.args, users.found_users, users.as_resources)


@blueprint.post("/Users/.search")
def search_users() -> ResponseReturnValue:
    return _found(_body(), users.found_users, users.as_resources)


@blueprint.post("/Users")
def create_user() -> ResponseReturnValue:
    row = users.create_user(current_session(), _call(), _body())
    return _told_user(row, 201)


@blueprint.get("/Users/<uuid:user_id>")
def read_user(user_id: UUID) -> ResponseReturnValue:
    return _told_user(users.user(current_session(), _call(), user_id))


@blueprint.put("/Users/<uuid:user_id>")
def replace_user(user_id: UUID) -> ResponseReturnValue:
    row = _locked(users.user(current_session(), _call(), user_id, locks=True))
    return _told_user(users.replace_user(current_session(), _call(), row, _body()))


@blueprint.patch("/Users/<uuid:user_id>")
def patch_user(user_id: UUID) -> ResponseReturnValue:
    row = _locked(users.user(current_session(), _call(), user_id, locks=True))
    changed = patches.patched(users.present(row), _body(), schemas.USER)
    return _told_user(users.replace_user(current_session(), _call(), row, changed))


@blueprint.delete("/Users/<uuid:user_id>")
def delete_user(user_id: UUID) -> ResponseReturnValue:
    row = _locked(users.user(current_session(), _call(), user_id, locks=True))
    users.delete_user(current_session(), _call(), row)
    return "", 204


@blueprint.get("/Groups")
def list_groups() -> ResponseReturnValue:
    return _found(request.args, groups.found_groups, groups.as_resources)


@blueprint.post("/Groups/.search")
def search_groups() -> ResponseReturnValue:
    return _found(_body(), groups.found_groups, groups.as_resources)


@blueprint.post("/Groups")
def create_group() -> ResponseReturnValue:
    return _told_group(groups.create_group(current_session(), _call(), _body()), 201)


@blueprint.get("/Groups/<uuid:group_id>")
def read_group(group_id: UUID) -> ResponseReturnValue:
    return _told_group(groups.group(current_session(), _call(), group_id))


@blueprint.put("/Groups/<uuid:group_id>")
def replace_group(group_id: UUID) -> ResponseReturnValue:
    row = _locked(groups.group(current_session(), _call(), group_id, locks=True))
    return _told_group(groups.replace_group(current_session(), _call(), row, _body()))


@blueprint.patch("/Groups/<uuid:group_id>")
def patch_group(group_id: UUID) -> ResponseReturnValue:
    work, call = current_session(), _call()
    row = _locked(groups.group(work, call, group_id, locks=True))
    present = schemas.cleaned(groups.as_resources(work, call, [row])[0], schemas.GROUP)
    return _told_group(groups.replace_group(work, call, row, patches.patched(present, _body(), schemas.GROUP)))


@blueprint.delete("/Groups/<uuid:group_id>")
def delete_group(group_id: UUID) -> ResponseReturnValue:
    row = _locked(groups.group(current_session(), _call(), group_id, locks=True))
    groups.delete_group(current_session(), _call(), row)
    return "", 204


@blueprint.post("/.search")
def search() -> ResponseReturnValue:
    """Users first, then groups, as one list; sorted, where that is asked."""
    asked, work, call = _body(), current_session(), _call()
    start, count = resources.page_of(asked.get("startIndex"), asked.get("count"))
    written = str(asked.get("filter") or "")
    by = sorting.sorting_of(asked.get("sortBy"), asked.get("sortOrder"))
    if by is not None:
        return _sorted_together(asked, written, by)
    people_count, people = users.found_users(work, call, written, start=start, count=count)
    rest = max(0, count - len(people))
    groups_count, others = groups.found_groups(work, call, written, start=max(1, start - people_count), count=rest)
    told = [*users.as_resources(work, call, people), *groups.as_resources(work, call, others)]
    only, without = _names("attributes", asked), _names("excludedAttributes", asked)
    shown = [resources.shown(each, only=only, without=without) for each in told]
    return _answer(resources.listed(shown, total=people_count + groups_count, start=start))


@blueprint.post("/Bulk")
def bulk() -> ResponseReturnValue:
    """Not offered, as the service says of itself: RFC 7644, 3.12, answers 501 to that."""
    raise ScimRefused("Bulk operations are not offered: send them one by one.", "", 501)


@blueprint.route("/<path:anything>", methods=METHODS)
def nothing(anything: str) -> ResponseReturnValue:
    """What is asked in a way it does not take, or is not there: said in SCIM's own words."""
    addresses = current_app.url_map.bind("localhost")
    taken = [method for method in METHODS if addresses.match(request.path, method)[0] != "scim.nothing"]
    if taken:
        raise MethodNotAllowed(taken)
    raise ScimRefused("There is nothing here.", "", 404)


@blueprint.errorhandler(PortalError)
def refused(error: PortalError) -> ResponseReturnValue:
    _undo()
    if isinstance(error, ScimRefused):
        return _error(error.status, error.sentence, error.kind)
    return _error(status_of(error), error.sentence)


@blueprint.errorhandler(HTTPException)
def http_refused(error: HTTPException) -> ResponseReturnValue:
    _undo()
    return _error(error.code or 400, error.description or "The request cannot be taken.")


@blueprint.errorhandler(DBAPIError)
def database_refused(error: DBAPIError) -> ResponseReturnValue:
    _undo()
    if isinstance(error.orig, UniqueViolation):
        return _error(409, "Something of this name is there already.", "uniqueness")
    log.error("database error", kind=type(error.orig).__name__)
    return _error(503, "The request was not carried out. Send it again.")


def _call() -> users.Call:
    return users.Call(g.directory, current_edges().settings.secret_key, _base(), current_now())


def _base() -> str:
    return f"{current_edges().settings.base_url}/scim/v2"


def _body() -> Mapping[str, Any]:
    if request.mimetype not in (MEDIA_TYPE, "application/json"):
        raise ScimRefused(f"The body has to be {MEDIA_TYPE}.", "invalidSyntax", 415)
    try:
        found = json.loads(request.get_data())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise ScimRefused("The body has to be a JSON object.", "invalidSyntax")
    return found


def _locked(row: Any) -> Any:
    """The row, if it is at the version the caller knows."""
    wanted = request.headers.get("If-Match", "*")
    if wanted != "*" and resources.etag(row.version) not in [each.strip() for each in wanted.split(",")]:
        raise ScimRefused("It was changed meanwhile. Read it again.", "", 412)
    return row


def _told_user(row: ScimUser, status: int = 200) -> ResponseReturnValue:
    return _resource(users.as_resources(current_session(), _call(), [row])[0], status)


def _told_group(row: ScimGroup, status: int = 200) -> ResponseReturnValue:
    return _resource(groups.as_resources(current_session(), _call(), [row])[0], status)


def _resource(found: Mapping[str, Any], status: int) -> ResponseReturnValue:
    answer = _answer(resources.shown(found, only=_names("attributes"), without=_names("excludedAttributes")), status)
    answer.headers["ETag"] = found["meta"]["version"]
    if status == 201:
        answer.headers["Location"] = found["meta"]["location"]
    return answer


def _found(asked: Mapping[str, Any], find: Callable[..., Any], tell: Callable[..., Any]) -> ResponseReturnValue:
    start, count = resources.page_of(asked.get("startIndex"), asked.get("count"))
    written = asked.get("filter") or ""
    if not isinstance(written, str):
        raise ScimRefused("The filter has to be a text.", "invalidFilter")
    by = sorting.sorting_of(asked.get("sortBy"), asked.get("sortOrder"))
    total, rows = find(current_session(), _call(), written, start=start, count=count, by=by)
    only, without = _names("attributes", asked), _names("excludedAttributes", asked)
    told = [resources.shown(row, only=only, without=without) for row in tell(current_session(), _call(), rows)]
    return _answer(resources.listed(told, total=total, start=start))


def _sorted_together(asked: Mapping[str, Any], written: str, by: sorting.Sorting) -> ResponseReturnValue:
    """Users and groups in one order."""
    work, call, most = current_session(), _call(), users.MOST_EXAMINED
    _, people = users.found_users(work, call, written, start=1, count=most)
    _, others = groups.found_groups(work, call, written, start=1, count=most)
    told = [*users.as_resources(work, call, people), *groups.as_resources(work, call, others)]
    start, count = resources.page_of(asked.get("startIndex"), asked.get("count"))
    page = sorting.positions(told, by)[start - 1 : start - 1 + count]
    only, without = _names("attributes", asked), _names("excludedAttributes", asked)
    shown = [resources.shown(told[place], only=only, without=without) for place in page]
    return _answer(resources.listed(shown, total=len(told), start=start))


def _names(parameter: str, asked: Mapping[str, Any] | None = None) -> list[str]:
    given = (asked if asked is not None else request.args).get(parameter) or []
    names = given.split(",") if isinstance(given, str) else given
    return [name.strip() for name in names if isinstance(name, str) and name.strip()]


def _refuse_filter() -> None:
    # RFC 7644, 4: what describes the service cannot be filtered.
    if "filter" in request.args:
        raise ScimRefused("This cannot be filtered.", "", 403)


def _named(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found = next((document for document in documents if document["id"] == name), None)
    if found is None:
        raise ScimRefused("There is nothing of this name.", "", 404)
    return found


def _list(documents: list[dict[str, Any]]) -> ResponseReturnValue:
    return _answer(resources.listed(documents, total=len(documents), start=1))


def _answer(document: Mapping[str, Any], status: int = 200) -> Response:
    answer = Response(json.dumps(document), status=status, mimetype=MEDIA_TYPE)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _error(status: int, sentence: str, kind: str = "") -> ResponseReturnValue:
    document = {"schemas": [schemas.ERROR], "status": str(status), "detail": sentence}
    answer = _answer({**document, "scimType": kind} if kind else document, status)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _undo() -> None:
    work = g.pop("session", None)
    if work is not None:
        work.rollback()
        work.close()
