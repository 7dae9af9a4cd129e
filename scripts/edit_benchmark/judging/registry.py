"""The kinds of judges.

A new kind is a class of settings in ``config/judges.py``, a file here with a class that derives
from :class:`~edit_benchmark.judging.judge.Judge`, and an entry in :data:`KINDS`. Whatever needs
torch is imported only when a judge is built: a job takes its device before that.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.class_path import load_class, source_hashes
from edit_benchmark.config.judges import (
    AskedJudgeSettings,
    JudgeSettings,
    OwnJudgeSettings,
    PixelsJudgeSettings,
    ServedJudgeSettings,
    TransformersJudgeSettings,
)
from edit_benchmark.config.servers import SERVED_KEY_SETTINGS
from edit_benchmark.judging.judge import Judge
from edit_benchmark.judging.own_class import OwnJudge
from edit_benchmark.runtime.kinds import (
    LIBRARIES,
    Caller,
    Kind,
    all_libraries,
    former_own_fields,
    own_devices,
)


def _build_transformers(
    settings: TransformersJudgeSettings, checkpoint: Checkpoint | None, device: str
) -> Judge:
    from edit_benchmark.checkpoints.prefetch import Prefetch

    assert checkpoint is not None
    # Reading begins first: importing transformers takes longer.
    prefetch = Prefetch([Path(checkpoint.path)], settings, device)

    from edit_benchmark.judging.chosen import ChosenJudge
    from edit_benchmark.judging.expected import ExpectedJudge
    from edit_benchmark.judging.generated import GeneratedJudge

    writes = {"labels": ChosenJudge, "text": GeneratedJudge}[settings.answer]
    judge_class = ExpectedJudge if settings.method == "expected" else writes
    return judge_class(settings, checkpoint, device, prefetch)


def _import_transformers(
    settings: TransformersJudgeSettings, checkpoint: Checkpoint | None
) -> None:
    from edit_benchmark.judging.transformers_judge import model_class_of

    assert checkpoint is not None
    model_class_of(Path(checkpoint.path))


def _repeat(settings: AskedJudgeSettings, checkpoint: Checkpoint | None) -> dict[str, Any]:
    """A judge that is not repeated has no such field, as before there were repeats."""
    return {"repeat": settings.repeat} if settings.repeat else {}


def _own_key_fields(settings: OwnJudgeSettings, checkpoint: Checkpoint | None) -> dict[str, Any]:
    return _repeat(settings, checkpoint) | own_devices(settings, checkpoint)


def _transformers_key_fields(
    settings: TransformersJudgeSettings, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """What determines an answer by some methods only. ``min_mass`` only says how to read one."""
    fields = _repeat(settings, checkpoint)
    if settings.variant is not None:
        fields["variant"] = settings.variant
    if settings.method != "expected":
        fields["answer"] = settings.answer
        if settings.answer == "text":
            # Answers are padded to the length of the batch's longest, which changes their rounding.
            fields |= {
                "batch_size": settings.batch_size,
                "max_new_tokens": settings.max_new_tokens,
            }
    return fields


def _build_own(settings: OwnJudgeSettings, checkpoint: Checkpoint | None, device: str) -> Judge:
    own: Any = load_class(settings.class_path, Judge, "judge")
    path = checkpoint.path if checkpoint else None
    params = deepcopy(settings.params)
    return OwnJudge(own(checkpoint=path, dtype=settings.dtype, device=device, **params))


def _former_own(
    settings: OwnJudgeSettings, checkpoint: Checkpoint | None, fields: dict[str, Any]
) -> dict[str, Any]:
    # Settings that such a judge never saw were in its keys.
    unseen = {"method": "expected", "max_pixels": 1_048_576}
    return former_own_fields(settings, checkpoint, fields) | unseen


def _build_pixels(
    settings: PixelsJudgeSettings, checkpoint: Checkpoint | None, device: str
) -> Judge:
    from edit_benchmark.judging.pixels.judge import PixelsJudge

    return PixelsJudge(settings, checkpoint)


def _pixels_libraries(settings: PixelsJudgeSettings) -> tuple[str, ...]:
    if settings.checkpoint is None:
        return ("numpy", "scipy", "pillow")
    if settings.is_of_file:
        return ("torch", "torchvision", "torchmetrics", "pillow")
    return LIBRARIES


def _pixels_key_fields(
    settings: PixelsJudgeSettings, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """Without weights their type is nothing. Against the source is what measures were before."""
    fields: dict[str, Any] = {"dtype": settings.dtype} if checkpoint is not None else {}
    if settings.network is not None:
        fields["network"] = settings.network
    return fields | ({"against": settings.against} if settings.against != "source" else {})


def _connect(settings: ServedJudgeSettings, caller: Caller) -> AbstractContextManager[Judge]:
    from edit_benchmark.judging.served import connect

    return connect(settings, caller)


def _served_key_fields(
    settings: ServedJudgeSettings, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """What determines an answer by some methods and formats only."""
    fields = _repeat(settings, checkpoint) | settings.serve_fields
    if settings.method != "expected":
        fields |= {
            "response_format": settings.response_format,
            "max_tokens": settings.max_tokens,
        }
    else:
        fields["top_logprobs"] = settings.top_logprobs
    if settings.image_format == "jpeg":
        fields["jpeg_quality"] = settings.jpeg_quality
    return fields


_TRANSFORMERS = Kind(
    role="judge",
    name="transformers",
    protocol=3,
    key_settings=("dtype", "method", "max_pixels"),
    libraries=all_libraries,
    build=_build_transformers,
    import_ahead=_import_transformers,
    more_key_fields=_transformers_key_fields,
)
_OWN = Kind(
    role="judge",
    name="class_path",
    protocol=1,
    key_settings=("class_path", "params", "dtype"),
    libraries=all_libraries,
    build=_build_own,
    source_hashes=lambda settings: source_hashes(settings.class_path),
    more_key_fields=_own_key_fields,
    former_key_fields=_former_own,
)
_PIXELS = Kind(
    role="judge",
    name="pixels",
    protocol=1,
    key_settings=("measures",),
    libraries=_pixels_libraries,
    build=_build_pixels,
    more_key_fields=_pixels_key_fields,
    needs_device=False,
)
_SERVED: Kind[ServedJudgeSettings, Judge] = Kind(
    role="judge",
    name="openai",
    protocol=1,
    key_settings=(
        *SERVED_KEY_SETTINGS,
        "method",
        "temperature",
        "seed",
        "max_pixels",
        "image_format",
        "detail",
    ),
    libraries=lambda settings: (),
    needs_device=False,
    connect=_connect,
    more_key_fields=_served_key_fields,
)
#: Every kind by the name that a configuration gives it.
KINDS: dict[str, Kind[Any, Judge]] = {
    kind.name: kind for kind in (_TRANSFORMERS, _OWN, _PIXELS, _SERVED)
}


def build(settings: JudgeSettings, checkpoint: Checkpoint | None, device: str) -> Judge:
    """The judge of ``settings``, loaded onto ``device`` (``cuda`` or ``cpu``)."""
    return KINDS[settings.judge].build(settings, checkpoint, device)
