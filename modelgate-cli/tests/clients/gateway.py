"""The gateway under test: started on a free port with an empty database, filled through its admin API."""

import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

START_LIMIT = 30  # seconds
STOP_LIMIT = 40  # seconds; the gateway drains for 30
NAMES = {
    "ollama": ("qwen3:8b", "nomic-embed-text"),
    "vllm": ("Qwen/Qwen3-8B", "BAAI/bge-m3"),
    "llamacpp": ("qwen3-8b-q4", "qwen3-8b-q4"),
    "openai": ("gpt-live", "embed-live"),
    "api3": ("vendor/model-x", "vendor/embed"),
}
LIMITS = {
    "main": {},
    "elsewhere": {"allowed_ips": ["192.0.2.7"]},
    "poor": {"quota": 10},
    "burst_refused": {"rate_limit": 60, "burst": 1},
    "burst_retried": {"rate_limit": 60, "burst": 1},
}


class Gateway:
    """One running gateway."""

    def __init__(self, binary, folder):
        self.admin_key = f"admin-{secrets.token_hex(16)}"
        self.issued = []
        self.exit_code = None
        self.words = []
        self.deaf = socket.socket()  # bound and never listening: connections to it are refused
        self.deaf.bind(("127.0.0.1", 0))
        self.process = subprocess.Popen(
            [binary.resolve(), "serve"], cwd=folder, env=self.environment(folder),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        first = queue.Queue()
        self.readers = [
            threading.Thread(target=self.read, args=(self.process.stdout, first), daemon=True),
            threading.Thread(target=self.read, args=(self.process.stderr, None), daemon=True),
        ]
        for reader in self.readers:
            reader.start()
        self.url = self.address(first)

    def environment(self, folder):
        """Only what the gateway is meant to see: no proxies, no settings of the person who runs the tests."""
        kept = {
            name: value for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith(("MG_", "MODELGATE_"))
        }
        return {
            **kept, "MG_SERVER_HOST": "127.0.0.1", "MG_SERVER_PORT": "0", "MG_SYNC_ON_START": "false",
            "MG_DATABASE_PATH": str(folder / "modelgate.db"), "MG_SECRETS_KEY_FILE": str(folder / "secret.key"),
            "MG_ADMIN_API_KEY": self.admin_key, "MG_LOG_FORMAT": "json",
        }

    def read(self, pipe, first):
        """Keeps what the gateway says; its first line on stdout tells the address."""
        for line in pipe:
            self.words.append(line)
            if first is not None:
                first.put(line)
        if first is not None:
            first.put("")

    def address(self, first):
        """The address on which the gateway says that it listens."""
        try:
            line = first.get(timeout=START_LIMIT)
        except queue.Empty:
            line = ""
        if " is listening on http://" not in line:
            self.stop()
            sys.exit(f"the gateway did not start (exit code {self.exit_code}): {line or self.tail()}")
        return line.split(" is listening on ")[1].strip()

    def create_models(self, upstreams):
        """A chat and an embedding model of every kind, and one whose upstream does not listen."""
        for kind, names in NAMES.items():
            target = {"backend_type": kind, "base_url": upstreams.url(kind), "api_key": upstreams.key(kind)}
            for suffix, upstream_name in zip(("chat:8b", "embed:v1"), names, strict=True):
                self.post("/admin/models", {"name": f"{kind}/{suffix}", "upstream_name": upstream_name, **target})
        for suffix in ("chat:8b", "embed:v1"):
            self.post("/admin/models", {"name": f"echo/{suffix}", "backend_type": "echo"})
        closed = {"backend_type": "api3", "base_url": f"http://127.0.0.1:{self.deaf.getsockname()[1]}/v1"}
        self.post("/admin/models", {"name": "nobody/listens:1", "upstream_name": "m", **closed})

    def create_keys(self, suite):
        """One key for each limit, by the limit's name."""
        keys = {}
        for name, limits in LIMITS.items():
            asked = {"name": f"{suite}-{name}", "quota": None, "rate_limit": None, **limits}
            keys[name] = self.post("/admin/keys", asked)["key"]
        self.issued += keys.values()
        return keys

    def post(self, path, body):
        """Creates something through the admin API."""
        headers = {"authorization": f"Bearer {self.admin_key}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, text = refusal.code, refusal.read()
        if status != 201:
            sys.exit(f"POST {path} {json.dumps(body)} was answered {status}: {text.decode(errors='replace')}")
        return json.loads(text)

    def stop(self):
        """Asks the gateway to stop, and ends it if it does not."""
        if self.exit_code is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.exit_code = -1
        for reader in self.readers:
            reader.join()

    def log(self):
        """Everything the gateway has said."""
        return "".join(self.words)

    def tail(self):
        """The end of it."""
        return "".join(self.words[-40:])
