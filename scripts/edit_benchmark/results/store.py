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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from edit_benchmark.records import dumps
from edit_benchmark.results.files import write_bytes, write_text

log = logging.getLogger(__name__)

# Keyword arguments of code that is not ours: nobody knows whether 4 or 4.0 was meant.
_UNTYPED = ("call", "params", "scheduler")
# Settings whose numbers a configuration may write as 4 or as 4.0.
_NUMERIC = (
    "true_cfg_scale", "block_cache", "min_mass",
    "num_inference_steps", "height", "width", "max_pixels", "max_new_tokens",
)  # fmt: skip
# Ways of writing one set of settings that are looked up at most.
_MOST_FORMS = 512


def key_of(fields: Mapping[str, Any]) -> str:
    """The key of a piece of work: 40 hex digits of the SHA-256 of its fields as canonical JSON.

    Equal fields have one key: in :data:`_UNTYPED` fields 4.0 is written as 4; all other numbers
    have the type of their setting.
    """
    return _digest({name: _plain(value, name in _UNTYPED) for name, value in fields.items()})


def former_keys(fields: Mapping[str, Any]) -> Iterator[str]:
    """Keys of the same settings before 0.2, when a key held numbers as they were written.

    Then ``true_cfg_scale: 4`` was another edit than 4.0, and a LoRA with its default scale written
    out another than one without. Nobody knows how an earlier configuration wrote its numbers, so
    every way is tried. Arguments of a class or of a pipeline's call are taken as they are written.
    """
    options = {name: _number_forms(fields[name]) for name in _NUMERIC if name in fields}
    if fields.get("lora"):
        options["lora"] = _lora_forms(fields["lora"])
    for forms in islice(product(*options.values()), _MOST_FORMS):
        yield _digest({**fields, **dict(zip(options, forms, strict=True))})


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

    def record_path(self, key: str) -> Path:
        """The record of the work under ``key``."""
        return self.folder / key[:2] / f"{key}.json"

    def image_path(self, key: str) -> Path:
        """The edited image under ``key``."""
        return self.folder / key[:2] / f"{key}.png"

    def find(self, fields: Mapping[str, Any]) -> Stored:
        """The work that ``fields`` determine; damaged work is reported and counts as missing."""
        key = key_of(fields)
        if not self.record_path(key).exists():
            for former in former_keys(fields):
                if self.record_path(former).exists():
                    return Stored(former, self.get_undamaged(former))
        return Stored(key, self.get_undamaged(key))

    def get_undamaged(self, key: str) -> dict[str, Any] | None:
        """As :meth:`get`, with a warning in place of :class:`Damaged`."""
        try:
            return self.get(key)
        except Damaged as damage:
            log.warning("%s: made again", damage)
            return None

    def get(self, key: str) -> dict[str, Any] | None:
        """The content under ``key``, None if there is none; that of an image has ``image_sha256``.

        Raises
        ------
        Damaged
            If the record is not one, is another key's, or its image's bytes are not those that
            were written. The caller makes it again.
        """
        path = self.record_path(key)
        try:
            record = json.loads(path.read_bytes())
            stored_key, content = record["key"], record["fields"]
            # The name before 0.2 was picture_sha256.
            digest = record["image_sha256" if "image_sha256" in record else "picture_sha256"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise Damaged(path, "not a whole record") from None
        if stored_key != key:
            raise Damaged(path, f"the record of another key, {stored_key}")
        result: dict[str, Any] = dict(content)
        if digest is not None:
            image = self.image_path(key)
            try:
                actual = hashlib.sha256(image.read_bytes()).hexdigest()
            except FileNotFoundError:
                raise Damaged(image, "missing") from None
            if actual != digest:
                raise Damaged(image, "not the image that was written (another hash)")
            result["image_sha256"] = digest
        return result

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
        record = {"key": key, "image_sha256": digest, "fields": dict(content)}
        write_text(self.record_path(key), json.dumps(record, ensure_ascii=False, indent=1) + "\n")

    def remove(self, key: str) -> bool:
        """Forget what is kept under ``key``; True if there was something.

        An edit is forgotten under each key that the same settings had, or the next run would find
        it under another one.
        """
        existed = self.record_path(key).exists()
        for equal in {key, *self._equal_keys(key)}:
            self.record_path(equal).unlink(missing_ok=True)
            self.image_path(equal).unlink(missing_ok=True)
        return existed

    def _equal_keys(self, key: str) -> set[str]:
        """Keys of the same settings, if the record under ``key`` says what its key is made of."""
        try:
            content = json.loads(self.record_path(key).read_bytes())["fields"]
            # The name before 0.2 was facts.
            fields = content["key_fields" if "key_fields" in content else "facts"]
            return {key_of(fields), *former_keys(fields)}
        except (OSError, ValueError, KeyError, TypeError):
            return set()


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(dumps(fields).encode()).hexdigest()[:40]


def _plain(value: Any, is_untyped: bool) -> Any:
    """``value`` with whole numbers of untyped fields as integers."""
    if isinstance(value, Mapping):
        return {name: _plain(part, is_untyped or name in _UNTYPED) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, is_untyped) for part in value]
    if is_untyped and _is_whole_float(value):
        return int(value)
    return value


def _number_forms(value: Any) -> list[Any]:
    """The ways to write a number: 4 and 4.0; anything else is itself."""
    if type(value) is int:
        return [value, float(value)]
    return [value, int(value)] if _is_whole_float(value) else [value]


def _lora_forms(lora: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ways to write a LoRA's settings: its defaults written out or left out."""
    rest = {name: value for name, value in lora.items() if name not in ("scale", "scheduler")}
    scale, scheduler = lora.get("scale", 1.0), lora.get("scheduler", {})
    scales: list[dict[str, Any]] = [{"scale": form} for form in _number_forms(scale)]
    schedulers: list[dict[str, Any]] = [{"scheduler": scheduler}]
    if scale == 1:
        scales.append({})
    if not scheduler:
        schedulers.append({})
    return [{**rest, **one, **other} for one, other in product(scales, schedulers)]


def _is_whole_float(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
