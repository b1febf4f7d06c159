"""Syntax: broken files are named with line and column, odd but valid ones pass."""

from __future__ import annotations

import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.nodes.checks.syntax import syntax_complaint
from matrioska.state.artifacts import SourceFile

GOOD = {
    "a.py": [
        "",
        "x = 1",
        "\ufeffx = 1",
        "def f():\n    return 1",
        "'\\d'",
        "assert (1, 2)",
        "async def f():\n    await g()",
        "match x:\n    case [1, *_]: pass",
        "# -*- coding: latin-1 -*-\nx = 'é'",
    ],
    "a.json": ["{}", "[1, 2.5e3, null]", "\ufeff{}", '"text"', "1" * 5_000, '{"a": {"b": []}}'],
    "tsconfig.json": ["// comment\n{}"],
    "a.jsonl": ['{"a": 1}\n\n{"a": 2}\n', ""],
    "a.yaml": [
        "",
        "a: 1\nb: [x, y]",
        "a: &x 1\nb: *x",
        "---\na: 1\n---\nb: 2",
        "x: !Ref name",
        "a: |\n  text\n  more",
        "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]",
    ],
    "a.html": [
        "",
        "<p>a & b < c",
        "<!doctype html><html><head><title>x</title><body><p>a<p>b",
        "<ul><li>a<li>b</ul>",
        "<table><tr><td>a<td>b<tr><td>c</table>",
        "<br><img src=a><input disabled>",
        "<br/><img src=a />",
        "<p>a<div>b</div></p>",
        "<svg><path d='M0'/><g><circle r=1 /></g></svg>",
        "<a href=x>y</a>",
        "<a title='a > b' href=\"it's\">x</a>",
        "<script>if (a < b && c > d) x = '</div>'</script>",
        "<!-- <div> --><p>x</p>",
        "<select><option>a<option>b</select>",
        '<script type="application/ld+json">{"a": [1]}</script>',
        '<script type="module">import a from "./a.js"; await a()</script>',
        '<script type="text/x-template"><div></script>',
        "<style>a { b: c }</style>",
        "<textarea><div></textarea>",
        "<dl><dt>a<dd>b</dl>",
        "<my-element></my-element>",
        "<P>x</P><DIV></div>",
        "{% if x %}<div>{% else %}<div class=a>{% endif %}</div>",
        "<p>1 <2 and 3> 2</p>",
        "<button onclick=\"f('x')\">y</button>",
        "<script src=a.js></script>",
        "<template><tr></tr></template>",
        "<![CDATA[ x ]]>",
        "<?xml version='1.0'?><p>x</p>",
        "<input value='<b>'>",
        '<a href="x"class="y">z</a>',
    ],
    "a.css": [
        "",
        "a { color: red }",
        "a{--x: {a:b}; --y:;}",
        "@media (400px <= width <= 700px) { a { b: c } }",
        "@page :first { margin: 1px }",
        '@import url("x.css") layer(a) supports(display: grid);',
        '@import "x.css";',
        '@charset "utf-8";',
        "a { &:hover { b: c } .d { e: f } }",
        "@keyframes x { from { a: b } 50.5% { a: c } to { a: d } }",
        "a { b: url(data:image/png;base64,AA==) }",
        "a{b:c;;}",
        "/* } */ a{}",
        'a::before { content: "}" }',
        "a { content: '\\'' }",
        ".w-1\\/2, .\\31 a { b: c }",
        "@layer base, x; @layer base { a { b: c } }",
        "@container card (width > 1px) { a { b: c } }",
        "a:is(.b, #c):not([x='}']) { }",
        "@supports (display: grid) { a { b: c } }",
        "@font-face { font-family: x; src: url(a.woff2) format('woff2') }",
        "a { width: calc((1px + 2px) * 3) }",
        "<!-- a { b: c } -->",
        ":root { --a: { b } }",
        "@tailwind base;",
        "a { @apply b c; }",
        "@property --x { syntax: '<length>'; inherits: false }",
    ],
    "a.js": [
        "",
        "const a = `x ${b ? `y${c}` : ''}`",
        "a?.b ??= c; x = 1_000n ** 2n",
        "class A { #p = 1; static { } get x() { return 1 } }",
        "import a, { b as c } from './x.js'; export * as d from './y.js'",
        "for await (const x of y) {}",
        "/[/\\]]+/gu.test(a)",
        "let x = <b>y</b>",
        "label: for (;;) break label",
        "a = b\n(c)",
        "#!/usr/bin/env node\nf()",
        "const { a, ...b } = c; f(...d)",
        "await f()",
        "x = a ? b : c",
        "async (a) => { }",
        "'use strict'",
        "export default function () {}",
        "x = { 'a': 1, [b]: 2, c() {}, async *d() {} }",
        "// }\n/* { */",
    ],
    "a.sql": [
        "",
        "-- nothing",
        "SELECT 1; SELECT * FROM t WHERE a = 'x;y';",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT NOT NULL);",
        "CREATE TABLE `t` (`a` INT AUTO_INCREMENT) ENGINE=InnoDB;",
        "INSERT INTO t (a) VALUES (1), (2) ON CONFLICT DO NOTHING;",
        "PRAGMA foreign_keys = ON;",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET a = 1; END;",
        "CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql;",
        "WITH a AS (SELECT 1) SELECT * FROM a;",
        "\\echo hello\nSELECT 1;",
        "BEGIN; COMMIT;",
        "GRANT ALL ON t TO u;",
        "SELECT TOP 1 [a b] FROM [t];",
        "DELETE FROM t;",
        "CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a);",
        "EXPLAIN SELECT 1;",
        "USE db;",
    ],
    "a.md": [
        "",
        "# x",
        "```js\nx\n```",
        "~~~\n```\n~~~",
        "````md\n```\n````",
        "- ```\n  x\n\nafter",
        "> ```\n> x\n\nafter",
        "    ```\n",
        "`` ``` ``",
        "```a`b```",
    ],
    "a.txt": ["{{{ <div> ```"],
    "a.xyz": ["{"],
    "Makefile": ["{"],
}

BAD = [
    ("a.py", "def f(:\n  pass", "line 1, column 7"),
    ("a.py", "x = 1\n  y = 2", "line 2"),
    ("a.py", "return 1", "outside function"),
    ("a.py", "a\x00b", "a.py"),
    ("a.json", '{"a": 1,}', "not valid JSON"),
    ("a.json", "{'a': 1}", "line 1"),
    ("a.json", "", "not valid JSON"),
    ("a.json", "[NaN]", "NaN is not JSON"),
    ("a.json", "{} {}", "Extra data"),
    ("a.jsonl", '{"a": 1}\n{"a": }\n', "line 2, column 7"),
    ("a.yaml", "a: [1, 2", "not valid YAML"),
    ("a.yaml", "a: 1\n\tb: 2", "line 2"),
    ("a.yaml", "a: *gone", "names no anchor"),
    ("a.yaml", "a: &x 1\n---\nb: *x", "names no anchor"),
    ("a.yaml", "a: b: c", "not valid YAML"),
    ("a.html", "<div>\n<span>x</div>", "line 2, column 1: <span> is not closed before </div>"),
    ("a.html", "<div><p>x</p>", "<div> is never closed"),
    ("a.html", "</section>", "</section> closes nothing"),
    ("a.html", "<b><i>x</b></i>", "<i> is not closed before </b>"),
    ("a.html", "<div/>", "'/>' does not close <div>"),
    ("a.html", '<a href="x>k</a> <b class="y">z</b>', "quote"),
    ("a.html", "<p class='x", "quote"),
    ("a.html", "<div class", "is never closed by '>'"),
    ("a.html", "<script>f()", "<script> is never closed"),
    ("a.html", "<p>x<!-- y", "comment"),
    ("a.html", "<p>\n<script>\nif (x {\n}\n</script>", "line 3, column 4: in <script>: '(' is never closed"),
    ("a.html", "<script type='application/json'>{'a'}</script>", "in <script>: it is not valid JSON"),
    ("a.html", "<style>\na { b }</style>", "line 2, column 5: in <style>: a declaration has no ':'"),
    ("a.css", "a { color red; }", "line 1, column 5: a declaration has no ':'"),
    ("a.css", "a {\n /* x */ color red\n}", "line 2, column 10"),
    ("a.css", "a { b: c;\n d {}", "'{' is never closed"),
    ("a.css", "a { b: c }}", "'}' closes nothing"),
    ("a.css", "a { b: (c }", "'(' is not closed before this '}'"),
    ("a.css", 'a { b: "c }', "a string is opened"),
    ("a.css", "/* a {}", "a comment is opened"),
    ("a.css", "hello", "outside of any rule"),
    ("a.js", "function f() {\n  if (x) {\n}\n", "'{' is never closed"),
    ("a.js", "const x = ;", "line 1"),
    ("a.js", "f(1, 2", "line 1, column 2: '(' is never closed"),
    ("a.js", "const é = [1;\n]", "line 1"),
    ("a.js", "}", "'}' closes nothing"),
    ("a.js", "x = 'abc\ny()", "a.js, line 1"),
    ("a.mjs", "import from", "a.mjs"),
    ("a.jsx", "x = <b>y</b", "a.jsx"),
    ("a.sql", "SELECT 1;\nSELECT FROM WHERE x;", "line 2"),
    ("a.sql", "SELECT 'abc", "cannot be read"),
    ("a.sql", "INSERT INTO t VALUES (1, 2;", "line 1"),
    ("a.sql", "CREAT TABLE t (a INT);", "did you mean CREATE?"),
    ("a.sql", "CREATE TABLE t (a INT, b INT;", "line 1"),
    ("a.md", "# x\n```js\ny", "line 2, column 1: the code block that ``` opens here is never closed"),
    ("a.md", "````\n```\n", "````"),
    ("a.MD", "~~~\n```\n", "~~~"),
]


@pytest.mark.parametrize(("path", "text"), [(path, text) for path, texts in GOOD.items() for text in texts], ids=ascii)
def test_valid_files_pass(path: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert syntax_complaint(SourceFile(path=path, text=text)) == []


@pytest.mark.parametrize(("path", "text", "words"), BAD, ids=ascii)
def test_broken_files_are_complained_about(path: str, text: str, words: str) -> None:
    complaints = syntax_complaint(SourceFile(path=path, text=text))
    assert complaints and all(complaint.startswith(path) for complaint in complaints)
    assert any(words in complaint for complaint in complaints), complaints


def test_complaints_per_file_are_bounded() -> None:
    complaints = syntax_complaint(SourceFile(path="a.html", text="<div>\n" * 100))
    assert len(complaints) == 6 and complaints[-1] == "and 95 more"


HOSTILE = [
    ("a.py", "(" * 100_000),
    ("a.py", "-" * 50_000 + "1"),
    ("a.py", "a" + ".b" * 50_000),
    ("a.py", "lambda:" * 50_000 + "1"),
    ("a.json", "[" * 500_000),
    ("a.yaml", "[" * 500_000),
    ("a.yaml", "- " * 500_000),
    ("a.yaml", "&a " * 100_000),
    ("a.html", "<div>" * 100_000),
    ("a.html", "<" * 1_000_000),
    ("a.html", "<a " * 200_000),
    ("a.html", '<a b="' * 200_000),
    ("a.html", "<script>" * 200_000),
    ("a.html", "</div>" * 300_000),
    ("a.html", "<b>" * 80_000 + "</i>" * 80_000),
    ("a.css", "a{" * 200_000),
    ("a.css", "[" * 500_000),
    ("a.css", '"' * 500_000),
    ("a.css", "url(" * 300_000),
    ("a.css", "}" * 500_000),
    ("a.js", "(" * 500_000),
    ("a.js", "{" * 500_000),
    ("a.js", "!" * 500_000),
    ("a.js", "`${" * 300_000),
    ("a.js", "a=>" * 300_000),
    ("a.sql", "SELECT " + "(" * 50_000),
    ("a.sql", "SELECT 1;" * 200_000),
    ("a.md", "> " * 500_000),
    ("a.md", "```\n" * 300_000),
]


@pytest.mark.parametrize(("path", "text"), HOSTILE, ids=lambda value: ascii(value[:12]))
def test_hostile_files_neither_crash_nor_stall(path: str, text: str) -> None:
    start = time.process_time()
    complaints = syntax_complaint(SourceFile(path=path, text=text))
    assert time.process_time() - start < 10
    assert all(len(complaint) < 500 for complaint in complaints)


_marks = st.sampled_from(
    [
        *list("<>/'\"{}()[]`$;:=\\#@!-*&| \n"),
        "div",
        "<script>",
        "</script>",
        "<!--",
        "/*",
        "a",
        "1",
        "```",
        "def",
        "SELECT ",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40) | st.lists(_marks, max_size=25).map("".join))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    for suffix in ("py", "json", "jsonl", "yaml", "html", "css", "js", "sql", "md"):
        syntax_complaint(SourceFile(path=f"a.{suffix}", text=text))
