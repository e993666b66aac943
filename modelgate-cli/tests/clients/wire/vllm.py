"""vLLM: absent members are left out, reasoning has its own name, an error in the stream is followed by [DONE]."""

from .openai import OpenAi


class Vllm(OpenAi):
    """One base model; codes of errors are numbers and a wrong key is answered with a bare string."""

    kind = "vllm"
    key = "vllm-upstream-key-91bc"
    served = {"Qwen/Qwen3-8B": "Qwen/Qwen3-8B", "BAAI/bge-m3": "BAAI/bge-m3"}
    reasoning_field = "reasoning"
    headers = {"server": "uvicorn"}

    def models(self):
        return {"object": "list", "data": [
            {"id": name, "object": "model", "created": 1760000000, "owned_by": "vllm", "root": name, "parent": None,
             "max_model_len": 4096, "permission": [{"id": "modelperm-1", "object": "model_permission"}]}
            for name in self.served
        ]}

    def refusal(self, why, detail=""):
        if why == "denied":
            return 401, {"error": "Unauthorized"}, {}
        if why == "route":
            return 404, {"detail": "Not Found"}, {}
        status, message, kind, param = {
            "model": (404, "The model does not exist.", "NotFoundError", "model"),
            "invalid": (400, detail, "BadRequestError", None),
            "toolong": (400, "This model's maximum context length is 4096 tokens.", "BadRequestError", None),
            "crash": (500, "EngineCore encountered an issue.", "InternalServerError", None),
        }[why]
        return status, {"error": {"message": message, "type": kind, "param": param, "code": status}}, {}

    def message_extras(self, story):
        return {"refusal": None, "annotations": None, "audio": None, "function_call": None,
                "tool_calls": [], "reasoning": story.reasoning or None}

    def call_id(self, place):
        return f"chatcmpl-tool-{place}f3a9"

    def chat_whole(self, story, body):
        whole = super().chat_whole(story, body)
        whole["choices"][0].update({"stop_reason": None, "token_ids": None})
        return {**whole, "service_tier": None, "prompt_logprobs": None, "kv_transfer_params": None}

    def opening(self, story):
        return {"role": "assistant", "content": ""}

    def closing(self):
        return {"content": ""}

    def call_deltas(self, call, place):
        """The name comes without arguments, and the members in another order."""
        function = call["function"]
        opening = {"id": call["id"], "type": "function", "index": place, "function": {"name": function["name"]}}
        parts = (function["arguments"][:3], function["arguments"][3:])
        rest = [{"index": place, "function": {"arguments": part}} for part in parts]
        return [{"tool_calls": [delta]} for delta in (opening, *rest)]

    def padding(self, body):
        return {}

    def envelope(self, kind, body):
        envelope = super().envelope(kind, body)
        del envelope["system_fingerprint"]
        return envelope

    def usage(self, story):
        usage = super().usage(story)
        return {name: usage[name] for name in ("prompt_tokens", "total_tokens", "completion_tokens")}

    def stream_error(self, body):
        error = {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": None, "code": 500}
        return [self.event({"error": error}), *self.done()]
