"""The asyncio client: the same calls, many at once, and cancelled tasks."""

import asyncio

import pytest

from gate import (
    KINDS, SCRIPTED, async_client, chat_model, embedding_model, marker, prompt_with, said, text_of, upstream, user,
)

every = pytest.mark.parametrize("kind", KINDS)


async def streamed_text(given, kind, prompt):
    stream = await given.chat.completions.create(model=chat_model(kind), messages=user(prompt), stream=True)
    return text_of([chunk async for chunk in stream])


@every
def test_the_asyncio_client_gets_the_same_answers(kind):
    async def check():
        async with async_client() as given:
            prompt = prompt_with()
            whole = await given.chat.completions.create(model=chat_model(kind), messages=user(prompt))
            assert whole.choices[0].message.content == said(kind, prompt)
            assert whole._request_id
            assert await streamed_text(given, kind, prompt) == said(kind, prompt)
            vectors = await given.embeddings.create(model=embedding_model(kind), input=["a", "bc"])
            assert [item.index for item in vectors.data] == [0, 1]
            assert chat_model(kind) in [model.id async for model in given.models.list()]
            async with given.chat.completions.stream(model=chat_model(kind), messages=user(prompt)) as stream:
                final = await stream.get_final_completion()
            assert final.choices[0].message.content == said(kind, prompt)

    asyncio.run(check())


def test_streams_side_by_side_do_not_mix():
    async def check():
        async with async_client() as given:
            asked = [(kind, prompt_with()) for kind in KINDS * 5]
            told = await asyncio.gather(*(streamed_text(given, *ask) for ask in asked))
        assert told == [said(*ask) for ask in asked]

    asyncio.run(check())


@pytest.mark.parametrize("kind", SCRIPTED)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_task_cancelled_before_the_first_byte_leaves_the_upstream(kind, streamed):
    async def check():
        word = marker()
        async with async_client() as given:
            ask = {"model": chat_model(kind), "messages": user(f"{word} #silent"), "stream": streamed}
            task = asyncio.create_task(given.chat.completions.create(**ask))
            assert await asyncio.to_thread(upstream, "seen", word, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(upstream, "gone", word, 1)

    asyncio.run(check())
