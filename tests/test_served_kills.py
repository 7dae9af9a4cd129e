"""A job that asks a server is killed again and again: nothing that arrived is asked for twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.judging.served import ServedJudge
from edit_benchmark.results import spending
from edit_benchmark.results.layout import Layout
from served_fixtures import score_job
from stand_in import Asked, Reply, StandIn, well

KILLS = 20
SAMPLES = 100
AT_ONCE = 8


def begin(job: ScoreJob) -> int:
    """Do ``job`` in a process of its own, in which all is imported already."""
    child = os.fork()
    if child == 0:
        try:
            score_edits(job)
        finally:
            os._exit(0)
    return child


def arrived(results: Path) -> set[str]:
    """What the store holds of the server's replies, as such and in answers."""
    found = set()
    for path in results.glob("store/answers/*/*.json"):
        replies = json.loads(path.read_bytes())["fields"]["details"]["replies"]
        found |= {told["id"] for told in replies.values()}
    for path in results.glob("store/answers/*/*.replies/*.json"):
        found.add(json.loads(path.read_bytes())["body"]["id"])
    return found


def test_twenty_kills_ask_nothing_twice_that_had_arrived(server: StandIn, tmp_path: Path) -> None:
    def in_a_while(asked: Asked) -> Reply:
        return Reply(body=well(asked).body, pause=random.uniform(0.005, 0.03))

    assert ServedJudge  # imported before the first fork
    server.behaviour = in_a_while
    job = score_job(tmp_path, server.url, SAMPLES, concurrency=AT_ONCE)
    draw = random.Random(7)
    known: set[str] = set()
    asked_in_all = 0
    kills = 0
    while kills < KILLS:
        child = begin(job)
        wanted = server.answered.total() + draw.randint(5, 20)
        while server.answered.total() < wanted:
            time.sleep(0.003)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        # A request on its way to the server when its sender died is not one of those asked again.
        time.sleep(0.05)
        before, known = known, arrived(tmp_path)
        assert before <= known
        assert not before & {asked.digest for asked in server.asked}
        asked_in_all += len(server.asked)
        server.asked.clear()
    rows = score_edits(job)
    assert {row.status for row in rows} == {"scored"}
    assert not known & {asked.digest for asked in server.asked}
    # A request is asked again for each kill and slot at most, and none that the server counts is
    # missing from what the run says that it may have paid.
    asked_in_all += len(server.asked)
    ledger = spending.read(Layout(tmp_path).spending).by_name["judges", "gpt"]
    requests = ledger.answered + len(ledger.most)
    assert 5 * SAMPLES <= asked_in_all <= requests <= 5 * SAMPLES + KILLS * AT_ONCE
