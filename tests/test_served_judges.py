"""Judges behind a server, asked in every way in which one answers, or does not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from conftest import draw
from edit_benchmark.config.judges import ServedJudgeSettings
from edit_benchmark.config.resolve import config_from_json, judge_settings
from edit_benchmark.errors import UserError
from edit_benchmark.estimate import TIMES_TESTED
from edit_benchmark.judging import job, protocols
from edit_benchmark.judging.job import score_edits
from edit_benchmark.judging.pairs import Pair, PairJob, Picture, ask_pairs
from edit_benchmark.records import Score
from edit_benchmark.results import spending
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.spending import Usage
from edit_benchmark.results.store import Store
from edit_benchmark.selftest.job import SelfTestJob, self_test
from protocol_fixtures import checkout
from served_fixtures import score, score_job
from stand_in import Asked, Reply, StandIn, chat, logprobs, standing_in, usage, well

PRICE = {"input": 2, "output": 8}


def answer(results: Path, row: Score) -> dict[str, Any]:
    """What is kept of an answer."""
    content = Store(Layout(results).answer_store).get(row.answer_key)
    assert content is not None
    return content


def first(*replies: Reply, then: Callable[[Asked], Reply] = well) -> Callable[[Asked], Reply]:
    """A server that gives ``replies`` one after the other, then does as ``then``."""
    left = list(replies)
    return lambda asked: left.pop(0) if left else then(asked)


# ----- Judges -----


def test_a_protocol_is_asked_as_the_benchmark_asks(server: StandIn, tmp_path: Path) -> None:
    prompts = str(checkout("gedit", tmp_path / "prompts"))
    job = score_job(tmp_path, server.url, protocol="gedit", prompts=prompts)
    assert isinstance(job.settings, ServedJudgeSettings)
    server.behaviour = lambda asked: Reply(body=chat('{"score": [9, 4]}'))
    asked = protocols.load(job.settings, "physical", "en")
    (row,) = score_edits(replace(job, asked=asked))
    assert (row.score, row.criteria) == (4, {"SC": 4, "PQ": 4})
    both, alone = sorted(server.asked, key=lambda one: len(one.parts("image_url")), reverse=True)
    assert [part["type"] for part in both.body["messages"][0]["content"]] == [
        "text", "image_url", "image_url",
    ]  # fmt: skip
    assert both.parts("text")[0]["text"].endswith("change 0")
    assert len(alone.parts("image_url")) == 1
    assert (both.body["temperature"], both.body["max_completion_tokens"]) == (1, 1400)
    assert "response_format" not in both.body
    server.asked.clear()
    assert score_edits(replace(job, asked=asked)) == [row]
    assert not server.asked


def pair_job(results: Path, url: str, count: int = 2) -> PairJob:
    """Each two of ``count`` edits of one sample."""
    scored = score_job(results, url, count=count, method="pairwise")
    pairs = [
        Pair(
            scored.samples[0],
            Picture(one.image, one.image_sha256),
            Picture(other.image, other.image_sha256),
            f"{one.id} and {other.id}",
        )
        for one, other in combinations(scored.edits, 2)
    ]
    asked = protocols.load(scored.settings, "physical", "en")
    fields = {name: getattr(scored, name) for name in
              ("name", "settings", "checkpoint_record", "results", "devices")}  # fmt: skip
    return PairJob(**fields, pairs=pairs, asked=asked)


def test_a_pair_is_asked_about_in_both_orders_and_each_answer_is_paid_once(
    server: StandIn, tmp_path: Path
) -> None:
    job = pair_job(tmp_path, server.url)
    (pair,) = job.pairs
    said = Reply(body=chat('{"winner": "Image A"}'))
    server.behaviour = first(Reply(body=chat("Image A, I think")), then=lambda asked: said)
    (found,) = ask_pairs(job)
    shares = [heard.preference for heard in found["better"]]
    assert sorted(map(str, shares)) in (["1.0", "None"], ["0.0", "None"])
    assert [len(one.parts("image_url")) for one in server.asked] == [3, 3]
    assert "response_format" not in server.asked[0].body
    server.asked.clear()
    # An answer that says nothing is an answer; and another order of the models is no other pair.
    turned = replace(pair, first=pair.second, second=pair.first)
    (again,) = ask_pairs(replace(job, pairs=[turned]))
    assert not server.asked
    assert [heard.text for heard in again["better"]] == [
        heard.text for heard in reversed(found["better"])
    ]


def test_the_same_two_pictures_are_asked_about_once(server: StandIn, tmp_path: Path) -> None:
    job = pair_job(tmp_path, server.url)
    server.behaviour = lambda asked: Reply(body=chat('{"winner": "Image A"}'))
    # As of models that draw nothing, in a further repeat.
    found = ask_pairs(replace(job, pairs=[*job.pairs, replace(job.pairs[0], name="again")]))
    assert len(server.asked) == 2
    assert found[0] == found[1]
    assert [heard.preference for heard in found[1]["better"]] == [1, 0]


def test_silence_about_pairs_is_told_and_not_paid_again(server: StandIn, tmp_path: Path) -> None:
    job = pair_job(tmp_path, server.url, count=10)
    server.behaviour = lambda asked: Reply(body=chat(""))
    paid = []
    for _ in range(2):
        with pytest.raises(UserError, match=r"the first \d\d answers .* empty_answer"):
            ask_pairs(job)
        paid.append(len(server.asked))
    # What was asked when the tenth answer came is answered too.
    assert 10 <= paid[0] == paid[1] < 90


def test_each_measurement_of_a_protocol_has_a_seed_of_its_own(
    server: StandIn, tmp_path: Path
) -> None:
    prompts = str(checkout("complex_edit", tmp_path / "prompts"))
    job = score_job(tmp_path, server.url, protocol="complex_edit", prompts=prompts)
    assert isinstance(job.settings, ServedJudgeSettings)
    text = '{"instruction_following": 9, "identity_preservation": 6, "perceptual_quality": 3}'
    server.behaviour = lambda asked: Reply(body=chat(text))
    (row,) = score_edits(replace(job, asked=protocols.load(job.settings, "physical", "en")))
    assert (row.status, row.score) == ("scored", 6)
    assert sorted(asked.body["seed"] for asked in server.asked) == sorted([*range(20)] * 2)
    assert server.asked[0].body["messages"][0]["role"] == "system"


def test_a_score_is_the_expected_value_of_what_the_server_lists(
    server: StandIn, tmp_path: Path
) -> None:
    listed = {"6": 0.5, "7": 0.3, "a": 0.1, "5": 0.06}
    server.behaviour = lambda asked: Reply(body=chat("6", logprobs=logprobs(listed)))
    (row,) = score(tmp_path, server.url)
    assert row.score == pytest.approx((7 * 0.5 + 8 * 0.3 + 6 * 0.06) / 0.86)
    kept = answer(tmp_path, row)["details"]
    # 0, 1, 2, 3 and 4 are not listed: each is at most as probable as 5, all at most what is left.
    assert [kept[key]["unlisted"] for key in row.criteria] == pytest.approx([0.04] * 5)
    told = next(iter(kept["replies"].values()))
    assert told["usage"] == usage()
    assert told["model"] == "toy-2026-01-01"
    assert told["system_fingerprint"] == "fp_1"
    assert told["finish_reason"] == "stop"
    asked = server.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.image(0).size == asked.image(1).size == (64, 48)
    assert [part["text"] for part in asked.parts("text")][:2] == [
        "Source picture:", "Edited picture:",
    ]  # fmt: skip


def test_all_source_images_are_shown_by_their_numbers(server: StandIn, tmp_path: Path) -> None:
    (row,) = score(tmp_path, server.url, method="generated", sources=3)
    assert row.status == "scored"
    (asked,) = server.asked
    *headings, text = [part["text"] for part in asked.parts("text")]
    assert headings == [
        "Source picture 1:", "Source picture 2:", "Source picture 3:", "Edited picture:"
    ]  # fmt: skip
    assert "3 source pictures, Source picture 1 to Source picture 3" in text
    for number, name in enumerate(["source 0", "source 0-1", "source 0-2", "edited s0"]):
        assert asked.image(number).tobytes() == draw(name).tobytes()
    (other,) = score(tmp_path, server.url, method="generated", sources=2)
    assert other.answer_key != row.answer_key


def test_a_judge_that_wants_to_say_something_else_gives_no_score(
    server: StandIn, tmp_path: Path
) -> None:
    server.behaviour = lambda asked: Reply(body=chat("I", logprobs=logprobs({"I": 0.7, "5": 0.2})))
    (row,) = score(tmp_path, server.url)
    assert row.status == "judge_failed"
    assert "0.200 of its probability" in row.reason
    asked = len(server.asked)
    # Another min_mass reads the answer again; nobody is asked.
    (row,) = score(tmp_path, server.url, min_mass=0.1)
    assert row.score == pytest.approx(6)
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    "content", [[], [None], [{"top_logprobs": []}], [{"top_logprobs": {"6": -0.1}}],
                [{"top_logprobs": ["6"]}], [{"top_logprobs": [{"logprob": -0.1}, None]}]],
)  # fmt: skip
def test_probabilities_in_no_form_that_is_known_are_no_score(
    server: StandIn, tmp_path: Path, content: list[Any]
) -> None:
    server.behaviour = lambda asked: Reply(body=chat("6", logprobs={"content": content}))
    (row,) = score(tmp_path, server.url)
    assert row.reason.startswith("no_logprobs: ")


@pytest.mark.parametrize("value", [float("nan"), None])
def test_a_probability_that_is_no_number_is_no_score(
    server: StandIn, tmp_path: Path, value: float | None
) -> None:
    listed = logprobs({"6": 0.5, "7": 0.3})
    listed["content"][0]["top_logprobs"][1]["logprob"] = value
    server.behaviour = lambda asked: Reply(body=chat("6", logprobs=listed))
    (row,) = score(tmp_path, server.url)
    assert row.status == "judge_failed"
    assert row.reason.startswith("not_finite: ")
    asked = len(server.asked)
    score(tmp_path, server.url)
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chat('{"', finish_reason="length"), "length: the answer was cut off"),
        (chat("", finish_reason="content_filter"), "content_filter: "),
        (chat(None, refusal="I would rather not."), "refusal: .*I would rather not"),
        (chat(""), "empty_answer: "),
        (chat("<think>hm</think> 7"), "unparsable_answer: "),
        ({**chat(""), "choices": []}, "no_choice: "),
    ],
)
def test_an_answer_that_is_none_is_a_status_and_is_not_asked_again(
    server: StandIn, tmp_path: Path, body: Any, reason: str
) -> None:
    server.behaviour = lambda asked: Reply(body=body)
    for _ in range(2):
        (row,) = score(tmp_path, server.url, method="generated")
        assert row.status == "judge_failed"
        assert row.score is None
        assert re.match(reason, row.reason), row.reason
    assert len(server.asked) == 1


def test_a_schema_holds_the_judge_to_labels(server: StandIn, tmp_path: Path) -> None:
    (row,) = score(tmp_path, server.url, method="generated", image_format="jpeg", max_pixels=1024)
    assert row.reading == "strict"
    asked = server.asked[0]
    schema = asked.body["response_format"]["json_schema"]["schema"]
    assert set(schema["properties"]) == {*row.criteria, "reason"}
    assert schema["properties"][next(iter(row.criteria))]["enum"] == [1, 2, 3, 4, 5, 6, 7, 0]
    sent = asked.image()
    assert sent.format == "JPEG"
    assert sent.size == (36, 27)


# ----- Load -----


def test_what_may_pass_is_asked_again(server: StandIn, tmp_path: Path) -> None:
    whole = well(Asked("", {}, {"logprobs": True}))
    server.behaviour = first(
        Reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "1"}),
        Reply(503, b"<html><style>x{}</style><body>Bad gateway</body></html>"),
        Reply(200, b"<html><body>Please log in</body></html>"),
        Reply(200, b'{"choices": [{'),
        Reply(200, {"error": {"message": "upstream"}}),
        Reply(200, whole.body, cut=40),
    )
    began = time.monotonic()
    (row,) = score(tmp_path, server.url, max_seconds=60)
    assert row.status == "scored"
    assert len(server.asked) == 5 + 6
    assert time.monotonic() - began > 1


def test_a_request_that_waited_long_for_its_turn_is_asked_again_too(
    server: StandIn, tmp_path: Path
) -> None:
    # Its turn comes after two seconds.
    last = iter([False] * 4 + [True])
    server.behaviour = lambda asked: Reply(503, {}) if next(last, False) else well(asked)
    (row,) = score(tmp_path, server.url, requests_per_minute=120, max_seconds=1, breaker_seconds=1)
    assert row.status == "scored"
    assert len(server.asked) == 5 + 1


def test_a_server_that_wants_to_be_left_alone_for_an_hour_stops_the_job(
    server: StandIn, tmp_path: Path
) -> None:
    later = Reply(429, {"error": {"message": "tomorrow"}}, {"Retry-After": "3600"})
    left = iter(range(12))
    server.behaviour = lambda asked: well(asked) if next(left, None) is not None else later
    began = time.monotonic()
    with pytest.raises(UserError, match=r"judges.gpt: .* asks to wait for 3600 s, .*: tomorrow"):
        score(tmp_path, server.url, 6)
    assert time.monotonic() - began < 3


def test_a_server_that_drips_is_given_up(server: StandIn, tmp_path: Path) -> None:
    body = well(Asked("", {}, {"logprobs": True})).body
    server.behaviour = first(Reply(200, body, pause=0.2, piece=8))
    (row,) = score(tmp_path, server.url, request_seconds=1, max_seconds=60)
    assert row.status == "scored"
    assert len(server.asked) == 5 + 1


@pytest.mark.parametrize("status", [401, 403, 404, 307])
def test_what_every_request_would_meet_stops_the_job(
    server: StandIn, tmp_path: Path, status: int
) -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/v1/chat/completions"} if status == 307 else {}
    server.behaviour = lambda asked: Reply(status, {"error": {"message": "no"}}, elsewhere)
    with pytest.raises(UserError, match=rf"judges.gpt: {status} .*run the same command again\.$"):
        score(tmp_path, server.url, 6, concurrency=2)
    assert len(server.asked) <= 2


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_server_that_no_authority_vouches_for_is_sent_nothing(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout own.pem -out own.crt -subj /CN=own"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    own = tmp_path / "own.pem"
    own.write_bytes(own.read_bytes() + (tmp_path / "own.crt").read_bytes())
    server.speak_tls(own)
    with pytest.raises(UserError, match=r"judges.gpt: its certificate .* nothing was sent; for an"):
        score(tmp_path, server.url, 2)
    assert not server.asked
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.crt"))
    assert [row.status for row in score(tmp_path, server.url, 2)] == ["scored"] * 2


def test_a_bad_request_costs_no_other_sample_its_answer(server: StandIn, tmp_path: Path) -> None:
    def one_is_bad(asked: Asked) -> Reply:
        if "change 1" in asked.parts("text")[-1]["text"]:
            return Reply(400, {"error": {"message": "too large", "code": "invalid_image"}})
        return well(asked)

    server.behaviour = one_is_bad
    rows = score(tmp_path, server.url, 3)
    assert [row.status for row in rows] == ["scored", "judge_failed", "scored"]
    assert rows[1].reason == "bad_request: 400 Bad Request: too large"


def test_a_server_that_is_gone_stops_the_job_which_goes_on(server: StandIn, tmp_path: Path) -> None:
    answered = 0

    def soon_gone(asked: Asked) -> Reply:
        nonlocal answered
        answered += 1
        return well(asked) if answered <= 12 else Reply(502, b"<html>gone</html>")

    server.behaviour = soon_gone
    with pytest.raises(UserError, match=r"gave nothing usable for .* 502 Bad Gateway: gone"):
        score(tmp_path, server.url, 6, max_seconds=60)
    asked = {one.digest for one in server.asked[:12]}
    server.behaviour = well
    server.forget()
    rows = score(tmp_path, server.url, 6)
    assert {row.status for row in rows} == {"scored"}
    assert len(server.asked) == 6 * 5 - 12
    assert not asked & {one.digest for one in server.asked}
    # What replies stood for is in the answers now.
    assert not list(tmp_path.glob("store/answers/*/*.replies"))


def test_no_more_requests_are_under_way_than_the_server_takes(
    server: StandIn, tmp_path: Path
) -> None:
    server.behaviour = lambda asked: Reply(body=well(asked).body, pause=0.02)
    score(tmp_path, server.url, 8, concurrency=3)
    assert server.most_at_once == 3


def test_requests_keep_to_the_minute(server: StandIn, tmp_path: Path) -> None:
    began = time.monotonic()
    score(tmp_path, server.url, 1, requests_per_minute=120)
    assert time.monotonic() - began >= 4 * 0.5


# ----- Money -----


def test_a_budget_stops_the_run_before_it_is_exceeded(server: StandIn, tmp_path: Path) -> None:
    # A request costs 1000 x 2 + 10 x 8 a million, 0.00208: five of them are a sample.
    with pytest.raises(UserError, match=r"the budget of 0\.03 could be exceeded"):
        score(tmp_path, server.url, 6, price=PRICE, budget=0.03, concurrency=2)
    ledger = spending.read(Layout(tmp_path).spending).by_name["judges", "gpt"]
    assert ledger.cost is not None
    assert 0.02 < ledger.cost <= 0.03
    assert ledger.answered == len(server.asked)
    asked = len(server.asked)
    rows = score(tmp_path, server.url, 6, price=PRICE, budget=0.1)
    assert {row.status for row in rows} == {"scored"}
    assert len(server.asked) == 30 > asked


def test_a_budget_counts_a_request_at_its_most(tmp_path: Path) -> None:
    # 1 for a token sent, 3 for one of an image, 2 for one answered.
    price = {"input": 1e6, "image": 3e6, "output": 2e6}
    ledger = spending.Ledger(tmp_path / "ledger", "models", "e", "toy", price, budget=1000)
    small = ledger.ask(Usage(100, 50))
    with pytest.raises(UserError, match="400 is spent or under way, and it may cost 700"):
        ledger.ask(Usage(200, 50))  # larger than any so far, and all of it may be images
    ledger.answered(small, Usage(150, 60, 50))
    with pytest.raises(UserError, match="370 is spent or under way, and it may cost 720"):
        ledger.ask(Usage(200, 50))  # an answer was larger than was known
    with pytest.raises(UserError, match="370 is spent or under way, and it may cost 1170"):
        ledger.ask(Usage(350, 50))


def test_a_self_test_goes_on_where_it_was_stopped(server: StandIn, tmp_path: Path) -> None:
    part = score_job(tmp_path, server.url, 2)
    job = SelfTestJob(
        name="gpt", settings=part.settings, checkpoint_record=part.checkpoint_record,
        results=tmp_path, devices=part.devices, model="m", edits=part.edits,
        samples=part.samples, count=2, part=1, parts=1, language="en",
    )  # fmt: skip
    answered: list[str] = []

    def soon_closed(asked: Asked) -> Reply:
        answered.append(asked.digest)
        return well(asked) if len(answered) <= 40 else Reply(401, {"error": {"message": "no"}})

    server.behaviour = soon_closed
    with pytest.raises(UserError, match="401 Unauthorized"):
        self_test(job)
    server.forget()
    server.behaviour = well
    rows = self_test(job).rows
    # Each edit as it is and changed in eleven ways, five criteria each; the same asked once more is
    # really asked once more.
    assert len(server.asked) == sum(row.asked for row in rows) * 5 - 40
    assert rows[0].asked == TIMES_TESTED
    # Done once more it costs nothing, and in other parts too.
    server.forget()
    assert self_test(job).rows == rows
    assert self_test(replace(job, part=2, parts=2)).rows == rows[1:]
    assert not server.asked


# ----- Settings -----


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"base_url": "https://me:sk-secret@host/v1"}, "the address holds credentials"),
        ({"base_url": "https://host/v1?api_key=sk-secret"}, "the address has a query"),
        ({"base_url": "sk-secret"}, "it is no address"),
        ({"api_key_env": "sk-secret-0123"}, "not the name of an environment variable"),
        ({"breaker_seconds": 700}, "above max_seconds 600"),
        ({"vary": "order", "repeat": 1}, "vary: order changes nothing"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_no_key_is_shown(
    settings: dict[str, Any], sentence: str
) -> None:
    judge = {"judge": "openai", "base_url": "https://host/v1", "model": "m", **settings}
    with pytest.raises(UserError, match=re.escape(sentence)) as refused:
        judge_settings(json.dumps(judge), "gpt")
    assert "config: judges.gpt" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_budget_needs_prices() -> None:
    judge = {"judge": "openai", "base_url": "https://host/v1", "model": "m"}
    config = {"benchmark": {"path": "x"}, "models": {"a": {"editor": "identity"}}, "budget": 5,
              "judges": {"gpt": judge}}  # fmt: skip
    with pytest.raises(UserError, match=r"budget is 5, but judges.gpt says no price"):
        config_from_json(json.dumps(config))


def test_the_key_comes_from_the_environment_or_the_netrc_of_its_host(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-server")
    with pytest.raises(UserError, match=r"the environment variable TOY_KEY \(api_key_env\)"):
        score(tmp_path, server.url, api_key_env="TOY_KEY")
    monkeypatch.setenv("TOY_KEY", "of-this-one")
    (row,) = score(tmp_path, server.url, api_key_env="TOY_KEY")
    assert server.asked[0].headers["authorization"] == "Bearer of-this-one"
    # Neither the key nor where it comes from is part of what was asked.
    netrc = tmp_path / "netrc"
    netrc.write_text("default login a password other\nmachine 127.0.0.1 login me password filed\n")
    monkeypatch.setenv("NETRC", str(netrc))
    asked = len(server.asked)
    assert score(tmp_path, server.url)[0].answer_key == row.answer_key
    assert len(server.asked) == asked
    score(tmp_path, server.url, seed=1)
    assert server.asked[-1].headers["authorization"] == "Bearer filed"


def test_answers_that_came_while_a_judge_was_loaded_are_not_asked_again(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster's job that outlived its run stores them."""
    really, others = job.loaded, []
    more: dict[str, Any] = {}

    def loaded_meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(job, "loaded", really)
        others.extend(score(tmp_path, server.url, 2, **more))
        return really(*arguments)

    monkeypatch.setattr(job, "loaded", loaded_meanwhile)
    rows = score(tmp_path, server.url, 3)
    assert [row.score for row in rows[:2]] == [row.score for row in others]
    assert [row.status for row in rows] == ["scored"] * 3
    assert len(server.asked) == 3 * 5
    # They say that the judge is one that can be used, whatever the next answers are.
    monkeypatch.setattr(job, "loaded", loaded_meanwhile)
    more["seed"] = 1
    server.behaviour = lambda asked: (
        well(asked) if len(server.asked) <= 25 else Reply(body=chat(""))
    )
    rows = score(tmp_path, server.url, 12, **more)
    assert [row.status for row in rows] == ["scored"] * 2 + ["judge_failed"] * 10


def test_a_server_that_moved_is_not_paid_again(server: StandIn, tmp_path: Path) -> None:
    (row,) = score(tmp_path, server.url)
    with standing_in() as other:
        assert score(tmp_path, other.url) == [row]
        assert not other.asked
        score(tmp_path, other.url, model="another")
        assert len(other.asked) == 5
