"""The entry for a WSGI server that we do not start ourselves: ``gunicorn wsgi:app``."""

from portal.app import create_app
from portal.config import Settings
from portal.embedded import attach

app = create_app(attach(Settings.from_env()))
