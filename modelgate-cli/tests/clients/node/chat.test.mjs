// Chat completions: whole, streamed, through the stream helper, with reasoning and with a schema.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS, SCRIPTED, chatModel, client, collect, promptWith, reasoningOf, said, textOf, user } from "./gate.mjs";

const chat = client().chat.completions;

for (const kind of KINDS) {
  const model = chatModel(kind);

  test(`an answer has text, usage and the name the client used (${kind})`, async () => {
    const prompt = promptWith();
    const answer = await chat.create({ model, messages: user(prompt) });
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.model, model);
    assert.ok(answer._request_id);
    assert.equal(answer.choices.length, 1);
    assert.equal(answer.choices[0].message.role, "assistant");
    assert.equal(answer.choices[0].message.content, said(kind, prompt));
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  });

  test(`each answer has a request id of its own (${kind})`, async () => {
    const ask = () => chat.create({ model, messages: user("hi") });
    const { data, request_id: streamed } = await chat.create({ model, messages: user("hi"), stream: true }).withResponse();
    await collect(data);
    const ids = [streamed, (await ask())._request_id, (await ask())._request_id];
    assert.equal(new Set(ids.filter(Boolean)).size, 3);
    assert.ok(ids.every((id) => !id.startsWith("upstream")));
  });

  test(`a stream tells the text piece by piece and no usage unless asked (${kind})`, async () => {
    const prompt = promptWith();
    const chunks = await collect(chat.create({ model, messages: user(prompt), stream: true }));
    assert.equal(textOf(chunks), said(kind, prompt));
    assert.ok(chunks.filter((chunk) => chunk.choices[0]?.delta.content).length >= prompt.split(" ").length);
    assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean), ["stop"]);
    assert.ok(chunks.every((chunk) => !("usage" in chunk)));
    assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], [model]);
    const told = chunks.filter((chunk) => chunk.choices.length);
    assert.equal(new Set(told.map((chunk) => chunk.id)).size, 1);
    assert.deepEqual(told.map((chunk) => chunk.choices[0].delta.role).filter(Boolean), ["assistant"]);
  });

  test(`a stream ends with one usage chunk when asked (${kind})`, async () => {
    const prompt = promptWith();
    const options = { stream: true, stream_options: { include_usage: true } };
    const chunks = await collect(chat.create({ model, messages: user(prompt), ...options }));
    assert.equal(textOf(chunks), said(kind, prompt));
    assert.deepEqual(chunks.filter((chunk) => chunk.usage), chunks.slice(-1));
    const { choices, usage } = chunks.at(-1);
    assert.deepEqual(choices, []);
    assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  });

  test(`the stream helper accumulates the same answer (${kind})`, async () => {
    const prompt = promptWith();
    const stream = chat.stream({ model, messages: user(prompt), stream_options: { include_usage: true } });
    const deltas = [];
    stream.on("content", (delta) => deltas.push(delta));
    const final = await stream.finalChatCompletion();
    assert.equal(deltas.join(""), said(kind, prompt));
    assert.equal(final.choices[0].message.role, "assistant");
    assert.equal(final.choices[0].message.content, said(kind, prompt));
    assert.equal(final.choices[0].finish_reason, "stop");
    assert.ok(final.usage.completion_tokens > 0);
  });

  test(`a schema comes back parsed (${kind})`, async () => {
    const place = { town: "Łódź", people: 670000 };
    const schema = {
      type: "object",
      properties: { town: { type: "string" }, people: { type: "integer" } },
      required: ["town", "people"],
      additionalProperties: false,
    };
    const response_format = { type: "json_schema", json_schema: { name: "Place", strict: true, schema } };
    const answer = await chat.create({ model, messages: user(JSON.stringify(place)), response_format });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), place);
  });
}

for (const kind of SCRIPTED.filter((kind) => kind !== "openai")) {
  test(`reasoning reaches the client (${kind})`, async () => {
    const ask = { model: chatModel(kind), messages: user(promptWith("#think")) };
    const { message } = (await chat.create(ask)).choices[0];
    assert.equal(reasoningOf(message), "let me see");
    const chunks = await collect(chat.create({ ...ask, stream: true }));
    assert.equal(chunks.map((chunk) => reasoningOf(chunk.choices[0]?.delta ?? {})).join(""), "let me see");
    assert.equal(textOf(chunks), message.content);
  });
}

test("streams side by side do not mix", async () => {
  const asked = Array.from({ length: 30 }, (_, place) => [KINDS[place % KINDS.length], promptWith()]);
  const told = await Promise.all(
    asked.map(async ([kind, prompt]) =>
      textOf(await collect(chat.create({ model: chatModel(kind), messages: user(prompt), stream: true }))),
    ),
  );
  assert.deepEqual(told, asked.map(([kind, prompt]) => said(kind, prompt)));
});
