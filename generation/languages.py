"""The languages whose grammars are at hand: a row a language, so that one more is one row more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_JAVASCRIPT = """
    class=class_declaration function=function_declaration,generator_function_declaration
    method=method_definition value=variable_declarator,assignment_expression"""
_TYPESCRIPT = f"""{_JAVASCRIPT} value=public_field_definition
    class=class_declaration,abstract_class_declaration interface=interface_declaration enum=enum_declaration
    type=type_alias_declaration namespace=internal_module,module function=function_signature
    method=method_signature,abstract_method_signature"""
_C = """
    struct=struct_specifier union=union_specifier enum=enum_specifier type=type_definition
    macro=preproc_function_def function=function_definition,declaration,field_declaration"""
# A language a row: its name, its files' suffixes, its grammar as module:function, kind=the node types that define one.
# A .h is either C's or C++'s, whose grammar reads nearly all of C. `value` is what the value says (_VALUES).
_TABLE = f"""
python .py .pyi .pyw tree_sitter_python:language
    class=class_definition function=function_definition type=type_alias_statement
javascript .js .jsx .mjs .cjs tree_sitter_javascript:language {_JAVASCRIPT} value=field_definition
typescript .ts .mts .cts tree_sitter_typescript:language_typescript {_TYPESCRIPT}
tsx .tsx tree_sitter_typescript:language_tsx {_TYPESCRIPT}
go .go tree_sitter_go:language
    function=function_declaration method=method_declaration,method_elem type=type_spec,type_alias
rust .rs tree_sitter_rust:language
    struct=struct_item enum=enum_item union=union_item trait=trait_item impl=impl_item module=mod_item
    function=function_item,function_signature_item type=type_item macro=macro_definition
java .java tree_sitter_java:language
    class=class_declaration interface=interface_declaration,annotation_type_declaration enum=enum_declaration
    record=record_declaration
    method=method_declaration,constructor_declaration,compact_constructor_declaration
c .c tree_sitter_c:language {_C}
cpp .cpp .cc .cxx .hpp .hh .hxx .h tree_sitter_cpp:language {_C}
    class=class_specifier namespace=namespace_definition type=alias_declaration concept=concept_definition
csharp .cs tree_sitter_c_sharp:language
    class=class_declaration interface=interface_declaration struct=struct_declaration record=record_declaration
    enum=enum_declaration delegate=delegate_declaration property=property_declaration
    namespace=namespace_declaration,file_scoped_namespace_declaration function=local_function_statement
    method=method_declaration,constructor_declaration,destructor_declaration
ruby .rb .rake .gemspec .ru tree_sitter_ruby:language
    class=class module=module function=method,singleton_method
php .php .phtml tree_sitter_php:language_php
    class=class_declaration interface=interface_declaration trait=trait_declaration enum=enum_declaration
    namespace=namespace_definition function=function_definition method=method_declaration
bash .sh .bash tree_sitter_bash:language
    function=function_definition
css .css tree_sitter_css:language
html .html .htm tree_sitter_html:language
json .json .jsonc tree_sitter_json:language
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """A language of the table: ``loader`` is its grammar as module:function, ``kinds`` what a node type defines."""

    name: str
    suffixes: tuple[str, ...]
    loader: str
    kinds: Mapping[str, str]


def _read(row: str) -> Grammar:
    name, *words = row.split()
    pairs = [word.split("=") for word in words if "=" in word]
    return Grammar(
        name=name,
        suffixes=tuple(word for word in words if word.startswith(".")),
        loader=next(word for word in words if ":" in word),
        kinds={node_type: kind for kind, types in pairs for node_type in types.split(",")},
    )


LANGUAGES = [_read(row) for row in re.split(r"\n(?=\w)", _TABLE.strip())]
_BY_SUFFIX = {suffix: row for row in LANGUAGES for suffix in row.suffixes}


def grammar_of(path: str) -> Grammar | None:
    """The grammar for the suffix of ``path``, in lower case; None where there is none."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower())


def suffix_named(word: str) -> str:
    """The suffix of a language's files, for its name or a suffix of its own; empty where it is not known.

    >>> suffix_named("Python"), suffix_named("tsx"), suffix_named("brainfuck")
    ('.py', '.tsx', '')
    """
    name = word.lower()
    return next((row.suffixes[0] for row in LANGUAGES if name == row.name or f".{name}" in row.suffixes), "")
