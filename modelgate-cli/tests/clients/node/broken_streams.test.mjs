// Streams that end before their time: failed by the upstream, or given up by the client.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { SCRIPTED, chatModel, client, collect, failureOf, marker, textOf, upstream, user } from "./gate.mjs";

const chat = client().chat.completions;
const begin = (kind, prompt) => chat.create({ model: chatModel(kind), messages: user(prompt), stream: true });

for (const kind of SCRIPTED) {
  for (const fault of ["error", "cut", "eof"]) {
    test(`a stream that fails raises an API error (${kind}, ${fault})`, async () => {
      const chunks = [];
      const failure = await failureOf(OpenAI.APIError, collect(begin(kind, `one two three #${fault}`), chunks));
      assert.equal(typeof failure.code, "string");
      assert.ok(failure.code && failure.type);
      assert.equal(textOf(chunks), `${kind}: one `);
      assert.ok(chunks.every((chunk) => !chunk.choices[0]?.finish_reason));
    });
  }

  test(`the stream helper reports a stream that fails (${kind})`, async () => {
    const messages = user("one two three #error");
    await failureOf(OpenAI.APIError, chat.stream({ model: chatModel(kind), messages }).finalChatCompletion());
  });

  test(`the upstream is left within a second when the loop is broken off (${kind})`, async () => {
    const word = marker();
    let read = 0;
    for await (const chunk of await begin(kind, `${word} #endless`)) {
      read += chunk.choices[0]?.delta.content ? 1 : 0;
      if (read === 3) break;
    }
    assert.ok(await upstream("gone", word, 1));
  });

  for (const stream of [false, true]) {
    test(`a request aborted before the first byte leaves the upstream (${kind}, stream ${stream})`, async () => {
      const word = marker();
      const controller = new AbortController();
      const given = { model: chatModel(kind), messages: user(`${word} #silent`), stream };
      const request = chat.create(given, { signal: controller.signal });
      const outcome = assert.rejects(request, OpenAI.APIUserAbortError);
      assert.ok(await upstream("seen", word, 10));
      assert.ok(!(await upstream("gone", word, 0)));
      controller.abort();
      await outcome;
      assert.ok(await upstream("gone", word, 1));
    });
  }
}
