"""How far a run is, seen from outside while it goes on: counts, rates, what is left."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from edit_benchmark.results import plan as plans
from edit_benchmark.results.counted import Counting, Station, written_at
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.plan import Plan, Table
from edit_benchmark.runtime.progress import duration

#: Rates are those of so many seconds before the look.
WINDOW = 900.0
#: A job is at work if it wrote into its log in so many seconds before.
AT_WORK = 300.0
_LISTED = 12
# Of the stages in a job's timings: beside the device, or without work.
_NO_WORK = {"reading", "waiting"}


@dataclass(frozen=True)
class Pace:
    """How fast a model or a judge is.

    Attributes
    ----------
    per_hour
        Images an hour that came lately, of all devices together; None if none came. Of what
        is done, until the last one.
    seconds_each
        Seconds of an image on its device, lately or in the run's earlier jobs; None if unknown.
    """

    per_hour: float | None
    seconds_each: float | None


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes
    ----------
    begun, looked
        Seconds since 1970.
    under_way
        Whether the run's process is there; None if this host cannot tell.
    where
        The run's process, in words.
    at_work
        Jobs that wrote into their logs lately and have made no table yet.
    comparisons
        Finished jobs that compare two models' edits, of those known as the run began.
    selftests
        Finished verdicts on judges, and how many there will be.
    seconds_left
        Until all is edited and judged at the present pace; None if that cannot be told.
    unmeasured
        Models and judges of which nothing is known yet: ``seconds_left`` is without them.
    """

    results: str
    begun: float
    looked: float
    under_way: bool | None
    where: str
    stations: Sequence[Station]
    paces: Sequence[Pace]
    at_work: Sequence[str]
    comparisons: tuple[int, int]
    selftests: tuple[int, int]
    seconds_left: float | None
    unmeasured: Sequence[str]


def look(results: Path) -> Status:
    """How far the run in a results folder is; nothing is written.

    Raises
    ------
    UserError
        If no run has begun there.
    """
    layout = Layout(results)
    plan = plans.read(layout)
    now = time.time()
    counting = Counting(layout, plan, now - WINDOW)
    timings = _timings(layout.timings)
    stations = counting.stations
    paces = [_pace(station, now, timings) for station in stations]
    seconds_left, unmeasured = _left(stations, paces)
    under_way, where = _process(layout.run_lock)
    verdicts = [counting.is_made(layout.selftest(*one.place), one) for one in plan.selftests]
    compared = [
        counting.is_made(layout.preference_part(*one.place), one) for one in plan.comparisons
    ]
    return Status(
        results=str(results),
        begun=plan.begun,
        looked=now,
        under_way=under_way,
        where=where,
        stations=stations,
        paces=paces,
        at_work=_at_work(layout, plan, now - AT_WORK),
        comparisons=(sum(compared), len(compared)),
        selftests=(sum(verdicts), len(verdicts)),
        seconds_left=seconds_left,
        unmeasured=unmeasured,
    )


def as_json(status: Status) -> dict[str, Any]:
    """A status for programs: a row for each model and judge."""
    rows = [
        {
            "kind": station.kind,
            "name": station.name,
            "wanted": station.wanted,
            "done": station.done,
            "failed": station.failed,
            "skipped": station.skipped,
            "per_hour": pace.per_hour,
            "seconds_each": pace.seconds_each,
            "seconds_left": _row_left(station, pace),
        }
        for station, pace in zip(status.stations, status.paces, strict=True)
    ]
    whole = {name: value for name, value in vars(status).items() if name != "paces"}
    return whole | {"stations": rows}


def lines(status: Status) -> list[str]:
    """A status for people."""
    now = {True: "under way", False: "not under way", None: "cannot be told from here"}
    text = [
        f"{status.results}: run of {_clock(status.begun)}, {now[status.under_way]} "
        f"({status.where}); looked at {_clock(status.looked)}",
        f"{'':8}{'':28}{'done':>9}{'of':>9}{'failed':>8}{'skipped':>9}{'an hour':>10}  until",
    ]
    for station, pace in zip(status.stations, status.paces, strict=True):
        left = _row_left(station, pace)
        until = "-"
        if left == 0:
            until = "done"
        elif left is not None and status.under_way is not False:
            until = _clock(status.looked + left)
        what = "edited" if station.kind == "edit" else "judged"
        wanted = "?" if station.wanted is None else f"{station.wanted}"
        rate = (
            "-"
            if pace.per_hour is None
            else f"{pace.per_hour:,.{0 if pace.per_hour >= 100 else 1}f}"
        )
        text.append(
            f"{what:8}{station.name:28}{station.done:>9}{wanted:>9}{station.failed:>8}"
            f"{station.skipped:>9}{rate:>10}  {until}"
        )
    text += [_in_all(status)]
    if status.comparisons[1]:
        text.append(
            f"comparisons: {status.comparisons[0]} of {status.comparisons[1]} known jobs done; "
            "no time that is left has them in it"
        )
    if status.selftests[1]:
        text.append(f"self-tests of judges: {status.selftests[0]} of {status.selftests[1]} done")
    if status.at_work:
        named = ", ".join(status.at_work[:_LISTED])
        more = f" and {len(status.at_work) - _LISTED} more" * (len(status.at_work) > _LISTED)
        text.append(
            f"at work (wrote into their logs in the last {AT_WORK / 60:.0f} minutes): "
            f"{len(status.at_work)} jobs: {named}{more}; their failures are counted as they end"
        )
    return text


def _in_all(status: Status) -> str:
    if any(station.wanted is None for station in status.stations):
        return "in all: the benchmark has not been read yet"
    if all(station.left == 0 for station in status.stations):
        return "in all: everything is edited and scored"
    if status.under_way is False:
        return "in all: the run has ended with this left; the same command goes on"
    if status.seconds_left is None:
        return (
            f"in all: nothing came in the last {WINDOW / 60:.0f} minutes, so that the time that is "
            "left cannot be told"
        )
    when = f"{duration(status.seconds_left)}, until {_clock(status.looked + status.seconds_left)}"
    without = ", ".join(status.unmeasured)
    if without:
        return f"in all: {when}, and what {without} will take: nothing of that was measured yet"
    return f"in all: about {when}"


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _pace(station: Station, now: float, timings: Mapping[tuple[str, str], float]) -> Pace:
    arrivals = station.arrivals
    if not arrivals:
        return Pace(None, timings.get((station.kind, station.name)))
    # What came first was begun before.
    first = min(written - seconds for written, seconds in arrivals)
    until = max(written for written, _ in arrivals) if station.left == 0 else now
    elapsed = max(1.0, until - max(first, now - WINDOW))
    each = fmean(seconds for _, seconds in arrivals)
    return Pace(len(arrivals) / elapsed * 3600, each)


def _row_left(station: Station, pace: Pace) -> float | None:
    if station.left == 0:
        return 0.0
    if station.left is None or pace.per_hour is None:
        return None
    return station.left / pace.per_hour * 3600


def _left(stations: Sequence[Station], paces: Sequence[Pace]) -> tuple[float | None, list[str]]:
    """Seconds until all is done, and what they are without.

    Devices go on doing as much work a second as they did lately, on one model or judge after
    another; none of those that are at work takes less than at its own pace.
    """
    rows = [row for row in zip(stations, paces, strict=True) if row[0].left]
    work = sum((one.left or 0) * (pace.seconds_each or 0.0) for one, pace in rows)
    done = sum((pace.per_hour or 0.0) / 3600 * (pace.seconds_each or 0.0) for pace in paces)
    alone = [left for one, pace in rows if (left := _row_left(one, pace)) is not None]
    unmeasured = [one.name for one, pace in rows if pace.seconds_each is None]
    if done <= 0 and not alone:
        return None, unmeasured
    return max([*alone, work / done if done > 0 else 0.0]), unmeasured


def _timings(path: Path) -> dict[tuple[str, str], float]:
    """Seconds of an image in the latest job of each kind and name that made any."""
    seconds = {}
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            job = json.loads(line)
            spent = sum(part for stage, part in job["stages"].items() if stage not in _NO_WORK)
            seconds[job["kind"], job["name"]] = (spent or job["seconds"]) / job["images"]
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            continue  # half written, or without an image
    return seconds


def _at_work(layout: Layout, plan: Plan, since: float) -> list[str]:
    """Jobs whose logs were written since then, and not before a table of theirs."""
    # How many words of a place come before the part: which parts there are is not known before.
    kinds: list[tuple[str, Sequence[Table], int, Callable[..., Path]]] = [
        ("edit", plan.edits, 2, layout.shard_table),
        ("score", plan.scores, 3, layout.score_part),
        ("compare", plan.comparisons, 4, layout.preference_part),
        ("selftest_part", plan.selftests, 2, layout.selftest_part),
    ]
    found = []
    for rule, tables, words, table_of in kinds:
        for place in dict.fromkeys(tuple(table.place[:words]) for table in tables):
            for log in sorted(layout.job_log(rule, *place, "a part").parent.glob("*.log")):
                table = table_of(*place, log.stem.removeprefix("part-"))
                written = written_at(log) or 0.0
                if written >= max(since, written_at(table) or 0.0):
                    found.append(" ".join([rule, *place, log.stem]))
    return found


def _process(lock: Path) -> tuple[bool | None, str]:
    """Whether the process of the run that locked a file is there, and which one it is."""
    try:
        holder = json.loads(lock.read_bytes())
        pid, host = int(holder["pid"]), str(holder["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, "its process is not known"
    where = f"pid {pid} on {host}"
    if host != socket.gethostname():
        return None, where
    descriptors = Path("/proc") / str(pid) / "fd"
    try:
        return any(one.samefile(lock) for one in _open_files(descriptors)), where
    except PermissionError:
        return None, f"{where}, of another user"
    except OSError:
        return False, where


def _open_files(descriptors: Path) -> list[Path]:
    # Of pipes and sockets there is no file.
    return [one for one in descriptors.iterdir() if one.exists()]
