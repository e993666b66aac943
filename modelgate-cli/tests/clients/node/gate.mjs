// What the tests know about the running gateway: its address, its keys, its models, and what its upstreams saw.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const FIXTURE = JSON.parse(readFileSync(process.env.MODELGATE_CLIENTS_FIXTURE, "utf8"));

export const KINDS = ["ollama", "vllm", "llamacpp", "openai", "api3", "echo"];
export const SCRIPTED = KINDS.slice(0, -1);

const parameters = {
  type: "object",
  properties: { town: { type: "string" } },
  required: ["town"],
  additionalProperties: false,
};
export const WEATHER = {
  type: "function",
  function: { name: "weather", description: "Tells the weather in a town", parameters },
};

// The official client with one of the gateway's keys, or with this text as key. It does not retry unless told to.
export const client = (key = "main", options = {}) =>
  new OpenAI({ apiKey: FIXTURE.keys[key] ?? key, baseURL: `${FIXTURE.base_url}/v1`, maxRetries: 0, ...options });

// The official client with its own retries, and the list that grows with each request it sends.
export function countingClient(key = "main") {
  const sent = [];
  const counting = (url, init) => {
    sent.push(String(url));
    return fetch(url, init);
  };
  return { openai: client(key, { maxRetries: 2, fetch: counting }), sent };
}

export const chatModel = (kind) => `${kind}/chat:8b`;
export const embeddingModel = (kind) => `${kind}/embed:v1`;
export const user = (content) => [{ role: "user", content }];

// What this kind answers: echo the prompt, the scripted ones also their name.
export const said = (kind, prompt) => (kind === "echo" ? prompt : `${kind}: ${prompt}`);

// A word that names one request in the upstreams' journal. It must not appear in the gateway's log.
export const marker = () => `canary-${randomUUID().replaceAll("-", "").slice(0, 12)}`;

// A prompt that no other test sends, with characters of one to four bytes.
export const promptWith = (what = "") => `Grüße aus 東京 👋 to ${marker()} ${what}`.trim();

export const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
export const reasoningOf = (message) => message.reasoning_content ?? message.reasoning ?? "";

export async function collect(stream, chunks = []) {
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

// The error of this class that the request ends with. It has a request id and, unless in mid-stream, a status.
export async function failureOf(expected, request) {
  const failure = await Promise.resolve(request).then(() => assert.fail("the request was answered"), (error) => error);
  assert.equal(failure.constructor, expected, `${failure}`);
  assert.ok(failure.requestID);
  assert.ok(failure.error.message);
  assert.deepEqual(Object.keys(failure.error).sort(), ["code", "message", "param", "type"]);
  return failure;
}

// Whether, in time, a request with this word was `seen` by an upstream or is `gone` from it.
export async function upstream(event, word, within) {
  const answer = await fetch(`${FIXTURE.control}/${event}?${new URLSearchParams({ marker: word, within })}`);
  return (await answer.json()).ok;
}
