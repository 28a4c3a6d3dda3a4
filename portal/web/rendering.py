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
from jinja2 import BytecodeCache, StrictUndefined, nodes
from jinja2.bccache import Bucket
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup, _escape_inner, escape  # type: ignore[attr-defined]  # the first part of ``escape``

from portal.config import STATIC, TEMPLATES, Settings
from portal.web import forms, nav


def printed(value: object) -> str:
    """The value as a page prints it, escaped: what Jinja's own gives, as the plain text that a page is joined from.

    A page prints five hundred values, most of them text; wrapping each as markup takes longer than escaping it.
    """
    if type(value) is str:
        escaped: str = _escape_inner(value)
        return escaped
    return value if isinstance(value, Markup) else escape(value)


class _Printing(CodeGenerator):
    """Templates as Jinja compiles them, which print by ``printed``."""

    def write_commons(self) -> None:
        super().write_commons()
        self.writeline("printed = environment.printed")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("printed(")


# A part of the names of compiled templates: another way of compiling makes other files.
_COMPILED_BY = "lines"
# Python's table of locations (Objects/locations.md, 3.11 and later): entries for up to eight instructions each.
_ENTRY, _MOST_INSTRUCTIONS, _LINE_ALONE, _NOWHERE = 0x80, 8, 13 << 3, 15 << 3


def lines_alone(code: CodeType) -> CodeType:
    """The code with the line of each instruction and without its columns: a quarter of what templates hold.

    An error in a template names its line either way. Where Python counts otherwise than here, the code as it is.
    """
    table = bytearray()
    last = code.co_firstlineno
    for start, end, line in code.co_lines():
        for first in range(start // 2, end // 2, _MOST_INSTRUCTIONS):
            count = min(_MOST_INSTRUCTIONS, end // 2 - first)
            table.append(_ENTRY | (_NOWHERE if line is None else _LINE_ALONE) | count - 1)
            if line is not None:
                table += _signed(line - last)
                last = line
    parts = tuple(lines_alone(part) if isinstance(part, CodeType) else part for part in code.co_consts)
    slim = code.replace(co_linetable=bytes(table), co_consts=parts)
    return slim if [*slim.co_lines()] == [*code.co_lines()] else code


def _signed(number: int) -> bytes:
    """As that table has it: the sign last, six bits a byte, the lowest first."""
    rest = -number << 1 | 1 if number < 0 else number << 1
    said = bytearray()
    while rest >= 0x40:
        said.append(0x40 | rest & 0x3F)
        rest >>= 6
    return bytes([*said, rest])


class Templates(Environment):
    """The environment of all templates; a page imports from two dozen of them, so that finding one costs nothing."""

    code_generator_class = _Printing
    printed = staticmethod(printed)

    def __init__(self, app: Flask, **options: Any) -> None:
        # All of them stay loaded: a cache with a limit keeps books about every look.
        ours = {"cache_size": -1, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
        super().__init__(app, **{**options, **ours})

    def _compile(self, source: str, filename: str) -> CodeType:
        return lines_alone(super()._compile(source, filename))

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
        return self._folder / f"{bucket.key}.{bucket.checksum[:12]}.{_COMPILED_BY}.compiled"


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
