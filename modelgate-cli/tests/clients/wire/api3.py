"""A third party that deviates wherever compatible servers have been seen to deviate."""

import json

from .openai import OpenAi
from .story import Script


class Api3(OpenAi):
    """CRLF, comments, ids, no blank line at the end, events split anywhere, roles and ids repeated, floats for base64."""

    kind = "api3"
    root = "/openai/v1"
    key = "third-party-upstream-key-0c44"
    served = {"vendor/model-x": "vendor/model-x:free", "vendor/embed": "vendor/embed"}
    reasoning_field = "reasoning_content"
    piece = 7
    preamble = b"\n\n  \n"
    headers = {"server": "edge", "x-vendor-region": "eu"}

    def refusal(self, why, detail=""):
        status, body = {
            "denied": (403, {"message": "key not valid for this project"}),
            "route": (404, {"detail": "Not Found"}),
            "model": (404, {"error": "no such model"}),
            "invalid": (400, [{"error": {"code": 400, "message": detail, "status": "INVALID_ARGUMENT"}}]),
            "toolong": (400, {"detail": "prompt is too long: 9000 tokens > 4096 maximum"}),
            "busy": (429, {"error": {"message": "slow down", "code": 429}}),
            "crash": (502, "<html><body><h1>502 Bad Gateway</h1></body></html>"),
        }[why]
        return status, body, {"retry-after": "120"} if why == "busy" else {}

    def message_extras(self, story):
        return {"reasoning_content": story.reasoning} if story.reasoning else {}

    def chat_whole(self, story, body):
        whole = super().chat_whole(story, body)
        whole["choices"][0]["native_finish_reason"] = "STOP"
        return {**whole, "provider": "Vendor"}

    def chat_script(self, story, body):
        """An Azure-like first event with nothing in it, behind a comment."""
        script = super().chat_script(story, body)
        empty = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": []}
        head = [b": VENDOR PROCESSING\r\n\r\n", self.event(empty), *script.head]
        return Script(head, script.body, script.tail, script.error)

    def chunk(self, body, delta, reason=None):
        """The role is in every delta."""
        return super().chunk(body, {"role": "assistant", **delta}, reason)

    def call_deltas(self, call, place):
        """The first call repeats id and name in each fragment; a later one comes whole and without index."""
        if place:
            return [{"tool_calls": [call]}]
        function = call["function"]
        parts = (function["arguments"][:4], function["arguments"][4:])
        return [
            {"tool_calls": [{"index": 0, **call, "function": {"name": function["name"], "arguments": part}}]}
            for part in parts
        ]

    def padding(self, body):
        return {"provider": "Vendor"}

    def event(self, data):
        text = json.dumps(data, ensure_ascii=False).encode()
        return b"id: 7\r\nretry: 3000\r\ndata:" + text + b"\r\n\r\n: still here\r\n\r\n"

    def done(self):
        return [b"data: [DONE]"]

    def stream_error(self, body):
        """The error rides on a chunk that also finishes."""
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        error = {"code": 502, "message": "Provider disconnected"}
        return [self.event({**self.envelope("chat.completion.chunk", body), "error": error, "choices": [choice]})]

    def encode(self, numbers, body):
        """Ignores the format that was asked for."""
        return numbers
