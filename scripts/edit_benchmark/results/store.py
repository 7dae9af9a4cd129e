"""The store of finished work, by content: what was made once is never made again.

A picture is kept as ``<key>.png`` with ``<key>.json`` beside it, an answer of a judge as
``<key>.json``. The key is a hash of everything that determines the content, so that a rerun with
other shards, devices, order or code finds its work, and any change that matters does not. The
record is written last and names the picture's hash: what a crash, a full disk or a hand left
half-done or altered is seen and made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.records import dumps
from edit_benchmark.results.files import write_bytes, write_text


def key_of(facts: Mapping[str, Any]) -> str:
    """The key of a piece of work: 40 hex digits of the SHA-256 of its facts as canonical JSON."""
    return hashlib.sha256(dumps(facts).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Damaged(Exception):
    """A stored file is not what its record says."""

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(frozen=True)
class Store:
    """Finished work of one kind under ``folder``."""

    folder: Path

    def record_path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def picture_path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.png"

    def get(self, key: str) -> dict[str, Any] | None:
        """The record under ``key``, or None if there is none.

        Raises
        ------
        Damaged
            If the record is not one, is another key's, or its picture's bytes are not those that
            were written. The caller makes it again.
        """
        path = self.record_path(key)
        try:
            record = json.loads(path.read_bytes())
            stored_key, digest, fields = record["key"], record["picture_sha256"], record["fields"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise Damaged(path, "not a whole record") from None
        if stored_key != key:
            raise Damaged(path, f"the record of another key, {stored_key}")
        if digest is not None:
            picture = self.picture_path(key)
            try:
                found = hashlib.sha256(picture.read_bytes()).hexdigest()
            except FileNotFoundError:
                raise Damaged(picture, "missing") from None
            if found != digest:
                raise Damaged(picture, "not the picture that was written (another hash)")
        result: dict[str, Any] = fields
        if digest is not None:
            result = {**fields, "picture_sha256": digest}
        return result

    def put(self, key: str, fields: Mapping[str, Any], picture: bytes | None = None) -> None:
        """Keep ``fields``, and ``picture`` as a PNG file, under ``key``.

        Raises
        ------
        OSError
            If the disk is full or cannot be written; nothing half-written is left under the key.
        """
        digest = None
        if picture is not None:
            digest = hashlib.sha256(picture).hexdigest()
            write_bytes(self.picture_path(key), picture)
        record = {"key": key, "picture_sha256": digest, "fields": dict(fields)}
        write_text(self.record_path(key), json.dumps(record, ensure_ascii=False, indent=1) + "\n")

    def remove(self, key: str) -> bool:
        """Forget what is kept under ``key``; True if there was something."""
        record = self.record_path(key)
        there = record.exists()
        record.unlink(missing_ok=True)
        self.picture_path(key).unlink(missing_ok=True)
        return there
