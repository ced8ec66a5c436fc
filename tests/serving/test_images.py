"""How image files of every kind are opened, compared with Pillow itself, or refused with a message."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from seatrial.serving.answers import AnswerError
from seatrial.serving.images import open_image
from seatrial.serving.settings import ImageSettings

from .server import file_of

RED_LEFT = [(255, 0, 0), (0, 0, 255)]


def image_of(mode: str) -> Image.Image:
    gradient = Image.linear_gradient("L").resize((8, 6))
    if mode == "I;16":
        wide = Image.new("I;16", (8, 6))
        wide.putdata([i * 1000 for i in range(48)])
        return wide
    if mode == "RGBA":
        return Image.merge(
            "RGBA", [gradient, gradient.rotate(180), gradient, gradient.transpose(Image.Transpose.ROTATE_180)]
        )
    return gradient.convert("RGB").convert(mode)


@pytest.mark.parametrize("to", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGB", "WEBP"), ("RGBA", "PNG"),
     ("CMYK", "JPEG"), ("I;16", "PNG"), ("P", "GIF"), ("RGB", "BMP"), ("L", "TIFF"), ("RGB", "PPM")],
)  # fmt: skip
def test_every_mode_becomes_what_pillow_converts_it_to(mode: str, kind: str, to: str) -> None:
    data = file_of(image_of(mode), kind)
    expected = Image.open(io.BytesIO(data)).convert(to)
    opened = open_image(data, ImageSettings(mode=to))
    assert (opened.mode, opened.size) == (to, (8, 6))
    assert opened.tobytes() == expected.tobytes()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_keep_leaves_the_mode_of_the_file(mode: str) -> None:
    assert open_image(file_of(image_of(mode)), ImageSettings(mode="keep")).mode == mode


@pytest.mark.parametrize(("alpha", "seen"), [("drop", (9, 8, 7)), ("white", (255, 255, 255)), ("black", (0, 0, 0))])
def test_alpha_says_what_shows_through_a_transparent_pixel(alpha: str, seen: tuple[int, int, int]) -> None:
    data = file_of(Image.new("RGBA", (1, 1), (9, 8, 7, 0)))
    assert open_image(data, ImageSettings(alpha=alpha)).getpixel((0, 0)) == seen


def test_a_transparent_palette_entry_shows_the_background() -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([9, 8, 7])
    assert open_image(file_of(image, transparency=0), ImageSettings(alpha="white")).getpixel((0, 0)) == (
        255,
        255,
        255,
    )


def test_a_background_leaves_an_opaque_image_as_it_is() -> None:
    data = file_of(image_of("RGB"))
    assert open_image(data, ImageSettings(alpha="white")).tobytes() == image_of("RGB").tobytes()


@pytest.mark.parametrize(("exif", "colors"), [("ignore", RED_LEFT), ("apply", RED_LEFT[::-1])])
def test_exif_turns_the_image_only_where_asked(exif: str, colors: list[tuple[int, int, int]]) -> None:
    image = Image.new("RGB", (2, 1))
    image.putdata(RED_LEFT)
    orientation = Image.Exif()
    orientation[0x0112] = 3  # EXIF tag Orientation: 3 is upside down
    opened = open_image(file_of(image, exif=orientation), ImageSettings(exif=exif))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == colors


def test_the_first_frame_of_an_animation_is_the_image() -> None:
    frames = [Image.new("L", (2, 2), value) for value in (10, 200)]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_image(data, ImageSettings(mode="L")).getpixel((0, 0)) == 10


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_truncated_file_is_refused(kind: str) -> None:
    noise = Image.effect_noise((64, 64), 60)
    data = file_of(noise.convert("RGB"), kind)
    with pytest.raises(AnswerError, match=r"cannot be decoded|no image") as caught:
        open_image(data[: len(data) // 2], ImageSettings())
    assert caught.value.status == 400


@pytest.mark.parametrize("side", [101, 60_000])
def test_an_image_beyond_the_pixel_limit_is_refused_by_its_header(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    empty = b"\x00\x00\x00\x00IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(AnswerError, match="10000") as caught:
        open_image(b"\x89PNG\r\n\x1a\n" + chunk + empty, ImageSettings(max_pixels=100 * 100))
    assert caught.value.status == 413


def test_an_image_of_exactly_the_pixel_limit_is_opened() -> None:
    assert open_image(file_of(Image.new("L", (4, 5))), ImageSettings(max_pixels=20)).size == (4, 5)
