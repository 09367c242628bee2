"""What the served model writes: instances of a JSON schema; and what OpenAI asks of a strict schema.

Both walk a schema as pydantic or a caller writes it: ``instance`` answers with a conforming value,
``strict_faults`` with what OpenAI would refuse. Same schema, same words, same value: every choice is seeded
by the property's path (``rows/0/script``), so one row's text does not depend on which rows stand beside it.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from served_models import ChatRequest

Schema = Mapping[str, Any]
Path = tuple[str, ...]

VOCABULARY = (
    *("morning", "coffee", "budget", "habit", "camera", "garden", "recipe", "market", "story", "studio"),
    *("simple", "honest", "quiet", "bright", "early", "slow", "brave", "local", "fresh", "steady"),
    *("start", "build", "share", "compare", "repeat", "notice", "plan", "answer", "record", "finish"),
    *("with", "before", "after", "without", "because", "until", "every", "one", "your", "this"),
    *("mistake", "lesson", "weekend", "client", "reason", "minute", "promise", "moment", "viewer", "price"),
)
DEFAULT_WORD_COUNT = 4
DEFAULT_WORDS = {"title": 6, "hook": 8, "script": 70, "caption": 12, "hashtags": 1}
ROW_SCHEMA = {
    "properties": {
        **{name: {"type": "string"} for name in ("title", "hook", "script", "caption")},
        "hashtags": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 5},
    }
}
DEEP = 10  # path elements; from here on a recursive schema takes its shortest way out
CANNOT = ("pattern", "format", "prefixItems", "uniqueItems", "multipleOf", "oneOf", "allOf", "not")
NOT_PERMITTED = (
    *("oneOf", "allOf", "not", "if", "then", "else"),
    *("dependentRequired", "dependentSchemas", "patternProperties"),
)


def instance(
    schema: Schema, *, words: Mapping[str, int] | None = None, path: Path = (), root: Schema | None = None
) -> Any:
    """A value that conforms to ``schema``, a part of ``root`` or a whole.

    ``words`` gives the number of words of a string by the name of the property that it stands under.
    ``path`` is where the value will stand, for callers that put several instances into one reply.
    Raises ValueError at a keyword that is not understood, rather than write what does not conform.
    """
    return _Generator(root=root or schema, words=words or {}).value(schema, path)


@dataclass(frozen=True, slots=True)
class _Generator:
    root: Schema
    words: Mapping[str, int]

    def value(self, schema: Schema, path: Path) -> Any:
        schema = self._resolved(schema)
        for keyword in CANNOT:
            if keyword in schema:
                raise ValueError(f"cannot write an instance of {keyword!r} at {'/'.join(path) or 'the root'}")
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return _rng(path).choice(schema["enum"])
        if "anyOf" in schema:
            return self.value(self._branch(schema["anyOf"], path), path)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            return self.value(self._branch([{**schema, "type": one} for one in kind], path), path)
        writers: dict[str, Callable[[Schema, Path], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": _integer,
            "number": _number,
            "boolean": lambda _, path: _rng(path).random() < 0.5,
            "null": lambda _schema, _path: None,
        }
        return writers[kind](schema, path)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            target: Any = self.root
            for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")] if step else target
            schema = {**target, **{key: schema[key] for key in schema if key != "$ref"}}
        return schema

    def _branch(self, branches: list[Schema], path: Path) -> Schema:
        """One branch of a union: not null while there is another; where it is deep, one that ends."""
        resolved = [self._resolved(branch) for branch in branches]
        if len(path) >= DEEP:
            return min(
                resolved, key=lambda one: one.get("type") in ("object", "array") or "properties" in one
            )
        return _rng(path).choice([one for one in resolved if one.get("type") != "null"] or resolved)

    def _object(self, schema: Schema, path: Path) -> dict[str, Any]:
        properties: Schema = schema.get("properties", {})
        required = schema.get("required", [])
        names = [name for name in properties if name in required or len(path) < DEEP]
        value = {name: self.value(properties[name], (*path, name)) for name in names}
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict) and not properties and len(path) < DEEP:
            names = _rng((*path, "additionalProperties")).sample(VOCABULARY, k=2)
            value |= {name: self.value(extra, (*path, name)) for name in names}
        return value

    def _array(self, schema: Schema, path: Path) -> list[Any]:
        low = schema.get("minItems", 0)
        high = schema.get("maxItems", max(low, 1) + 2)
        length = (
            low
            if len(path) >= DEEP
            else _rng(path).randint(min(max(low, 1), high), min(high, max(low, 1) + 2))
        )
        items = self._resolved(schema.get("items", {}))
        if "enum" in items:  # distinct values while there are enough: passage numbers are not cited twice
            choice = _rng(path).sample(items["enum"], k=len(items["enum"]))
            return [choice[index % len(choice)] for index in range(length)]
        return [self.value(items, (*path, str(index))) for index in range(length)]

    def _string(self, schema: Schema, path: Path) -> str:
        name = next((step for step in reversed(path) if not step.isdecimal()), "")
        text = sentence(path, self.words.get(name, DEFAULT_WORD_COUNT))
        while len(text) < schema.get("minLength", 0):
            text = sentence(path, text.count(" ") + 2)
        cut = text[: schema.get("maxLength", len(text))]
        return cut[:-1] + "s" if cut.endswith(" ") else cut


def sentence(path: Path, word_count: int) -> str:
    """``word_count`` everyday words, the same for the same path; a longer one begins with the shorter one."""
    return " ".join(_rng(path).choices(VOCABULARY, k=word_count)).capitalize()


def _rng(path: Path) -> random.Random:
    return random.Random("/".join(path))


def _bounds(schema: Schema, *, step: float) -> tuple[float, float]:
    low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    low = low if low is not None else 1 if high is None else min(1, high)
    return low, high if high is not None else low + 9


def _integer(schema: Schema, path: Path) -> int:
    low, high = _bounds(schema, step=1)
    return _rng(path).randint(math.ceil(low), math.floor(high))


def _number(schema: Schema, path: Path) -> float:
    low, high = _bounds(schema, step=0)
    return low + (high - low) * _rng(path).choice((0.25, 0.5, 0.75))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformingWriter:
    """A model that does as it is told.

    With a response schema it answers with an instance of it; without one, with a row for each key of the
    last line ``Keys: "1", "2"`` of the last message, and in prose where there is no such line.
    ``words`` is the number of words by property name; ``evidence`` gives the passage numbers that a key's
    row cites where no schema says which.
    """

    words: Mapping[str, int] = field(default_factory=lambda: DEFAULT_WORDS)
    evidence: Callable[[ChatRequest, str], Sequence[int]] = lambda _request, _key: [1]

    def __call__(self, request: ChatRequest) -> str:
        wanted = request.response_format or {"type": "text"}
        key_lines = re.findall(r"^Keys: (.+)$", request.last_text, flags=re.MULTILINE)
        value: Any = {"answer": sentence(("answer",), 40)}
        if wanted["type"] == "json_schema":
            value = instance(wanted["json_schema"]["schema"], words=self.words)
        elif key_lines:
            value = {key: self.unit(request, key) for key in re.findall(r'"([^"]+)"', key_lines[-1])}
        elif wanted["type"] == "text":
            return str(value["answer"])
        return json.dumps(value, ensure_ascii=False)

    def unit(self, request: ChatRequest, key: str, *, draft: str = "") -> Any:
        """The member ``key`` of the reply, asked for or not; another ``draft`` has other words."""
        path = (draft, key) if draft else (key,)
        wanted = request.response_format or {"type": "text"}
        if wanted["type"] != "json_schema":
            row = instance(ROW_SCHEMA, words=self.words, path=path)
            return {**row, "evidence": list(self.evidence(request, key))}
        root = wanted["json_schema"]["schema"]
        properties = root["properties"]
        schema = properties.get(key) or next(iter(properties.values()))
        return instance(schema, words=self.words, path=path, root=root)


def strict_faults(schema: Schema) -> Iterator[str]:
    """What OpenAI refuses in the schema of a strict response format, in its own words.

    Only the rules that its documentation names: the root and every object closed and all its properties
    required, no composition besides ``anyOf``, no keyword beside ``$ref``.
    """
    if schema.get("type") != "object":
        yield f"""schema must be a JSON Schema of 'type: "object"', got 'type: "{schema.get("type")}"'."""
    yield from _strict_faults(schema, ())


def _strict_faults(schema: Schema, context: Path) -> Iterator[str]:
    where = f"In context={context}, "
    yield from (f"{where}'{keyword}' is not permitted." for keyword in NOT_PERMITTED if keyword in schema)
    if "$ref" in schema and len(schema) > 1:
        yield f"{where}$ref cannot have keywords {set(schema) - {'$ref'}}."
    if not {"type", "$ref", "anyOf", "enum", "const", *NOT_PERMITTED} & set(schema):
        yield f"{where}schema must have a 'type' key."
    if schema.get("type") == "array" and "items" not in schema:
        yield f"{where}array schema missing items."
    if schema.get("type") == "object" or "properties" in schema:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if schema.get("additionalProperties") is not False:
            yield f"{where}'additionalProperties' is required to be supplied and to be false."
        rule = "'required' is required to be supplied and to be an array including every key in properties."
        yield from (f"{where}{rule} Missing '{name}'." for name in properties if name not in required)
        yield from (
            f"{where}{rule} Extra required key '{name}' supplied."
            for name in required
            if name not in properties
        )
    for keyword in ("properties", "$defs", "definitions"):
        for name, child in schema.get(keyword, {}).items():
            yield from _strict_faults(child, (*context, keyword, name))
    for index, child in enumerate(schema.get("anyOf", [])):
        yield from _strict_faults(child, (*context, "anyOf", str(index)))
    if "items" in schema:
        yield from _strict_faults(schema["items"], (*context, "items"))
