"""The browser's sign-in: a random token in the signed cookie, everything else on the server.

Flask-Login carries the token; who it stands for is read from the database on every request, so that a revoked session
ends with the next click.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from flask import Flask, Response, current_app, g, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from portal.identity import viewing
from portal.identity.rules import Viewer
from portal.identity.sessions import Browser
from portal.web.gate import current_now, current_session

PENDING = "pending"
OWN_TOKEN = "own_token"
HOLDER = "holder"
DEVICE_COOKIE = "portal_device"
# RFC 6265bis, 5.5: browsers keep a cookie for 400 days at most.
DEVICE_LASTS = timedelta(days=400)
DEVICE_LONGEST = 100

manager = LoginManager()
# The server's own rows say whether a session may go on; the cookie needs no second opinion.
manager.session_protection = None


class SignedIn(UserMixin):  # type: ignore[misc]
    """What Flask-Login holds of somebody: the token and, once read, the viewer."""

    def __init__(self, token: str, viewer: Viewer | None = None) -> None:
        self.token = token
        self.viewer = viewer

    def get_id(self) -> str:
        """The token, which is all that the cookie carries."""
        return self.token


@manager.user_loader  # type: ignore[untyped-decorator]
def _load(token: str) -> SignedIn | None:
    found = viewing.viewer_of_token(current_session(), token, current_now())
    return SignedIn(token, found) if found else None


def register(app: Flask) -> None:
    """Have ``app`` know its sign-ins."""
    manager.init_app(app)
    app.after_request(_keep_device)


def viewer() -> Viewer | None:
    """Who sent this request, or None for a stranger."""
    return current_user.viewer if current_user.is_authenticated else None


def begin(token: str) -> None:
    """Put a fresh token into a fresh cookie: nothing from before the sign-in survives it."""
    session.clear()
    login_user(SignedIn(token))


def go_on(token: str) -> None:
    """The same session under another token; what the cookie holds beside it stays."""
    login_user(SignedIn(token))


def begin_waiting(token: str) -> None:
    """Keep the token of a sign-in that waits for its second factor; nobody is signed in by it."""
    logout_user()
    session.clear()
    session[PENDING] = token


def waiting_token() -> str:
    """The token of the sign-in that waits, or nothing."""
    return str(session.get(PENDING, ""))


def look_on(token: str) -> None:
    """Change to the session of looking on; the administrator's own comes back with ``look_away``."""
    own = current_user.get_id()
    begin(token)
    session[OWN_TOKEN] = own


def look_away() -> str:
    """Back to the administrator's own session; its token."""
    own = str(session.get(OWN_TOKEN, ""))
    begin(own)
    return own


def holder() -> str:
    """What ties a passkey's challenge to this browser before anybody is signed in."""
    if HOLDER not in session:
        session[HOLDER] = secrets.token_urlsafe()
    return str(session[HOLDER])


def end() -> None:
    """Forget the token and everything else in the cookie."""
    logout_user()
    session.clear()


def browser() -> Browser:
    """The browser asking, as the list of sessions names it."""
    return Browser(address=request.remote_addr or "", user_agent=request.user_agent.string, device=_device())


def _device() -> str:
    """The browser's own mark, which outlives its sessions: by it somebody is told of a sign-in with a new one."""
    known = request.cookies.get(DEVICE_COOKIE, "")
    if "device" not in g:
        g.device = known if 0 < len(known) <= DEVICE_LONGEST else secrets.token_urlsafe()
    return str(g.device)


def _keep_device(response: Response) -> Response:
    if "device" in g and request.cookies.get(DEVICE_COOKIE) != g.device:
        response.set_cookie(
            DEVICE_COOKIE,
            g.device,
            max_age=DEVICE_LASTS,
            httponly=True,
            samesite="Lax",
            secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        )
    return response
