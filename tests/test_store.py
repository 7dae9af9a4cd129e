"""What was made once is found again, and what was damaged is not taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edit_benchmark.results.store import Damaged, Store, key_of

KEY, OTHER = key_of({"a": 1}), key_of({"a": 2})


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(KEY) is None
    store.put(KEY, {"seconds": 1.5}, b"image")
    content = store.get(KEY)
    assert content is not None
    assert content["seconds"] == 1.5
    assert store.image_path(KEY).read_bytes() == b"image"


def test_equal_fields_have_one_key_in_any_order() -> None:
    assert key_of({"a": 1, "b": [1, 2]}) == key_of({"b": [1, 2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5})


@pytest.mark.parametrize("damage", ["truncated", "altered", "gone", "swapped", "record"])
def test_damage_is_seen(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.put(KEY, {}, b"one image")
    store.put(OTHER, {}, b"another")
    image, record = store.image_path(KEY), store.record_path(KEY)
    if damage == "truncated":
        image.write_bytes(b"one")
    elif damage == "altered":
        image.write_bytes(b"one imag3")
    elif damage == "gone":
        image.unlink()
    elif damage == "swapped":
        image.write_bytes(store.image_path(OTHER).read_bytes())
        record.write_bytes(store.record_path(OTHER).read_bytes())
    else:
        record.write_text("{")
    with pytest.raises(Damaged):
        store.get(KEY)
    store.put(KEY, {}, b"made again")
    assert store.get(KEY) is not None


def test_nothing_half_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put(KEY, {}, b"image")
    assert store.get(KEY) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
