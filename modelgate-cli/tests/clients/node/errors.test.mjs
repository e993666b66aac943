// Errors: each class of the official client, with code, request id and the right number of tries.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { SCRIPTED, chatModel, client, countingClient, failureOf, promptWith, user } from "./gate.mjs";

const hi = { model: chatModel("echo"), messages: user("hi") };
const ask = (openai, given = {}) => openai.chat.completions.create({ ...hi, ...given });

for (const stream of [false, true]) {
  test(`a wrong key is an authentication error (stream ${stream})`, async () => {
    const failure = await failureOf(OpenAI.AuthenticationError, ask(client("mg-nobody-has-this-key"), { stream }));
    assert.deepEqual([failure.status, failure.code], [401, "invalid_api_key"]);
  });

  test(`a wrong address is a permission error (stream ${stream})`, async () => {
    const failure = await failureOf(OpenAI.PermissionDeniedError, ask(client("elsewhere"), { stream }));
    assert.deepEqual([failure.status, failure.code], [403, "ip_not_allowed"]);
  });

  test(`an unknown model is not found (stream ${stream})`, async () => {
    const failure = await failureOf(OpenAI.NotFoundError, ask(client(), { model: "nobody/has:this", stream }));
    assert.deepEqual([failure.status, failure.code], [404, "model_not_found"]);
  });

  test(`an unreachable upstream is told once (stream ${stream})`, async () => {
    const { openai, sent } = countingClient();
    const failure = await failureOf(OpenAI.InternalServerError, ask(openai, { model: "nobody/listens:1", stream }));
    assert.deepEqual([failure.status, failure.code], [502, "upstream_error"]);
    assert.equal(failure.headers.get("x-should-retry"), "false");
    assert.equal(sent.length, 1);
  });

  for (const kind of SCRIPTED) {
    const model = chatModel(kind);

    test(`a prompt that is too long is a bad request (${kind}, stream ${stream})`, async () => {
      const messages = user(promptWith("#toolong"));
      const failure = await failureOf(OpenAI.BadRequestError, ask(client(), { model, messages, stream }));
      assert.equal(failure.code, "context_length_exceeded");
    });

    test(`a failing upstream is an internal server error (${kind}, stream ${stream})`, async () => {
      const messages = user(promptWith("#crash"));
      const failure = await failureOf(OpenAI.InternalServerError, ask(client(), { model, messages, stream }));
      assert.ok(failure.status >= 500);
      assert.equal(failure.type, "server_error");
    });
  }
}

for (const [wrong, param] of [
  [{ messages: [] }, "messages"],
  [{ model: "" }, "model"],
  [{ model: "   " }, "model"],
]) {
  test(`a bad request names the parameter (${JSON.stringify(wrong)})`, async () => {
    const failure = await failureOf(OpenAI.BadRequestError, ask(client(), wrong));
    assert.deepEqual([failure.status, failure.type], [400, "invalid_request_error"]);
    assert.ok(failure.param.startsWith(param));
  });
}

for (const kind of SCRIPTED) {
  test(`the gateway's own credential problem is not the client's (${kind})`, async () => {
    const given = { model: chatModel(kind), messages: user(promptWith("#denied")) };
    const failure = await failureOf(OpenAI.InternalServerError, ask(client(), given));
    assert.deepEqual([failure.status, failure.code], [502, "upstream_auth_error"]);
  });
}

for (const kind of ["ollama", "openai", "api3"]) {
  test(`an upstream's own limit is a rate limit error (${kind})`, async () => {
    const given = { model: chatModel(kind), messages: user(promptWith("#busy")) };
    const failure = await failureOf(OpenAI.RateLimitError, ask(client(), given));
    const wait = Number(failure.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= 60, `retry-after ${wait}`);
  });
}

test("the second request of a second is refused", async () => {
  const openai = client("burst_refused");
  const outcomes = await Promise.allSettled([ask(openai), ask(openai)]);
  const refusals = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.equal(refusals.length, 1);
  const failure = await failureOf(OpenAI.RateLimitError, Promise.reject(refusals[0].reason));
  assert.deepEqual([failure.status, failure.code], [429, "rate_limit_exceeded"]);
  assert.equal(failure.headers.get("retry-after"), "1");
  assert.equal(failure.headers.get("x-should-retry"), "true");
});

test("the client waits a second and gets in", async () => {
  const { openai, sent } = countingClient("burst_retried");
  const started = performance.now();
  const answers = await Promise.all([ask(openai), ask(openai)]);
  const took = performance.now() - started;
  assert.deepEqual(answers.map((answer) => answer.choices[0].message.content), ["hi", "hi"]);
  assert.equal(sent.length, 3);
  assert.ok(took >= 900 && took < 10_000, `took ${took} ms`);
});

test("a spent quota is not tried again", async () => {
  const { openai, sent } = countingClient("poor");
  const failure = await failureOf(OpenAI.RateLimitError, ask(openai));
  assert.deepEqual([failure.status, failure.code, failure.type], [429, "insufficient_quota", "insufficient_quota"]);
  assert.equal(failure.headers.get("x-should-retry"), "false");
  assert.equal(sent.length, 1);
});
