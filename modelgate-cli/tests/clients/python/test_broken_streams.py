"""Streams that end before their time: failed by the upstream, or given up by the client."""

import openai
import pytest

from gate import SCRIPTED, chat_model, client, marker, text_of, upstream, usage_row, user

scripted = pytest.mark.parametrize("kind", SCRIPTED)


def begin(kind, prompt):
    return client().chat.completions.create(model=chat_model(kind), messages=user(prompt), stream=True)


@scripted
@pytest.mark.parametrize("fault", ["error", "cut", "eof"])
def test_a_stream_that_fails_raises_an_api_error(kind, fault):
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in begin(kind, f"one two three #{fault}"):
            chunks.append(chunk)
    failure = caught.value
    assert type(failure) is openai.APIError
    assert set(failure.body) == {"message", "type", "param", "code"}
    assert isinstance(failure.body["code"], str) and failure.body["code"]
    assert failure.type and failure.body["message"] == failure.message
    assert text_of(chunks) == f"{kind}: one "
    assert not any(chunk.choices[0].finish_reason for chunk in chunks if chunk.choices)


@scripted
def test_the_upstream_is_left_within_a_second_when_the_client_stops_reading(kind):
    word = marker()
    stream = begin(kind, f"{word} #endless")
    read = [next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content) for _ in range(3)]
    assert upstream("seen", word, within=0)
    assert not upstream("gone", word, within=0)
    stream.close()
    assert upstream("gone", word, within=1)
    assert len(read) == 3
    assert usage_row(stream.response.headers["x-request-id"])["model"] == chat_model(kind)
