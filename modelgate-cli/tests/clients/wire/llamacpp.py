"""llama-server: any model name works, comments keep the stream alive, timings ride on the last chunk."""

from .openai import OpenAi
from .story import PROMPT_TOKENS, Script


class LlamaCpp(OpenAi):
    """Errors have no param and a number as code; a failing stream just ends after the error."""

    kind = "llamacpp"
    key = "llama-upstream-key-27de"
    alias = "qwen3-8b-q4"
    reasoning_field = "reasoning_content"
    headers = {"server": "llama.cpp"}

    def __init__(self):
        self.served = AnyName(self.alias)

    def models(self):
        meta = {"vocab_type": 2, "n_vocab": 151936, "n_ctx": 4096, "n_ctx_train": 40960, "n_embd": 4096}
        listed = {"id": self.alias, "object": "model", "created": 1760000000, "owned_by": "llamacpp", "meta": meta}
        tagged = {"name": self.alias, "model": self.alias, "capabilities": ["completion"]}
        return {"models": [tagged], "object": "list", "data": [listed]}

    def refusal(self, why, detail=""):
        status, message, kind = {
            "denied": (401, "Invalid API Key", "authentication_error"),
            "route": (404, "File Not Found", "not_found_error"),
            "invalid": (400, detail, "invalid_request_error"),
            "toolong": (400, "the request exceeds the available context size", "exceed_context_size_error"),
            "crash": (500, "failed to process image", "server_error"),
        }[why]
        extra = {"n_prompt_tokens": 9000, "n_ctx": 4096} if why == "toolong" else {}
        return status, {"error": {"code": status, "message": message, "type": kind, **extra}}, {}

    def message_extras(self, story):
        return {"reasoning_content": story.reasoning} if story.reasoning else {}

    def call_id(self, place):
        return ("Zk3v9QpXr1LwT8sB" * 2)[place:] + "0" * place

    def chat_whole(self, story, body):
        return {**super().chat_whole(story, body), "timings": timings(story)}

    def chat_script(self, story, body):
        script = super().chat_script(story, body)
        return Script([b":\n\n", *script.head], script.body, script.tail, script.error)

    def opening(self, story):
        return {"role": "assistant", "content": None}

    def usage_events(self, story, body):
        events = super().usage_events(story, body)
        if not events:
            return []
        kind = "chat.completion.chunk" if "messages" in body else "text_completion"
        last = {**self.envelope(kind, body), "choices": [], "usage": self.usage(story), "timings": timings(story)}
        return [self.event(last)]

    def padding(self, body):
        return {}

    def usage(self, story):
        usage = super().usage(story)
        return {name: usage[name] for name in ("completion_tokens", "prompt_tokens", "total_tokens")}

    def stream_error(self, body):
        error = {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}
        return [self.event({"error": error})]


class AnyName(dict):
    """The model name of a request is ignored: every name is answered by the one alias."""

    def __init__(self, alias):
        super().__init__()
        self.alias = alias

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return self.alias


def timings(story):
    """The server's own measurements."""
    return {"cache_n": 0, "prompt_n": PROMPT_TOKENS, "prompt_ms": 8.5, "predicted_n": story.tokens, "predicted_ms": 40.25}
