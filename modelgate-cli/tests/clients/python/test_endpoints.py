"""Legacy completions, embeddings and the model list."""

import openai
import pytest

from gate import KINDS, SCRIPTED, chat_model, client, embedding_model, prompt_with, said, well_formed

every = pytest.mark.parametrize("kind", KINDS)


@every
def test_a_legacy_completion_is_answered(kind):
    prompt = prompt_with()
    answer = well_formed(client().completions.create(model=chat_model(kind), prompt=prompt))
    assert answer.object == "text_completion"
    assert answer.model == chat_model(kind)
    assert answer._request_id
    assert answer.choices[0].text == said(kind, prompt)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@every
@pytest.mark.parametrize("usage", [False, True], ids=["plain", "include_usage"])
def test_a_legacy_completion_is_streamed(kind, usage):
    prompt = prompt_with()
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client().completions.create(model=chat_model(kind), prompt=prompt, stream=True, **options))
    told = [well_formed(chunk) for chunk in chunks if chunk.choices]
    assert "".join(chunk.choices[0].text for chunk in told) == said(kind, prompt)
    assert {chunk.model for chunk in chunks} == {chat_model(kind)}
    assert told[-1].choices[0].finish_reason == "stop"
    assert [chunk for chunk in chunks if chunk.usage] == (chunks[-1:] if usage else [])


@every
@pytest.mark.parametrize("given", ["one text", ["a first text", "and a second one"]], ids=["string", "list"])
def test_an_embedding_is_the_same_by_default_and_as_floats(kind, given):
    ask = {"model": embedding_model(kind), "input": given}
    default = client().embeddings.create(**ask)
    floats = well_formed(client().embeddings.create(**ask, encoding_format="float"))
    assert default.model == floats.model == embedding_model(kind)
    assert default._request_id and default.usage.prompt_tokens > 0
    assert [item.index for item in default.data] == list(range(1 if isinstance(given, str) else len(given)))
    for decoded, plain in zip(default.data, floats.data, strict=True):
        assert len(decoded.embedding) == len(plain.embedding) > 1
        assert decoded.embedding == pytest.approx(plain.embedding, abs=1e-6)


@pytest.mark.parametrize("kind", SCRIPTED)
def test_an_embedding_has_every_number_of_the_upstreams_vector(kind):
    text = "grün"
    expected = [((len(text.encode()) + place) % 16) / 8 - 1 for place in range(12)]
    assert client().embeddings.create(model=embedding_model(kind), input=text).data[0].embedding == expected


@every
def test_models_are_listed_and_found_by_name(kind):
    listed = {model.id: model for model in client().models.list()}
    for name in (chat_model(kind), embedding_model(kind)):
        found = well_formed(client().models.retrieve(name))
        assert found.model_dump() == listed[name].model_dump()
        assert found.id == name and found.object == "model" and found.created > 0 and found.owned_by
        assert found._request_id


def test_an_unknown_model_is_not_found():
    with pytest.raises(openai.NotFoundError) as failure:
        client().models.retrieve("nobody/has:this")
    assert failure.value.code == "model_not_found"
