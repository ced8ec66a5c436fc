"""Medians of what was measured, and ratios: to the best peer, and to what the machine can do without HTTP."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.serving.record import Start, Window

FOREIGN = 0.08  # cores that others may use in a window; the kernel's clock ticks tell it within 0.05
LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Cell:
    """A server under a load: medians of the rounds.

    Attributes:
        rate: images a second, and the least and the most of a round.
        least: of a round.
        most: of a round.
        p50: milliseconds.
        p99: milliseconds.
        errors: the sum of all rounds.
        rounds: how many there were.
        disturbed: how many of them others disturbed every time; they count only where all were.
        of_limit: the rate as a share of the limit.
        of_best_peer: the rate as a share of the best peer's.
    """

    rate: float
    least: float
    most: float
    p50: float
    p99: float
    errors: int
    rounds: int
    disturbed: int
    of_limit: float | None
    of_best_peer: float | None


@dataclass(frozen=True, slots=True)
class Whole:
    """A server as a whole: medians of its starts."""

    healthy: float
    answered: float
    memory: float


class Figures:
    """The figures of a run."""

    def __init__(self, starts: Sequence[Start], peers: Iterable[str]) -> None:
        self._starts = [start for start in starts if not start.failed]
        self._peers = frozenset(peers)
        self.failed = {(start.server, start.model): start.failed for start in starts if start.failed}

    @property
    def models(self) -> list[str]:
        """The models in the order in which they were measured."""
        return list(dict.fromkeys(start.model for start in self._starts))

    @property
    def clients(self) -> list[int]:
        """The numbers of clients."""
        return sorted({window.clients for start in self._starts for window in start.windows if window.clients})

    def servers(self, model: str) -> list[str]:
        """Return the servers that were measured with a model, without the limit."""
        return list(dict.fromkeys(each.server for each in self._starts if each.model == model and each.server != LIMIT))

    def cell(self, model: str, server: str, clients: int) -> Cell | None:
        """Return the figures of a server under a load; None if it was not measured."""
        windows = self._windows(model, server, lambda window: window.clients == clients)
        if not windows:
            return None
        kept = _undisturbed(windows)
        rates = [window.rate for window in kept]
        rate, limit, best = statistics.median(rates), self.limit(model, clients), self.best_peer(model, clients)
        return Cell(
            rate=rate,
            least=min(rates),
            most=max(rates),
            p50=statistics.median(window.p50 for window in kept),
            p99=statistics.median(window.p99 for window in kept),
            errors=sum(window.errors for window in windows),
            rounds=len(windows),
            disturbed=sum(window.foreign > FOREIGN for window in windows),
            of_limit=rate / limit if limit else None,
            of_best_peer=rate / best[1] if best and best[1] else None,
        )

    def limit(self, model: str, clients: int) -> float | None:
        """Return the most images a second without HTTP: one image at a time for a lone client, else the best batch."""
        lone = clients == 1
        windows = self._windows(model, LIMIT, lambda window: (window.processes == 1 and window.batch == 1) is lone)
        ways = {(window.batch, window.processes, window.threads) for window in windows}
        rates = [self._median(model, LIMIT, _way(way), lambda window: window.rate) for way in ways]
        return max((rate for rate in rates if rate is not None), default=None)

    def best_peer(self, model: str, clients: int) -> tuple[str, float] | None:
        """Return the peer that answers most requests a second, and how many."""
        return max(self._of_peers(model, clients, lambda window: window.rate), key=lambda each: each[1], default=None)

    def quickest_peer(self, model: str, clients: int) -> tuple[str, float] | None:
        """Return the peer whose p99 is the least, and the milliseconds."""
        return min(self._of_peers(model, clients, lambda window: window.p99), key=lambda each: each[1], default=None)

    def whole(self, model: str, server: str) -> Whole | None:
        """Return the figures of a server that do not depend on the load."""
        starts = [start for start in self._starts if start.model == model and start.server == server]
        if not starts:
            return None
        largest = [
            max(start.memory for start in starts if start.round == number) for number in {s.round for s in starts}
        ]
        return Whole(
            statistics.median(start.healthy for start in starts),
            statistics.median(start.answered for start in starts),
            statistics.median(largest),
        )

    def count(self) -> tuple[int, int]:
        """Return how many windows there are, and how many of them stayed disturbed."""
        windows = [window for start in self._starts for window in start.windows]
        return len(windows), sum(window.foreign > FOREIGN for window in windows)

    def _of_peers(self, model: str, clients: int, value: Callable[[Window], float]) -> list[tuple[str, float]]:
        peers = [server for server in self.servers(model) if server in self._peers]
        found = [(peer, self._median(model, peer, lambda window: window.clients == clients, value)) for peer in peers]
        return [(peer, number) for peer, number in found if number is not None]

    def _median(
        self, model: str, server: str, wanted: Callable[[Window], bool], value: Callable[[Window], float]
    ) -> float | None:
        windows = self._windows(model, server, wanted)
        return statistics.median(value(window) for window in _undisturbed(windows)) if windows else None

    def _windows(self, model: str, server: str, wanted: Callable[[Window], bool]) -> list[Window]:
        starts = (start for start in self._starts if start.model == model and start.server == server)
        return [window for start in starts for window in start.windows if wanted(window)]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of our runtime, and what it reached; `reached` is None where it was not measured."""

    text: str
    model: str
    asked: float
    reached: float | None
    at_most: bool = False

    @property
    def kept(self) -> bool | None:
        """Whether it is reached."""
        if self.reached is None:
            return None
        return self.reached <= self.asked if self.at_most else self.reached >= self.asked


def demands(figures: Figures) -> list[Demand]:
    """Return what is asked of our runtime, as ratios."""
    return [each for model in figures.models for each in _of_model(figures, model)]


def _of_model(figures: Figures, model: str) -> Iterable[Demand]:
    of_limit = 0.9 if model.startswith("resnet") else 0.85
    for clients in figures.clients:
        ours, routine = figures.cell(model, "ours", clients), figures.cell(model, "ours-cpr", clients)
        asked_by = f"{clients} client{'s' if clients > 1 else ''}"
        if clients in (8, 32):
            yield Demand(f"{asked_by}: of the limit", model, of_limit, ours.of_limit if ours else None)
        yield Demand(f"{asked_by}: of the best peer", model, 1.0, ours.of_best_peer if ours else None)
        tuned = figures.cell(model, "cpr-tuned", clients)
        ratio = routine.rate / tuned.rate if routine and tuned and tuned.rate else None
        yield Demand(f"{asked_by}: a CPR class, of CPR tuned", model, 1.0, ratio)
        quickest = figures.quickest_peer(model, clients)
        if clients == 32:
            slowest = ours.p99 / quickest[1] if ours and quickest and quickest[1] else None
            yield Demand("32 clients: p99, of the best peer's", model, 1.0, slowest, at_most=True)
    whole, tuned_whole, bare = (figures.whole(model, name) for name in ("ours", "cpr-tuned", LIMIT))
    memory = whole.memory / tuned_whole.memory if whole and tuned_whole and tuned_whole.memory else None
    yield Demand("memory, of CPR tuned", model, 1.0, memory, at_most=True)
    healthy = whole.healthy / bare.healthy if whole and bare and bare.healthy else None
    yield Demand("start to healthy, of a bare import and load", model, 1.2, healthy, at_most=True)


def _undisturbed(windows: list[Window]) -> list[Window]:
    return [window for window in windows if window.foreign <= FOREIGN] or windows


def _way(way: tuple[int, int, int]) -> Callable[[Window], bool]:
    return lambda window: (window.batch, window.processes, window.threads) == way
