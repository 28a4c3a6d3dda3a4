"""The blueprint all pages of identity hang on."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("identity", __name__)
