"""Batches of every size: each row must be what its instance is answered alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import cycle, islice

from seatrial.findings import Stage, Step
from seatrial.rules.deployment.settings import LIMITS
from seatrial.rules.serving.depth import DEPENDS_ON_BATCH
from seatrial.samples import variants
from seatrial.serving import interfaces
from seatrial.trial.full.session import Input, Session

_ALL_UP_TO = 16  # of max-batch: then every size is sent
_WHOLE_REQUESTS = 8  # the largest batch for a predictor that gets requests whole, and has no max-batch


def prove(session: Session) -> Stage[None]:
    """Send batches of all sizes, a full one in another order, and one of images of several sizes."""
    most = _most(session)
    mirrored = yield from _mirrored(session)
    mixed = [*session.inputs, *mirrored]
    smallest = sorted(mixed, key=_size)[:2]
    too_large = []
    for size in _sizes(most):
        yield Step(f"a batch of {size}")
        batches = [list(islice(cycle(these), size)) for these in (mixed, smallest)]
        fitting = next((batch for batch in batches if _fits(session, batch)), None)
        if fitting is None:
            too_large.append(size)
        elif not (yield from _compared(session, fitting, f"a batch of {size}")):
            return
    if too_large:
        session.trial.unproven.append(f"batches of {min(too_large)} golden inputs and more: no request can be so large")
    backwards = list(islice(cycle(reversed(mixed)), most))
    if not _fits(session, backwards) or (
        yield from _compared(session, backwards, f"a batch of {most} in another order")
    ):
        yield from _of_several_sizes(session, most)


def _most(session: Session) -> int:
    interface = interfaces.find(session.trial.interface)
    batched = interface is not None and interface.batches
    return session.gathered.project.serving.max_batch if batched else _WHOLE_REQUESTS


def _sizes(most: int) -> list[int]:
    """Return the sizes to send, the largest first: it is the one that takes too long or too much."""
    if most <= _ALL_UP_TO:
        return list(range(most + 1, 0, -1))
    return sorted({1, 2, 3, 4, 5, 7, 8, 9, most // 2, most - 1, most, most + 1}, reverse=True)


def _mirrored(session: Session) -> Stage[list[Input]]:
    """Return mirrored images with their answers, so that a batch has more than one answer in it."""
    made = []
    for one in session.inputs[:8]:
        if data := variants.image_of(one.instance):
            again = Input(f"{one.name}, mirrored", variants.replaced(one.instance, variants.mirrored(data)))
            found = yield from session.ask([again], again.name, DEPENDS_ON_BATCH)
            if found is None:
                return []
            (again.answer,) = found
            made.append(again)
    return made


def _of_several_sizes(session: Session, most: int) -> Stage[None]:
    """Send images of several sizes in one request."""
    other = []
    for one, factor in zip(session.inputs[:4], cycle((0.5, 2, 1.5)), strict=False):
        if data := variants.image_of(one.instance):
            resized = variants.resized(data, factor)
            again = Input(f"{one.name}, {factor:g} times as large", variants.replaced(one.instance, resized))
            found = yield from session.ask([again], again.name, DEPENDS_ON_BATCH)
            if found is None:
                return
            (again.answer,) = found
            other += [again, one]
    if other:
        batch = list(islice(cycle(other), most))
        while not _fits(session, batch):
            batch = batch[: len(batch) // 2]
        yield from _compared(session, batch, f"a batch of {len(batch)} images of several sizes")
    else:
        session.trial.unproven.append("batches of images of several sizes: no golden instance is an image")


def _size(one: Input) -> int:
    return len(json.dumps(one.instance))


def _fits(session: Session, batch: Sequence[Input]) -> bool:
    project = session.gathered.project
    limit = min(LIMITS[project.vertex.endpoint_type], project.serving.max_body_bytes)
    return sum(_size(one) + 2 for one in batch) + 100 < limit


def _compared(session: Session, batch: Sequence[Input], subject: str) -> Stage[bool]:
    """Ask a batch and compare each row; return whether all agree and there is time for more."""
    if not session.goes_on:
        session.trial.unproven.append(f"{subject}: {session.why_not}")
        return False
    found = yield from session.ask(batch, subject, DEPENDS_ON_BATCH)
    if found is None:
        return False
    for number, (one, answer) in enumerate(zip(batch, found, strict=True), start=1):
        if where := session.difference(one.answer, answer):
            yield DEPENDS_ON_BATCH.finding(f"{subject}, instance {number} ({one.name}): {where} alone", subject=subject)
            return False
    return True
