"""What travels through the workflow: one frozen record a station, stored as JSON lines.

JSON lines keep what CSV loses between stations (missing against empty, lists, line breaks in
texts); the tables made for people, in the report, are CSV.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .errors import UserError

EDITED = "edited"
EDIT_FAILED = "edit_failed"
SCORED = "scored"
JUDGE_FAILED = "judge_failed"
SKIPPED = "skipped"
#: What a sample can end as; exactly one of them for each model and judge.
STATUSES = (SCORED, EDIT_FAILED, JUDGE_FAILED, SKIPPED)


@dataclass(frozen=True)
class Sample:
    """One row of the benchmark, as every later station sees it.

    ``index`` is the position within the category (0-based), ``source`` the picture's path relative
    to the results directory, ``width`` and ``height`` its size in pixels once EXIF orientation is
    applied, ``human_score`` a rating that the benchmark file carries, if any.
    """

    id: str
    category: str
    index: int
    instruction: str
    source: str
    source_sha256: str
    width: int
    height: int
    instruction_en: str = ""
    instruction_zh: str = ""
    description_en: str = ""
    description_zh: str = ""
    rationale_en: str = ""
    rationale_zh: str = ""
    difficulty: str = ""
    tags: list[str] = field(default_factory=list)
    human_score: float | None = None


@dataclass(frozen=True)
class Edit:
    """What became of one sample under one model.

    ``status`` is ``edited``, ``edit_failed`` or ``skipped``; ``picture`` is relative to the results
    directory and empty unless edited; ``seconds`` is the time of the editor's call;
    ``approximations`` are the settings that made the model another, faster one.
    """

    id: str
    category: str
    model: str
    status: str
    reason: str = ""
    flags: list[str] = field(default_factory=list)
    key: str = ""
    seed: int = 0
    seconds: float | None = None
    picture: str = ""
    picture_sha256: str = ""
    width: int | None = None
    height: int | None = None
    device: str = ""
    approximations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """What one judge made of one sample's edit by one model.

    ``score`` is 0 to 10 and is set if and only if ``status`` is ``scored``. ``criteria`` maps each
    criterion of the rubric to its score, None where the judge found that it does not apply.
    """

    id: str
    category: str
    model: str
    judge: str
    status: str
    reason: str = ""
    score: float | None = None
    criteria: dict[str, float | None] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    seed: int = 0
    key: str = ""
    answer_key: str = ""
    edit_seconds: float | None = None
    judge_seconds: float | None = None
    picture: str = ""
    text: str = ""
    approximations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if (self.score is not None) != (self.status == SCORED):
            raise ValueError(f"{self.id}: status {self.status} with score {self.score}")


Record = TypeVar("Record", Sample, Edit, Score)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` so that ``path`` holds either its old or its whole new content."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name, flush it to the disk and rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def dumps(value: Any) -> str:
    """One canonical JSON text for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def write_rows(path: Path, rows: Iterable[Sample | Edit | Score]) -> None:
    """Write records as JSON lines, atomically."""
    lines = [json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) for row in rows]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_rows(path: Path, kind: type[Record]) -> list[Record]:
    """Read JSON lines into records of ``kind``.

    Raises
    ------
    UserError
        If the file is missing or a line is not such a record.
    """
    try:
        # Not splitlines(): texts may hold line separators that JSON leaves as they are.
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run the workflow to make it.") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            fields: Mapping[str, Any] = json.loads(line)
            rows.append(kind(**fields))
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path}, line {number}: not a {kind.__name__} record ({error}); "
                "delete the file and run the workflow again."
            ) from None
    return rows
