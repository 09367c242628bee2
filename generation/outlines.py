"""What a source file defines, and how broken it is, by tree-sitter's grammars.

Nothing is run and nothing is fetched: each grammar comes with its own wheel and is loaded on first use.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from generation.languages import Grammar, grammar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tree_sitter import Language, Node, Tree

SIGNATURE_CHARACTERS: Final = 200
NESTING_LEVELS: Final = 32
PARSE_SECONDS: Final = 2.0  # of processor time: some seven megabytes of ordinary code
_CHUNK_BYTES = 4096
_REPEATED_BYTES = 2000
_REPEATED_PIECE_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    r"""One definition: ``name`` is qualified with what it stands in (``Class.method``).

    ``signature`` is the definition without decorators, comments and body, on one line of at most
    ``SIGNATURE_CHARACTERS``. Lines are counted from 1, ended by ``\n`` alone, inclusive, from the first
    decorator on. ``depth`` is the number of definitions around it.
    """

    name: str
    kind: str
    signature: str
    start_line: int
    end_line: int
    depth: int


_DECORATORS = {"decorator", "annotation", "marker_annotation", "attribute_item", "attribute_list"}
_WRAPPERS = {"export_statement", "ambient_declaration", "template_declaration"}  # begin a definition inside
_LISTS = {"lexical_declaration", "variable_declaration", "type_declaration"}  # so do these, if it is alone
_VALUES = {  # what makes a variable, a field or an assignment a definition
    **dict.fromkeys(("arrow_function", "function_expression", "generator_function"), "function"),
    "class": "class",
}
_SPECIFIERS = {  # with a body they define what a type is, without they only name it
    "struct_type": "struct",
    "interface_type": "interface",
    "struct_specifier": "struct",
    "union_specifier": "union",
    "enum_specifier": "enum",
    "class_specifier": "class",
}
_WITH_METHODS = {"class", "struct", "union", "interface", "trait", "impl", "enum", "record"}
_AROUND_NAMES = {"generic_type", "pointer_type"}


def outline(path: str, text: str) -> list[Symbol]:
    """What ``text`` defines, in its order, down to ``NESTING_LEVELS``.

    Nothing where the language has no parser or no definitions, or the parse was given up. Of broken text,
    what can still be told. A lone surrogate reads as ``?``. No text raises.
    """
    row = grammar_of(path)
    if row is None or not row.kinds:
        return []
    source = text.encode("utf-8", "replace")
    tree = _parsed(row, source)
    return list(_symbols(tree.root_node, row.kinds, source)) if tree else []


def syntax_errors(path: str, text: str) -> int | None:
    """How many nodes of the parse are an ERROR or MISSING.

    None where there is no parser, or the parse was given up: after ``PARSE_SECONDS``, or before it began on
    thousands of bytes that repeat one short piece. Grammars forgive some errors and know not every dialect:
    what counts is a number that a change has raised.
    """
    row = grammar_of(path)
    tree = _parsed(row, text.encode("utf-8", "replace")) if row else None
    if tree is None:
        return None
    return sum(
        node.is_error or node.is_missing for _, node in _walk(tree.root_node, lambda node: node.has_error)
    )


@cache
def _language(grammar: str) -> Language:
    from tree_sitter import Language  # noqa: PLC0415  # most runs read no code

    module, function = grammar.split(":")
    return Language(getattr(importlib.import_module(module), function)())


def _parsed(row: Grammar, source: bytes) -> Tree | None:
    from tree_sitter import Parser  # noqa: PLC0415  # most runs read no code

    if _repeats(source):
        return None
    parser = Parser(_language(row.loader))
    view = memoryview(source)
    deadline = time.thread_time() + PARSE_SECONDS
    try:
        return parser.parse(
            lambda at, _point: view[at : at + _CHUNK_BYTES],
            progress_callback=lambda _at, _has_error: time.thread_time() > deadline,  # True stops it
        )
    except ValueError:  # it was stopped
        return None


def _repeats(source: bytes) -> bool:
    """Whether one short piece fills a stretch, as where a model was caught in a loop.

    Where that is no code, the parser's memory and time at the end of the text grow with the square of the
    stretch, without a call of the progress callback: in Java 3 GB for 18 kB.
    """
    return any(
        source[at + piece : at + _REPEATED_BYTES] == source[at : at + _REPEATED_BYTES - piece]
        for at in range(0, len(source) - _REPEATED_BYTES + 1, _REPEATED_BYTES)
        for piece in range(1, _REPEATED_PIECE_BYTES + 1)
    )


def _walk(root: Node, enter: Callable[[Node], bool]) -> Iterator[tuple[int, Node]]:
    """``root`` and what is under it, each before its children, with its depth; under nodes to ``enter`` only."""
    cursor, depth = root.walk(), 0
    while (node := cursor.node) is not None:
        yield depth, node
        if enter(node) and cursor.goto_first_child():
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1


def _symbols(root: Node, kinds: Mapping[str, str], source: bytes) -> Iterator[Symbol]:
    around: list[tuple[int, Symbol]] = []  # the definitions that are open, with the depths of their nodes
    wrappers: list[tuple[int, Node]] = []  # likewise; of wrappers in wrappers the outermost
    decorated = (-1, 0)  # where decorators stand before what comes next: their depth, the first one's row
    for depth, node in _walk(root, lambda node: node.type not in _DECORATORS):
        _leave(around, depth)
        _leave(wrappers, depth)
        if node.type in _DECORATORS:
            if decorated[0] != depth:
                decorated = (depth, node.start_point.row)
            continue
        if not node.is_named or "comment" in node.type:
            continue
        outer = wrappers[-1][1] if wrappers and wrappers[-1][0] == depth - 1 else node
        row = decorated[1] if decorated[0] == depth else outer.start_point.row
        if depth <= decorated[0]:
            decorated = (-1, 0)
        if node.type in _WRAPPERS or (node.type in _LISTS and node.named_child_count == 1):
            wrappers.append((depth, outer))
            continue
        parent = around[-1][1] if around else None
        kind = _kind(node, kinds, parent.kind if parent else "")
        name = _name(node, source) if kind else ""
        if not kind or not name or len(around) == NESTING_LEVELS:
            continue
        if node.type in _SPECIFIERS and around and around[-1][0] == depth - 1:
            continue  # its typedef is the definition
        symbol = Symbol(
            name=f"{parent.name}.{name}" if parent else name,
            kind=kind,
            signature=_signature(node, outer, source),
            start_line=row + 1,
            end_line=_last_row(node) + 1,
            depth=len(around),
        )
        yield symbol
        around.append((depth, symbol))


def _leave(stack: list[tuple[int, Any]], depth: int) -> None:
    """Drop what ends where a node of ``depth`` begins."""
    while stack and stack[-1][0] >= depth:
        stack.pop()


def _kind(node: Node, kinds: Mapping[str, str], parent: str) -> str | None:
    """What ``node`` defines in a definition of the kind ``parent``; None where it defines nothing."""
    kind = kinds.get(node.type)
    if kind == "value":
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        kind = _VALUES.get(value.type) if value else None
    elif kind == "type":
        what = node.child_by_field_name("type")
        if what and _body(node):
            kind = _SPECIFIERS.get(what.type, kind)
    elif node.type in _SPECIFIERS:
        kind = kind if _body(node) else None
    elif node.type in {"declaration", "field_declaration"}:  # in a body `T x(y);` is a variable
        kind = kind if parent not in {"function", "method"} and _is_prototype(node) else None
    return "method" if kind == "function" and parent in _WITH_METHODS else kind


def _is_prototype(node: Node) -> bool:
    """Whether a declaration of C or C++ is one of a function, not of a variable that points to one."""
    declarator = node.child_by_field_name("declarator")
    while declarator and declarator.type in {"pointer_declarator", "reference_declarator"}:
        declarator = declarator.child_by_field_name("declarator") or _last_named(declarator)
    if declarator is None or declarator.type != "function_declarator":
        return declarator is not None and declarator.type == "operator_cast"
    inner = declarator.child_by_field_name("declarator")
    return inner is not None and inner.type != "parenthesized_declarator"


def _last_named(node: Node) -> Node | None:
    return node.named_child(node.named_child_count - 1) if node.named_child_count else None


def _name(node: Node, source: bytes) -> str:
    """The name of a definition, in Go with the type that a method is on; empty where it has none."""
    fields = ("name", "declarator", "left", "property", "type")
    found = next((child for name in fields if (child := node.child_by_field_name(name))), None)
    name = _bare(found, source) if found else ""
    receiver = node.child_by_field_name("receiver")
    if name and receiver and (parameter := _last_named(receiver)):
        on = parameter.child_by_field_name("type")
        return f"{_bare(on, source)}.{name}" if on else name
    return name


def _bare(node: Node, source: bytes) -> str:
    """The name in a declarator or a type, without what is around it."""
    while node.type in _AROUND_NAMES or node.type.endswith("_declarator"):
        inner = (
            node.child_by_field_name("declarator") or node.child_by_field_name("type") or _last_named(node)
        )
        if inner is None:
            break
        node = inner
    text = _one_line(source[node.start_byte : min(node.end_byte, node.start_byte + SIGNATURE_CHARACTERS)])
    if node.type == "operator_cast":
        text = text.partition("(")[0]
    return text.strip("'\"").replace("::", ".")


def _body(node: Node) -> Node | None:
    """What a signature leaves out."""
    for name in ("body", "accessors"):
        if body := node.child_by_field_name(name):
            return body
    for name in ("value", "right", "type"):
        inner = node.child_by_field_name(name)
        if inner and (body := inner.child_by_field_name("body")):
            return body
        if inner and inner.type in {"struct_type", "interface_type"}:  # Go's, whose body has no field's name
            return inner.child(1)
    return None


def _signature(node: Node, outer: Node, source: bytes) -> str:
    """``outer`` without decorators and comments, as far as the body of ``node``, on one line."""
    body = _body(node)
    start = _after_decorators(outer)
    end = body.start_byte if body else node.end_byte
    stop = min(end, start + 4 * SIGNATURE_CHARACTERS)
    pieces = []
    for _, inner in _walk(outer, lambda inner: inner.start_byte < stop):
        if "comment" in inner.type and inner.start_byte >= start:
            pieces.append(source[start : min(inner.start_byte, stop)])
            start = inner.end_byte
    pieces.append(source[start:stop])
    if body and node.type == "type_definition":  # C's, whose name comes last
        pieces += [b"{...}", source[body.end_byte : min(node.end_byte, body.end_byte + SIGNATURE_CHARACTERS)]]
    text = _one_line(b" ".join(pieces))
    is_cut = stop < end or len(text) > SIGNATURE_CHARACTERS
    return text[: SIGNATURE_CHARACTERS - 1] + "…" if is_cut else text


def _one_line(source: bytes) -> str:
    return " ".join(source.decode("utf-8", "ignore").split())


def _after_decorators(node: Node) -> int:
    """The byte at which ``node`` begins but for its decorators."""
    cursor = node.walk()
    if not cursor.goto_first_child():
        return node.start_byte
    while (child := cursor.node) is not None:
        if child.type == "modifiers" and cursor.goto_first_child():  # Java's, annotations among them
            continue
        if child.type not in _DECORATORS and "comment" not in child.type:
            return child.start_byte
        if not cursor.goto_next_sibling() and not (cursor.goto_parent() and cursor.goto_next_sibling()):
            break
    return node.start_byte


def _last_row(node: Node) -> int:
    """The row of the last character: a node may end with the line break."""
    end = node.end_point
    return end.row - (end.column == 0 and end.row > node.start_point.row)
