"""Outlines and syntax errors: what code defines is told, and no text raises."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation import outlines
from generation.languages import LANGUAGES, Grammar, grammar_of
from generation.outlines import (
    NESTING_LEVELS,
    SIGNATURE_CHARACTERS,
    Symbol,
    outline,
    syntax_errors,
)

WHOLE = {
    "a.py": """\
import os

@final
@registered("x")
class Shelf(Base):
    @property
    def books(self) -> list[str]:  # all of them
        def inner(): ...
        return []

    class Label:
        pass

async def read(
    path: str,
    *,
    limit: int = 3,  # lines
) -> str:
    return path
""",
    "a.js": """\
class Shelf {
  add(book) {}
  count = () => 1;
}
const limit = 3;
export const read = async (path) => {
  function inner() {}
};
exports.write = function () {};
""",
    "a.ts": """\
@Injectable()
export abstract class Shelf<T> extends Base {
  @Log()
  async add(book: T): Promise<void> {}
  abstract count(): number;
}
export interface Book { title: string; open(): void }
type Id = string | number;
enum Size { Small }
namespace inner { export function f() {} }
""",
    "a.tsx": "export function Page(props: Props) {\n  return <main>{props.title}</main>;\n}\n",
    "a.go": """\
package shelf

type (
	Shelf struct{ books []string }
	Reader interface{ Read(n int) error }
)
type Stack[T any] struct{ items []T }
func (s *Stack[T]) Push(item T) error { return nil }
func New() *Shelf { return nil }
""",
    "a.rs": """\
#[derive(Debug)]
/// Books.
pub struct Shelf<T> { books: Vec<T> }
impl<T> Display for Shelf<T> {
    #[inline]
    fn fmt(&self) -> i32 { 1 }
}
trait Count { fn count(&self) -> usize; }
mod inner { fn f() {} }
""",
    "a.java": """\
@Entity
public class Shelf<T> {
    @Override
    public int count(int from) { return 1; }
    Shelf() {}
    interface Reader { void read(); }
    record Point(int x) {}
}
""",
    "a.c": """\
struct shelf { int books; };
struct shelf one;
typedef struct { int x; } Point;
static int *count(struct shelf *s) { return 0; }
int proto(void);
int (*pointer)(int);
#define MAX(a, b) ((a) > (b) ? (a) : (b))
""",
    "a.h": """\
namespace a::b {
template <typename T>
class Shelf : public Base {
 public:
  Shelf();
  bool operator==(const Shelf& other) const { Shelf s(other); return true; }
  enum class Size { Small };
};
}
void Shelf::add(int book) {}
""",
    "a.cs": """\
namespace Books {
    [Serializable]
    public class Shelf : Base {
        [HttpGet("x")]
        public async Task<int> Count(int from) { return 1; }
        public int Size { get; set; }
    }
}
""",
    "a.rb": """\
module Books
  class Shelf < Base
    def add(book, at = 1)
      book
    end

    def self.open; end
  end
end
""",
    "a.php": """\
<?php
namespace App;
#[Entity]
final class Shelf extends Base {
    public function count(int $from): int { return 1; }
}
function read($path) { return $path; }
""",
    "a.sh": "function outer() {\n  inner() { :; }\n}\n",
    "a.css": "main > p { color: red; }\n",
    "a.html": "<!doctype html><html><body><p>Hi</p></body></html>\n",
    "a.json": '{"a": [1, 2, {"b": null}]}\n',
}
OUTLINES = {
    "a.py": """\
3-12 class Shelf | class Shelf(Base):
  6-9 method Shelf.books | def books(self) -> list[str]:
    8-8 function Shelf.books.inner | def inner():
  11-12 class Shelf.Label | class Label:
14-19 function read | async def read( path: str, *, limit: int = 3, ) -> str:
""",
    "a.js": """\
1-4 class Shelf | class Shelf
  2-2 method Shelf.add | add(book)
  3-3 method Shelf.count | count = () =>
6-8 function read | export const read = async (path) =>
  7-7 function read.inner | function inner()
9-9 function exports.write | exports.write = function ()
""",
    "a.ts": """\
1-6 class Shelf | export abstract class Shelf<T> extends Base
  3-4 method Shelf.add | async add(book: T): Promise<void>
  5-5 method Shelf.count | abstract count(): number
7-7 interface Book | export interface Book
  7-7 method Book.open | open(): void
8-8 type Id | type Id = string | number;
9-9 enum Size | enum Size
10-10 namespace inner | namespace inner
  10-10 function inner.f | export function f()
""",
    "a.tsx": "1-3 function Page | export function Page(props: Props)\n",
    "a.go": """\
4-4 struct Shelf | Shelf struct
5-5 interface Reader | Reader interface
  5-5 method Reader.Read | Read(n int) error
7-7 struct Stack | type Stack[T any] struct
8-8 method Stack.Push | func (s *Stack[T]) Push(item T) error
9-9 function New | func New() *Shelf
""",
    "a.rs": """\
1-3 struct Shelf | pub struct Shelf<T>
4-7 impl Shelf | impl<T> Display for Shelf<T>
  5-6 method Shelf.fmt | fn fmt(&self) -> i32
8-8 trait Count | trait Count
  8-8 method Count.count | fn count(&self) -> usize;
9-9 module inner | mod inner
  9-9 function inner.f | fn f()
""",
    "a.java": """\
1-8 class Shelf | public class Shelf<T>
  3-4 method Shelf.count | public int count(int from)
  5-5 method Shelf.Shelf | Shelf()
  6-6 interface Shelf.Reader | interface Reader
    6-6 method Shelf.Reader.read | void read();
  7-7 record Shelf.Point | record Point(int x)
""",
    "a.c": """\
1-1 struct shelf | struct shelf
3-3 struct Point | typedef struct {...} Point;
4-4 function count | static int *count(struct shelf *s)
5-5 function proto | int proto(void);
7-7 macro MAX | #define MAX(a, b) ((a) > (b) ? (a) : (b))
""",
    "a.h": """\
1-9 namespace a.b | namespace a::b
  2-8 class a.b.Shelf | template <typename T> class Shelf : public Base
    5-5 method a.b.Shelf.Shelf | Shelf();
    6-6 method a.b.Shelf.operator== | bool operator==(const Shelf& other) const
    7-7 enum a.b.Shelf.Size | enum class Size
10-10 function Shelf.add | void Shelf::add(int book)
""",
    "a.cs": """\
1-8 namespace Books | namespace Books
  2-7 class Books.Shelf | public class Shelf : Base
    4-5 method Books.Shelf.Count | public async Task<int> Count(int from)
    6-6 property Books.Shelf.Size | public int Size
""",
    "a.rb": """\
1-9 module Books | module Books
  2-8 class Books.Shelf | class Shelf < Base
    3-5 method Books.Shelf.add | def add(book, at = 1)
    7-7 method Books.Shelf.open | def self.open; end
""",
    "a.php": """\
2-2 namespace App | namespace App;
3-6 class Shelf | final class Shelf extends Base
  5-5 method Shelf.count | public function count(int $from): int
7-7 function read | function read($path)
""",
    "a.sh": "1-3 function outer | function outer()\n  2-2 function outer.inner | inner()\n",
}
BROKEN = {
    "a.py": "def f(:\n    return\n",
    "a.js": "function f( { return 1 }\n",
    "a.ts": "interface A { b: }\n",
    "a.tsx": "const a = <p>hi;\n",
    "a.go": "package a\nfunc f( {}\n",
    "a.rs": "fn f( { }\n",
    "a.java": "class A { int f( { } }\n",
    "a.c": "int f(void) { return 1;\n",
    "a.h": "class A { int f( ;\n",
    "a.cs": "class A { int F( { } }\n",
    "a.rb": "class A\n  def f(\nend\n",
    "a.php": "<?php function f( { }\n",
    "a.sh": "if true; then echo\n",
    "a.css": "p { color: red;\n",
    "a.html": "<p><b</p>\n",
    "a.json": '{"a": [1, 2}\n',
}
PATHS = sorted(WHOLE)
WORDS = [
    "=>",
    "//",
    "/*",
    "*/",
    "class",
    "def",
    "function",
    "fn",
    "struct",
    "impl",
    "export",
    "<?php",
    "end",
    "é",
]
TOKENS = [*"()[]{}<>\"'`=:;,.#@\\\n\ta\ud800", *WORDS]
TEXTS = st.text(st.characters(), max_size=200) | st.lists(st.sampled_from(TOKENS)).map(" ".join)


def _shown(symbols: list[Symbol]) -> str:
    return "".join(
        f"{'  ' * each.depth}{each.start_line}-{each.end_line} {each.kind} {each.name} | {each.signature}\n"
        for each in symbols
    )


def _check(path: str, text: str) -> None:
    """What holds of any text: no exception, lines inside it, one short line of signature, nesting."""
    errors = syntax_errors(path, text)
    assert errors is None or errors >= 0
    around: list[Symbol] = []
    for symbol in outline(path, text):
        assert symbol.name
        assert symbol.kind
        assert 1 <= symbol.start_line <= symbol.end_line <= text.count("\n") + 1
        assert len(symbol.signature) <= SIGNATURE_CHARACTERS
        assert len(symbol.signature.splitlines()) <= 1
        (symbol.name + symbol.signature).encode()
        assert symbol.depth <= len(around)
        around = [*around[: symbol.depth], symbol]
        assert symbol.depth < NESTING_LEVELS
        if symbol.depth:
            assert symbol.name.startswith(around[-2].name + ".")
            assert symbol.end_line <= around[-2].end_line


@given(st.sampled_from(PATHS), TEXTS)
def test_no_text_raises_and_every_symbol_lies_in_the_text(path: str, text: str) -> None:
    """In every language, any text (lone surrogates, NUL and what is no code among it) gives a value."""
    _check(path, text)


@given(st.sampled_from(PATHS), st.data())
def test_code_with_junk_in_it_raises_nothing(path: str, data: st.DataObject) -> None:
    """Real code into which anything was put, anywhere, gives a value, and its symbols lie in it."""
    code = WHOLE[path]
    at = data.draw(st.integers(0, len(code)))
    until = data.draw(st.integers(at, len(code)))
    _check(path, code[:at] + data.draw(TEXTS) + code[until:])


@pytest.mark.parametrize("path", PATHS)
def test_every_prefix_of_code_parses(path: str) -> None:
    """A file that was cut anywhere gives a value."""
    for end in range(len(WHOLE[path]) + 1):
        _check(path, WHOLE[path][:end])


def test_every_prefix_of_a_real_file_parses() -> None:
    """This project's own module, cut at any line or in its midst, raises nothing."""
    text = Path(outlines.__file__).read_text(encoding="utf-8")
    for end in range(0, len(text), 97):
        _check("outlines.py", text[:end])
    assert syntax_errors("outlines.py", text) == 0


@pytest.mark.parametrize("path", PATHS)
def test_an_outline_names_what_is_defined(path: str) -> None:
    """Definitions come in order, nested, qualified, from their first decorator on, without their bodies."""
    assert _shown(outline(path, WHOLE[path])) == OUTLINES.get(path, "")


@pytest.mark.parametrize("path", PATHS)
def test_broken_code_counts_errors_and_whole_code_none(path: str) -> None:
    """A file that parsed and does not any more is told by the count."""
    assert syntax_errors(path, WHOLE[path]) == 0
    broken = syntax_errors(path, BROKEN[path])
    assert broken is not None
    assert broken > 0


def test_broken_code_still_has_an_outline() -> None:
    """What stands around an error is told."""
    names = [
        symbol.name for symbol in outline("a.py", "def f(:\n    pass\n\nclass A:\n    def g(self): ...\n")
    ]
    assert names[-2:] == ["A", "A.g"]


def test_a_path_says_the_language() -> None:
    """The suffix decides, in either case; without a parser there is no language, no outline and no count."""
    for path, name in (("src/App.TSX", "tsx"), ("include/a.h", "cpp")):
        grammar = grammar_of(path)
        assert grammar is not None
        assert grammar.name == name
    for path in ("README.md", "Makefile", "a.b/c", "", ".py", "\0"):
        assert (grammar_of(path), outline(path, "class A: ..."), syntax_errors(path, "(")) == (
            None,
            [],
            None,
        )


def test_every_language_is_tested() -> None:
    """A row of the table without an example here fails."""
    assert {grammar.name for path in WHOLE if (grammar := grammar_of(path))} == {
        row.name for row in LANGUAGES
    }


@pytest.mark.parametrize("row", LANGUAGES, ids=lambda row: row.name)
def test_the_grammars_know_the_node_types_of_the_table(row: Grammar) -> None:
    """A grammar's new release that renames a node type fails here, not as an outline that lacks it."""
    language = outlines._language(row.loader)
    for node_type in row.kinds:
        assert language.id_for_node_kind(node_type, True) is not None, node_type


def test_line_ends_and_a_byte_order_mark_are_no_error() -> None:
    """Files as Windows writes them."""
    text = "\ufeff@a\r\nclass A:\r\n    def f(self):\r\n        pass\r\n"
    assert syntax_errors("a.py", text) == 0
    assert _shown(outline("a.py", text)) == "1-4 class A | class A:\n  3-4 method A.f | def f(self):\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", "".join(f"function f{n}() {{\n" for n in range(5000))),
        ("a.py", "".join(f"{' ' * n}def f{n}():\n" for n in range(1000))),
        ("a.json", "".join(f'{{"{n}": [' for n in range(5000))),
        ("a.cpp", "class " + "a" * 100_000 + " { void f(); };"),
    ],
)
def test_huge_nested_code_has_an_outline_of_its_upper_levels(path: str, text: str) -> None:
    """Nesting without end, and names without end, raise nothing and make no names longer than their text."""
    _check(path, text)
    assert sum(len(symbol.name) for symbol in outline(path, text)) < 20_000


@pytest.mark.parametrize(
    ("path", "piece"), list(product(["a.js", "a.java", "a.rs", "a.php"], [";->", "%w(", "end\n=&", "+;"]))
)
def test_a_piece_that_repeats_without_end_is_not_parsed(path: str, piece: str) -> None:
    """What a model writes when it is caught in a loop would cost the parser gigabytes: no count, no outline."""
    text = WHOLE[path] + piece * 20_000
    assert (outline(path, text), syntax_errors(path, text)) == ([], None)


def test_a_parse_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on processor time holds, and what it stops is no error."""
    monkeypatch.setattr(outlines, "PARSE_SECONDS", 0.0)
    text = "".join(f"def f{n}():\n    return {n}\n" for n in range(500))
    assert (outline("a.py", text), syntax_errors("a.py", text)) == ([], None)


def test_importing_the_module_imports_no_parser() -> None:
    """Start-up does not wait for grammars that may never be needed."""
    code = "import generation.outlines, sys; print([name for name in sys.modules if 'tree_sitter' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
