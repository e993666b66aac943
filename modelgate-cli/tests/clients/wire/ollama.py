"""Ollama's native API: NDJSON streams, arguments as objects, errors as strings, `stream` on unless told otherwise."""

import ipaddress
import json

from .story import PROMPT_TOKENS, Script, Story, of_chat, vector

MODELS = {
    "qwen3:8b": ["completion", "tools", "thinking"],
    "nomic-embed-text:latest": ["embedding"],
}
NESTED = {"error": {
    "code": 400, "message": "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096,
}}
REFUSALS = {
    "toolong": (400, {"error": json.dumps(NESTED)}, {}),
    "denied": (401, {"error": "unauthorized", "signin_url": "https://ollama.example/connect"}, {}),
    "crash": (500, {"error": "llama runner process has terminated: exit status 2"}, {}),
    "busy": (429, {"error": "you have reached your hourly usage limit"}, {"retry-after": "120"}),
}


class Ollama:
    """Bound to loopback it refuses foreign Host and Origin headers; wrong option types are its own fault, a 500."""

    kind = "ollama"
    root = ""
    key = ""
    piece = 0
    preamble = b""
    headers = {}

    def handle(self, exchange):
        """Answers one request."""
        if not local(exchange.headers.get("host", "")) or exchange.headers.get("origin"):
            return exchange.text(403, "")
        route = {
            ("GET", "/"): lambda: exchange.text(200, "Ollama is running"),
            ("GET", "/api/version"): lambda: exchange.json(200, {"version": "0.32.5"}),
            ("GET", "/api/tags"): lambda: exchange.json(200, {"models": [tag(name) for name in MODELS]}),
            ("GET", "/api/ps"): lambda: exchange.json(200, {"models": []}),
            ("POST", "/api/show"): lambda: self.show(exchange),
            ("POST", "/api/chat"): lambda: self.chat(exchange),
            ("POST", "/api/generate"): lambda: self.generate(exchange),
            ("POST", "/api/embed"): lambda: self.embed(exchange),
        }.get((exchange.method, exchange.path))
        if route is None:
            return exchange.text(404, "404 page not found")
        name = (exchange.body or {}).get("model")
        if exchange.method == "POST" and full(name) not in MODELS:
            return exchange.json(404, {"error": f"model '{name}' not found"})
        return route()

    def show(self, exchange):
        """POST /api/show."""
        capabilities = MODELS[full(exchange.body["model"])]
        info = {"general.architecture": "qwen3", "qwen3.context_length": 40960, "qwen3.embedding_length": 12}
        return exchange.json(200, {"details": DETAILS, "model_info": info, "capabilities": capabilities})

    def chat(self, exchange):
        """POST /api/chat."""
        body = exchange.body
        if complaint := complain(body):
            return exchange.json(*complaint)
        story = of_chat(self.kind, body["messages"], body.get("tools"), isinstance(body.get("format"), dict))
        return self.answer(exchange, story, lambda **given: {"message": {"role": "assistant", "content": "", **given}})

    def generate(self, exchange):
        """POST /api/generate."""
        if not isinstance(exchange.body["prompt"], str):
            return exchange.json(400, {"error": "json: cannot unmarshal array into Go struct field .prompt of type string"})
        if complaint := complain(exchange.body):
            return exchange.json(*complaint)
        story = of_chat(self.kind, [{"role": "user", "content": exchange.body["prompt"]}], None, False)
        return self.answer(exchange, story, lambda content="", **given: {"response": content, **given})

    def answer(self, exchange, story, shape):
        """Plays a story: as a refusal, as one object or as a stream (the default)."""
        body = exchange.body
        if story.fault == "silent":
            return exchange.hold()
        oversized_but_cut = story.fault == "toolong" and body.get("truncate") is not False
        if story.fault in REFUSALS and not oversized_but_cut:
            return exchange.json(*REFUSALS[story.fault])
        if body.get("stream", True):
            return exchange.play("application/x-ndjson", script(story, body, shape), story.fault)
        calls = {"tool_calls": [call for place in range(len(story.calls)) for call in tool_calls(story, place)]}
        thought = {"thinking": story.reasoning} if story.reasoning else {}
        message = shape(content=story.text, **thought, **(calls if story.calls else {}))
        return exchange.json(200, {**stamp(body), **message, "done": True, **metrics(story)})

    def embed(self, exchange):
        """POST /api/embed."""
        given = exchange.body["input"]
        texts = [given] if isinstance(given, str) else given
        if not all(isinstance(text, str) for text in texts):
            return exchange.json(400, {"error": "invalid input type"})
        answer = {"model": exchange.body["model"], "embeddings": [vector(text) for text in texts]}
        return exchange.json(200, {**answer, "total_duration": 14143917, "prompt_eval_count": PROMPT_TOKENS})


def script(story, body, shape):
    """A stream: thinking first; a first tool call on a line of its own, a second one on the last line."""
    def line(**given):
        return json.dumps({**stamp(body), **shape(**given), "done": False}, ensure_ascii=False).encode() + b"\n"

    head = [line(thinking=word) for word in Story(text=story.reasoning).words]
    lines = [line(content=word) for word in story.words]
    if story.calls:
        lines.append(line(tool_calls=tool_calls(story, 0)))
    late = {"tool_calls": tool_calls(story, 1)} if len(story.calls) > 1 else {}
    last = json.dumps({**stamp(body), **shape(**late), "done": True, **metrics(story)}).encode() + b"\n"
    return Script(head, lines, [last], [b'{"error":"model runner has unexpectedly stopped"}\n'])


def tool_calls(story, place):
    """One call, complete, with an object as arguments; the index is always 0 and only the first has an id."""
    name, town = story.calls[place]
    call = {"function": {"index": 0, "name": name, "arguments": {"town": town}}}
    return [{"id": "call_ab12cd34", **call} if place == 0 else call]


def complain(body):
    """What the server's decoder has against the request, if anything."""
    options = body.get("options") or {}
    if not isinstance(options.get("stop", []), list):
        return 500, {"error": "option \"stop\" must be of type array"}, {}
    if not isinstance(body.get("think", False), bool) and body["think"] not in ("low", "medium", "high", "max"):
        return 400, {"error": f"invalid think value: {body['think']!r}"}, {}
    for message in body.get("messages", []):
        if not isinstance(message.get("content", ""), str):
            return 400, {"error": "json: cannot unmarshal array into Go struct field .messages.content of type string"}, {}
        for call in message.get("tool_calls") or []:
            if not isinstance(call["function"]["arguments"], dict):
                return 400, {"error": "json: cannot unmarshal string into Go struct field .arguments"}, {}
    return None


def local(host):
    """Whether a server bound to loopback accepts this Host header."""
    name = host.rsplit(":", 1)[0].strip("[]")
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return ipaddress.ip_address(name).is_private
    except ValueError:
        return False


def full(name):
    """A model name with its tag."""
    return name if ":" in name else f"{name}:latest"


def stamp(body):
    """What every line begins with."""
    return {"model": body["model"], "created_at": "2026-08-01T10:00:00.123456789+02:00"}


def metrics(story):
    """What the last line adds. Counters of zero are left out by the server."""
    return {"done_reason": "stop", "total_duration": 174560334, "load_duration": 101397084,
            "prompt_eval_count": PROMPT_TOKENS, "prompt_eval_duration": 13074791,
            "eval_count": story.tokens, "eval_duration": 52479709}


DETAILS = {
    "parent_model": "", "format": "gguf", "family": "qwen3", "families": ["qwen3"],
    "parameter_size": "8.2B", "quantization_level": "Q4_K_M",
}


def tag(name):
    """One entry of /api/tags."""
    return {"name": name, "model": name, "modified_at": "2026-07-01T10:00:00.5+02:00", "size": 5225388164,
            "digest": "500a1f067a9f", "details": DETAILS, "capabilities": MODELS[name]}
