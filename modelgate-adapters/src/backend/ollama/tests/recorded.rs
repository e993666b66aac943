//! Streams as servers send them, with every oddity that was seen.

/// Complete streams of `/api/chat`.
pub(super) const CHATS: [&str; 18] = [
    PLAIN,
    // Thoughts first, then words, and both on one line.
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T12:00:00.123456789+01:00\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"Let\"},\"done\":false}\n{\"model\":\"m\",\"created_at\":\"2026-01-01T11:00:01Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Ok\",\"thinking\":\" me\"},\"done\":false}\n{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":2}\n",
    // Calls on a middle line.
    "{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_ab12cd34\",\"function\":{\"index\":0,\"name\":\"w\",\"arguments\":{\"c\":\"Rome\"}}}]},\"done\":false}\n{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":7}\n",
    // Calls on the last line, without ids.
    "{\"message\":{\"content\":\"Sure. \"},\"done\":false}\n{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":{}}},{\"function\":{\"name\":\"b\",\"arguments\":{\"x\":[1, 2.50]}}}]},\"done\":true,\"done_reason\":\"stop\"}\n",
    // Several lines of calls, all with index 0.
    "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"1\",\"function\":{\"index\":0,\"name\":\"a\",\"arguments\":{\"n\":9007199254740993}}}]},\"done\":false}\n{\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"2\",\"function\":{\"index\":0,\"name\":\"b\",\"arguments\":{}}}]},\"done\":false}\n{\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"3\",\"function\":{\"index\":0,\"name\":\"c\",\"arguments\":null}}]},\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":1,\"eval_count\":1}\n",
    // Nothing but the end.
    "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":5}\n",
    // Cut by the limit.
    "{\"message\":{\"content\":\"One\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":5,\"eval_count\":1}\n",
    // Carriage returns and blank lines.
    "\r\n{\"message\":{\"content\":\"a\"},\"done\":false}\r\n\r\n  \n{\"message\":{\"content\":\"b\"},\"done\":false}\r\n{\"message\":{\"content\":\"\"},\"done\":true}\r\n\r\n",
    // White space inside of lines, members in odd order, unknown members.
    "{ \"done\" : false , \"x\" : [ { } ] , \"message\" : { \"content\" : \"a\" , \"y\" : null } }\n{\"done\":true,\"eval_duration\":12,\"message\":{\"content\":\"b\"},\"context\":[1,2,3],\"done_reason\":\"stop\"}\n",
    // Text of all kinds, raw and escaped.
    "{\"message\":{\"content\":\"né 中 😀 \\ud83d\\ude00 \\u003cb\\u003e \\\"q\\\" \\\\ \\n\\t\\u0000\\u2028\"},\"done\":false}\n{\"message\":{\"content\":\"\\u00e9\u{2028}\"},\"done\":true,\"done_reason\":\"stop\"}\n",
    // No line feed at the end.
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}",
    // A loaded model.
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T11:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done_reason\":\"load\",\"done\":true}\n",
    // Log probabilities, also alone.
    "{\"message\":{\"content\":\"Hi\"},\"done\":false,\"logprobs\":[{\"token\":\"Hi\",\"logprob\":-0.10,\"bytes\":[72,105],\"top_logprobs\":[{\"token\":\"Hi\",\"logprob\":-0.10,\"bytes\":[72,105]},{\"token\":\"Ho\",\"logprob\":-2.5}]}]}\n{\"message\":{\"content\":\"\"},\"done\":false,\"logprobs\":[{\"token\":\"!\",\"logprob\":-1e-7}]}\n{\"message\":{\"content\":\"\"},\"done\":true,\"logprobs\":[]}\n",
    // Log probabilities of a thought.
    "{\"message\":{\"content\":\"\",\"thinking\":\"hm\"},\"done\":false,\"logprobs\":[{\"token\":\"hm\",\"logprob\":-0.5}]}\n{\"message\":{\"content\":\"a\",\"thinking\":\"b\"},\"done\":false,\"logprobs\":[{\"token\":\"a\",\"logprob\":-0.25}]}\n{\"done\":true,\"done_reason\":\"stop\"}\n",
    // A reason, and then the end of the bytes instead of a last line.
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"b\"},\"done\":false,\"done_reason\":\"stop\",\"eval_count\":2}\n",
    // Lines after the last one.
    "{\"message\":{\"content\":\"a\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":1}\n{\"message\":{\"content\":\"too late\"},\"done\":false}\n{\"error\":\"too late\"}\nno json\n",
    // Nulls wherever something could be.
    "{\"error\":null,\"created_at\":null,\"message\":{\"content\":null,\"thinking\":null,\"tool_calls\":null},\"logprobs\":null,\"done\":null,\"done_reason\":null}\n{\"message\":null,\"done\":true,\"prompt_eval_count\":null,\"eval_count\":null}\n",
    // Arguments that a server wrote as text, and an id that is none.
    "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"\",\"function\":{\"name\":\"f\\u00e9\",\"arguments\":\"{\\\"a\\\": 1}\"}}]},\"done\":true,\"done_reason\":\"stop\"}\n",
];

pub(super) const PLAIN: &str = "{\"model\":\"qwen3:8b\",\"created_at\":\"2026-01-01T12:00:00.5Z\",\"message\":{\"role\":\"assistant\",\"content\":\"He\"},\"done\":false}\n{\"model\":\"qwen3:8b\",\"created_at\":\"2026-01-01T12:00:09Z\",\"message\":{\"role\":\"assistant\",\"content\":\"llo\"},\"done\":false}\n{\"model\":\"qwen3:8b\",\"created_at\":\"2026-01-01T12:00:10Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"total_duration\":9,\"load_duration\":1,\"prompt_eval_count\":20,\"prompt_eval_duration\":2,\"eval_count\":7,\"eval_duration\":3}\n";

/// Streams of `/api/chat` that fail.
pub(super) const FAILURES: [&str; 6] = [
    "{\"error\":\"model runner has stopped\"}\n",
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":\"model runner has stopped\"}\n",
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":{\"message\":\"gone\",\"code\":500}}\n{\"message\":{\"content\":\"\"},\"done\":true}\n",
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n<html>\n",
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":5},\"done\":true}\n",
    "{\"message\":{\"content\":\"a\"},\"done\":false}\n",
];

/// Complete streams of `/api/generate`.
pub(super) const COMPLETIONS: [&str; 4] = [
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T12:00:00Z\",\"response\":\"He\",\"done\":false}\n{\"response\":\"llo\",\"done\":false}\n{\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"context\":[1,2],\"prompt_eval_count\":2,\"eval_count\":2}\n",
    "{\"response\":\"\",\"thinking\":\"hm\",\"done\":false}\n{\"response\":\"x\",\"done\":true,\"done_reason\":\"length\"}\n",
    "{\"response\":\"é\",\"done\":false,\"logprobs\":[{\"token\":\"é\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"é\",\"logprob\":-0.5},{\"token\":\"e\",\"logprob\":-1}]}]}\n{\"response\":\"!\",\"done\":false,\"logprobs\":[{\"token\":\"!\",\"logprob\":-0.25}]}\n{\"response\":\"\",\"done\":true}\n",
    "{\"response\":\"\",\"done_reason\":\"load\",\"done\":true}\n",
];
