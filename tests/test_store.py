"""What was made once is found again, and what was damaged is not taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edit_benchmark.results.store import Damaged, Store, key_of

KEY, OTHER = key_of({"a": 1}), key_of({"a": 2})


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(KEY) is None
    store.put(KEY, {"seconds": 1.5}, b"picture")
    found = store.get(KEY)
    assert found is not None
    assert found["seconds"] == 1.5
    assert store.picture_path(KEY).read_bytes() == b"picture"


def test_equal_facts_have_one_key_in_any_order() -> None:
    assert key_of({"a": 1, "b": [1, 2]}) == key_of({"b": [1, 2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5})


@pytest.mark.parametrize("damage", ["truncated", "altered", "gone", "swapped", "record"])
def test_damage_is_seen(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.put(KEY, {}, b"one picture")
    store.put(OTHER, {}, b"another")
    picture, record = store.picture_path(KEY), store.record_path(KEY)
    if damage == "truncated":
        picture.write_bytes(b"one")
    elif damage == "altered":
        picture.write_bytes(b"one pictur3")
    elif damage == "gone":
        picture.unlink()
    elif damage == "swapped":
        picture.write_bytes(store.picture_path(OTHER).read_bytes())
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
        store.put(KEY, {}, b"picture")
    assert store.get(KEY) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
