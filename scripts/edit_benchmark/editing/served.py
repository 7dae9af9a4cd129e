"""Editors behind a server: what comes back is checked before it is an edit."""

from __future__ import annotations

import base64
import binascii
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image

from edit_benchmark import images
from edit_benchmark.config.editors import ServedEditorSettings
from edit_benchmark.editing.dialects import Order, image_text, is_seeded, request_of
from edit_benchmark.editing.editor import Editor
from edit_benchmark.errors import ImageError, SampleError
from edit_benchmark.runtime.kinds import Caller
from edit_benchmark.servers.connection import Connection, connected
from edit_benchmark.servers.request import served_by

log = logging.getLogger(__name__)


class ServedEditor(Editor):
    """Asks the server for one edit at a time in each thread."""

    def __init__(
        self, settings: ServedEditorSettings, connection: Connection, server: Mapping[str, Any]
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._server = dict(server)
        self._of_thread = threading.local()

    @property
    def details(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Who made this thread's last image, and whether it could be made again."""
        return getattr(self._of_thread, "details", {})

    def edit(
        self,
        source: Image.Image,
        instruction: str,
        seed: int,
        more_sources: Sequence[Image.Image] = (),
        mask: Image.Image | None = None,
    ) -> Image.Image:
        """The edited image, see :meth:`Editor.edit`."""
        size = self._size(source)
        sources = [source, *more_sources]
        order = Order(sources, instruction, seed, size, mask, instruction[:60])
        (reply,) = self._connection.replies([request_of(self._settings, order)])
        if isinstance(reply, SampleError):
            raise reply
        body = reply["body"]
        self._of_thread.details = {
            "server": self._server,
            "reply": served_by(reply),
            "reproducible": is_seeded(self._settings),
        }
        if "refused" in body:
            raise SampleError("refusal", f"the server refused to edit ({body['message']})")
        edited = _image(body, self._settings.dialect)
        if size is not None and edited.size != size:
            raise SampleError(
                "wrong_size",
                f"{size[0]}x{size[1]} was asked for, and the server sent "
                f"{edited.width}x{edited.height}",
            )
        if any(edited.size == one.size and edited.tobytes() == one.tobytes() for one in sources):
            raise SampleError("source_returned", "the server sent the source image back")
        return edited

    def _size(self, source: Image.Image) -> tuple[int, int] | None:
        """Width and height to ask for, in pixels."""
        settings = self._settings
        if settings.size == "auto":
            return None
        if settings.size != "source":
            width, _, height = settings.size.partition("x")
            return int(width), int(height)
        pixels = source.width * source.height
        factor = min(1.0, (settings.max_pixels / pixels) ** 0.5)
        multiple = settings.size_multiple

        def side(length: int) -> int:
            return max(multiple, int(length * factor) // multiple * multiple)

        return side(source.width), side(source.height)


def _image(body: Mapping[str, Any], dialect: str) -> Image.Image:
    text = image_text(body, dialect)
    if text is None:
        raise SampleError(
            "no_image", "the answer has no image in base64, and an address is not followed"
        )
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SampleError("no_image", "the answer's base64 is broken") from None
    try:
        return images.standard(data, "the answer").image
    except ImageError as error:
        raise SampleError("unusable_image", str(error)) from None


@contextmanager
def connect(settings: ServedEditorSettings, caller: Caller) -> Iterator[ServedEditor]:
    """The editor of ``settings``, for the ``with`` block."""
    with connected(settings, caller) as connection:
        server = connection.served_model()
        log.info("%s at %s: %s", settings.model, settings.server, server)
        yield ServedEditor(settings, connection, server)
