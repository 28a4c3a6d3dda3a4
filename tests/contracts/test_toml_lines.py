"""Lines of keys in every form TOML has."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from portal.contracts.toml_lines import key_lines, line_of

TEXT = (
    """# remark with [brackets] and = signs
top = 1
"quoted key" . part = "a # b ] }"
'single' = 'it"""
    + "'"
    + '''

[table]
many = [
  "one", # remark ]
  { inside = 1, deep = { deeper = [1, 2] } },
  [],
]
text = """
[not.a.table]
x = 1"""
literal = \'\'\'
[neither]\'\'\'
after = 1979-05-27 07:32:00
empty = {}

[[row]]
a = 1
[row.sub]
b = 2
[[row]]
a = 3
[[row.inner]]
c = 4
[[row.inner]]
c = 5
[ spaced . out ]
z = true
'''
)


def test_every_key_has_its_line_when_the_text_uses_every_form():
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    written = TEXT.splitlines()
    expected = {
        ("top",): "top = 1",
        ("quoted key", "part"): '"quoted key" . part = "a # b ] }"',
        ("table",): "[table]",
        ("table", "many", 0): '  "one", # remark ]',
        ("table", "many", 1, "deep", "deeper", 1): "  { inside = 1, deep = { deeper = [1, 2] } },",
        ("table", "many", 2): "  [],",
        ("table", "text"): 'text = """',
        ("table", "after"): "after = 1979-05-27 07:32:00",
        ("row", 0, "sub", "b"): "b = 2",
        ("row", 1, "inner", 1, "c"): "c = 5",
        ("spaced", "out", "z"): "z = true",
    }
    assert {path: written[lines[path] - 1] for path in expected} == expected
    assert ("table", "x") not in lines
    assert ("neither",) not in lines


def test_nearest_written_table_is_named_when_a_key_is_missing():
    lines = key_lines("[a]\nb = 1\n")
    assert line_of(lines, ("a", "c")) == 1
    assert line_of(lines, ("a", "b", 0, "x")) == 2
    assert line_of(lines, ("q",)) == 1
    assert line_of({}, ()) == 1


def test_value_that_is_missing_is_passed_when_the_text_ends():
    assert key_lines("a =") == {("a",): 1}


values = st.recursive(
    st.integers() | st.booleans() | st.text(alphabet="ab]}#,='\\", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[\n" + ",\n".join(toml(each) for each in value) + "\n]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return str(value)


def paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


@given(st.lists(values, min_size=1, max_size=4))
def test_every_path_is_found_in_order_when_values_nest(rows):
    text = "".join(f"k{number} = {toml(value)}\n" for number, value in enumerate(rows))
    read = tomllib.loads(text)
    lines = key_lines(text)
    for path in list(paths(read))[1:]:
        assert path in lines
    starts = [lines[(f"k{number}",)] for number in range(len(rows))]
    assert [text.splitlines()[line - 1].split(" ")[0] for line in starts] == list(read)
