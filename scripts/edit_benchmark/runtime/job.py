"""The skeleton of a job that may load a model: of edit jobs, score jobs and self-tests."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from edit_benchmark.checkpoints import record, staging
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.errors import UserError
from edit_benchmark.records import dumps
from edit_benchmark.results.layout import Layout
from edit_benchmark.runtime import failures, gpus, leases, run_lock, supervision
from edit_benchmark.runtime.containment import prints_in_log
from edit_benchmark.runtime.devices import Device, DeviceRequest
from edit_benchmark.runtime.keeping import client, place, resident
from edit_benchmark.runtime.kinds import Caller, Kind, Settings
from edit_benchmark.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)


class _Compiled(Protocol):
    """What the skeleton asks of a loaded model."""

    @property
    def compile_seconds(self) -> float:
        """Time that compiling its kernels took."""
        ...


Model = TypeVar("Model", bound=_Compiled)


@dataclass(frozen=True, kw_only=True)
class Job(Generic[Settings]):
    """What a job is told; each kind of job adds its own.

    Attributes
    ----------
    name
        Of the model or judge, as tables show it.
    settings
        Its settings.
    checkpoint_record
        The file that names its resolved checkpoint.
    results
        The results folder.
    devices
        The device, or devices, that the job asks for.
    stage_checkpoints
        Where the node's copies of checkpoints lie, see :mod:`edit_benchmark.checkpoints.staging`;
        None for no copies.
    at_once, budget
        Of a job that asks a server, see :class:`Caller`.
    """

    name: str
    settings: Settings
    checkpoint_record: Path
    results: Path
    devices: DeviceRequest
    stage_checkpoints: str | None = None
    at_once: int | None = None
    budget: float | None = None

    @property
    def layout(self) -> Layout:
        """The paths below the results folder."""
        return Layout(self.results)

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The resolved checkpoint, None for a model without weights."""
        return record.read(self.checkpoint_record)


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A loaded model, the device that it is on, as tables name it, and the job's telemetry."""

    model: Model
    device: str
    telemetry: Telemetry


def delegated(
    job: Job[Settings], kind: Kind[Settings, Model], key_fields: Mapping[str, Any]
) -> Any:
    """What a process made of the job that has its model loaded, or loads it and keeps it.

    Returns
    -------
    object
        What the job's command makes, as JSON; None if this process has to do the job itself.

    Raises
    ------
    UserError
        If the job failed, or its run has ended.
    """
    run_lock.check_not_followed()
    if resident.current is not None or not kind.needs_device:
        return None
    if place.run_has_ended():
        raise UserError("the run of this job was ended: run the same command again.")
    if not client.is_possible(job.devices):
        return None
    checkpoint = job.checkpoint
    model = [job.settings.model_dump(mode="json"), key_fields]
    order = client.Order(
        model=hashlib.sha256(dumps(model).encode()).hexdigest(),
        weight_bytes=checkpoint.weight_bytes if checkpoint else 0,
        devices=job.devices,
    )
    return client.ask(order, job.results)


@contextmanager
def loaded(
    job: Job[Settings],
    kind: Kind[Settings, Model],
    stage: Literal["edit", "score", "selftest"],
    key_fields: Mapping[str, Any],
) -> Iterator[Loaded[Model]]:
    """Load the job's model and hold its device for the ``with`` block.

    In this order: the checkpoint is compared with its record, and copied to this node if the job is
    told where; a device is leased, a load slot is taken, the device's free memory is compared with
    the weights, the model is loaded. Telemetry is sampled within the block, and written into the
    log and the results when the block is done.

    In a process that is kept for several jobs the device is its own, and the model is that of the
    first job. Otherwise the process goes on in a child that is watched.

    Parameters
    ----------
    key_fields
        The model's part of the keys under which the job keeps its work.

    Raises
    ------
    UserError
        If the checkpoint changed, the device's memory is too small, or the model cannot be loaded;
        or if it is another one by now than ``key_fields`` say.
    """
    checkpoint = job.checkpoint
    if checkpoint is not None:
        record.check_unchanged(checkpoint, str(job.checkpoint_record))
        is_loaded = resident.current is not None and resident.current.model is not None
        if job.stage_checkpoints is not None and not is_loaded:
            checkpoint = staging.stage(checkpoint, job.stage_checkpoints)
    if kind.connect is not None:
        section = {"editor": "models", "judge": "judges"}[kind.role]
        caller = Caller(section, job.name, job.layout, job.devices, job.at_once, job.budget)
        with kind.connect(job.settings, caller) as connected:
            telemetry = Telemetry(None)
            yield Loaded(connected, "server", telemetry)
            _finish(telemetry, job, stage, key_fields)
        return
    if not kind.needs_device:
        yield Loaded(kind.build(job.settings, checkpoint, "cpu"), "none", Telemetry(None))
        return
    what = f"{'model' if kind.role == 'editor' else kind.role} {job.name}"
    import_ahead = partial(kind.import_ahead, job.settings, checkpoint)
    if resident.current is None:
        supervision.watch()
    with prints_in_log(), _device(job.devices) as device:
        log.info("device %s", device.label)
        kept = resident.current
        loaded_as = key_fields
        if kept is not None and kept.model is not None:
            model: Model = kept.model
            loaded_as = kept.key_fields
            telemetry = Telemetry(device)
            log.info("%s was found loaded", what)
        else:
            with leases.load_slot(job.devices, import_ahead):
                if checkpoint is not None and device.torch_name != "cpu":
                    gpus.check_memory(device.gpus, checkpoint.weight_bytes, checkpoint.name)
                began = time.monotonic()
                build = partial(kind.build, job.settings, checkpoint, device.torch_name)
                model = failures.loading(build, what)
                compiled = failures.loading(lambda: float(model.compile_seconds), what)
                telemetry = Telemetry(device, time.monotonic() - began, compiled)
                log.info("%s loaded in %.1f s", what, telemetry.load_seconds)
        # A job can wait for hours: under its keys there must be no work of other code.
        if not kind.key_fields(job.settings, checkpoint) == key_fields == loaded_as:
            raise UserError(
                f"the code, an adapter or a library of {what} changed while this job waited "
                "for its device; run the same command again."
            )
        if kept is not None:
            kept.model, kept.key_fields = model, key_fields
        with telemetry.sampling():
            yield Loaded(model, device.model_name, telemetry)
        _finish(telemetry, job, stage, key_fields)


def _finish(
    telemetry: Telemetry, job: Job[Settings], stage: str, key_fields: Mapping[str, Any]
) -> None:
    log.info("%s", telemetry.summary())
    made_by = {"settings": job.settings.model_dump(mode="json"), "key_fields": key_fields}
    telemetry.append_to(job.layout.timings, stage, job.name, made_by)


def _device(request: DeviceRequest) -> AbstractContextManager[Device]:
    """The job's device: this process's own, if it is kept, else one that is leased for the job."""
    if resident.current is not None:
        return nullcontext(resident.current.device)
    return leases.lease(request)
