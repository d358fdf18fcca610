# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians, ratios, the rows of the summary, and the page of them."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.bench.figures import AIMS, Row, Spread, number, ratio, summary
from tests.bench.report import Group, page, plot, text
from tests.bench.target.load import CASES


def round_(rate: float) -> dict[str, float]:
    return {
        "rate": rate,
        "p50": 1000 / rate,
        "p99": 3000 / rate,
        "requests": 3 * rate,
        "failed": 0,
        "cpu_ms": 900 / rate,
    }


def handshake(rate: float) -> dict[str, float]:
    return {"full": rate, "full_per_core": 2 * rate, "resumed": 2 * rate, "resumed_per_core": 4 * rate}


def site() -> dict[str, Any]:
    """Figures with which each aim is reached."""
    times = {"reference": 10.0, "ours": 5000.0}
    services = ("mariadb", "wordpress", "nginx")
    return {
        "date": "2026-01-01",
        "machine": {"processors": 2, "model": "A <processor>", "load": 0.1},
        "on": {"processors": 2, "load": 0.1},
        "versions": {"nginx": "1.22.1"},
        "rounds": 3,
        "seconds": 3,
        "load": {
            case.name: {
                "title": case.title,
                **{name: [round_(times[name] + n) for n in (0, 1, 2)] for name in case.stacks},
            }
            for case in CASES
        },
        "tls": {
            "signatures": [40000.0],
            "exchanges": [40000.0],
            "reference": [handshake(500.0)],
            "ours": [handshake(1000.0)],
        },
        "cold": {"ours": {"first": [0.1], "signed_in": [0.2], "php": [1, 1], "answered": [64, 64], "slowest": [0.3]}},
        "memory": {
            name: {s: {"processes": 2, "pss": 50_000_000, "tmpfs": 1_000_000} for s in services} for name in times
        },
        "images": {name: {"each": dict.fromkeys(services, 200_000_000), "unique": 400_000_000} for name in times},
        "stops": {name: {"stop": [0.5, 0.6], "start": [3.0, 4.0]} for name in times},
    }


def sourced(version: str) -> dict[str, Any]:
    return {**{name: site()[name] for name in ("load", "cold")}, "versions": {"wordpress itself": version}}


def results() -> dict[str, Any]:
    one = {"date": "2026-01-01", "machine": {"processors": 2, "architecture": "x86_64"}}
    changed = {"seconds": 9.0, "requests": 100, "failed": 0}
    return {
        "site": site(),
        "deploy": {**one, "seconds": {"deploy_cold": 66.0, "by_hand_cold": 60.0, "ratio_cold": 1.1}},
        "fleet": {
            **one,
            "cold": {
                "control_node": {"1": {"wall": 80.0}, "2": {"wall": 90.0}, "4": {"wall": 120.0}, "8": {"wall": 200.0}},
                "managed_host": {"1": {"wall": 90.0}, "4": {"wall": 210.0}},
            },
            "again": {"1": [4.0, 4.5], "2": [6.0], "4": [8.0], "8": [12.0]},
        },
        "changes": {**one, "services": {name: dict(changed) for name in ("nginx", "wordpress", "mariadb")}},
        "wordpress": {**one, "sources": {version: sourced(version) for version in ("6.1.9", "7.1.3")}},
        "freshness": {**one, "times": 100, "readers": 16, "seen": {"a post": {"at_once": 100}}, "wrong": []},
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.0123, "0.0123"),
        (0.95, "0.95"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.6, "12,346"),
    ],
)
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([3.0, 1.0, 2.0]).text("s") == "2.00 s (1.00 to 3.00)"
    assert Spread.of([2.0]).text() == "2.00"


def test_ratio() -> None:
    """Of the medians, and the spread is that of the rounds, each half beside its other."""
    assert ratio([100.0, 300.0, 200.0], [10.0, 20.0, 10.0]) == Spread(20.0, 10.0, 20.0)


def test_ratio_of_rounds_without_their_other_half() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


def test_every_aim_can_be_reached() -> None:
    rows = summary(results())
    assert len(rows) == len(AIMS)
    assert [row.what for row in rows if row.reached is False] == []
    # Of the handshakes there is no limit.
    assert [row.what for row in rows if row.reached is None] == [rows[7].what]


def row(changed: dict[str, Any], start: str) -> Row:
    (found,) = [row for row in summary(changed) if row.what.startswith(start)]
    return found


MISSES: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("anonymous front page, against the reference", ("site", "load", "front_16", "ours"), [round_(3000.0)] * 3),
    ("anonymous front page, against a file", ("site", "load", "static_16", "ours"), [round_(9000.0)] * 3),
    ("the same with gzip", ("site", "load", "static_16_gzip", "ours"), [round_(9000.0)] * 3),
    ("signed-in", ("site", "load", "dashboard_16", "ours"), [round_(30.0)] * 3),
    ("the same by", ("wordpress", "sources", "7.1.3", "load", "front_signed_16", "ours"), [round_(30.0)] * 3),
    ("first anonymous", ("site", "cold", "ours", "first"), [0.3]),
    ("first anonymous", ("site", "cold", "ours", "php"), [1, 2]),
    ("first anonymous", ("site", "cold", "ours", "answered"), [64, 63]),
    ("freshness", ("freshness", "seen", "a post", "at_once"), 99),
    ("freshness", ("freshness", "wrong"), ["1 answers 502"]),
    ("stop of", ("site", "stops", "ours", "stop"), [1.0]),
    ("stop of", ("site", "stops", "ours", "start"), [5.0]),
    ("cold deployment", ("deploy", "seconds", "ratio_cold"), 1.11),
    ("deployment that changes nothing", ("fleet", "again", "1"), [5.1]),
    ("cold, several", ("fleet", "cold", "control_node", "4", "wall"), 121.0),
    ("cold, several", ("fleet", "cold", "control_node", "8", "wall"), 201.0),
    ("one line", ("changes", "services", "mariadb", "failed"), 1),
    ("bytes on disk", ("site", "images", "ours", "unique"), 450_000_001),
    ("resident", ("site", "memory", "ours", "nginx", "tmpfs"), 150_000_000),
]


@pytest.mark.parametrize(("start", "path", "value"), MISSES, ids=[f"{start}-{path[-1]}" for start, path, _ in MISSES])
def test_an_aim_that_is_missed(start: str, path: tuple[str | int, ...], value: Any) -> None:
    changed = copy.deepcopy(results())
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert row(results(), start).reached is True
    assert row(changed, start).reached is False


def test_a_part_that_did_not_run() -> None:
    found = row({"site": site()}, "cold deployment")
    assert (found.value, found.reached) == ("not measured in this run", None)


class Outside(HTMLParser):
    """What a page would fetch, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset", "data")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("parts", [{"site"}, {"deploy"}, {"fleet", "changes"}, set(results())])
def test_page(parts: set[str]) -> None:
    """Whole, with nothing from outside, whichever parts there are."""
    shown = page({part: found for part, found in results().items() if part in parts})
    outside = Outside()
    outside.feed(shown)
    assert outside.fetched == []
    assert outside.open == []
    assert not re.search(r"url\(|@import|<script", shown)
    assert shown.count("<figure>") == shown.count("<svg")


def test_page_escapes() -> None:
    shown = page(results())
    assert "A &lt;processor&gt;" in shown
    assert "<processor>" not in shown


@pytest.mark.parametrize("logarithmic", [True, False])
def test_plot_stays_in_its_frame(logarithmic: bool) -> None:
    groups = [Group("a", {"reference": Spread(2.0, 0.5, 3.0), "ours": Spread(900.0, 10.0, 1000.0)})]
    shown = plot("plot", groups, "s", logarithmic=logarithmic)
    places = [float(value) for value in re.findall(r'x[12]?="([\d.]+)"', shown)]
    assert min(places) >= 0
    assert max(places) <= 900


def test_text() -> None:
    shown = text(results())
    assert shown.count("aim: ") == len(AIMS)
    assert "not reached" not in shown
