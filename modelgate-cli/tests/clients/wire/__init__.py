"""The five upstream kinds, each in its own wire format."""

from .api3 import Api3
from .llamacpp import LlamaCpp
from .ollama import Ollama
from .openai import OpenAi
from .vllm import Vllm

KINDS = {kind.kind: kind for kind in (Ollama, Vllm, LlamaCpp, OpenAi, Api3)}
