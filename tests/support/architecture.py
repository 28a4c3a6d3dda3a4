"""The rules of the layout, each a function from a source file to its violations, ``path:line: what is wrong``.

A source is parsed once; rules read its syntax tree, so a comment or a string never counts as a use.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 60
POSITIONAL_PARAMETERS = 5
PARTIAL_LINES = 40

# Pure by name; whatever these import of the portal has to be pure as well.
PURE_MODULES = re.compile(
    r"portal/(?:(?:money|calendars|zones|closures|access|errors)\.py|(?:\w+/)+rules\.py|(?:\w+/)+rules/.+\.py|rating/.+\.py"
    r"|contracts/(?:policy|agreement)\.py)"
)
# Third-party packages a pure module may import: the documents' schema.
PURE_PACKAGES = frozenset({"portal", "pydantic", "pydantic_core"})
# Standard modules that do I/O, read a clock, or draw lots.
IMPURE_STANDARD = frozenset(
    re.findall(
        r"\w+",
        "asyncio concurrent ctypes fcntl fileinput ftplib getpass glob http imaplib io logging mmap multiprocessing os "
        "pathlib pickle random resource secrets select shelve shutil signal smtplib socket sqlite3 ssl subprocess sys "
        "tempfile threading time urllib webbrowser",
    )
)
IMPURE_BUILTINS = frozenset({"open", "input", "print", "exec", "eval", "compile", "breakpoint", "__import__"})
CLOCKS = re.compile(r"datetime\.(?:datetime|date)\.(?:now|utcnow|today)|time\.(?:time|time_ns|localtime|gmtime|ctime)")
# A uuid is a value; making one is a draw of lots.
LOTS = re.compile(r"uuid\.(?:getnode|uuid[1-8])")
ENVIRONMENT = re.compile(r"os\.(?:environb?|getenvb?|putenv|unsetenv)")

# Library -> the only modules that may import it.
LIBRARY_HOMES: dict[str, tuple[str, ...]] = {
    "flask": ("portal/web/", "portal/app.py", "portal/cli.py", "portal/standin/"),
    "flask_login": ("portal/web/", "portal/app.py"),
    "flask_wtf": ("portal/web/", "portal/app.py"),
    "wtforms": ("portal/web/",),
    "flask_bootstrap": ("portal/web/", "portal/app.py"),
    "flask_limiter": ("portal/web/", "portal/app.py"),
    "flask_migrate": ("portal/app.py", "portal/cli.py"),
    "flask_sqlalchemy": ("portal/db.py", "portal/app.py"),
    "stripe": ("portal/payments/gateway/connection.py",),
    "smtplib": ("portal/notifications/mail.py",),
}
CLOCK_READERS = ("portal/worker.py", "portal/web/", "portal/cli.py", "portal/app.py", "portal/standin/")
ENVIRONMENT_READERS = ("portal/config.py", "portal/standin/")


# The kinds of nodes that rules ask for.
_LOOKED_AT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom, ast.Attribute, ast.Call)


@dataclass(frozen=True)
class Source:
    """A Python file; ``path`` is relative to the checkout, with forward slashes."""

    path: str
    text: str

    @classmethod
    def read(cls, root: Path, file: Path) -> Source:
        return cls(file.relative_to(root).as_posix(), file.read_text())

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """What the rules look at in ``tree``, outermost first: to go through all of it costs more than any rule."""
        return tuple(node for node in ast.walk(self.tree) if isinstance(node, _LOOKED_AT))

    @cached_property
    def names(self) -> dict[str, str]:
        """What each imported name stands for: ``{"dt": "datetime.datetime"}``."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
        return found

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Every module imported, with its line; ``from a import b`` counts as ``a`` and as ``a.b``."""
        found: list[tuple[int, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found.extend((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                found.append((node.lineno, module))
                found.extend((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        return found

    def at(self, line: int, message: str) -> str:
        return f"{self.path}:{line}: {message}"

    def within(self, places: Iterable[str]) -> bool:
        return any(self.path == place or (place.endswith("/") and self.path.startswith(place)) for place in places)


Rule = Callable[[Source], Iterator[str]]


def file_is_short(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > FILE_LINES:
        yield source.at(lines, f"the file has {lines} lines, more than {FILE_LINES}")


def functions_are_short(source: Source) -> Iterator[str]:
    for function in functions(source):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES:
            yield source.at(function.lineno, f"{function.name} has {lines} lines, more than {FUNCTION_LINES}")


def parameters_are_few(source: Source) -> Iterator[str]:
    for function in functions(source):
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > POSITIONAL_PARAMETERS:
            yield source.at(
                function.lineno,
                f"{function.name} takes {count} positional parameters, more than {POSITIONAL_PARAMETERS}",
            )


def booleans_are_keyword_only(source: Source) -> Iterator[str]:
    for function in functions(source):
        for argument in (*function.args.posonlyargs, *function.args.args):
            annotation = ast.unparse(argument.annotation) if argument.annotation else ""
            if re.search(r"\bbool\b", annotation) and not re.search(r"\[.*\bbool\b", annotation):
                yield source.at(argument.lineno, f"{function.name} takes the boolean {argument.arg} by position")


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def libraries_stay_home(source: Source) -> Iterator[str]:
    for line, library in sorted({(line, module.split(".")[0]) for line, module in source.imports}):
        homes = LIBRARY_HOMES.get(library)
        if homes is not None and not source.within(homes):
            yield source.at(line, f"{library} is imported outside {', '.join(homes)}")


def clock_stays_outside(source: Source) -> Iterator[str]:
    if not source.within(CLOCK_READERS):
        for line, name in used_names(source, CLOCKS):
            yield source.at(line, f"{name} reads the clock outside {', '.join(CLOCK_READERS)}")


def environment_stays_in_config(source: Source) -> Iterator[str]:
    if not source.within(ENVIRONMENT_READERS):
        for line, name in used_names(source, ENVIRONMENT):
            yield source.at(line, f"{name} reads the environment outside {', '.join(ENVIRONMENT_READERS)}")


def stand_in_stands_apart(source: Source) -> Iterator[str]:
    inside = source.within(["portal/standin/"])
    for line, module in source.imports:
        of_stand_in = re.match(r"portal\.standin\b", module) is not None
        of_portal = re.match(r"portal\b", module) is not None and module != "portal"
        if (inside and of_portal and not of_stand_in) or (of_stand_in and not inside):
            yield source.at(line, f"{module} crosses the border between the portal and the stand-in")


def is_pure(source: Source) -> Iterator[str]:
    """Violations of purity in a module that has to be pure; what it imports is ``pure_closure``'s matter."""
    for line, module in source.imports:
        top = module.lstrip(".").split(".")[0]
        if top in IMPURE_STANDARD:
            yield source.at(line, f"a pure module imports {top}")
        elif not module.startswith(".") and top not in sys.stdlib_module_names | PURE_PACKAGES:
            yield source.at(line, f"a pure module imports the package {top}")
    for line, name in used_names(source, CLOCKS):
        yield source.at(line, f"a pure module reads the clock with {name}")
    for line, name in used_names(source, LOTS):
        yield source.at(line, f"a pure module draws lots with {name}")
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            yield source.at(node.lineno, f"a pure module calls {node.func.id}")


def used_names(source: Source, wanted: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Uses of a qualified name, however it was imported: attributes of it, and imports of it."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            name = qualified(source, node)
            if wanted.fullmatch(name):
                yield node.lineno, name
    for line, module in source.imports:
        if wanted.fullmatch(module):
            yield line, module


def qualified(source: Source, node: ast.expr) -> str:
    """``datetime.datetime.now`` for ``dt.now`` after ``from datetime import datetime as dt``; else empty."""
    if isinstance(node, ast.Name):
        return source.names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (base := qualified(source, node.value)):
        return f"{base}.{node.attr}"
    return ""


def pure_closure(sources: Iterable[Source]) -> list[Source]:
    """The modules that have to be pure: those named so, and every module of the portal they import."""
    by_module = {module_of(source): source for source in sources}
    waiting = [module for module, source in by_module.items() if PURE_MODULES.fullmatch(source.path)]
    closure: dict[str, Source] = {}
    while waiting:
        module = waiting.pop()
        if module in by_module and module not in closure:
            closure[module] = by_module[module]
            waiting.extend(imported for _, imported in by_module[module].imports)
    return [closure[module] for module in sorted(closure)]


def untouched(sources: Iterable[Source]) -> list[Source]:
    """The modules that touch nothing outside themselves, whatever they are called: nor does anything they import."""
    by_module = {module_of(source): source for source in sources}
    pure = {module for module, source in by_module.items() if not any(is_pure(source))}
    while touched := {module for module in pure if any(_reaches(by_module[module], by_module, pure))}:
        pure -= touched
    return [by_module[module] for module in sorted(pure)]


def _reaches(source: Source, by_module: Mapping[str, Source], pure: Collection[str]) -> Iterator[str]:
    """What a module imports of the portal that is not pure."""
    return (module for _, module in source.imports if module in by_module and module not in pure)


def has_code(source: Source) -> bool:
    """Whether there is more in a module than what it says of itself."""
    futures = [node for node in source.tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    said = ast.get_docstring(source.tree) is not None
    return len(source.tree.body) > len(futures) + said


def module_of(source: Source) -> str:
    return source.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def partial_is_short(path: str, text: str) -> Iterator[str]:
    lines = len(text.splitlines())
    if path.rsplit("/", 1)[-1].startswith("_") and lines > PARTIAL_LINES:
        yield f"{path}:{lines}: the partial has {lines} lines, more than {PARTIAL_LINES}"


# Letters in brackets keep this list from finding itself.
MACHINE_WORDS = {
    "an absolute path of somebody's machine": re.compile(
        r"(?<![\w.~-])/(?:roo[t]|hom[e]/\w+|User[s]/\w+|wor[k]/(?:mai[n]|pla[n]|share[d]|ven[v]|w[t]-|\.librar[y]))(?:/|\b)"
    ),
    "an option that names a package index": re.compile(
        r"--(?:extra-)?index-ur[l]\b|--default-inde[x]\b|--find-link[s]\b|--trusted-hos[t]\b|PIP_(?:EXTRA_)?INDEX_UR[L]"
        r"|UV_(?:DEFAULT_|EXTRA_)?INDE[X]"
    ),
}


def says_nothing_of_machines(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for meaning, pattern in MACHINE_WORDS.items():
            if found := pattern.search(line):
                yield f"{path}:{number}: {found.group()!r} is {meaning}"
        if re.fullmatch(r"requirements.*\.txt", path) and "://" in line and not line.lstrip().startswith("#"):
            yield f"{path}:{number}: a locked requirement names an address"
