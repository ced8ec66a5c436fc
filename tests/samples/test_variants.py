"""An image in other forms: each is what its name says, as Pillow reads it."""

from __future__ import annotations

import base64
import io
from importlib import resources

import pytest
from PIL import Image

from seatrial import samples
from seatrial.samples import variants

GREY, COLOUR = (resources.files(samples).joinpath(name).read_bytes() for name in ("grey.png", "colour.jpg"))
FORMS = {
    "as RGB": ("RGB", "PNG"),
    "as L": ("L", "PNG"),
    "as RGBA": ("RGBA", "PNG"),
    "as LA": ("LA", "PNG"),
    "as P": ("P", "PNG"),
    "as P with transparency": ("P", "PNG"),
    "as 1 bit": ("1", "PNG"),
    "as CMYK": ("CMYK", "JPEG"),
    "as 16 bits": ("I;16", "PNG"),
    "as 32-bit floats": ("F", "TIFF"),
    "as GIF": ("P", "GIF"),
}


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("data", [GREY, COLOUR], ids=["grey", "colour"])
def test_every_mode_is_made(data: bytes) -> None:
    made = {name: opened(variant) for name, variant in variants.modes(data)}
    assert {name: (image.mode, image.format) for name, image in made.items() if name in FORMS} == FORMS
    assert made.keys() - FORMS == {"turned by EXIF"}
    assert made["turned by EXIF"].getexif()[0x0112] == 6
    assert made["as P with transparency"].info["transparency"] == 0
    assert {image.size for image in made.values()} == {opened(data).size}


@pytest.mark.parametrize(("data", "count"), [(GREY, 6), (COLOUR, 3)], ids=["grey", "colour"])
def test_files_of_the_same_picture_have_the_same_pixels(data: bytes, count: int) -> None:
    made = [opened(variant) for _, variant in variants.alike(data)]
    assert len(made) == count
    assert len({(image.mode, image.format) for image in made}) == count
    assert len({image.convert("RGB").tobytes() for image in made}) == 1
    assert len({image.convert("L").tobytes() for image in made}) == 1


def test_sixteen_bits_use_the_whole_range() -> None:
    white = io.BytesIO()
    Image.new("L", (2, 2), 255).save(white, "PNG")
    assert opened(dict(variants.modes(white.getvalue()))["as 16 bits"]).getextrema() == (65535, 65535)


def test_sizes_and_tones_are_what_they_are_called() -> None:
    made = {name: opened(variant) for name, variant in variants.sizes(COLOUR)}
    assert made["of 1 x 1 pixels"].size == (1, 1)
    assert made["of 1600 x 1200 pixels"].size == (1600, 1200)
    assert made["all black"].getextrema() == ((0, 0),) * 3
    assert made["all white"].getextrema() == ((255, 255),) * 3


def test_a_long_image_has_ink_at_both_ends() -> None:
    line = opened(variants.long(GREY, 1000))
    assert line.size == (2000, 2)
    assert (line.getpixel((0, 0)), line.getpixel((1999, 0)), line.getpixel((5, 1))) == (0, 0, 255)
    assert opened(variants.long(COLOUR, 1000, upright=True)).size == (2, 2000)


@pytest.mark.parametrize("data", [GREY, COLOUR])
def test_unseen_images_differ_also_when_they_are_made_small(data: bytes) -> None:
    made = {opened(variants.unseen(data, number)).resize((8, 8)).tobytes() for number in range(400)}
    assert len(made) == 400


@pytest.mark.parametrize(("at_most", "pixels"), [(100_000, (990_000, 1_000_000)), (6_000, (1, 300_000))])
def test_the_largest_image_fits_into_a_request(at_most: int, pixels: tuple[int, int]) -> None:
    data = variants.largest(COLOUR, 1_000_000, at_most)
    width, height = opened(data).size
    assert pixels[0] <= width * height <= pixels[1]
    assert len(data) < at_most


def test_an_instance_is_an_image_where_it_holds_one() -> None:
    text = base64.b64encode(GREY).decode()
    for instance in ({"b64": text, "id": 3}, text):
        assert variants.image_of(instance) == GREY
        again = variants.replaced(instance, COLOUR)
        assert variants.image_of(again) == COLOUR
        assert type(again) is type(instance)
    for other in ({"b64": "bm8gaW1hZ2U="}, {"b64": 3}, "é", "seven", [1, 2], None, {}):
        assert variants.image_of(other) is None
