"""The store of finished work, by content: what was made once is never made again.

An edited image is kept as ``<key>.png`` with ``<key>.json`` beside it, an answer of a judge as
``<key>.json``. The key is a hash of everything that determines the content, so that a rerun with
other shards, devices, order or code finds its work, and any change that matters does not. The
record is written last and names the image's hash: work that a crash, a full disk or a hand left
incomplete or altered is recognised and made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.records import dumps
from edit_benchmark.results.files import write_bytes, write_text
from edit_benchmark.results.replies import Replies

log = logging.getLogger(__name__)

#: How keys are made; raised when that changes. Records from before 0.2 name no rule: theirs is 1.
KEY_RULE = 2


def key_of(fields: Mapping[str, Any]) -> str:
    """The key of a piece of work: 40 hex digits of the SHA-256 of its fields as canonical JSON.

    Equal fields have one key: a whole number is one number, however it is written.
    """
    return digest_of({"key_rule": KEY_RULE, **plain(fields)})


def digest_of(fields: Mapping[str, Any]) -> str:
    """The hash of fields that a key is made of, as they are written."""
    return hashlib.sha256(dumps(fields).encode()).hexdigest()[:40]


def made_with(content: Mapping[str, Any]) -> str:
    """The other library versions that made a piece of work, as far as known; empty for none.

    Parameters
    ----------
    content
        As :meth:`Store.get` gives it.
    """
    accepted = content.get("accepted")
    if accepted:
        return ", ".join(f"{name} {version}" for name, version in accepted["versions"].items())
    return "versions that were not recorded" if content.get("key_rule", KEY_RULE) < 2 else ""


@dataclass(frozen=True)
class Damaged(Exception):
    """A stored file is not what its record says."""

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(frozen=True)
class Stored:
    """A piece of work: its key, and what the store has under it, None if nothing."""

    key: str
    content: dict[str, Any] | None


@dataclass(frozen=True)
class Store:
    """Finished work of one kind under ``folder``."""

    folder: Path

    def __iter__(self) -> Iterator[str]:
        """Keys of all that is kept, sorted."""
        return iter(sorted(path.stem for path in self.folder.glob("??/*.json")))

    def record_path(self, key: str) -> Path:
        """The record of the work under ``key``."""
        return self.folder / key[:2] / f"{key}.json"

    def image_path(self, key: str) -> Path:
        """The edited image under ``key``."""
        return self.folder / key[:2] / f"{key}.png"

    def endings_path(self, key: str) -> Path:
        """Where it is noted that a job was ended by the work under ``key``, a line a time."""
        return self.folder / key[:2] / f"{key}.ended"

    def replies(self, key: str) -> Replies:
        """What a server replied for the work under ``key`` as long as that is not finished."""
        return Replies(self.folder / key[:2] / f"{key}.replies")

    def find(self, fields: Mapping[str, Any], former: Iterable[str] = ()) -> Stored:
        """The work that ``fields`` determine; damaged work is reported and counts as missing.

        Parameters
        ----------
        former
            Keys that earlier rules gave to the same work.
        """
        key = key_of(fields)
        if not self.record_path(key).exists():
            for earlier in former:
                if self.record_path(earlier).exists():
                    return Stored(earlier, self.get_undamaged(earlier))
        return Stored(key, self.get_undamaged(key))

    def get_undamaged(self, key: str) -> dict[str, Any] | None:
        """As :meth:`get`, with a warning in place of :class:`Damaged`."""
        try:
            return self.get(key)
        except Damaged as damage:
            log.warning("%s: made again", damage)
            return None

    def get(self, key: str) -> dict[str, Any] | None:
        """The content under ``key``, None if there is none.

        It has what :meth:`put` was given, ``key_rule``, and ``image_sha256`` if it has an image.

        Raises
        ------
        Damaged
            If the record is not one, is another key's, or its image's bytes are not those that
            were written. The caller makes it again.
        """
        path = self.record_path(key)
        try:
            record = json.loads(path.read_bytes())
            stored_key, content = record["key"], dict(record["fields"])
            # Before 0.2 the names were picture_sha256, and facts for key_fields.
            digest = record["image_sha256" if "image_sha256" in record else "picture_sha256"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise Damaged(path, "not a whole record") from None
        if stored_key != key:
            raise Damaged(path, f"the record of another key, {stored_key}")
        if "facts" in content:
            content["key_fields"] = content.pop("facts")
        content["key_rule"] = record.get("key_rule", 1)
        if digest is not None:
            image = self.image_path(key)
            try:
                actual = hashlib.sha256(image.read_bytes()).hexdigest()
            except FileNotFoundError:
                raise Damaged(image, "missing") from None
            if actual != digest:
                raise Damaged(image, "not the image that was written (another hash)")
            content["image_sha256"] = digest
        return content

    def put(self, key: str, content: Mapping[str, Any], image: bytes | None = None) -> None:
        """Keep ``content``, and ``image`` as a PNG file, under ``key``.

        Raises
        ------
        OSError
            If the disk is full or cannot be written; nothing half-written is left under the key.
        """
        digest = None
        if image is not None:
            digest = hashlib.sha256(image).hexdigest()
            write_bytes(self.image_path(key), image)
        record = {
            "key": key,
            "key_rule": KEY_RULE,
            "image_sha256": digest,
            "fields": dict(content),
        }
        write_text(self.record_path(key), json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        self._forget_what_led_there(key)

    def remove(self, key: str) -> bool:
        """Forget what is kept under ``key``; True if there was something."""
        existed = self.record_path(key).exists()
        self.record_path(key).unlink(missing_ok=True)
        self.image_path(key).unlink(missing_ok=True)
        self._forget_what_led_there(key)
        return existed

    def _forget_what_led_there(self, key: str) -> None:
        self.endings_path(key).unlink(missing_ok=True)
        self.replies(key).clear()


def plain(value: Any) -> Any:
    """``value`` with whole numbers as integers, in lists and dictionaries too."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
