"""Checks with images: every kind that clients send, in every form that carries one, is answered or refused."""

from __future__ import annotations

import base64
import struct
import zlib

from seatrial.contract.check import Group, Level, row
from seatrial.contract.client import Client
from seatrial.contract.sources import BOMB, DATA_URL, PILLOW, RAW_PREDICT, rfc
from seatrial.samples import variants

_BOMB = 60_000  # pixels of a side


@row(Group.IMAGES, "image-raw", Level.RECOMMENDED, RAW_PREDICT, instances=True)
def raw(client: Client) -> None:
    """A body that is one image file, as rawPredict passes it on, is answered as one instance, or refused with 415."""
    data = client.picture()
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    reply = client.post(data, {"Content-Type": kind})
    if reply.status == 200:
        client.predicted(reply)
    else:
        client.is_refusal(reply, kind, (415,))


@row(Group.IMAGES, "image-base64-text", Level.RECOMMENDED, rfc(4648, "4"), instances=True)
def base64_text(client: Client) -> None:
    """An instance that is the base64 itself, without an object around it, is understood."""
    client.predicted(client.post(client.body_of(base64.b64encode(client.picture()).decode("ascii"))))


@row(Group.IMAGES, "image-data-url", Level.RECOMMENDED, DATA_URL, instances=True)
def data_url(client: Client) -> None:
    """A data: URL, as browsers make it, is understood."""
    text = base64.b64encode(client.picture()).decode("ascii")
    client.predicted(client.post(client.with_text(f"data:image/png;base64,{text}")))


@row(Group.IMAGES, "image-url-safe", Level.RECOMMENDED, rfc(4648, "5"), instances=True)
def url_safe(client: Client) -> None:
    """Base64 in the alphabet that is safe in URLs is understood."""
    for _, data in variants.modes(client.picture()):  # one whose base64 has a letter that is written in another way
        text = base64.urlsafe_b64encode(data).decode("ascii")
        if "-" in text or "_" in text:
            client.predicted(client.post(client.with_text(text)))
            return


@row(Group.IMAGES, "image-bad-base64", Level.REQUIRED, rfc(4648, "3.3"), instances=True)
def bad_base64(client: Client) -> None:
    """A text that is not base64 is refused with 4xx."""
    for text in ("!!!!", "abcde", "äöü"):
        client.is_refusal(client.post(client.with_text(text)), text)


@row(Group.IMAGES, "image-no-image", Level.REQUIRED, rfc(9110, "15.5.1"), instances=True)
def no_image(client: Client) -> None:
    """Base64 of something else than an image is refused with 4xx."""
    for data in (b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>"):
        client.is_refusal(client.post(client.with_image(data)), data[:9].decode())


@row(Group.IMAGES, "image-broken-off", Level.REQUIRED, rfc(9110, "15.5.1"), instances=True)
def broken_off(client: Client) -> None:
    """An image file that breaks off is refused with 4xx, and not answered as if it were whole."""
    data = client.picture()
    client.is_refusal(client.post(client.with_image(data[: len(data) // 2])))


@row(Group.IMAGES, "image-bomb", Level.REQUIRED, BOMB, instances=True)
def bomb(client: Client) -> None:
    """A small file that unpacks to billions of pixels is refused with 4xx before it is unpacked."""
    size = struct.pack(">IIBBBBB", _BOMB, _BOMB, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    file = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", size) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    client.is_refusal(client.post(client.with_image(file)))
    client.healthy()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _in_mode(client: Client, *names: str) -> None:
    """Send the picture in other modes, which must be answered."""
    for name, data in variants.modes(client.picture()):
        if name in names:
            client.predicted(client.post(client.with_image(data)))


@row(Group.IMAGES, "image-grey", Level.RECOMMENDED, PILLOW, instances=True)
def grey(client: Client) -> None:
    """A grey image is answered, also one of a single bit."""
    _in_mode(client, "as L", "as 1 bit")


@row(Group.IMAGES, "image-palette", Level.RECOMMENDED, PILLOW, instances=True)
def palette(client: Client) -> None:
    """An image with a palette is answered, also with a transparent colour, and as a GIF."""
    _in_mode(client, "as P", "as P with transparency", "as GIF")


@row(Group.IMAGES, "image-alpha", Level.RECOMMENDED, PILLOW, instances=True)
def alpha(client: Client) -> None:
    """An image of four channels, RGBA, is answered."""
    _in_mode(client, "as RGBA")


@row(Group.IMAGES, "image-grey-alpha", Level.RECOMMENDED, PILLOW, instances=True)
def grey_alpha(client: Client) -> None:
    """A grey image with an alpha channel, LA, is answered."""
    _in_mode(client, "as LA")


@row(Group.IMAGES, "image-cmyk", Level.RECOMMENDED, PILLOW, instances=True)
def cmyk(client: Client) -> None:
    """A JPEG of four inks, CMYK, is answered."""
    _in_mode(client, "as CMYK")


@row(Group.IMAGES, "image-16-bit", Level.RECOMMENDED, PILLOW, instances=True)
def sixteen_bit(client: Client) -> None:
    """A PNG of 16 bits a pixel is answered."""
    _in_mode(client, "as 16 bits")


@row(Group.IMAGES, "image-exif", Level.RECOMMENDED, PILLOW, instances=True)
def exif(client: Client) -> None:
    """A photo that its camera turned, by EXIF, is answered."""
    _in_mode(client, "turned by EXIF")
