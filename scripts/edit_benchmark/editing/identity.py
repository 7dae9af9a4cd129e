"""The editor that changes nothing: the floor that every other one has to clear."""

from __future__ import annotations

from typing import Any

from PIL import Image

from edit_benchmark.editing.editor import Editor


class IdentityEditor(Editor):
    """Returns the source image unchanged, of several the first."""

    def edit(self, source: Image.Image, instruction: str, seed: int, **more: Any) -> Image.Image:
        return source
