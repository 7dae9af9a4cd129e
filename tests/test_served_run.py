"""A whole run that asks a server for edits and scores: money, secrets, what it takes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from conftest import Project, clone
from stand_in import Asked, Reply, StandIn, edited, standing_in, well

KEY = "sk-toy-0123456789abcdefghijklmnop"
PRICE = {"input": 2, "output": 8}
#: Command lines in which the key stood while a request was under way.
seen: list[str] = []
failed_once: list[str] = []


def indiscreet(asked: Asked) -> Reply:
    """A server that quotes the key wherever it fails, and fails in many ways."""
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if KEY.encode() in path.read_bytes():
                seen.append(str(path))
        except OSError:
            continue
    error = {"error": {"message": f"key {KEY} may not do that"}}
    if asked.path == "/v1/images/edits":
        if "fail" in asked.body["prompt"]:
            return Reply(400, error)
        return edited(asked)
    text = asked.parts("text")[-1]["text"]
    if "odd 1" in text:
        return Reply(400, error)
    if "odd 2" in text:
        body = well(asked).body
        body["choices"][0]["message"]["refusal"] = f"I will not say {KEY}"
        return Reply(body=body)
    if not failed_once:
        failed_once.append(text)
        return Reply(502, f"<html>no route for {KEY}</html>".encode())
    return well(asked)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, StandIn, str]:
    """A run over nine samples of one category, some of which fail at the editor or the judge."""
    project = clone(tmp_path_factory.mktemp("served") / "clone")
    with standing_in(indiscreet) as server:
        words = ["fail", "odd 1", "odd 2", *(f"turn {number}" for number in range(6))]
        rows = [
            {"id": f"s{number}", "category": "physical", "instruction": word}
            for number, word in enumerate(words)
        ]
        project.benchmark(rows)
        shared = {"base_url": server.url, "api_key_env": "TOY_KEY", "model": "toy", "price": PRICE}
        project.configure(
            benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"]},
            models={"served": {"editor": "openai", "dialect": "openai", **shared}},
            judges={"gpt": {"judge": "openai", **shared}},
            selftest_samples=1,
            device_ids=[0],  # there is none here, and none is needed
        )
        output = project.run("estimate", TOY_KEY=KEY)
        output += project.run(TOY_KEY=KEY)
        return project, server, output


def test_the_key_stands_nowhere(run: tuple[Project, StandIn, str]) -> None:
    project, _, output = run
    assert KEY not in output
    assert not seen
    for path in project.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    reasons = {row.reason for row in project.scores("physical", "served", "gpt").values()}
    for reason in (
        "bad_request: 400 Bad Request: key *** may not do that",
        "refusal: gravity_and_support: the judge refused to answer (I will not say ***)",
    ):
        assert reason in reasons


def test_costs_are_those_that_the_server_counted(run: tuple[Project, StandIn, str]) -> None:
    project, server, output = run
    with (project.root / "results/report/costs.csv").open(encoding="utf-8-sig") as file:
        rows = {(row["kind"], row["name"]): row for row in csv.DictReader(file)}
    edits = [asked for asked in server.asked if asked.path == "/v1/images/edits"]
    paid = [asked for asked in edits if "fail" not in asked.body["prompt"]]
    of_edits = rows["edit", "served"]
    assert int(of_edits["requests"]) == len(paid) == 8
    assert float(of_edits["cost"]) == pytest.approx(8 * (300 * 2 + 4000 * 8) / 1e6)
    of_scores = rows["score", "gpt"]
    answered = sum(server.answered.values()) - 8
    assert int(of_scores["requests"]) == answered
    assert float(of_scores["cost"]) == pytest.approx(answered * (1000 * 2 + 10 * 8) / 1e6)
    total = float(of_edits["cost"]) + float(of_scores["cost"])
    assert float(rows["run", ""]["cost"]) == pytest.approx(total)
    page = (project.root / "results/report/index.html").read_text(encoding="utf-8")
    assert "What servers cost" in page
    # Before the run: 9 x 5 questions, and those of the self-test.
    assert "models.served (toy): 9 requests" in output
    assert f"judges.gpt (toy): {9 * 5 + 11 * 5} requests" in output


def test_who_asks_a_server_takes_no_gpu(run: tuple[Project, StandIn, str]) -> None:
    _, server, output = run
    jobs = [line for line in output.splitlines() if line.lstrip().startswith("resources:")]
    claims = [line for line in jobs if server.resource in line]
    assert claims
    for line in claims:
        assert "gpu=0" in line
        assert f"{server.resource}=8" in line
    # Together they keep what the server takes.
    assert server.most_at_once <= 8
    assert "the name toy has no date" in output
