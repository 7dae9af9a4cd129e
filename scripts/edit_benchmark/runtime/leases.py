"""Leases: which device a job may use, one process on each, and few models loading at once.

Snakemake counts ``gpu`` but does not say which. A job takes an exclusive ``flock`` on one file a
device, in a folder of the host, before torch is imported; the kernel drops the lock when the
process ends, however it ends. filelock is not used because the holder's line is written into the
locked file itself, for those who wait.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import gpus
from edit_benchmark.runtime.gpus import Gpu

log = logging.getLogger(__name__)

#: Not under the working tree, so that two clones on one host see the same locks, and not TMPDIR,
#: which schedulers and users set differently for each job.
DEFAULT_FOLDER = Path("/tmp/image-edit-benchmark-leases")
_POLL_SECONDS = 0.5
_REPORT_SECONDS = 30.0


@dataclass(frozen=True)
class DeviceRequest:
    """What a job asks for.

    Attributes
    ----------
    device_ids, load_slots
        As in the configuration.
    granted
        The ``gpu`` that Snakemake granted.
    purpose
        What the device is for, in words that are shown to jobs that wait for it.
    """

    device_ids: Sequence[int | str]
    load_slots: int
    granted: int
    purpose: str


@dataclass(frozen=True)
class Device:
    """The device that a job may use: its name in torch, and its name in logs."""

    torch_name: str
    label: str
    gpu: Gpu | None = None

    @property
    def model_name(self) -> str:
        """What kind of device it is, for tables: ``NVIDIA H100 80GB HBM3``, ``cpu``."""
        return self.gpu.name if self.gpu else self.torch_name


def lease_folder() -> Path:
    """The host-wide folder of lock files; ``EDIT_BENCHMARK_LEASES`` moves it."""
    return Path(os.environ.get("EDIT_BENCHMARK_LEASES") or DEFAULT_FOLDER)


@contextmanager
def lease(request: DeviceRequest) -> Iterator[Device]:
    """Hold one device for the ``with`` block, the first free one in the order of ``device_ids``.

    Sets ``CUDA_VISIBLE_DEVICES``, so it has to come before torch is imported. Waits as long as all
    are taken, and says for whom. In a Slurm job the scheduler's devices stand for ``device_ids``,
    and no lock is needed when it gave only one.

    Raises
    ------
    UserError
        If no GPU was granted, or a GPU of ``device_ids`` is not there or is hidden.
    """
    device_ids, purpose = request.device_ids, request.purpose
    if request.granted < 1:
        raise UserError(
            "this job was granted gpu=0, which Snakemake takes for no limit at all; start the run "
            "with --resources gpu=N, N at least 1."
        )
    if "cpu" in device_ids:
        names = [f"cpu-{number}" for number in range(len(device_ids))]
        with _first_free(names, "device", purpose) as name:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
            yield Device("cpu", name)
        return
    scheduled = _scheduled()
    if len(scheduled) == 1:
        present = gpus.present()
        yield Device(
            "cuda", f"scheduler's GPU {scheduled[0]}", present[0] if len(present) == 1 else None
        )
        return
    candidates: dict[str, tuple[str, Gpu | None]] = {}
    if scheduled:
        for entry in scheduled:
            candidates[f"slurm-{os.environ['SLURM_JOB_ID']}-{entry}"] = (entry, None)
    else:
        gpus.check(device_ids)
        by_index = {gpu.index: gpu for gpu in gpus.present()}
        for device in device_ids:
            gpu = by_index[int(device)]
            candidates[gpu.uuid] = (gpu.uuid, gpu)
    with _first_free(list(candidates), "device", purpose) as name:
        visible, leased_gpu = candidates[name]
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
        if leased_gpu is None:
            label = f"scheduler's GPU {visible}"
        else:
            label = f"GPU {leased_gpu.index} ({leased_gpu.name}, {leased_gpu.uuid})"
        yield Device("cuda", label, leased_gpu)


def _scheduled() -> list[str]:
    """The devices that Slurm gave this job, as CUDA_VISIBLE_DEVICES names them; else empty."""
    if "SLURM_JOB_ID" not in os.environ:
        return []
    return [entry for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry]


@contextmanager
def load_slot(
    request: DeviceRequest, meanwhile: Callable[[], object] | None = None
) -> Iterator[None]:
    """Hold one of the host's places for loading a model; waits until one is free.

    A job that has to wait calls ``meanwhile`` once, for what can be done without a place. An error
    in it is only logged, since it occurs again when the same work is needed.
    """
    names = [f"load-{number}" for number in range(request.load_slots)]
    with _first_free(names, "load slot", request.purpose, meanwhile):
        yield


@contextmanager
def _first_free(
    names: Sequence[str],
    what: str,
    purpose: str,
    meanwhile: Callable[[], object] | None = None,
) -> Iterator[str]:
    """Hold the lock of the first free of ``names``, waiting while all are held."""
    folder = lease_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o1777)  # other users of the host take leases too
    except OSError as error:
        raise _unusable(folder, error) from None
    began = time.monotonic()
    next_report = began
    while True:
        for name in names:
            file = _try_lock(folder / f"{name}.lock", purpose)
            if file is None:
                continue
            with file:
                waited = time.monotonic() - began
                log.info("%s %s taken after %.1f s by pid %d", what, name, waited, os.getpid())
                try:
                    yield name
                finally:
                    log.info("%s %s given back by pid %d", what, name, os.getpid())
            return
        if time.monotonic() >= next_report:
            holders = "; ".join(f"{name}: {_holder(folder / f'{name}.lock')}" for name in names)
            log.info("waiting for a %s, held are %s", what, holders)
            next_report = time.monotonic() + _REPORT_SECONDS
        if meanwhile is not None:
            try:
                meanwhile()
            except Exception:
                log.debug("work while waiting failed", exc_info=True)
            meanwhile = None
        else:
            time.sleep(_POLL_SECONDS)


def _unusable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"{folder}: no lock file of a device can be made there ({error.strerror}); set "
        "EDIT_BENCHMARK_LEASES to a folder of this host that all who use its devices can write."
    )


def _try_lock(path: Path, purpose: str) -> IO[str] | None:
    """The locked file, or None if another process holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        # fs.protected_regular: another user's file in a sticky folder opens only for reading,
        # which is enough for flock.
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _unusable(path.parent, error) from None
    except OSError as error:
        raise _unusable(path.parent, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    with suppress(OSError):  # another user's file
        os.fchmod(descriptor, 0o666)  # whatever the umask: other users take leases too
    # A cleaner of /tmp may have removed the file between open and flock: then the lock is on a
    # file that nobody else will find.
    try:
        same = os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        same = False
    if not same:
        os.close(descriptor)
        return None
    holder: Mapping[str, object] = {
        "pid": os.getpid(),
        "purpose": purpose,
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except OSError:
        pass  # opened for reading only: the lock holds, the waiting see an older holder's line
    return os.fdopen(descriptor, "r")


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} since {holder['since']} ({holder['purpose']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
