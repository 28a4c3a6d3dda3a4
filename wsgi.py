"""The entry for a WSGI server that we do not start ourselves: ``gunicorn wsgi:app``."""

from portal import logs
from portal.app import create_app
from portal.config import Settings
from portal.embedded import attach

settings = attach(Settings.from_env())
logs.configure(settings.log_level)
app = create_app(settings)
