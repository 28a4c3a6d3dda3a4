"""Mailed links: GET shows what the link would do, POST does it; nobody is signed in by either.

A page that acts by mail registers with ``act``. Its handler is called with an open link, whose actor may do that one
act; it shows a confirming page, and on POST runs its action and then ``consume``. Whatever the handler loads is scoped
to the link's organisation.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from portal.errors import NotFound
from portal.identity import links
from portal.identity.links import OpenLink
from portal.web.gate import current_now, current_session

blueprint = Blueprint("links", __name__)

Handler = Callable[[OpenLink], ResponseReturnValue]

TOKEN_LIMIT = 100

_handlers: dict[str, Handler] = {}


def act(name: str) -> Callable[[Handler], Handler]:
    """Have the handler answer mailed links of this act."""

    def keep(handler: Handler) -> Handler:
        if name in _handlers:
            raise RuntimeError(f"two pages answer mailed links of {name!r}")
        _handlers[name] = handler
        return handler

    return keep


def consume(link: OpenLink) -> None:
    """Use the link up, in the transaction of its act."""
    links.use_link(current_session(), link, current_now())


def done(title: str, text: str, href: str = "", label: str = "") -> ResponseReturnValue:
    """The page after the act."""
    return render_template("links/done.html", title=title, text=text, href=href, label=label)


@blueprint.route("/link/<token>", methods=["GET", "POST"])
def link(token: str) -> ResponseReturnValue:
    found = links.find_link(current_session(), token, current_now()) if len(token) <= TOKEN_LIMIT else None
    if found is None or found.act.act not in _handlers:
        raise NotFound
    if found.state != "open":
        return render_template("links/ended.html", link=found), 409 if request.method == "POST" else 200
    g.link_actor = found.actor
    return _handlers[found.act.act](found)
