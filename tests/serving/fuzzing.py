"""Requests as broken clients send them, all from one seed: what is sent in which pieces, and what may come back."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

BODY_LIMIT = 200_000
OK, BAD = 200, 400


@dataclass(frozen=True)
class Sent:
    """What a client does.

    Attributes:
        kind: of mistake.
        pieces: what is sent, with a pause between two.
        allowed: the statuses that may come back.
        answers: how many are due at least; 0 where the request may never end.
        end: what comes then: "wait" for the answer, "close" or "reset" the connection, "half" closes the sending side.
    """

    kind: str
    pieces: tuple[bytes, ...]
    allowed: frozenset[int]
    answers: int = 1
    end: str = "wait"


def samples() -> list[bytes]:
    """Return small images of all formats and modes that are served."""
    gradient = Image.linear_gradient("L").resize((24, 16))
    color = Image.merge("RGB", (gradient, gradient.rotate(180), gradient))
    exif = Image.Exif()
    exif[0x0112] = 6
    many = [color.rotate(angle) for angle in (90, 180)]
    made: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (color, "JPEG", {"exif": exif}),
        (color, "JPEG", {"progressive": True}),
        (color.convert("CMYK"), "JPEG", {}),
        (color, "PNG", {"exif": exif}),
        (color.convert("RGBA"), "PNG", {}),
        (color.convert("P"), "PNG", {"transparency": 3}),
        (color, "PNG", {"save_all": True, "append_images": many}),
        (color.convert("P"), "GIF", {"save_all": True, "append_images": many}),
        (color, "BMP", {}),
        (color, "PPM", {}),
        (color, "TIFF", {"compression": "tiff_lzw", "exif": exif}),
        (color, "TIFF", {"compression": "jpeg"}),
        (gradient, "TIFF", {}),
        (color, "WEBP", {"exif": exif}),
        (color, "WEBP", {"lossless": True}),
        (color, "WEBP", {"save_all": True, "append_images": many}),
        (color, "AVIF", {"exif": exif}),
    ]
    files = []
    for image, kind, options in made:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


class Client:
    """Thinks up requests; the same seed gives the same requests."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - the same requests again, not secrets
        self._images = samples()
        self._good = json.dumps({"instances": [b64(self._images[0]), b64(self._images[4])]}).encode()
        self._kinds: list[tuple[int, Callable[[], Sent]]] = [
            (5, self._broken_json), (4, self._odd_json), (4, self._broken_base64), (8, self._broken_image),
            (3, self._lengths), (4, self._headers), (2, self._chunks), (2, self._gzip), (2, self._leaves),
            (1, self._slow), (2, self._pipelined),
        ]  # fmt: skip

    def next(self) -> Sent:
        """Think up a request."""
        weights, kinds = zip(*self._kinds, strict=True)
        kind: Callable[[], Sent] = self._dice.choices(kinds, weights)[0]
        return kind()

    def _damaged(self, data: bytes, most: int = 8) -> bytes:
        """Change some bytes, cut some out, put some in, repeat some, or cut the end off."""
        dice, changed = self._dice, bytearray(data)
        for _ in range(dice.randint(1, most)):
            if not changed:
                break
            at = dice.randrange(len(changed))
            length = min(dice.choice((1, 1, 2, 4, 16, 200)), len(changed) - at)
            how = dice.randrange(7)
            if how == 0:
                changed[at] ^= 1 << dice.randrange(8)
            elif how == 1:
                changed[at : at + length] = dice.randbytes(length)
            elif how == 2:
                changed[at : at + length] = dice.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
            elif how == 3:
                del changed[at : at + length]
            elif how == 4:
                changed[at:at] = dice.randbytes(length)
            elif how == 5:
                changed[at:at] = changed[at : at + length] * dice.choice((1, 2, 50))
            elif dice.random() < 0.2:
                del changed[at:]
        return bytes(changed[:BODY_LIMIT])

    def _broken_json(self) -> Sent:
        return Sent("broken JSON", (posted(self._damaged(self._good)),), frozenset({OK, BAD}))

    def _value(self, depth: int = 0) -> Any:
        dice = self._dice
        leaves: list[Any] = [
            None, True, 0, -1, 1e308, 10**30, float("nan"), float("inf"), "", "x", "\ud800", "\0", [], {}, {"b64": 1},
            {"b64": None}, {"b64": ""}, {"b64": "é"}, b64(self._images[0]), "data:image/png;base64,", "A" * 9, "==",
            {"b64": b64(self._images[3])}, dice.random(), "".join(dice.choices(string.printable, k=20)),
        ]  # fmt: skip
        if depth > 3 or dice.random() < 0.7:
            return dice.choice(leaves)
        inner = [self._value(depth + 1) for _ in range(dice.randrange(4))]
        return inner if dice.random() < 0.5 else {str(dice.choice(leaves)): one for one in inner}

    def _odd_json(self) -> Sent:
        dice = self._dice
        if dice.random() < 0.1:
            deep = dice.choice((b"[", b'{"a":', b'{"instances":[')) * dice.choice((10, 1_000, 20_000))
            return Sent("deep JSON", (posted(deep[:BODY_LIMIT]),), frozenset({BAD}))
        body: dict[str, Any] = {"instances": [self._value() for _ in range(dice.randrange(4))]}
        if dice.random() < 0.3:
            body["instances"] = self._value()
        if dice.random() < 0.3:
            body["parameters"] = self._value()
        return Sent("odd JSON", (posted(json.dumps(body).encode()),), frozenset({OK, BAD}))

    def _broken_base64(self) -> Sent:
        text = base64.b64encode(self._dice.choice(self._images)).decode()
        text = self._damaged(text.encode()).decode("latin-1")
        start = self._dice.choice(("", "", "data:image/png;base64,", "data:", "data:;base64"))
        return Sent(
            "broken base64", (posted(json.dumps({"instances": [start + text]}).encode()),), frozenset({OK, BAD, 413})
        )

    def _broken_image(self) -> Sent:
        data = self._damaged(self._dice.choice(self._images), self._dice.choice((1, 3, 20)))
        allowed = frozenset({OK, BAD, 413})
        if self._dice.random() < 0.5:
            return Sent("broken image", (posted(data, "image/x"),), allowed)
        return Sent(
            "broken image in JSON", (posted(json.dumps({"instances": [b64(data)]}).encode()[:BODY_LIMIT]),), allowed
        )

    def _lengths(self) -> Sent:
        dice, body = self._dice, self._good
        told = dice.choice(
            (0, 1, len(body) - 1, len(body) + 1, BODY_LIMIT + 1, 10**18, -1, "x", "", "1, 2", "0x5", None)
        )
        lines = [] if told is None else [f"Content-Length: {told}"]
        lines *= dice.choice((1, 1, 2))
        head = "\r\n".join(["POST /predict HTTP/1.1", "Host: a", "Connection: close", *lines, "", ""])
        return Sent(f"length {told}", (head.encode() + body,), frozenset({OK, BAD, 411, 413}), answers=0, end="half")

    def _headers(self) -> Sent:
        dice = self._dice
        head = posted(self._good).partition(b"\r\n\r\n")[0]
        if dice.random() < 0.6:
            head = self._damaged(head)
        else:
            methods = (b"GET", b"PUT", b"OPTIONS", b"CONNECT", b"PRI", b"x" * 300, b"")
            paths = (
                b"/",
                b"/predict",
                b"/health",
                b"/metrics",
                b"*",
                b"http://a/predict",
                b"//",
                b"/%00",
                b"/\xff",
                b"/predict?" + b"x" * 70_000,
            )
            version = dice.choice((b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""))
            more = dice.choice((b"X: " + b"y" * 70_000, b"Expect: 100-continue", b"Upgrade: h2c\r\nConnection: upgrade",
                                b"Transfer-Encoding: gzip", b"Content-Type: text/html", b"Host: b", b"X",
                                b"X-Request-Id: \xff" + dice.randbytes(9).hex().encode() * dice.randrange(90),
                                b"traceparent: 00-" + dice.randbytes(25).hex().encode(),
                                b"X-Cloud-Trace-Context: " + b"a" * 32 + b"/" + b"9" * dice.randrange(30)))  # fmt: skip
            begins = b" ".join((dice.choice(methods), dice.choice(paths), version))
            head = begins + b"\r\nHost: a\r\nConnection: close\r\n" + more
        allowed = frozenset({OK, BAD, 404, 405, 411, 413, 415})
        return Sent("headers", (head + b"\r\n\r\n" + self._good,), allowed, answers=0, end="half")

    def _chunks(self) -> Sent:
        dice, body, chunks = self._dice, self._good, b""
        while body:
            size = dice.choice((1, 10, 500, 4000))
            chunks += b"%x\r\n%s\r\n" % (len(body[:size]), body[:size])
            body = body[size:]
        chunks += b"0\r\n\r\n"
        if dice.random() < 0.7:
            chunks = self._damaged(chunks)
        head = b"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        return Sent("chunks", (head + chunks,), frozenset({OK, BAD, 413}), answers=0, end="half")

    def _gzip(self) -> Sent:
        packed = gzip.compress(self._dice.choice((self._good, bytes(10 * BODY_LIMIT), b"")))
        if self._dice.random() < 0.7:
            packed = self._damaged(packed, 2)
        named = self._dice.choice(("gzip", "x-gzip", "br", "gzip, gzip"))
        return Sent("gzip", (posted(packed, more=f"Content-Encoding: {named}\r\n"),), frozenset({OK, BAD, 413, 415}))

    def _leaves(self) -> Sent:
        request = posted(self._good)
        cut = self._dice.randrange(len(request) + 1)
        end = self._dice.choice(("close", "reset", "half"))
        return Sent(f"leaves by {end}", (request[:cut],), frozenset({OK, BAD}), answers=0, end=end)

    def _slow(self) -> Sent:
        request = posted(self._good)
        cuts = sorted(self._dice.randrange(len(request)) for _ in range(5))
        pieces = tuple(request[a:b] for a, b in zip([0, *cuts], [*cuts, len(request)], strict=True))
        return Sent("slow", pieces, frozenset({OK}))

    def _pipelined(self) -> Sent:
        count = self._dice.randint(2, 8)
        health = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        kept = posted(self._good).replace(b"Connection: close\r\n", b"")
        requests = [self._dice.choice((health, kept)) for _ in range(count - 1)]
        return Sent("pipelined", (b"".join(requests) + posted(self._good),), frozenset({OK}), answers=count)


def posted(body: bytes, kind: str = "application/json", more: str = "") -> bytes:
    """Return a whole request for a prediction, after which the server closes."""
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def b64(data: bytes) -> str:
    """Return an image as a plain instance."""
    return base64.b64encode(data).decode()
