"""The comparison of servers: what is read from the kernel and from wrk, medians and ratios, the chart, the record."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.serving import chart, load, machine, page, running
from benchmarks.serving.figures import FOREIGN, Figures, demands
from benchmarks.serving.record import Plan, Record, Start, Window
from benchmarks.serving.servers import SERVERS, Kind, chosen

ROOT = Path(__file__).parents[2]
PEERS = ("cpr-tuned", "bentoml")
TITLES = {server.name: server.title for server in SERVERS}
PLAN = Plan(("ours", "limit"), (), ("resnet18",), (1, 32), 3, 8.0, {"ours": "a"})

# What wrk 4.1.0 printed with our script, for a server that answered some requests with 500.
PRINTED = """\
Running 2s test @ http://127.0.0.1:38117/predict
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    86.32ms   39.05ms 231.15ms   73.08%
    Req/Sec    90.10     20.92   128.00     70.00%
  182 requests in 2.01s, 44.14KB read
  Non-2xx or 3xx responses: 2
Requests/sec:     90.64
Transfer/sec:     21.98KB
MEASURED {"requests": 182, "microseconds": 2008000, "p50": 76814, "p99": 229794, "connect": 1, "read": 0, "write": 0, \
"timeout": 3, "status": 2}
"""


def window(clients: int, rate: float, foreign: float = 0.01, p99: float = 50.0, **way: int) -> Window:
    return Window(rate, 10.0, p99, 100, 0, foreign, 1.9, clients=clients, **way)


def start(server: str, *windows: Window, number: int = 1, memory: float = 900.0, healthy: float = 3.0) -> Start:
    return Start(number, "resnet18", server, healthy, healthy + 0.1, memory, windows)


@pytest.fixture
def starts() -> list[Start]:
    """Three rounds, of which others disturbed one window of ours and every one of BentoML at 32 clients."""
    rounds: list[Start] = []
    for number, (ours, foreign) in enumerate([(20.0, 0.01), (40.0, 0.5), (22.0, FOREIGN)], start=1):
        ways = {(1, 1, 1): 22.0, (1, 1, 2): 25.0, (1, 2, 1): 30.0, (8, 2, 1): 40.0 + number}
        limits = [
            window(0, rate, batch=batch, processes=processes, threads=threads)
            for (batch, processes, threads), rate in ways.items()
        ]
        rounds += [
            start("ours", window(1, ours, foreign), window(32, 38.0, p99=400.0), number=number),
            start("cpr-tuned", window(1, 24.0), number=number, memory=1000.0, healthy=9.0),
            start("cpr-tuned", window(32, 30.0, p99=900.0), number=number, memory=1800.0, healthy=9.0),
            start("bentoml", window(1, 10.0), window(32, 35.0, 0.4, p99=500.0), number=number),
            start("limit", *limits, number=number, healthy=2.0),
        ]
    return rounds


def test_wrk_says_what_was_answered_and_what_was_not() -> None:
    said = load.parse(PRINTED)
    assert (said.requests, said.errors) == (180, 6)
    assert said.rate == pytest.approx(180 / 2.008)
    assert (said.p50, said.p99) == (76.814, 229.794)


def test_output_without_the_line_of_the_script_is_an_error() -> None:
    with pytest.raises(load.LoadError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_the_kernel_counts_what_was_worked_but_not_idle_waiting_or_guests_twice() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    text = "cpu  100 1 20 5000 700 3 4 50 90 9\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    assert machine.busy(text) == (100 + 1 + 20 + 3 + 4 + 50) / machine.TICKS


def test_a_program_with_spaces_and_brackets_in_its_name_is_read() -> None:
    fields = "R 12 34 56 0 -1 4194304 100 0 0 0 700 50 30 20 20 0 1 0"
    assert machine.process(f"99 (a) b (c)) {fields}") == machine.Process(12, 56, 800 / machine.TICKS)


def test_a_tree_holds_children_that_left_its_session_and_counts_their_work_and_memory() -> None:
    burn = "import time; at = time.process_time(); [0 for _ in iter(lambda: time.process_time() - at > 0.1, True)]"
    hold = f"{burn}; kept = b'x' * 30_000_000; print(1, flush=True); time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], start_new_session=True)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        assert len(machine.tree(process.pid)) == 2
        assert machine.worked(process.pid) >= 0.1
        assert machine.memory(process.pid) >= 30
    finally:
        running.end(process)
    assert machine.tree(process.pid) == {}
    process.stdout.close()


def test_a_median_leaves_out_what_others_disturbed(starts: list[Start]) -> None:
    figures = Figures(starts, PEERS)
    ours = figures.cell("resnet18", "ours", 1)
    assert ours is not None
    assert (ours.rate, ours.least, ours.most, ours.rounds, ours.disturbed) == (21.0, 20.0, 22.0, 3, 1)
    always = figures.cell("resnet18", "bentoml", 32)
    assert always is not None
    assert (always.rate, always.rounds, always.disturbed) == (35.0, 3, 3)
    assert figures.count() == (3 * (2 + 2 + 2 + 4), 4)


def test_the_limit_of_a_lone_client_is_one_image_at_a_time_and_else_the_best_batch(starts: list[Start]) -> None:
    figures = Figures(starts, PEERS)
    assert figures.limit("resnet18", 1) == 25.0
    assert figures.limit("resnet18", 32) == 42.0
    assert figures.limit("mobilenet_v3_small", 1) is None


def test_ratios_are_to_the_limit_and_to_the_best_peer(starts: list[Start]) -> None:
    figures = Figures(starts, PEERS)
    ours = figures.cell("resnet18", "ours", 32)
    assert ours is not None
    assert (ours.of_limit, ours.of_best_peer) == (38 / 42, 38 / 35)
    assert figures.best_peer("resnet18", 1) == ("cpr-tuned", 24.0)
    assert figures.quickest_peer("resnet18", 32) == ("bentoml", 500.0)


def test_the_memory_of_a_server_with_several_starts_is_that_of_the_largest(starts: list[Start]) -> None:
    whole = Figures(starts, PEERS).whole("resnet18", "cpr-tuned")
    assert whole is not None
    assert (whole.memory, whole.healthy) == (1800.0, 9.0)


def test_what_is_asked_is_judged_and_what_was_not_measured_is_not(starts: list[Start]) -> None:
    told = {demand.text: (demand.reached, demand.kept) for demand in demands(Figures(starts, PEERS))}
    assert told["32 clients: of the limit"] == (38 / 42, True)
    assert told["1 client: of the best peer"] == (21 / 24, False)
    assert told["32 clients: p99, of the best peer's"] == (0.8, True)
    assert told["memory, of CPR tuned"] == (0.5, True)
    assert told["start to healthy, of a bare import and load"] == (1.5, False)
    assert told["1 client: a CPR class, of CPR tuned"] == (None, None)


def test_the_chart_has_a_bar_as_long_as_the_share_of_the_limit(starts: list[Start]) -> None:
    root = ET.fromstring(chart.drawn(Figures(starts, PEERS), TITLES))  # noqa: S314 - our own
    name = "{http://www.w3.org/2000/svg}"
    bars = root.findall(f"{name}rect")
    assert len(bars) == 2 * 3
    lengths = sorted(float(bar.attrib["width"]) for bar in bars if "ours" in bar.attrib["class"])
    assert lengths == pytest.approx([21 / 25 * chart.FULL, 38 / 42 * chart.FULL], abs=0.1)
    texts = [text.text for text in root.findall(f"{name}text")]
    assert {"resnet18", "Seatrial", "BentoML", "38.0", "limit 42.0"} <= set(texts)
    assert float(root.attrib["width"]) >= max(float(text.attrib["x"]) for text in root.findall(f"{name}text"))


def test_the_page_and_the_report_have_the_figures_and_what_failed(starts: list[Start]) -> None:
    failed = Start(1, "resnet18", "litserve", 0, 0, 0, (), failed="it did not start")
    figures = Figures([*starts, failed], PEERS)
    conditions = {"date": "2026-01-02", "machine": "2 cores", "photo": "50", "commit": "abc", "versions": "torch 2"}
    written = page.written(PLAN, figures, TITLES, conditions)
    assert "| Seatrial | **21.0** (20.0 to 22.0), 0.84; 10 / 50 | **38.0**" in written
    assert "LitServe with resnet18 was not measured: it did not start" in written
    assert "4 of 30 windows stayed disturbed" in written
    report = json.loads(page.report(PLAN, figures, TITLES, conditions, starts))
    assert report["limit"] == {"resnet18": {"1": 25.0, "32": 42.0}}
    assert report["servers"][0]["clients"]["32"]["of_best_peer"] == 38 / 35
    assert len(report["starts"]) == len(starts)


def test_a_record_keeps_what_was_measured_before_it_was_cut_off(tmp_path: Path, starts: list[Start]) -> None:
    record = Record(tmp_path)
    record.begin(PLAN)
    assert (record.plan(), record.starts()) == (PLAN, [])
    for each in starts[:2]:
        record.add(each)
    with (tmp_path / "starts.jsonl").open("a") as file:
        file.write('{"round": 1, "mod')
    assert Record(tmp_path).starts() == starts[:2]
    record.add(starts[2])
    assert record.starts() == starts[:3]


def test_a_server_is_started_once_for_all_clients_that_have_the_same_settings() -> None:
    (torchserve,) = chosen(["torchserve"], [])
    assert [(settings["BATCH"], clients) for settings, clients in torchserve.starts([1, 8, 32, 256])] == [
        ("4", [1, 8]),
        ("8", [32, 256]),
    ]
    (cpr,) = chosen(["cpr"], [])
    assert cpr.starts([8, 32]) == [({}, [8, 32])]


def test_another_checkout_is_measured_beside_ours(tmp_path: Path) -> None:
    names = [server.name for server in chosen(["ours", "cpr", "limit"], [tmp_path])]
    assert names == ["ours", "cpr", "limit", f"ours@{tmp_path.name}"]


def test_every_peer_has_a_lock_of_the_same_torch_as_ours() -> None:
    def pins(lock: Path) -> set[str]:
        return {line.split(" ")[0] for line in lock.read_text().splitlines() if line.startswith(("torch", "pillow"))}

    wanted = pins(ROOT / "requirements.txt")
    for server in SERVERS:
        if server.kind is Kind.PEER:
            assert wanted <= pins(ROOT / "benchmarks/serving/peers" / server.folder / "requirements.txt"), server.name


def test_answers_are_the_same_but_for_the_order_of_sums() -> None:
    one = {"labels": [3, 1], "scores": [0.5, 0.25]}
    assert running.same(one, {"labels": [3, 1], "scores": [0.500001, 0.25]})
    assert not running.same(one, {"labels": [1, 3], "scores": [0.5, 0.25]})
    assert not running.same(one, {"labels": [3, 1], "scores": [0.51, 0.25]})


@pytest.mark.proof
def test_the_smallest_comparison_measures_ours_beside_the_limit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.serving", "--only=ours,limit", "--models=mobilenet_v3_small"]
    command += ["--concurrency=1,4", "--rounds=1", "--seconds=1", f"--folder={tmp_path}"]
    # No minutes are left after the first start, so that the second command has to go on.
    first = subprocess.run([*command, "--minutes=0.0001"], cwd=ROOT, timeout=900, check=False, capture_output=True)
    assert first.returncode == 1, first.stderr
    second = subprocess.run([*command, "--resume"], cwd=ROOT, timeout=900, check=False, capture_output=True)
    assert second.returncode == 0, second.stderr
    report = json.loads((tmp_path / "serving.json").read_text())
    (ours,) = report["servers"]
    assert ours["clients"]["1"]["errors"] == ours["clients"]["4"]["errors"] == 0
    assert 0 < ours["clients"]["4"]["of_limit"] < 1.3
    assert ours["memory"] > 100
    assert ET.fromstring((tmp_path / "serving.svg").read_text()).tag.endswith("svg")  # noqa: S314 - our own
