"""A process that uses a model and another that waits for it, to say what ended it.

A user's class, a library or the kernel can end a process so that no code in it learns of it. So a
model is used in another process than the one that was started for the job: in one that is kept for
several jobs, or else in a child, for which the parent does nothing but wait. If that process does
not come to the job's end, the other says which samples were under way and notes it at the place of
their work. The next job takes such samples last, and one that ended two jobs is not tried again.

Whoever ends a job with a child from outside ends both processes, and then nothing is noted: a run
that is killed is no sample's fault. A kept process can be killed alone: what may be a kill from
outside counts half.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from edit_benchmark.errors import SampleError

#: So many jobs a sample may end before it is left out.
MOST_ENDINGS = 2
# What may have come from outside counts half.
_PERHAPS = "perhaps from outside"
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
# Who ends both processes may need as long to come to the second.
_GRACE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1

# A file in memory, which parent and child share: the samples under way and where to note their
# ends, as a line of JSON; null once the child has come to its end.
_note: int | None = None
_places: dict[str, Path] = {}
_under_way: list[str] = []
_lock = threading.Lock()

_is_allowed = False


def allow() -> None:
    """This process is a command of its own: :func:`watch` may go on in a child of it."""
    global _is_allowed
    _is_allowed = True


def watch() -> None:
    """Go on in a child process. Returns in the child alone; the parent waits and exits as it did.

    Comes before any import of torch: a CUDA context does not survive a fork. Does nothing where
    :func:`allow` was not called.
    """
    if not _is_allowed or _note is not None:
        return
    adopt(new_note())
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child != 0:
        _wait_for(child)
    end_with_parent()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def end_with_parent() -> None:
    """Have the kernel end this process when its parent ends; not if that has ended before."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def new_note() -> int:
    """A file in memory for the samples under way, which two processes can share."""
    return os.memfd_create("under way")


def adopt(note: int) -> None:
    """Keep the samples under way in ``note``, for a job that begins."""
    global _note
    _note = note
    _write({"samples": [], "places": []})


def disown() -> None:
    """The job is done: another one comes with a note and places of its own."""
    global _note
    with _lock:
        _note = None
        _places.clear()


def end_of_other(code: int, note: int) -> str:
    """A process that did this one's job ended before its time: notes it, and says so."""
    samples, places = _read(note) or ([], [])
    return _end(code, samples, places, is_sure=-code not in _FROM_OUTSIDE)


def note_endings(places: Mapping[str, Path]) -> None:
    """Where to note that a sample ended the job, by the samples' ids."""
    _places.update(places)


@contextmanager
def under_way(*samples: str) -> Iterator[None]:
    """Samples that code which is not ours works on during the ``with`` block, in any thread."""
    with _lock:
        _under_way.extend(samples)
        _write_under_way()
    try:
        yield
    finally:
        with _lock:
            for sample in samples:
                _under_way.remove(sample)
            _write_under_way()


def endings(place: Path) -> list[str]:
    """What ended the jobs that worked on a sample, a line each."""
    try:
        return place.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def given_up(place: Path) -> SampleError | None:
    """Why a sample is not tried any more, None if it is."""
    causes = endings(place)
    if sum(0.5 if _PERHAPS in cause else 1 for cause in causes) < MOST_ENDINGS:
        return None
    return SampleError(
        "ended_process",
        f"its job was ended {len(causes)} times while it was under way, the last time by "
        f"{causes[-1]}; scripts/redo.py --failed has it tried again",
    )


def finish(code: int) -> None:
    """The child came to its end; it exits at once if a class left threads that would hold it."""
    if _note is None:
        return
    _write(None)
    # The interpreter waits for them, for ever if need be.
    if all(thread is threading.main_thread() or thread.daemon for thread in threading.enumerate()):
        return
    if sys.exc_info()[0] is not None:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _write_under_way() -> None:
    if _note is not None:
        samples = list(dict.fromkeys(_under_way))
        places = [str(_places[sample]) for sample in samples if sample in _places]
        _write({"samples": samples, "places": places})


def _write(content: object) -> None:
    assert _note is not None
    os.pwrite(_note, json.dumps(content).encode() + b"\n", 0)


def _wait_for(child: int) -> NoReturn:
    # Ctrl-C is sent to both: the child ends in its own way, and the parent after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert _note is not None
    note = _read(_note)
    if note is not None and (note[0] or code >= 0):
        time.sleep(_GRACE_SECONDS)
        print(f"error: {_end(code, *note)}", file=sys.stderr, flush=True)
        code = code if code > 0 else 2
    make_log_readable()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _read(note: int) -> tuple[list[str], list[Path]] | None:
    """Samples under way and their places; None if the process came to its end."""
    line = os.pread(note, os.fstat(note).st_size, 0).partition(b"\n")[0]
    content = json.loads(line or b"null")
    if content is None:
        return None
    return content["samples"], [Path(place) for place in content["places"]]


def _end(code: int, samples: list[str], places: list[Path], *, is_sure: bool = True) -> str:
    """Note at their places that samples ended a process; a sentence that says so."""
    cause = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
    if not is_sure:
        cause = f"{cause}, {_PERHAPS}"
    for place in places:
        with suppress(OSError):  # a full disk, perhaps
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("a", encoding="utf-8") as file:
                file.write(f"{cause}\n")
    what = f"while at sample {', '.join(samples)}" if samples else "outside any sample"
    most = MOST_ENDINGS if is_sure else 2 * MOST_ENDINGS
    again = f"; a sample that ends {most} jobs in this way is left out as failed" if places else ""
    return (
        f"the job's process was ended {what} ({cause}), by the model's code or because the "
        "host's memory ran out; what was finished is kept: run the same command again"
        f"{again}."
    )


def make_log_readable() -> None:
    """Replace what is no UTF-8 in the log: Snakemake shows none that holds other bytes."""
    if not stat.S_ISREG(os.fstat(2).st_mode):
        return
    with suppress(OSError):
        path = Path("/proc/self/fd/2")
        data = path.read_bytes()
        text = data.decode("utf-8", "replace")
        if text.encode("utf-8") != data:
            path.write_text(text, encoding="utf-8")
