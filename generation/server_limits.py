"""What an OpenAI-compatible server itself says that a model allows.

vLLM names ``max_model_len`` in ``/v1/models``; llama.cpp names ``n_ctx`` in ``/props``, and again with what the
model was trained with in ``/v1/models``; Ollama names the model's length and ``num_ctx`` in ``/api/show``. Where one
server names several, the smallest counts. Replies are data: whatever is not as expected is as good as unsaid.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from generation.limits import UNCOUNTED, ModelLimits

if TYPE_CHECKING:
    import httpx2

SERVER_ENCODING = "server"
PROBE_SECONDS = 5.0
MOST_BYTES = 8_000_000  # Ollama sends licence and template along
_NAMES_SHOWN = 5
_REFUSED_KEY = (401, 403)
_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A server did not say what a model allows; ``reason`` is the start of a line that says so."""

    reason: str


_remembered: dict[tuple[str, str], ModelLimits] = {}


def ask_server(
    base_url: str, name: str, api_key: str | None = None, *, probe_seconds: float = PROBE_SECONDS
) -> ModelLimits | Unsaid:
    """What the server at ``base_url`` says of model ``name``: its window in tokens, and whether it counts them.

    It is asked up to four questions, with ``probe_seconds`` for each, and none after one without an answer.
    An answer is remembered while the process lives, a silence is not. ``encoding`` is ``UNCOUNTED`` where the
    server has no ``/tokenize``. No server names a cap on the reply, so that is the window; prices are 0.
    """
    if (base_url, name) not in _remembered:
        answer = _ask(base_url, name, api_key, probe_seconds)
        if isinstance(answer, Unsaid):
            return answer
        _remembered[base_url, name] = answer
    return _remembered[base_url, name]


def _ask(base_url: str, name: str, api_key: str | None, probe_seconds: float) -> ModelLimits | Unsaid:
    import httpx2  # noqa: PLC0415  # start-up

    shown = _without_password(base_url)
    headers = [(b"Authorization", f"Bearer {api_key}".encode())] if api_key else []
    with httpx2.Client(timeout=probe_seconds, headers=headers) as client:
        server = _Server(client, base_url.rstrip("/").removesuffix("/v1"), probe_seconds)
        served = _dicts(_at(server.ask("GET", "/v1/models"), "data"))
        mine = next((model for model in served if model.get("id") == name), {})
        if window := _smallest(mine.get("max_model_len")):
            counts = server.counts({"model": name, "prompt": "a"})
            return _limits(name, window, f"{shown} (/v1/models: max_model_len)", counts=counts)

        mine = mine or (served[0] if len(served) == 1 else {})  # llama.cpp serves one, whatever it is called
        n_ctx = _at(server.ask("GET", "/props"), "default_generation_settings", "n_ctx")
        meta = _at(mine, "meta")
        if window := _smallest(n_ctx, _at(meta, "n_ctx"), _at(meta, "n_ctx_train")):
            counts = server.counts({"content": "a"})
            where = "/props: n_ctx" if window == n_ctx else "/v1/models: meta"
            return _limits(name, window, f"{shown} ({where})", counts=counts)

        model = server.ask("POST", "/api/show", {"model": name})
        if window := _smallest(*_ollama_lengths(model)):
            return _limits(name, window, f"{shown} (/api/show: context_length, num_ctx)", counts=False)

    if server.failure:
        return Unsaid(f"the server at {shown} {server.failure}")
    names = [model["id"] for model in served if isinstance(model.get("id"), str)]
    if names and name not in names:
        more = ", ..." if len(names) > _NAMES_SHOWN else ""
        return Unsaid(f"the server at {shown} serves {', '.join(map(repr, names[:_NAMES_SHOWN]))}{more}")
    return Unsaid(f"the server at {shown} does not say what it allows")


def _limits(name: str, window: int, source: str, *, counts: bool) -> ModelLimits:
    return ModelLimits(
        name=name,
        context_window=window,
        max_output=window,
        encoding=SERVER_ENCODING if counts else UNCOUNTED,
        usd_per_million_input=0.0,
        usd_per_million_output=0.0,
        source=f"the server at {source}",
        checked_on=datetime.now(UTC).date().isoformat(),
    )


class _Server:
    """One server while it is asked; ``failure`` is why it is not asked any more."""

    def __init__(self, client: httpx2.Client, root: str, probe_seconds: float) -> None:
        self._client = client
        self._root = root
        self._probe_seconds = probe_seconds
        self.failure = ""

    def ask(self, method: Literal["GET", "POST"], path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON it answers with; None for any other answer, and for none."""
        import httpx2  # noqa: PLC0415  # start-up

        if self.failure:
            return None
        try:
            return self._ask(method, path, body)
        except httpx2.ConnectError:
            self.failure = "cannot be reached"
        except httpx2.TimeoutException:
            self.failure = f"did not answer within {self._probe_seconds:g} s"
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            self.failure = "has no address that begins with http:// or https://"
        except (httpx2.HTTPError, ValueError, RecursionError):
            pass  # no JSON: as good as unsaid
        return None

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        import httpx2  # noqa: PLC0415  # start-up

        until = time.monotonic() + self._probe_seconds
        with self._client.stream(method, self._root + path, json=body) as response:
            if response.status_code in _REFUSED_KEY:
                self.failure = f"refuses the key ({response.status_code})"
            if not response.is_success:
                return None
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if time.monotonic() > until:
                    raise httpx2.ReadTimeout("the whole answer took too long")
                if len(content) > MOST_BYTES:
                    return None
        return json.loads(content)

    def counts(self, body: Mapping[str, Any]) -> bool:
        """Whether it turns text into tokens."""
        return isinstance(_at(self.ask("POST", "/tokenize", body), "tokens"), list)


def _ollama_lengths(model: Any) -> list[Any]:
    info = _at(model, "model_info")
    lengths = [info[key] for key in info if key.endswith(".context_length")] if isinstance(info, dict) else []
    parameters = _at(model, "parameters")
    set_to = _NUM_CTX.findall(parameters) if isinstance(parameters, str) else []
    return [*lengths, *map(int, set_to)]


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _smallest(*values: Any) -> int | None:
    """The smallest number of tokens among ``values``."""
    tokens = (
        value for value in values if isinstance(value, int) and not isinstance(value, bool) and value > 0
    )
    return min(tokens, default=None)


def _without_password(url: str) -> str:
    try:
        host = urlsplit(url).netloc
    except ValueError:
        return repr(url)
    return url.replace(host, host.rpartition("@")[2], 1)
