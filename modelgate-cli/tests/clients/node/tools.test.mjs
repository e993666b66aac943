// Tools: whole, streamed, through the stream helper, and the way back with a result.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SCRIPTED, WEATHER, chatModel, client, collect, marker, said, user } from "./gate.mjs";

const chat = client().chat.completions;

const question = (kind, towns) => ({
  model: chatModel(kind),
  messages: user(`weather in ${towns.join(" and ")}`),
  tools: [WEATHER],
});

function townsIn(calls) {
  assert.ok(calls.every((call) => call.type === "function" && call.function.name === "weather" && call.id));
  assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
  return calls.map((call) => JSON.parse(call.function.arguments).town);
}

for (const kind of SCRIPTED) {
  for (const towns of [["Rome"], ["Rome", "Oslo"]]) {
    const label = `(${kind}, ${towns.length})`;

    test(`a model can call tools ${label}`, async () => {
      const [choice] = (await chat.create(question(kind, towns))).choices;
      assert.deepEqual(townsIn(choice.message.tool_calls), towns);
      assert.equal(choice.finish_reason, "tool_calls");
      assert.ok(!choice.message.content);
    });

    test(`a streamed call names itself once and has an index ${label}`, async () => {
      const chunks = await collect(chat.create({ ...question(kind, towns), stream: true }));
      const deltas = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
      const places = towns.map((_, place) => place);
      const named = deltas.filter((delta) => delta.function?.name);
      assert.deepEqual(named.map((delta) => [delta.index, delta.function.name]), places.map((place) => [place, "weather"]));
      assert.deepEqual(deltas.filter((delta) => delta.id).map((delta) => delta.index), places);
      for (const place of places) {
        const parts = deltas.filter((delta) => delta.index === place).map((delta) => delta.function?.arguments ?? "");
        assert.deepEqual(JSON.parse(parts.join("")), { town: towns[place] });
      }
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean), ["tool_calls"]);
    });

    test(`the stream helper puts the calls together ${label}`, async () => {
      const message = await chat.stream(question(kind, towns)).finalMessage();
      assert.deepEqual(townsIn(message.tool_calls), towns);
    });
  }

  for (const stream of [false, true]) {
    test(`the tool runner calls the function and brings its result back (${kind}, stream ${stream})`, async () => {
      const weather = { Rome: `sunny, ${marker()}`, Oslo: `rain, ${marker()}` };
      const asked = [];
      const tool = {
        type: "function",
        function: {
          ...WEATHER.function,
          parse: JSON.parse,
          function: ({ town }) => {
            asked.push(town);
            return weather[town];
          },
        },
      };
      const runner = chat.runTools({ ...question(kind, ["Rome", "Oslo"]), tools: [tool], stream });
      assert.equal(await runner.finalContent(), said(kind, weather.Oslo));
      assert.deepEqual(asked.sort(), ["Oslo", "Rome"]);
    });
  }
}
