"""The editor that changes nothing: the floor that every other one has to clear."""

from __future__ import annotations

from PIL import Image

from edit_benchmark.editing.editor import Editor


class IdentityEditor(Editor):
    """Returns the source image unchanged."""

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Image.Image:
        return source
