"""The source images of the demo benchmark, drawn with Pillow alone.

Every image is a function of nothing but this code: no fonts, no files, seeded noise. The scenes
are drawn for what an edit instruction asks of them, so that a person can tell at a glance whether
an edit followed it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from demo.scenes import causal, environmental, physical, referential, social
from demo.scenes.canvas import Canvas

# Several formats on purpose: a benchmark's images seldom all come in one.
_ENCODING: dict[str, dict[str, Any]] = {
    ".png": {"optimize": True},
    ".jpg": {"quality": 92, "subsampling": 0, "optimize": True},
    ".webp": {"quality": 90, "method": 6},
}


@dataclass(frozen=True)
class Scene:
    """An image file, its size in pixels and the function that draws it."""

    file: str
    size: tuple[int, int]
    draw: Callable[[Canvas], None]

    def render(self) -> Image.Image:
        """The image, mode RGB."""
        canvas = Canvas(*self.size)
        self.draw(canvas)
        return canvas.finished()

    def save(self, folder: Path) -> Path:
        """Write the image into ``folder``; its name's ending chooses the format."""
        path = folder / self.file
        self.render().save(path, **_ENCODING[path.suffix])
        return path


SCENES = [
    Scene("physical-01.png", (384, 512), physical.tower),
    Scene("physical-02.webp", (512, 384), physical.seesaw),
    Scene("physical-03.jpg", (448, 448), physical.glass),
    Scene("physical-04.png", (512, 384), physical.corridor),
    Scene("physical-05.webp", (512, 384), physical.tank),
    Scene("environmental-01.jpg", (512, 384), environmental.street),
    Scene("environmental-02.webp", (512, 384), environmental.lake),
    Scene("environmental-03.png", (480, 360), environmental.living_room),
    Scene("environmental-04.webp", (448, 448), environmental.park),
    Scene("environmental-05.jpg", (512, 384), environmental.avenue),
    Scene("social-01.webp", (512, 384), social.bus_stop),
    Scene("social-02.jpg", (512, 384), social.entrance),
    Scene("social-03.webp", (512, 384), social.dinner),
    Scene("social-04.png", (512, 448), social.memorial),
    Scene("social-05.jpg", (384, 512), social.rain),
    Scene("causal-01.webp", (512, 384), causal.paper_plane),
    Scene("causal-02.jpg", (512, 320), causal.dominoes),
    Scene("causal-03.webp", (448, 448), causal.ice_lolly),
    Scene("causal-04.png", (384, 480), causal.cat_and_glass),
    Scene("causal-05.webp", (384, 448), causal.wilted_plant),
    Scene("referential-01.jpg", (512, 320), referential.mugs),
    Scene("referential-02.webp", (448, 448), referential.bookshelf),
    Scene("referential-03.png", (512, 340), referential.houses),
    Scene("referential-04.webp", (384, 512), referential.balloons),
    Scene("referential-05.jpg", (512, 384), referential.friends),
]
