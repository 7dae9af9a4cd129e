"""What a server's status means, how fast it is asked, and what its tokens cost."""

from __future__ import annotations

import json

import pytest

from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.results.spending import Usage
from edit_benchmark.servers.pace import Pace
from edit_benchmark.servers.replying import Passing, Received, answer_of

ERROR = {"error": {"message": "no", "code": "some_code"}}


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((408, 409, 425, 429, 500, 502, 503, 504, 529), Passing),
        ((400, 413, 422), SampleError),
        ((301, 307, 308, 401, 402, 403, 404), UserError),
    ],
)
def test_a_status_is_asked_again_or_fails_its_sample_or_stops_the_job(
    statuses: tuple[int, ...], kind: type[Exception]
) -> None:
    for status in statuses:
        with pytest.raises(kind, match=str(status)):
            answer_of(Received(status, {}, json.dumps(ERROR).encode()))


@pytest.mark.parametrize(
    ("code", "kind"), [("insufficient_quota", UserError), ("rate_limit_exceeded", Passing)]
)
def test_a_429_for_want_of_money_is_not_waited_for(code: str, kind: type[Exception]) -> None:
    body = json.dumps({"error": {"message": "no", "code": code}}).encode()
    with pytest.raises(kind):
        answer_of(Received(429, {"retry-after": "7"}, body))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0.5", 0.5), ("soon", None), ("-3", None), ("inf", None),
     ("Thu, 01 Jan 1970 00:00:00 GMT", None)],
)  # fmt: skip
def test_retry_after_is_read_or_not_taken_for_a_number(value: str, seconds: float | None) -> None:
    with pytest.raises(Passing) as raised:
        answer_of(Received(503, {"retry-after": value}, b""))
    assert raised.value.retry_after == seconds


def test_tokens_and_requests_keep_to_their_minute_whichever_is_slower() -> None:
    clock = 100.0
    pace = Pace(60, 6000, lambda: clock)
    # A second for a request, a hundredth of one for a token.
    assert [pace.claim(50), pace.claim(300), pace.claim(50)] == pytest.approx([0, 1, 4])
    clock = 200.0
    assert pace.claim(1) == 0
    pace.hold(20)
    assert pace.held == 20


def test_images_have_a_price_of_their_own_where_the_server_counts_them() -> None:
    usage = Usage(1000, 200, 600)
    prices = {"input": 5, "output": 10}
    assert usage.cost({**prices, "image": 8}) == pytest.approx(
        (400 * 5 + 600 * 8 + 200 * 10) / 1_000_000
    )
    assert usage.cost({**prices, "image": None}) == pytest.approx((1000 * 5 + 200 * 10) / 1e6)
