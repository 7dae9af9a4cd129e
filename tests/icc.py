"""Small ICC profiles of RGB and grey colour spaces, as cameras and phones write them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

Primaries = tuple[tuple[float, float], ...]

#: CIE xy of red, green and blue (SMPTE EG 432-1; Adobe RGB (1998), 4.3.1; IEC 61966-2-1).
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_D65 = (0.3127, 0.3290)
_WHITE = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
#: Parameters of a curve of ICC type 3: sRGB's.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def to_xyz(primaries: Primaries) -> Any:
    """The matrix from linear RGB, whose white is D65, to CIE XYZ."""
    matrix = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return matrix * np.linalg.solve(matrix, _WHITE)


def rgb_profile(primaries: Primaries, curve: tuple[float, ...] = SRGB_CURVE) -> bytes:
    """A matrix profile; ``curve`` is one exponent, or as :data:`SRGB_CURVE`."""
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ _WHITE)
    matrix = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ to_xyz(primaries)
    colorants = {
        name: b"XYZ \0\0\0\0" + _fixed(matrix[:, column])
        for column, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve))
    return _profile(b"RGB ", colorants | curves)


def grey_profile(gamma: float) -> bytes:
    """A profile of greys."""
    return _profile(b"GRAY", {b"kTRC": _curve((gamma,))})


def in_srgb(values: Any, primaries: Primaries) -> Any:
    """Colours of linear primaries with sRGB's curve, by the matrices of IEC 61966-2-1."""
    linear = np.asarray(values, float) / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    linear = linear @ (np.linalg.inv(to_xyz(SRGB)) @ to_xyz(primaries)).T
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curved * 255


def _fixed(values: Any) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _curve(parameters: tuple[float, ...]) -> bytes:
    function = {1: 0, 5: 3}[len(parameters)]
    return b"para\0\0\0\0" + struct.pack(">HH", function, 0) + _fixed(parameters)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    entry = struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28)
    return b"mluc\0\0\0\0" + entry + encoded


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": _text("test"),
        b"cprt": _text("none"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50),
        **tags,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12s4s4sI4s4sQI", start + len(data), b"\0" * 4, 0x04300000, b"mntr", space,
        b"XYZ ", struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp", b"\0" * 4, 0, b"\0" * 4,
        b"\0" * 4, 0, 0,
    )  # fmt: skip
    head += _fixed(_D50) + b"\0" * 48
    return head[:128] + table + data
