"""How values and fields are printed: as Jinja and WTForms print them, only sooner."""

from __future__ import annotations

import pytest
from jinja2 import StrictUndefined, UndefinedError
from markupsafe import Markup, escape

from portal.money import Money
from portal.web.forms import attributes
from portal.web.rendering import printed


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
