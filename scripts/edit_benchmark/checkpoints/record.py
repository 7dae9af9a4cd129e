"""The record of a resolved checkpoint, which the jobs that load it read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edit_benchmark.checkpoints.fingerprint import fingerprint
from edit_benchmark.checkpoints.safetensors import BROKEN
from edit_benchmark.errors import UserError
from edit_benchmark.results.files import write_text


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this host's disk.

    Attributes
    ----------
    name
        As configured: a folder, or ``owner/name`` on the hub.
    path
        The folder that holds it, or its only file.
    commit
        The resolved commit of a hub repository, empty for a folder.
    fingerprint
        Hash that any change of configuration or weights changes, see
        :func:`edit_benchmark.checkpoints.fingerprint.fingerprint`.
    pipeline
        The class that the checkpoint names, such as ``QwenImageEditPipeline``.
    weight_bytes
        Bytes of the weights once loaded in the configured dtype.
    content_sha256
        Hash of all files of a folder, to the last byte; empty for a hub repository, whose commit
        says as much.
    adapter_sha256
        Hash of the LoRA adapter's file, empty without one.
    """

    name: str
    path: str
    commit: str
    fingerprint: str
    pipeline: str
    weight_bytes: int
    content_sha256: str = ""
    adapter_sha256: str = ""

    @property
    def identity(self) -> str:
        """What stands for the weights in the key of an edit or an answer."""
        # Records of before 0.2 have no hash of the content.
        return self.commit or self.content_sha256 or self.fingerprint


def write(checkpoint: Checkpoint | None, path: Path) -> None:
    """Record a resolved checkpoint as JSON; ``null`` stands for a model without weights."""
    write_text(path, json.dumps(asdict(checkpoint) if checkpoint else None, indent=1) + "\n")


def read(path: Path) -> Checkpoint | None:
    """The checkpoint recorded in ``path``; None for a model without weights.

    Raises
    ------
    UserError
        If the file is no such record.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return None if fields is None else Checkpoint(**fields)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: not the record of a checkpoint ({error}); delete it and run again to "
            "resolve the checkpoint anew."
        ) from None


def check_unchanged(checkpoint: Checkpoint, record: str) -> None:
    """Refuse weights that are not those that were resolved.

    Parameters
    ----------
    checkpoint
        As it was resolved.
    record
        Path of its record, for messages.

    Raises
    ------
    UserError
        If it does not exist any more or its fingerprint differs from the recorded one.
    """
    folder = Path(checkpoint.path)
    if not folder.exists():
        raise UserError(
            f"checkpoint {checkpoint.name}: {folder} is not there any more; delete {record} and "
            "run again to resolve it anew."
        )
    try:
        unchanged = fingerprint(folder) == checkpoint.fingerprint
    except (OSError, *BROKEN):
        unchanged = False  # a weight file is none any more
    if not unchanged:
        raise UserError(
            f"checkpoint {checkpoint.name}: {folder} changed after this run began; run the same "
            "command again, so that its edits are not mixed with the earlier ones."
        )
