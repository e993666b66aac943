"""Errors: each class of the official client, with code, request id and the right number of tries."""

import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from gate import SCRIPTED, chat_model, client, counting_client, prompt_with, user

scripted = pytest.mark.parametrize("kind", SCRIPTED)
both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def failure_of(expected, given, **asked):
    """The exception of this class that the request ends with. Its error object has all four members."""
    request = {"model": chat_model("echo"), "messages": user("hi"), **asked}
    with pytest.raises(expected) as caught:
        given.chat.completions.create(**request)
    failure = caught.value
    assert type(failure) is expected
    assert failure.request_id
    assert set(failure.body) == {"message", "type", "param", "code"}
    assert failure.body["message"]
    return failure


@both
def test_a_wrong_key_is_an_authentication_error(streamed):
    failure = failure_of(openai.AuthenticationError, client("mg-nobody-has-this-key"), stream=streamed)
    assert (failure.status_code, failure.code) == (401, "invalid_api_key")


@both
def test_a_wrong_address_is_a_permission_error(streamed):
    failure = failure_of(openai.PermissionDeniedError, client("elsewhere"), stream=streamed)
    assert (failure.status_code, failure.code) == (403, "ip_not_allowed")


@both
def test_an_unknown_model_is_not_found(streamed):
    failure = failure_of(openai.NotFoundError, client(), model="nobody/has:this", stream=streamed)
    assert (failure.status_code, failure.code) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("wrong", "param"),
    [({"messages": []}, "messages"), ({"model": ""}, "model"), ({"model": "   "}, "model")],
    ids=["no-messages", "no-model", "blank-model"],
)
def test_a_bad_request_names_the_parameter(wrong, param):
    failure = failure_of(openai.BadRequestError, client(), **wrong)
    assert (failure.status_code, failure.type) == (400, "invalid_request_error")
    assert failure.param.startswith(param)


@scripted
@both
def test_a_prompt_that_is_too_long_is_a_bad_request(kind, streamed):
    asked = {"model": chat_model(kind), "messages": user(prompt_with("#toolong")), "stream": streamed}
    failure = failure_of(openai.BadRequestError, client(), **asked)
    assert failure.code == "context_length_exceeded"


@scripted
def test_the_gateways_own_credential_problem_is_not_the_clients(kind):
    asked = {"model": chat_model(kind), "messages": user(prompt_with("#denied"))}
    failure = failure_of(openai.InternalServerError, client(), **asked)
    assert (failure.status_code, failure.code) == (502, "upstream_auth_error")


@scripted
@both
def test_a_failing_upstream_is_an_internal_server_error(kind, streamed):
    asked = {"model": chat_model(kind), "messages": user(prompt_with("#crash")), "stream": streamed}
    failure = failure_of(openai.InternalServerError, client(), **asked)
    assert failure.status_code >= 500
    assert failure.type == "server_error"


@both
def test_an_unreachable_upstream_is_told_once(streamed):
    with counting_client() as (given, sent):
        failure = failure_of(openai.InternalServerError, given, model="nobody/listens:1", stream=streamed)
    assert (failure.status_code, failure.code) == (502, "upstream_error")
    assert failure.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1


@pytest.mark.parametrize("kind", ["ollama", "openai", "api3"])
def test_an_upstreams_own_limit_is_a_rate_limit_error(kind):
    asked = {"model": chat_model(kind), "messages": user(prompt_with("#busy"))}
    failure = failure_of(openai.RateLimitError, client(), **asked)
    assert 1 <= float(failure.response.headers["retry-after"]) <= 60


def test_the_second_request_of_a_second_is_refused():
    def ask(_):
        try:
            return client("burst_refused").chat.completions.create(model=chat_model("echo"), messages=user("hi"))
        except openai.RateLimitError as failure:
            return failure

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(ask, range(2)))
    (refused,) = (outcome for outcome in outcomes if isinstance(outcome, openai.RateLimitError))
    assert (refused.status_code, refused.code) == (429, "rate_limit_exceeded")
    assert refused.response.headers["retry-after"] == "1"
    assert refused.response.headers["x-should-retry"] == "true"
    assert refused.request_id


def test_the_client_waits_a_second_and_gets_in():
    ask = {"model": chat_model("echo"), "messages": user("hi")}
    started = time.monotonic()
    with counting_client("burst_retried") as (given, sent), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: given.chat.completions.create(**ask), range(2)))
    assert [answer.choices[0].message.content for answer in answers] == ["hi", "hi"]
    assert len(sent) == 3
    assert 0.9 <= time.monotonic() - started < 10


def test_a_spent_quota_is_not_tried_again():
    with counting_client("poor") as (given, sent):
        failure = failure_of(openai.RateLimitError, given)
    assert (failure.status_code, failure.code, failure.type) == (429, "insufficient_quota", "insufficient_quota")
    assert failure.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1
