"""Scripted upstreams of all kinds on free ports, and a control port that tells the suites what the upstreams saw.

`python3 upstreams.py` starts them and prints their addresses.
"""

import json
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from wire import KINDS

TICK = 0.02
PATIENCE = 60  # seconds after which an upstream stops waiting for its caller to leave


class Journal:
    """Every request that reached an upstream, and whether the caller is still there."""

    def __init__(self):
        self.entries = []
        self.changed = threading.Condition()

    def open(self, kind, request_line, headers, body):
        """Notes a request. It is open until `close`."""
        entry = {"kind": kind, "request": request_line, "headers": headers, "body": body, "state": "open"}
        with self.changed:
            self.entries.append(entry)
            self.changed.notify_all()
        return entry

    def close(self, entry, state):
        """Notes how a request ended: `done` when it was answered, `gone` when the caller hung up."""
        with self.changed:
            if entry["state"] == "open":
                entry["state"] = state
            self.changed.notify_all()

    def wait(self, marker, states, within):
        """Whether, in time, a request with this marker is there and all such requests are in one of the states."""

        def settled():
            found = [entry["state"] for entry in self.entries if marker in entry["body"]]
            return bool(found) and all(state in states for state in found)

        with self.changed:
            return self.changed.wait_for(settled, within)

    def leaks(self, secrets):
        """Where one of these secrets reached an upstream."""
        with self.changed:
            return [
                f"{entry['kind']} {entry['request']}"
                for entry in self.entries
                if any(secret in json.dumps(entry["headers"]) or secret in entry["body"] for secret in secrets)
            ]


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with persistent connections, and one write per event."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """The journal is the log."""

    def version_string(self):
        return "scripted"

    def text(self, status, text):
        """Answers with plain text."""
        self.whole(status, "text/plain; charset=utf-8", text.encode())

    def whole(self, status, content_type, body, headers=None):
        """Answers with a body of known length."""
        self.send_response_only(status)
        for name, value in {**(headers or {}), "content-type": content_type, "content-length": len(body)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Exchange(Handler):
    """One request to an upstream, with the ways in which a wire format can answer it."""

    def do_GET(self):
        """Serves a request of any method."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0)) if not self.chunked() else self.chunks()
        self.method, self.path = self.command, unquote(urlsplit(self.path).path)
        self.body = json.loads(raw) if raw else None
        entry = self.server.journal.open(self.server.wire.kind, self.requestline, dict(self.headers), raw.decode())
        self.gone = False
        try:
            self.server.wire.handle(self)
        except OSError:
            self.gone = self.close_connection = True
        self.server.journal.close(entry, "gone" if self.gone else "done")

    do_POST = do_HEAD = do_GET

    def chunked(self):
        """Whether the request body comes in chunks."""
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    def chunks(self):
        """Reads a chunked request body."""
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def json(self, status, body, headers=None):
        """Answers with JSON, or with HTML when the wire format's error is a page."""
        wire = self.server.wire
        page = isinstance(body, str)
        data = body.encode() if page else wire.preamble + json.dumps(body, ensure_ascii=False).encode()
        content_type = "text/html" if page else "application/json"
        self.whole(status, content_type, data, {**wire.headers, **(headers or {})})

    def play(self, content_type, script, fault):
        """Streams a script, or as much of it as the fault leaves."""
        self.send_response_only(200)
        for name, value in {**self.server.wire.headers, "content-type": content_type}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.send(script.head + (script.body[:2] if fault else script.body + script.tail))
        if fault == "endless":
            return self.repeat(script.body[0])
        self.send(script.error if fault == "error" else [])
        if fault == "cut":  # the connection closes without the chunk that ends the body
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")
        return None

    def send(self, events):
        """Writes each event at once, in one piece or in many."""
        for event in events:
            size = self.server.wire.piece or len(event)
            for start in range(0, len(event), size):
                piece = event[start : start + size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def repeat(self, event):
        """Writes the same event until the caller hangs up."""
        self.until_gone(lambda: self.send([event]))

    def hold(self):
        """Says nothing until the caller hangs up."""
        self.until_gone(lambda: None)

    def until_gone(self, act):
        """Acts at every tick until the caller hangs up, or for as long as anybody would wait."""
        self.close_connection = True
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up and not self.gone:
            act()
            self.gone = self.hung_up(TICK)

    def hung_up(self, within):
        """Whether the caller closes the connection in this time."""
        if not select.select([self.connection], [], [], within)[0]:
            return False
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True


class Control(Handler):
    """`/seen` and `/gone` wait until a request with the marker has arrived, or has lost its caller."""

    def do_GET(self):
        """Answers `{"ok": bool}`."""
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        states = {"/seen": ("open", "done", "gone"), "/gone": ("gone",)}[address.path]
        found = self.server.journal.wait(query["marker"][0], states, float(query["within"][0]))
        self.whole(200, "application/json", json.dumps({"ok": found}).encode())


class Server(ThreadingHTTPServer):
    """A server on a free port, in threads of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler, journal, wire=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.journal, self.wire = journal, wire
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        """The address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A caller that hangs up between requests is no error; anything else is a mistake in the script."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Upstreams:
    """All kinds, one journal, one control port."""

    def __init__(self):
        self.journal = Journal()
        self.servers = {kind: Server(Exchange, self.journal, wire()) for kind, wire in KINDS.items()}
        self.control = Server(Control, self.journal)

    def url(self, kind):
        """The base URL to configure: of local servers without a path, to which the gateway adds `/v1` itself."""
        local = kind in ("ollama", "vllm", "llamacpp")
        return self.servers[kind].url + ("" if local else self.servers[kind].wire.root)

    def key(self, kind):
        """The credential this kind asks for, if any."""
        return self.servers[kind].wire.key or None


def main():
    """Serves until interrupted."""
    upstreams = Upstreams()
    for kind in KINDS:
        print(f"{kind:9} {upstreams.url(kind)} {upstreams.key(kind) or ''}")
    print(f"control   {upstreams.control.url}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
