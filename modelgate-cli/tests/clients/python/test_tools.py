"""Tools: whole, streamed, through the stream helper, and the way back with a result."""

import json

import pytest

from gate import SCRIPTED, WEATHER, chat_model, client, marker, said, user, well_formed

asked = pytest.mark.parametrize("towns", [["Rome"], ["Rome", "Oslo"]], ids=["one-call", "two-calls"])
scripted = pytest.mark.parametrize("kind", SCRIPTED)


def question(kind, towns):
    messages = user("weather in " + " and ".join(towns))
    return {"model": chat_model(kind), "messages": messages, "tools": [WEATHER]}


def towns_in(calls):
    assert all(call.type == "function" and call.function.name == "weather" for call in calls)
    assert all(call.id for call in calls) and len({call.id for call in calls}) == len(calls)
    return [json.loads(call.function.arguments)["town"] for call in calls]


@scripted
@asked
def test_a_model_can_call_tools(kind, towns):
    choice = well_formed(client().chat.completions.create(**question(kind, towns))).choices[0]
    assert towns_in(choice.message.tool_calls) == towns
    assert choice.finish_reason == "tool_calls"
    assert not choice.message.content


@scripted
@asked
def test_a_streamed_call_names_itself_once_and_has_an_index(kind, towns):
    chunks = [chunk for chunk in client().chat.completions.create(**question(kind, towns), stream=True) if chunk.choices]
    deltas = [delta for chunk in chunks for delta in well_formed(chunk).choices[0].delta.tool_calls or []]
    names = [(delta.index, delta.function.name) for delta in deltas if delta.function.name]
    assert names == [(place, "weather") for place in range(len(towns))]
    assert [delta.index for delta in deltas if delta.id] == list(range(len(towns)))
    for place, town in enumerate(towns):
        parts = [delta.function.arguments or "" for delta in deltas if delta.index == place]
        assert json.loads("".join(parts)) == {"town": town}
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "tool_calls"


@scripted
@asked
def test_the_stream_helper_parses_the_arguments(kind, towns):
    with client().chat.completions.stream(**question(kind, towns)) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert [(event.index, event.parsed_arguments) for event in done] == [
        (place, {"town": town}) for place, town in enumerate(towns)
    ]
    assert towns_in(stream.get_final_completion().choices[0].message.tool_calls) == towns


@scripted
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_result_finds_its_way_back(kind, streamed):
    ask = question(kind, ["Rome", "Oslo"])
    message = client().chat.completions.create(**ask).choices[0].message
    weather = [f"sunny, {marker()}", f"rain, {marker()}"]
    ask["messages"] += [message] + [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in zip(message.tool_calls, weather, strict=True)
    ]
    if streamed:
        with client().chat.completions.stream(**ask) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client().chat.completions.create(**ask)
    assert answer.choices[0].message.content == said(kind, weather[1])
    assert answer.choices[0].finish_reason == "stop"
