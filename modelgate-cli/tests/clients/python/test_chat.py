"""Chat completions: whole, streamed, through the stream helper and with a schema."""

import pytest
from pydantic import BaseModel

from gate import (
    KINDS, SCRIPTED, chat_model, client, prompt_with, reasoning_of, said, text_of, usage_row, user, well_formed,
)


class Place(BaseModel):
    """The schema asked for."""

    town: str
    people: int


def stream_of(kind, prompt, **given):
    return list(client().chat.completions.create(model=chat_model(kind), messages=user(prompt), stream=True, **given))


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_has_text_usage_and_the_name_the_client_used(kind):
    prompt = prompt_with()
    answer = well_formed(client().chat.completions.create(model=chat_model(kind), messages=user(prompt)))
    assert answer.object == "chat.completion"
    assert answer.model == chat_model(kind)
    assert [choice.index for choice in answer.choices] == [0]
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == said(kind, prompt)
    assert not answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_record_of_a_request_has_its_id_and_tokens(kind):
    answer = client().chat.completions.create(model=chat_model(kind), messages=user(prompt_with()))
    row = usage_row(answer._request_id)
    assert row["status"] == 200
    assert row["model"] == chat_model(kind)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_each_answer_has_a_request_id_of_its_own(kind):
    answers = [client().chat.completions.create(model=chat_model(kind), messages=user("hi")) for _ in range(2)]
    stream = client().chat.completions.create(model=chat_model(kind), messages=user("hi"), stream=True)
    ids = [answer._request_id for answer in answers] + [stream.response.headers["x-request-id"]]
    stream.close()
    assert all(ids) and len(set(ids)) == 3
    assert not any(name.startswith("upstream") for name in ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_tells_the_text_piece_by_piece_and_no_usage_unless_asked(kind):
    prompt = prompt_with()
    chunks = stream_of(kind, prompt)
    assert text_of(chunks) == said(kind, prompt)
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) >= len(prompt.split())
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert sum(bool(chunk.choices and chunk.choices[0].finish_reason) for chunk in chunks) == 1
    assert not any(chunk.usage for chunk in chunks)
    assert {chunk.model for chunk in chunks} == {chat_model(kind)}
    told = [well_formed(chunk) for chunk in chunks if chunk.choices]
    assert len({chunk.id for chunk in told}) == 1 and told[0].id
    assert told[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.role for chunk in told[1:]] == [None] * (len(told) - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_ends_with_one_usage_chunk_when_asked(kind):
    prompt = prompt_with()
    chunks = stream_of(kind, prompt, stream_options={"include_usage": True})
    assert text_of(chunks) == said(kind, prompt)
    assert [chunk for chunk in chunks if chunk.usage] == chunks[-1:]
    last = well_formed(chunks[-1])
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_helper_accumulates_the_same_answer(kind):
    prompt = prompt_with()
    options = {"stream_options": {"include_usage": True}}
    with client().chat.completions.stream(model=chat_model(kind), messages=user(prompt), **options) as stream:
        events = list(stream)
    done = [event.content for event in events if event.type == "content.done"]
    assert done == [said(kind, prompt)]
    assert "".join(event.delta for event in events if event.type == "content.delta") == said(kind, prompt)
    final = stream.get_final_completion()
    assert final.choices[0].message.role == "assistant"
    assert final.choices[0].message.content == said(kind, prompt)
    assert final.choices[0].finish_reason == "stop"
    assert final.usage.completion_tokens > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_comes_back_as_the_clients_own_type(kind):
    asked = {"model": chat_model(kind), "messages": user('{"town": "Łódź", "people": 670000}'), "response_format": Place}
    assert client().chat.completions.parse(**asked).choices[0].message.parsed == Place(town="Łódź", people=670000)
    with client().chat.completions.stream(**asked) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Place(town="Łódź", people=670000)


@pytest.mark.parametrize("kind", [kind for kind in SCRIPTED if kind != "openai"])
def test_reasoning_reaches_the_client(kind):
    prompt = prompt_with("#think")
    answer = client().chat.completions.create(model=chat_model(kind), messages=user(prompt))
    assert reasoning_of(answer.choices[0].message) == "let me see"
    chunks = stream_of(kind, prompt)
    assert "".join(reasoning_of(chunk.choices[0].delta) for chunk in chunks if chunk.choices) == "let me see"
    assert answer.choices[0].message.content == text_of(chunks) == said(kind, prompt)


@pytest.mark.parametrize("kind", SCRIPTED)
def test_content_in_parts_and_a_history_are_accepted(kind):
    prompt = prompt_with()
    history = [
        {"role": "developer", "content": [{"type": "text", "text": "be short"}]},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": prompt}]},
    ]
    options = {"stop": "END", "temperature": 0.5, "max_completion_tokens": 64, "reasoning_effort": "low"}
    answer = client().chat.completions.create(model=chat_model(kind), messages=history, **options)
    assert answer.choices[0].message.content == said(kind, prompt)
