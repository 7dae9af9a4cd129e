"""The self-test as a job: chosen edits, a loaded judge, its record."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edit_benchmark.checkpoints import resolve as checkpoints
from edit_benchmark.checkpoints.resolve import Checkpoint
from edit_benchmark.config.resolve import rubric_path
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import registry as judges
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.batching import answers_of
from edit_benchmark.judging.job import case_of
from edit_benchmark.judging.registry import Answer, Case
from edit_benchmark.records import Edit, Sample
from edit_benchmark.report.provenance import rubric_hash
from edit_benchmark.runtime import devices
from edit_benchmark.runtime.failures import loading
from edit_benchmark.selftest import probes
from edit_benchmark.selftest import verdict as selftest

log = logging.getLogger(__name__)


def self_test(
    samples: Sequence[Sample],
    edits: Sequence[Edit],
    count: int,
    judge: str,
    settings: Mapping[str, Any],
    language: str,
    checkpoint_record: Path,
    results: Path,
    request: devices.Request,
) -> dict[str, Any]:
    """Test a judge on at most ``count`` of one model's edits.

    Its answers are not taken from the store, nor kept there: the judge really is asked again.

    Returns
    -------
    dict
        What :func:`selftest.run` gives, and what identifies the judge: ``settings``,
        ``checkpoint`` and ``rubric_sha256``. Where the model has no edit at all, the verdict is
        ``untested``: a report of nothing but failures is a report.

    Raises
    ------
    UserError
        If the judge cannot be loaded.
    """
    checkpoint = checkpoints.read(checkpoint_record)
    chosen = probes.choose(edits, count)
    began = time.monotonic()
    if chosen:
        record = _asked(samples, chosen, judge, settings, language, checkpoint, results, request)
    else:
        record = {"verdict": selftest.UNTESTED, "checks": [], "n": 0, "asked": 0}
    return record | {
        "seconds": round(time.monotonic() - began, 1),
        "settings": dict(settings),
        "checkpoint": checkpoint.identity if checkpoint else None,
        "rubric_sha256": rubric_hash(rubric_path(settings["rubric"])),
    }


def _asked(
    samples: Sequence[Sample],
    chosen: Sequence[Edit],
    judge: str,
    settings: Mapping[str, Any],
    language: str,
    checkpoint: Checkpoint | None,
    results: Path,
    request: devices.Request,
) -> dict[str, Any]:
    by_id = {sample.id: sample for sample in samples}
    path = rubric_path(settings["rubric"])
    cases = [
        case_of(by_id[edit.id], edit, rubrics.load(path, edit.category, language), results)
        for edit in chosen
    ]
    others = [probes.partner(case.sample, samples) for case in cases]
    with devices.lease(request) as device:
        log.info("device %s", device.label)
        with devices.load_slot(request, partial(judges.import_libraries, settings, checkpoint)):
            if checkpoint is not None:
                devices.check_memory(device, checkpoint.weight_bytes, checkpoint.name)
            loaded = loading(
                lambda: judges.build(settings, checkpoint, device.torch_name), f"judge {judge}"
            )
        with tqdm(
            desc=f"self-test of {judge}", unit="image", mininterval=5, file=sys.stderr
        ) as bar:

            def ask(asked: Sequence[Case]) -> list[Answer | SampleError]:
                found: list[Answer | SampleError] = []
                for start in range(0, len(asked), settings["batch_size"]):
                    found += answers_of(loaded, asked[start : start + settings["batch_size"]])
                    bar.update(len(found) - start)
                return found

            return selftest.run(ask, cases, others)
