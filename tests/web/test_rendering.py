"""How values and fields are printed: as Jinja and WTForms print them, only sooner."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

import pytest
from jinja2 import StrictUndefined, UndefinedError
from markupsafe import Markup, escape

from portal.money import Money
from portal.web.forms import attributes
from portal.web.rendering import lines_alone, printed


class _Drawn:
    def __html__(self) -> str:
        return "<b>&</b>"


VALUES = (
    *("plain", "", '<script>"it\'s" & more</script>', "Zürich 😀", Markup("<b>&amp;</b>"), _Drawn()),
    *(5, 1.5, None, True, Money(105, "USD"), ["<a>"]),
)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_printed_as_jinja_prints_it(value):
    assert printed(value) == str(escape(value))


def test_what_is_not_there_is_refused():
    with pytest.raises(UndefinedError):
        printed(StrictUndefined(name="nothing"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"name": "text1", "id": "f", "class_": "text"}, 'class="text" id="f" name="text1"'),
        ({"checked": True, "readonly": False, "name": "a", "abc": "hi"}, 'abc="hi" checked name="a"'),
        ({"data_attr": "user.name", "aria_labelled_by": "n"}, 'aria-labelled-by="n" data-attr="user.name"'),
        ({"value": "\"'<&>"}, 'value="&#34;&#39;&lt;&amp;&gt;"'),
        ({"value": Markup('a "b" &amp; c')}, 'value="a &quot;b&quot; &amp; c"'),
        ({"maxlength": 20, "value": None}, 'maxlength="20" value="None"'),
        ({"x>": "1"}, 'x&gt;="1"'),
    ],
)
def test_the_attributes_of_a_field_are_said_as_wtforms_says_them(given, said):
    assert attributes(**given) == said


SOURCE = (
    """
def outer(value):
    names = [one for one in value

             if one]
    for name in names:
        try:
            yield name.upper(), lambda: (name,
                                         value)
        except AttributeError:
            raise ValueError(name) from None
"""
    + "\n" * 90
    + "def far(): return [1, 2, 3] + [len(str(4)) * 5 - 6 // 7, max(8, 9), min(10, 11), sum([12, 13])]\n"
)


def test_compiled_code_keeps_its_lines_and_no_columns():
    whole = compile(SOURCE, "a", "exec")
    slim = lines_alone(whole)
    for before, after in zip(_all_of(whole), _all_of(slim), strict=True):
        assert [*after.co_lines()] == [*before.co_lines()]
        assert after.co_code == before.co_code
        assert len(after.co_linetable) < len(before.co_linetable)
    names: dict[str, Any] = {}
    exec(slim, names)
    assert [upper for upper, _ in names["outer"](["a", "", "b"])] == ["A", "B"]
    assert names["far"]()[-1] == 25
    with pytest.raises(ValueError, match="5") as refused:
        [*names["outer"]([5])]
    assert refused.traceback[-1].lineno == 10


def _all_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _all_of(part)
