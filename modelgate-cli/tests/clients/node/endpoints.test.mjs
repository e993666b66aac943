// Legacy completions, embeddings and the model list.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { KINDS, SCRIPTED, chatModel, client, collect, embeddingModel, failureOf, promptWith, said } from "./gate.mjs";

const openai = client();

for (const kind of KINDS) {
  test(`a legacy completion is answered (${kind})`, async () => {
    const prompt = promptWith();
    const answer = await openai.completions.create({ model: chatModel(kind), prompt });
    assert.equal(answer.object, "text_completion");
    assert.equal(answer.model, chatModel(kind));
    assert.ok(answer._request_id);
    assert.equal(answer.choices[0].text, said(kind, prompt));
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.total_tokens > 0);
  });

  for (const include_usage of [false, true]) {
    test(`a legacy completion is streamed (${kind}, usage ${include_usage})`, async () => {
      const prompt = promptWith();
      const options = include_usage ? { stream_options: { include_usage } } : {};
      const ask = { model: chatModel(kind), prompt, stream: true, ...options };
      const chunks = await collect(openai.completions.create(ask));
      assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), said(kind, prompt));
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean), ["stop"]);
      assert.deepEqual(chunks.filter((chunk) => chunk.usage), include_usage ? chunks.slice(-1) : []);
    });
  }

  for (const input of ["one text", ["a first text", "and a second one"]]) {
    test(`an embedding is the same by default and as floats (${kind}, ${typeof input})`, async () => {
      const ask = { model: embeddingModel(kind), input };
      const decoded = await openai.embeddings.create(ask);
      const plain = await openai.embeddings.create({ ...ask, encoding_format: "float" });
      assert.ok(decoded._request_id && decoded.usage.prompt_tokens > 0);
      assert.equal(decoded.model, embeddingModel(kind));
      assert.deepEqual(decoded.data.map((item) => item.index), [input].flat().map((_, place) => place));
      for (const [place, item] of decoded.data.entries()) {
        const expected = plain.data[place].embedding;
        assert.ok(expected.length > 1);
        assert.equal(item.embedding.length, expected.length);
        assert.ok(item.embedding.every((number, at) => Math.abs(number - expected[at]) < 1e-6));
      }
    });
  }

  test(`models are listed and found by name (${kind})`, async () => {
    const listed = [];
    for await (const model of openai.models.list()) listed.push(model);
    for (const name of [chatModel(kind), embeddingModel(kind)]) {
      const found = await openai.models.retrieve(name);
      assert.ok(found._request_id);
      assert.deepEqual({ ...found }, listed.find((model) => model.id === name));
      assert.equal(found.object, "model");
      assert.ok(found.created > 0 && found.owned_by);
    }
  });
}

for (const kind of SCRIPTED) {
  test(`an embedding has every number of the upstream's vector (${kind})`, async () => {
    const input = "grün";
    const expected = Array.from({ length: 12 }, (_, place) => ((Buffer.byteLength(input) + place) % 16) / 8 - 1);
    const answer = await openai.embeddings.create({ model: embeddingModel(kind), input });
    assert.deepEqual([...answer.data[0].embedding], expected);
  });
}

test("an unknown model is not found", async () => {
  const failure = await failureOf(OpenAI.NotFoundError, openai.models.retrieve("nobody/has:this"));
  assert.equal(failure.code, "model_not_found");
});
