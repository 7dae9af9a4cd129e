"""An image of a row: in a file of its own, or in the row."""

from __future__ import annotations

import base64
import errno
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edit_benchmark.errors import ImageError, UserError, shorten

#: How a file begins that Git LFS has not downloaded.
LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class RawImage:
    """An image that a row names or holds.

    Attributes
    ----------
    read
        Reads its bytes; ImageError if they cannot be had.
    file
        Its file, None if it stands in the row itself.
    """

    read: Callable[[], bytes]
    file: Path | None = None

    @classmethod
    def of_file(cls, place: str, path: Path) -> RawImage:
        """The image in a file of its own."""
        return cls(partial(read_file, place, "image", path), path)


def decode_image(place: str, name: str, encoded: str) -> bytes:
    """The bytes of an image that the field ``name`` holds as base64 or as a data URL.

    Line breaks within, missing padding and the alphabet for URLs are taken as they are meant.

    Raises
    ------
    ImageError
        If there is none, or it is not base64.
    """
    if not encoded.strip():
        raise ImageError(f"{place}: field {name} is missing.")
    _, _, tail = encoded.rpartition(",")
    digits = "".join(tail.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError as error:  # also a character that is not ASCII
        raise ImageError(f"{place}: field {name} is not base64 ({error}).") from None


# What is wrong with one path, and not with the disk or the server that all of them lie on.
_OF_ONE_PATH = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG,
    errno.ELOOP, errno.EINVAL,
}  # fmt: skip


def read_file(place: str, name: str, path: Path) -> bytes:
    """The bytes of the image file that the field ``name`` gives.

    Raises
    ------
    ImageError
        If it is not there or cannot be read; UserError if that is the disk's fault.
    """
    kind = "mask" if name == "mask" else "image"
    image = f"{place}: {kind} {shorten(str(path), 200)}"
    try:
        # Reading a pipe or a device would never end.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ImageError(f"{image} is not a file.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{image} does not exist.") from None
    except ValueError as error:  # a path that no file system takes
        raise ImageError(f"{image} cannot be read ({error}).") from None
    except OSError as error:
        concern = ImageError if error.errno in _OF_ONE_PATH else UserError
        raise concern(f"{image} cannot be read ({error.strerror or error}).") from None
    if data.startswith(LFS_POINTER):
        raise ImageError(f"{image} is a pointer of Git LFS, not the image; run git lfs pull.")
    return data
