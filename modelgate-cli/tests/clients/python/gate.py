"""What the tests know about the running gateway: its address, its keys, its models, and what its upstreams saw."""

import contextlib
import functools
import json
import os
import urllib.parse
import urllib.request
import uuid
import warnings
from pathlib import Path

import openai

FIXTURE = json.loads(Path(os.environ["MODELGATE_CLIENTS_FIXTURE"]).read_text())
BASE_URL = FIXTURE["base_url"] + "/v1"
KINDS = ["ollama", "vllm", "llamacpp", "openai", "api3", "echo"]
SCRIPTED = KINDS[:-1]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather in a town",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string"}},
            "required": ["town"],
            "additionalProperties": False,
        },
    },
}


@functools.cache
def client(key="main"):
    """The official client with one of the gateway's keys, or with this text as key. It does not retry."""
    return openai.OpenAI(api_key=FIXTURE["keys"].get(key, key), base_url=BASE_URL, max_retries=0)


def async_client():
    """The official asyncio client. It does not retry."""
    return openai.AsyncOpenAI(api_key=FIXTURE["keys"]["main"], base_url=BASE_URL, max_retries=0)


@contextlib.contextmanager
def counting_client(key="main"):
    """The official client with its own retries, and the list that grows with each request it sends."""
    sent = []
    hooks = {"request": [lambda request: sent.append(request.url.path)]}
    with openai.DefaultHttpxClient(event_hooks=hooks) as http_client:
        yield openai.OpenAI(api_key=FIXTURE["keys"][key], base_url=BASE_URL, http_client=http_client), sent


def chat_model(kind):
    """The name of this kind's chat model."""
    return f"{kind}/chat:8b"


def embedding_model(kind):
    """The name of this kind's embedding model."""
    return f"{kind}/embed:v1"


def user(text):
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


def said(kind, prompt):
    """What this kind answers: echo the prompt, the scripted ones also their name."""
    return prompt if kind == "echo" else f"{kind}: {prompt}"


def prompt_with(what=""):
    """A prompt that no other test sends, with characters of one to four bytes."""
    return f"Grüße aus 東京 👋 to {marker()} {what}".strip()


def marker():
    """A word that names one request in the upstreams' journal. It must not appear in the gateway's log."""
    return f"canary-{uuid.uuid4().hex[:12]}"


def text_of(chunks):
    """The content of a stream's chunks."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def reasoning_of(message):
    """The reasoning of a message or delta, under either of its usual names."""
    extra = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


def well_formed(answer):
    """Fails if a member has another type than the client's own model of the API says."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer.model_dump(mode="json")
    return answer


def upstream(event, word, within):
    """Whether, in time, a request with this word was `seen` by an upstream or is `gone` from it."""
    query = urllib.parse.urlencode({"marker": word, "within": within})
    return fetch(f"{FIXTURE['control']}/{event}?{query}")["ok"]


def usage_row(request_id):
    """The gateway's record of one request."""
    address = f"{FIXTURE['base_url']}/admin/requests"
    rows = fetch(address, {"authorization": f"Bearer {FIXTURE['admin_key']}"})["data"]
    return next((row for row in rows if row["id"] == request_id), None)


def fetch(address, headers=None):
    """A JSON document, without the client under test."""
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}), timeout=30) as answer:
        return json.load(answer)
