"""OpenAI's own API, and what every compatible server shares with it."""

import base64
import json
import struct

from .story import CALL_ID, PROMPT_TOKENS, Script, Story, of_chat, vector

USAGE_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
    },
}


class OpenAi:
    """Answers as another model name than it was asked for, wants its key and refuses what the real service refuses."""

    kind = "openai"
    root = "/v1"
    key = "sk-upstream-openai-5d2f"
    served = {"gpt-live": "gpt-live-2026-05-01", "embed-live": "embed-live"}
    reasoning_field = ""
    piece = 0  # bytes per write; 0 = one write per event
    preamble = b""  # before a JSON answer
    headers = {
        "x-request-id": "upstream-1", "openai-processing-ms": "3", "openai-version": "2020-10-01",
        "set-cookie": "upstream=1; path=/", "x-ratelimit-remaining-requests": "4999", "server": "cloudflare",
    }

    def handle(self, exchange):
        """Answers one request."""
        if exchange.method == "GET" and exchange.path == f"{self.root}/models":
            return exchange.json(200, self.models())
        if self.key and exchange.headers.get("authorization") != f"Bearer {self.key}":
            return exchange.json(*self.refusal("denied"))
        routes = {
            f"{self.root}/chat/completions": self.chat,
            f"{self.root}/completions": self.completions,
            f"{self.root}/embeddings": self.embeddings,
        }
        route = routes.get(exchange.path) if exchange.method == "POST" else None
        if route is None:
            return exchange.json(*self.refusal("route"))
        if complaint := self.complaint(exchange.body):
            return exchange.json(*self.refusal("invalid", complaint))
        if exchange.body.get("model") not in self.served:
            return exchange.json(*self.refusal("model"))
        return route(exchange)

    def models(self):
        """The catalogue."""
        return {"object": "list", "data": [
            {"id": name, "object": "model", "created": 1700000000, "owned_by": "system"} for name in self.served
        ]}

    def refusal(self, why, detail=""):
        """Status, error body and headers for a request that fails before any answer."""
        status, message, kind, code = {
            "denied": (401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
            "route": (404, "Invalid URL", "invalid_request_error", "unknown_url"),
            "model": (404, "The model does not exist", "invalid_request_error", "model_not_found"),
            "invalid": (400, detail, "invalid_request_error", "invalid_value"),
            "toolong": (400, "Your input exceeds the limit.", "invalid_request_error", "context_length_exceeded"),
            "busy": (429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
            "crash": (500, "The server had an error", "server_error", None),
        }[why]
        headers = {"retry-after": "120"} if why == "busy" else {}
        return status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers

    def complaint(self, body):
        """What a strict server has against the request, if anything."""
        if body.get("stream_options") and not body.get("stream"):
            return "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        if body.get("tools") == []:
            return "[] is too short - 'tools'"
        for message in body.get("messages", []):
            for call in message.get("tool_calls") or []:
                if not isinstance(call["function"]["arguments"], str) or not call["id"]:
                    return "tool_calls need an id and arguments as a string"
            if message["role"] == "tool" and not message.get("tool_call_id"):
                return "Missing parameter 'messages[].tool_call_id'"
        return ""

    def answer(self, exchange, story, whole, script):
        """Plays a story: as a refusal, as one object or as a stream."""
        if story.fault == "silent":
            return exchange.hold()
        if story.fault in ("toolong", "denied", "crash", "busy"):
            return exchange.json(*self.refusal(story.fault))
        if not exchange.body.get("stream"):
            return exchange.json(200, whole(story, exchange.body))
        return exchange.play("text/event-stream; charset=utf-8", script(story, exchange.body), story.fault)

    # Chat

    def chat(self, exchange):
        """POST /chat/completions."""
        body = exchange.body
        shaped = (body.get("response_format") or {}).get("type") == "json_schema"
        story = of_chat(self.kind, body["messages"], body.get("tools"), shaped)
        return self.answer(exchange, story, self.chat_whole, self.chat_script)

    def chat_whole(self, story, body):
        """The answer as one object."""
        message = {"role": "assistant", "content": story.text or None, **self.message_extras(story)}
        if story.calls:
            message["tool_calls"] = [self.call(place, *call) for place, call in enumerate(story.calls)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(story)}
        return {**self.envelope("chat.completion", body), "choices": [choice], "usage": self.usage(story)}

    def message_extras(self, story):
        """Members of a whole message beside role, content and tool_calls."""
        return {"refusal": None, "annotations": []}

    def call(self, place, name, town):
        """One complete tool call."""
        arguments = json.dumps({"town": town}, ensure_ascii=False)
        return {"id": self.call_id(place), "type": "function", "function": {"name": name, "arguments": arguments}}

    def call_id(self, place):
        """The id of the call with this number."""
        return CALL_ID.format("ab" if place == 0 else "cd")

    def chat_script(self, story, body):
        """The answer as a stream."""
        head = [self.chunk(body, self.opening(story))]
        head += [self.chunk(body, {self.reasoning_field: word}) for word in Story(text=story.reasoning).words]
        deltas = [{"content": word} for word in story.words]
        for place, call in enumerate(story.calls):
            deltas += self.call_deltas(self.call(place, *call), place)
        tail = [self.chunk(body, self.closing(), finish(story)), *self.usage_events(story, body), *self.done()]
        return Script(head, [self.chunk(body, delta) for delta in deltas], tail, self.stream_error(body))

    def opening(self, story):
        """The first delta."""
        return {"role": "assistant", "content": None if story.calls else "", "refusal": None}

    def closing(self):
        """The last delta, which carries the finish reason."""
        return {}

    def call_deltas(self, call, place):
        """A tool call in fragments: id, type and name once, then the arguments in two parts."""
        arguments = call["function"]["arguments"]
        opening = {"index": place, **call, "function": {**call["function"], "arguments": ""}}
        rest = [{"index": place, "function": {"arguments": part}} for part in (arguments[:5], arguments[5:])]
        return [{"tool_calls": [delta]} for delta in (opening, *rest)]

    def chunk(self, body, delta, reason=None):
        """One chat event."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self.event({**self.envelope("chat.completion.chunk", body), "choices": [choice], **self.padding(body)})

    def padding(self, body):
        """What rides on each chunk: usage is null only when it was asked for."""
        return {"obfuscation": "x7Kq", **({"usage": None} if wants_usage(body) else {})}

    # Both generations

    def envelope(self, kind, body):
        """The members that every answer begins with."""
        name = self.served[body["model"]]
        prefix = "chatcmpl-" if kind.startswith("chat") else "cmpl-"
        return {"id": prefix + "Up1", "object": kind, "created": 1760000000, "model": name, "system_fingerprint": "fp_1"}

    def usage(self, story):
        """Token counts."""
        total = {"completion_tokens": story.tokens, "total_tokens": PROMPT_TOKENS + story.tokens}
        return {"prompt_tokens": PROMPT_TOKENS, **total, **USAGE_DETAILS}

    def usage_events(self, story, body):
        """The usage event, when the client asked."""
        kind = "chat.completion.chunk" if "messages" in body else "text_completion"
        chunk = {**self.envelope(kind, body), "choices": [], "usage": self.usage(story)}
        return [self.event(chunk)] if wants_usage(body) else []

    def event(self, data):
        """One server-sent event."""
        return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"

    def done(self):
        """The end of every stream."""
        return [b"data: [DONE]\n\n"]

    def stream_error(self, body):
        """What a failing stream ends with."""
        error = {"message": "The server had an error", "type": "server_error", "param": None, "code": None}
        return [self.event({"error": error})]

    # Completions and embeddings

    def completions(self, exchange):
        """POST /completions."""
        story = of_chat(self.kind, [{"role": "user", "content": exchange.body["prompt"]}], None, False)
        return self.answer(exchange, story, self.text_whole, self.text_script)

    def text_whole(self, story, body):
        """The legacy answer as one object."""
        choice = {"text": story.text, "index": 0, "logprobs": None, "finish_reason": "stop"}
        return {**self.envelope("text_completion", body), "choices": [choice], "usage": self.usage(story)}

    def text_script(self, story, body):
        """The legacy answer as a stream."""
        tail = [self.text_chunk(body, "", "stop"), *self.usage_events(story, body), *self.done()]
        return Script([], [self.text_chunk(body, word) for word in story.words], tail, self.stream_error(body))

    def text_chunk(self, body, text, reason=None):
        """One legacy event."""
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
        return self.event({**self.envelope("text_completion", body), "choices": [choice], **self.padding(body)})

    def embeddings(self, exchange):
        """POST /embeddings."""
        given = exchange.body["input"]
        texts = [given] if isinstance(given, str) else given
        data = [
            {"object": "embedding", "index": place, "embedding": self.encode(vector(text), exchange.body)}
            for place, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
        name = self.served[exchange.body["model"]]
        return exchange.json(200, {"object": "list", "data": data, "model": name, "usage": usage})

    def encode(self, numbers, body):
        """A vector in the format the client asked for."""
        if body.get("encoding_format") == "base64":
            return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        return numbers


def wants_usage(body):
    """Whether the client asked for usage in the stream."""
    return bool((body.get("stream_options") or {}).get("include_usage"))


def finish(story):
    """The reason the model stopped."""
    return "tool_calls" if story.calls else "stop"
