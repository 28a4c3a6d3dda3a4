"""The browser's sign-in: a random token in the signed cookie, everything else on the server.

Flask-Login carries the token; who it stands for is read from the database on every request, so that a revoked session
ends with the next click.
"""

from __future__ import annotations

from flask import Flask, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from portal.identity import queries
from portal.identity.rules import Viewer
from portal.identity.sessions import Browser
from portal.web.gate import current_now, current_session

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
    found = queries.viewer_of_token(current_session(), token, current_now())
    return SignedIn(token, found) if found else None


def register(app: Flask) -> None:
    """Have ``app`` know its sign-ins."""
    manager.init_app(app)


def viewer() -> Viewer | None:
    """Who sent this request, or None for a stranger."""
    return current_user.viewer if current_user.is_authenticated else None


def begin(token: str) -> None:
    """Put a fresh token into a fresh cookie: nothing from before the sign-in survives it."""
    session.clear()
    login_user(SignedIn(token))


def end() -> None:
    """Forget the token and everything else in the cookie."""
    logout_user()
    session.clear()


def browser() -> Browser:
    """The browser asking, as the list of sessions names it."""
    return Browser(address=request.remote_addr or "", user_agent=request.user_agent.string)
