"""Images of every kind become upright RGB, or are refused in one sentence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import icc
from edit_benchmark import images
from edit_benchmark.errors import ImageError, UserError


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    data = encoded(image, "JPEG", exif=exif)
    assert images.standard(data, "x").image.size == (20, 40)
    assert images.load(data, "x").size == (20, 40)


def test_transparency_lies_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    loaded = images.load(encoded(image), "x")
    assert loaded.mode == "RGB"
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 0)]


def test_transparency_of_a_palette_lies_on_white() -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([10, 20, 30])
    assert images.load(encoded(image, transparency=0), "x").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_any_mode_of_a_png_becomes_rgb(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    assert images.load(encoded(image), "x").mode == "RGB"


SEEN = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
SEEN.putpixel((1, 0), (200, 100, 50, 255))
GREY = SEEN.convert("LA")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (SEEN, [(255, 255, 255), (200, 100, 50)]),
        (SEEN.convert("RGBa"), [(255, 255, 255), (200, 100, 50)]),
        (SEEN.convert("P"), [(255, 255, 255), (200, 100, 50)]),
        (SEEN.convert("P").convert("PA"), [(255, 255, 255), (200, 100, 50)]),
        (GREY, [(255, 255, 255), (124, 124, 124)]),
        (GREY.convert("La"), [(255, 255, 255), (124, 124, 124)]),
        (SEEN.convert("L"), [(76, 76, 76), (124, 124, 124)]),
        (SEEN.convert("1"), [(0, 0, 0), (255, 255, 255)]),
        (SEEN.convert("RGB").convert("P"), [(255, 0, 0), (204, 102, 51)]),
        (SEEN.convert("CMYK"), [(255, 0, 0), (200, 100, 50)]),
        (SEEN.convert("HSV"), [(255, 0, 0), (200, 100, 50)]),
        (SEEN.convert("YCbCr"), [(254, 0, 0), (199, 99, 49)]),
        (SEEN.convert("RGB").convert("LAB"), [(251, 5, 4), (199, 100, 50)]),
        (Image.fromarray(np.array([[257 * 9, 65535]], np.uint16)), [(9, 9, 9), (255, 255, 255)]),
        (Image.fromarray(np.array([[257 * 9, 65535]], ">u2")), [(9, 9, 9), (255, 255, 255)]),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_an_image_of_any_mode_shows_what_it_showed(
    image: Image.Image, expected: list[tuple[int, int, int]]
) -> None:
    shown = images.to_rgb(image, "x")
    assert shown.mode == "RGB"
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == expected


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (Image.new("F", (2, 2)), "floating-point pixels have no defined white"),
        (Image.new("I", (2, 2)), "32-bit integer pixels have no defined white"),
        (Image.new("L", (30_000, 4_000)), "30000x4000 pixels"),
        (Image.new("L", (70_000, 1)), "no side longer than 65500"),
        (Image.new("L", (0, 5)), "0x5 pixels"),
    ],
)
def test_an_edit_that_could_not_be_read_later_is_refused(image: Image.Image, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        images.to_rgb(image, "sample a")


def test_a_grey_that_is_transparent_lies_on_white() -> None:
    image = Image.fromarray(np.array([[257 * 9, 257 * 100]], np.uint16))
    loaded = images.load(encoded(image, transparency=257 * 9), "x")
    assert np.asarray(loaded)[0, :, 0].tolist() == [255, 100]


def test_sixteen_bit_grey_keeps_its_greys() -> None:
    values = np.array([[0, 257 * 100, 257 * 100 - 1, 65535]], dtype=np.uint16)
    loaded = images.load(encoded(Image.fromarray(values)), "x")
    assert np.asarray(loaded)[0, :, 0].tolist() == [0, 100, 99, 255]


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (4, 4)), "JPEG")
    assert images.load(data, "x").mode == "RGB"


def test_the_format_is_read_from_the_bytes() -> None:
    data = encoded(Image.new("RGB", (4, 4)), "WEBP")
    assert images.standard(data, "x").ending == "webp"


def bomb() -> bytes:
    """A PNG whose header claims 60000x60000 pixels."""
    data = bytearray(encoded(Image.new("L", (1, 1))))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not an image in a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not an image in a known format"),
        (encoded(Image.effect_noise((64, 64), 50))[:-200], "the image is broken"),
        (bomb(), "the image is too large|megapixels are read"),
        (
            encoded(Image.new("L", (9, 9)), "GIF", save_all=True,
                    append_images=[Image.new("L", (9, 9), 9)]),
            "the image has 2 frames",
        ),
    ],
)  # fmt: skip
def test_what_is_no_still_image_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        images.load(data, "line 3")
    assert str(caught.value).startswith("line 3: ")


def test_png_bytes_depend_on_pixels_and_texts_alone() -> None:
    image = Image.new("RGB", (8, 8), "blue")
    texts = {"instruction": "把它变蓝 <b>"}
    data = images.encode_png(image, texts)
    assert data == images.encode_png(image.copy(), texts)
    with Image.open(io.BytesIO(data)) as again:
        assert again.text == texts  # type: ignore[attr-defined]


COLOUR = Image.new("RGB", (2, 2), (200, 100, 50))
DEEP = Image.fromarray(np.full((2, 2), 257 * 100, np.uint16))


@pytest.mark.parametrize(
    ("image", "profile", "expected"),
    [
        # By the primaries' matrices (IEC 61966-2-1, SMPTE EG 432-1) and the exponents.
        (COLOUR, icc.rgb_profile(icc.DISPLAY_P3), (215, 93, 31)),
        (COLOUR, icc.rgb_profile(icc.ADOBE_RGB, (2.19921875,)), (227, 100, 42)),
        (COLOUR.convert("L"), icc.grey_profile(1.8), (143, 143, 143)),
        (DEEP, icc.grey_profile(1.8), (119, 119, 119)),
        (Image.new("RGBA", (2, 2), (200, 100, 50, 0)), icc.rgb_profile(icc.DISPLAY_P3), (255,) * 3),
    ],
    ids=["P3", "Adobe RGB", "grey", "16 bits", "transparent"],
)
def test_a_profile_is_applied_once(
    image: Image.Image, profile: bytes, expected: tuple[int, int, int]
) -> None:
    kept = images.standard(encoded(image, icc_profile=profile), "x")
    for shown in (kept.image, images.load(kept.data, "x")):
        pixel = shown.getpixel((0, 0))
        assert isinstance(pixel, tuple)
        assert max(abs(a - b) for a, b in zip(pixel, expected, strict=True)) <= 1
    again = images.standard(kept.data, "x")
    assert again.data == kept.data


@pytest.mark.parametrize(
    ("image", "profile", "warning"),
    [
        (COLOUR, icc.rgb_profile(icc.SRGB), ""),
        (COLOUR.convert("L"), icc.rgb_profile(icc.DISPLAY_P3), ""),  # greys are the same in both
        (COLOUR, icc.grey_profile(1.8), "x: its colour profile is for another kind of pixels"),
        (COLOUR, b"junk", "x: its colour profile cannot be read"),
    ],
    ids=["sRGB", "greys", "of greys", "broken"],
)
def test_a_file_whose_colours_are_srgb_is_kept_as_it_is(
    image: Image.Image, profile: bytes, warning: str
) -> None:
    data = encoded(image, icc_profile=profile)
    kept = images.standard(data, "x")
    assert kept.data == data
    assert kept.warning.startswith(warning)
    assert bool(kept.warning) == bool(warning)
    # And no profile gets into a file that is made of it, nor is it applied to what is.
    loaded = images.load(data, "x")
    pixels = Image.fromarray(np.asarray(loaded))
    assert images.encode_png(loaded, {}) == images.encode_png(pixels, {})
