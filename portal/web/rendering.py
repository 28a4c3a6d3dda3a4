"""How pages are made of templates: compiled once a release, loaded once a process, with what every page is given.

Invariants: no template and no global of templates changes while the program runs, so nothing is looked for twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any
from uuid import uuid4

from flask import Flask, g, request
from flask.templating import Environment
from jinja2 import BytecodeCache, StrictUndefined
from jinja2.bccache import Bucket

from portal.config import STATIC, TEMPLATES, Settings
from portal.web import forms, nav


class Templates(Environment):
    """The environment of all templates; a page imports from two dozen of them, so that finding one costs nothing."""

    def __init__(self, app: Flask, **options: Any) -> None:
        # All of them stay loaded: a cache with a limit keeps books about every look.
        ours = {"cache_size": -1, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
        super().__init__(app, **{**options, **ours})

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """What a template sees beside its page's values: a plain dictionary, compared at every import of a macro."""
        return {**self.globals, **(d or {})}


class CompiledTemplates(BytecodeCache):
    """Templates compiled once a release, kept in ``folder``, and once a process, however many applications it makes.

    Compiling all of them takes a second of a start. What is kept is named by the hash of the template and read like
    Python's own compiled files; a folder that cannot be written costs that second again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = _compiled.get((bucket.key, bucket.checksum))
        if bucket.code is None:
            with suppress(OSError), self._file(bucket).open("rb") as file:
                bucket.load_bytecode(file)
        if bucket.code is not None:
            _compiled[bucket.key, bucket.checksum] = bucket.code

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is None:
            return
        _compiled[bucket.key, bucket.checksum] = bucket.code
        target = self._file(bucket)
        being_written = target.with_suffix(f".{uuid4().hex}.part")
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with being_written.open("wb") as file:
                bucket.write_bytecode(file)
            being_written.replace(target)

    def _file(self, bucket: Bucket) -> Path:
        return self._folder / f"{bucket.key}.{bucket.checksum[:12]}.compiled"


_compiled: dict[tuple[str, str], CodeType] = {}


def register(app: Flask, settings: Settings) -> None:
    """Give ``app`` its templates, and every page its viewer, menu and instant; called when all views are known."""
    app.jinja_env.bytecode_cache = CompiledTemplates(settings.instance_dir / "templates")
    known_views = frozenset(app.view_functions)
    # Where mail is sent there is no kept mail to read.
    in_menu = known_views - {"mailbox.mailbox"} if settings.smtp_url or settings.is_production else known_views
    app.jinja_env.globals.update(
        asset=_addresses(app),
        page_address=_page_addresses(app),
        livemode=settings.livemode,
        known_views=known_views,
        described=forms.described,
    )

    @app.context_processor
    def for_every_page() -> dict[str, Any]:
        viewer = g.get("viewer")
        menu = nav.menu(viewer.actor, in_menu) if viewer else ()
        return {
            "viewer": viewer,
            "now": g.get("now"),
            "menu": menu,
            "menu_section": nav.section(request.endpoint, menu),
        }


def load_all(app: Flask) -> None:
    """Load every template of ours."""
    for name in app.jinja_env.list_templates(extensions=["html"]):
        if (TEMPLATES / name).exists():
            app.jinja_env.get_template(name)


def _addresses(app: Flask) -> Callable[..., str]:
    """Where a page finds its static files; our own carry the hash of their content in the address."""
    below_root = app.url_map.bind("")

    @cache
    def path(filename: str, endpoint: str) -> str:
        version = {"v": _fingerprint(STATIC / filename)} if endpoint == "static" else {}
        return below_root.build(endpoint, {"filename": filename, **version})

    def asset(filename: str, endpoint: str = "static") -> str:
        return request.root_path + path(filename, endpoint)

    return asset


def _page_addresses(app: Flask) -> Callable[[str], str]:
    """Where a page of a name without arguments is; a menu asks for a dozen, the same for everybody."""
    below_root = app.url_map.bind("")
    path = cache(below_root.build)

    def page_address(endpoint: str) -> str:
        return request.root_path + path(endpoint)

    return page_address


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
