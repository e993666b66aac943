"""What a scripted model says: decided by the request alone, so that every wire format tells the same story.

The last message steers it: `#think` adds reasoning, one of FAULTS makes it fail, "weather in Rome and Oslo" calls
the first offered tool once per town. Everything else is answered with the kind's name and the message itself.
"""

import re
from dataclasses import dataclass

FAULTS = ("toolong", "denied", "crash", "busy", "silent", "error", "cut", "eof", "endless")
PROMPT_TOKENS = 11
DIMENSIONS = 12
CALL_ID = "call_{0}{0}{0}{0}"


@dataclass(frozen=True)
class Story:
    """One answer, before a wire format is chosen."""

    text: str = ""
    reasoning: str = ""
    calls: tuple = ()  # (tool name, town)
    fault: str = ""

    @property
    def words(self):
        """The pieces in which the text is streamed. Joined they are the text again."""
        return re.findall(r"\S+\s*|^\s+", self.text)

    @property
    def tokens(self):
        """How many output tokens the upstream reports."""
        return len(self.words) + len(self.calls)


@dataclass(frozen=True)
class Script:
    """A streamed answer: `body` pieces repeat in an endless stream, `error` replaces the rest in a failing one."""

    head: list
    body: list
    tail: list
    error: list


def of_chat(kind, messages, tools, shaped):
    """The answer to a conversation. `shaped` asks for JSON: the prompt is then the answer."""
    last = messages[-1]
    prompt = plain(last["content"])
    fault = next((name for name in FAULTS if f"#{name}" in prompt), "")
    reasoning = "let me see" if "#think" in prompt else ""
    towns = re.search(r"weather in ([\w ]+)", prompt)
    if tools and towns and last["role"] == "user":
        name = tools[0]["function"]["name"]
        return Story(calls=tuple((name, town) for town in towns[1].split(" and ")), reasoning=reasoning, fault=fault)
    return Story(text=prompt if shaped else f"{kind}: {prompt}", reasoning=reasoning, fault=fault)


def plain(content):
    """The text of a message, whether it came as a string or in parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def vector(text):
    """Twelve numbers that a 32-bit float holds exactly; different for texts of different length."""
    return [((len(text.encode()) + place) % 16) / 8 - 1 for place in range(DIMENSIONS)]
