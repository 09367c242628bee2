"""How the tests ask a strict server: through the real openai client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai import OpenAI

if TYPE_CHECKING:
    from strict_openai import StrictServer

CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def client_of(server: StrictServer, *, key: str | None = None, timeout: float = 10.0) -> OpenAI:
    return OpenAI(base_url=server.base_url, api_key=key or server.key, max_retries=0, timeout=timeout)


def ask(client: OpenAI, text: str = "Hello", **arguments: Any) -> Any:
    arguments = {"model": "schemed", "messages": [{"role": "user", "content": text}], **arguments}
    return client.chat.completions.create(**arguments)


def streamed(client: OpenAI, text: str = "Hello", **arguments: Any) -> list[Any]:
    return list(ask(client, text, stream=True, stream_options={"include_usage": True}, **arguments))


def text_in(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def closed(**properties: Any) -> dict[str, Any]:
    return CLOSED | {"properties": properties, "required": list(properties)}


def json_schema(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "rows", "strict": True, "schema": schema, **more}}
