"""Small files that ask much of a decoder are refused before it begins; what encoders write is not."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seatrial.serving.answers import AnswerError
from seatrial.serving.av1 import most_frames
from seatrial.serving.images import open_image
from seatrial.serving.settings import ImageSettings

from .server import file_of

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (64, 48)
PIXELS = 64 * 48
PLAIN = Image.linear_gradient("L").resize(SIZE).convert("RGB")


def refused(data: bytes, max_pixels: int = PIXELS, exif: str = "apply") -> tuple[int, str]:
    with pytest.raises(AnswerError) as caught:
        open_image(data, ImageSettings(max_pixels=max_pixels, exif=exif))
    return caught.value.status, caught.value.message


def with_scans(more: int) -> bytes:
    """Return a progressive JPEG whose last scan is there so many times more."""
    data = file_of(PLAIN, "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * more + data[-2:]


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def in_jpeg(*segments: bytes) -> bytes:
    data = file_of(PLAIN, "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def in_png(kind: bytes, *contents: bytes) -> bytes:
    data = file_of(PLAIN, "PNG")
    at = data.index(b"IDAT") - 4
    chunks = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for content in contents
    )
    return data[:at] + b"".join(chunks) + data[at:]


def tags(count: int, *, order: str = "<") -> bytes:
    """Return EXIF with so many tags, each of which names all of it."""
    length = 8 + 2 + 12 * count + 4
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8) + struct.pack(order + "H", count)
    entries = (struct.pack(order + "HHII", 50_000 - count + tag, 7, length, 0) for tag in range(count))
    return head + b"".join(entries) + bytes(4)


def test_a_jpeg_may_have_the_scans_of_its_size_and_no_more() -> None:
    ten = file_of(PLAIN, "JPEG", progressive=True).count(b"\xff\xda")
    assert ten == 10
    assert open_image(with_scans(20 - ten), ImageSettings(max_pixels=PIXELS)).size == SIZE
    assert refused(with_scans(21 - ten)) == (400, "the JPEG has more than 20 scans, the limit for its size")
    assert open_image(with_scans(100 - ten), ImageSettings()).size == SIZE
    assert refused(with_scans(101 - ten), 40_000_000)[1].startswith("the JPEG has more than 100 scans")


def test_scans_are_found_behind_whatever_libjpeg_skips() -> None:
    many = with_scans(200)
    begin, rest = many[:2], many[2:]
    for between in (b"\xff\xff\xff", segment(0xFE, b"\xff\xd9"), segment(0xE1, b"\xff\xda" * 9)):
        assert refused(begin + between + rest, 40_000_000)[0] == 400
    first = many.index(b"\xff\xda")
    assert refused(many[:first] + segment(0xE5, b"x") + many[first:], 40_000_000)[0] == 400


def test_what_only_looks_like_a_scan_is_not_counted() -> None:
    looks = in_jpeg(segment(0xFE, b"\xff\xda" * 500))
    behind_the_end = file_of(PLAIN, "JPEG") + b"\xff\xda" * 500
    for data in (looks, behind_the_end):
        assert open_image(data, ImageSettings(max_pixels=PIXELS)).size == SIZE


@pytest.mark.parametrize(
    "data",
    [
        in_jpeg(segment(0xFE, b"") * 20_000),
        in_jpeg(b"\xff" * 40_000),
        in_png(b"abCd", *[b""] * 20_000),
        b"P6\n" + b"#\n" * 20_000 + b"1 1\n255\nabc",
        b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe\1x\0" * 20_000 + b";",
    ],
    ids=["segments of a JPEG", "filling of a JPEG", "chunks of a PNG", "comments of a PPM", "comments of a GIF"],
)
def test_a_header_of_too_many_pieces_is_refused(data: bytes) -> None:
    assert refused(data) == (400, "the image's header has too many pieces; the limit is 20000 reads")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "place",
    [
        lambda exif: in_jpeg(segment(0xE1, b"Exif\0\0" + exif)),
        lambda exif: in_png(b"eXIf", exif),
        lambda exif: file_of(PLAIN, "WEBP", exif=exif),
        lambda exif: file_of(PLAIN, "PNG")[:8] + exif,
        lambda exif: exif,
    ],
    ids=["JPEG", "PNG", "WEBP", "a damaged file", "TIFF"],
)
def test_tags_that_name_the_same_bytes_over_and_over_are_refused(place: Callable[[bytes], bytes], order: str) -> None:
    message = "the image's tags name the same bytes more than 16 times"
    assert refused(place(tags(5_000, order=order)), exif="ignore") == (400, message)


def test_so_are_those_behind_a_pointer_and_those_in_several_segments() -> None:
    much = tags(5_000)
    behind = b"II*\0" + struct.pack("<I", len(much)) + much[8:]
    behind += struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 0)
    assert refused(in_jpeg(segment(0xE1, b"Exif\0\0" + behind)))[0] == 400
    parts = [segment(0xE1, b"Exif\0\0" + much[at : at + 100]) for at in range(0, len(much), 100)]
    assert refused(in_jpeg(*parts))[1].startswith("the image's tags name")
    assert refused(in_jpeg(*[segment(0xE1, b"Exif\0\0" + bytes(60_000))] * 20))[1].endswith("1048576 bytes of EXIF")


@pytest.mark.filterwarnings("ignore:.*")  # Pillow warns, and goes on
def test_damaged_exif_is_no_reason_to_refuse_an_image() -> None:
    for count in (1, 5):
        wrong = b"II*\0" + struct.pack("<IH", 8, 200)
        wrong += b"".join(struct.pack("<HHII", 1000 + tag, 7, 0xFFFFFFFF, 8) for tag in range(count))
        wrong += b"".join(struct.pack("<HHII", 2000 + tag, 99, 0xFFFFFFFF, 0xFFFFFFFF) for tag in range(9))
        opened = open_image(in_jpeg(segment(0xE1, b"Exif\0\0" + wrong)), ImageSettings(max_pixels=PIXELS))
        assert opened.size == SIZE


def test_the_tiles_of_a_tiff_count_as_its_size_does() -> None:
    tile = zlib.compress(bytes(128 * 128))
    entries = [(256, 8), (257, 8), (258, 8), (259, 8), (262, 1), (277, 1), (322, 128), (323, 128)]
    at = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(324, at), (325, len(tile))]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    data = head + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries) + bytes(4) + tile
    assert open_image(data, ImageSettings(max_pixels=128 * 128)).size == (8, 8)
    assert refused(data) == (413, "a tile of the image has 128 x 128 pixels; the limit is 3072 (serving.max-pixels)")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_of_a_camera_is_taken(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker of cameras" * 50
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + b"a comment" * 500
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    data = file_of(PLAIN, kind, exif=exif, icc_profile=bytes(200_000))
    assert open_image(data, ImageSettings(exif="apply")).size == SIZE[::-1]


def test_a_gif_with_a_profile_of_a_megabyte_is_taken() -> None:
    data = file_of(PLAIN.convert("P"), "GIF", comment=b"x" * 1_000_000)
    assert len(data) > 1_000_000
    assert Image.open(io.BytesIO(data)).info["comment"]
    assert open_image(data, ImageSettings()).size == SIZE


def avif(frames: int) -> bytes:
    """Return an AVIF whose frame is there so often."""
    data = file_of(PLAIN, "AVIF")
    at = data.index(b"mdat") - 4
    units = data[at + 8 :]
    frame = units[units.index(b"\x32") :]  # the unit OBU_FRAME, with a size, is the last
    coded = units + frame * (frames - 1)
    before, placed = data[:at], struct.pack(">II", at + 8, len(units))
    assert before.count(placed) == 1
    before = before.replace(placed, struct.pack(">II", at + 8, len(coded)))
    return before + struct.pack(">I", 8 + len(coded)) + b"mdat" + coded


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def placing(extents: int) -> bytes:
    """Return a file with one item, which consists of the file's first 100 bytes so often."""
    item = struct.pack(">HHH", 1, 0, extents) + struct.pack(">II", 0, 100) * extents
    return box(b"meta", bytes(4) + box(b"iloc", b"\0\0\0\0\x44\0\0\1" + item))


def test_frames_of_an_avif_count_as_scans_do() -> None:
    plain = file_of(PLAIN, "AVIF")
    assert open_image(avif(1), ImageSettings()).tobytes() == open_image(plain, ImageSettings()).tobytes()
    assert open_image(avif(20), ImageSettings(max_pixels=PIXELS)).size == SIZE
    assert refused(avif(21)) == (400, "the AVIF has 21 frames in one image; the limit for its size is 20")
    assert refused(avif(101), 40_000_000)[1].endswith("is 100")


def test_the_frames_of_an_animated_avif_are_those_of_its_first_picture() -> None:
    others = [Image.new("RGB", SIZE, color) for color in ("red", "green", "blue")]
    data = file_of(PLAIN, "AVIF", save_all=True, append_images=others)
    assert most_frames(data) == 1
    assert open_image(data, ImageSettings()).size == SIZE


@pytest.mark.parametrize(
    "data",
    [
        box(b"free", b"") * 30_000,
        (b"\0\0\0\1free" + (16).to_bytes(8, "big")) * 30_000,
        placing(1_000),
        placing(30_000),
        placing(3)[:-10],
    ],
    ids=["boxes", "long boxes", "the same bytes", "pieces", "half a table"],
)
def test_an_avif_of_parts_without_end_is_not_taken(data: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        most_frames(data)
