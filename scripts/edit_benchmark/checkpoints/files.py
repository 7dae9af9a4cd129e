"""Files of a checkpoint's folder."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

#: Endings of weight files that can run any code when they are loaded.
PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt"})
_DOCUMENTATION = frozenset({".md", ".png", ".jpg", ".webp"})


def find(folder: Path, pattern: str) -> list[Path]:
    """Paths below ``folder`` whose names match, sorted: none that is hidden, linked folders too.

    A fine-tuned transformer among links to the parts of its base model is a checkpoint as well.
    """
    # Path.rglob passes linked folders by before Python 3.13.
    paths = glob.iglob(f"**/{pattern}", root_dir=folder, recursive=True)  # noqa: PTH207
    return sorted(folder / path for path in paths)


def is_documentation(path: Path) -> bool:
    """Whether a file is none that a library reads."""
    return path.suffix in _DOCUMENTATION


def content(folder: Path) -> Iterator[Path]:
    """The files that make up a checkpoint, sorted: all but hidden ones and documentation.

    One that is a file itself is that file.
    """
    if folder.is_file():
        yield folder
        return
    for path in find(folder, "*"):
        if path.is_file() and not is_documentation(path):
            yield path


def pickled(folder: Path) -> list[Path]:
    """The weight files that can run any code when they are loaded."""
    return [path for path in content(folder) if path.suffix in PICKLED]
