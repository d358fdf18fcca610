# SPDX-License-Identifier: GPL-3.0-or-later
"""From measured rounds to the rows of the summary: medians, ratios with their spread, and whether an aim is reached."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest of its rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, unit: str = "") -> str:
        unit = f" {unit}" if unit else ""
        if self.least == self.greatest:
            return number(self.median) + unit
        return f"{number(self.median)}{unit} ({number(self.least)} to {number(self.greatest)})"


def number(value: float) -> str:
    """Three digits that count, whole numbers from a hundred on."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Of the medians; its spread is that of the ratios of each round, whose two halves ran one after the other."""
    each = [a / b for a, b in zip(over, under, strict=True)]
    return Spread(statistics.median(over) / statistics.median(under), min(each), max(each))


def rates(results: Results, case: str, stack: str) -> list[float]:
    return [float(round_["rate"]) for round_ in results["site"]["load"][case][stack]]


@dataclass(frozen=True)
class Row:
    """One line of the summary. Without a limit there is nothing to reach."""

    what: str
    aim: str
    value: str
    reached: bool | None


@dataclass(frozen=True)
class Aim:
    """How a row is computed. `needs` are the parts that have to have run."""

    what: str
    aim: str
    needs: tuple[str, ...]
    compute: Callable[[Results], tuple[str, bool | None]]


def front(results: Results) -> tuple[str, bool]:
    found = ratio(rates(results, "front_16", "ours"), rates(results, "front_16", "reference"))
    return f"{found.text()} times", found.median >= 400


def against_file(page: str, file: str) -> Callable[[Results], tuple[str, bool]]:
    def compute(results: Results) -> tuple[str, bool]:
        found = ratio(rates(results, page, "ours"), rates(results, file, "ours"))
        return found.text(), found.median >= 0.95

    return compute


def signed_in(results: Results) -> tuple[str, bool]:
    page = ratio(rates(results, "front_signed_16", "ours"), rates(results, "front_signed_16", "reference"))
    dashboard = ratio(rates(results, "dashboard_16", "ours"), rates(results, "dashboard_16", "reference"))
    text = f"front page {page.text()} times, dashboard {dashboard.text()} times"
    return text, min(page.median, dashboard.median) >= 4


def by_source(results: Results) -> tuple[str, bool]:
    """The same of each WordPress that was measured in one run."""
    texts, reached = [], []
    for found in results["wordpress"]["sources"].values():
        text, is_reached = signed_in({"site": found})
        texts.append(f"{found['versions']['wordpress itself']}: {text}")
        reached.append(is_reached)
    return "; ".join(texts), all(reached)


def cold(results: Results) -> tuple[str, bool]:
    found = results["site"]["cold"]["ours"]
    first, signed = Spread.of(found["first"]), Spread.of(found["signed_in"])
    text = (
        f"{1000 * first.median:.0f} ms, signed in {1000 * signed.median:.0f} ms;"
        f" of 64 at once PHP saw {', '.join(map(str, found['php']))}"
    )
    return text, first.median <= signed.median and set(found["php"]) == {1} and set(found["answered"]) == {64}


def freshness(results: Results) -> tuple[str, bool]:
    found = results["freshness"]
    made = found["times"] * len(found["seen"])
    seen = sum(kind["at_once"] for kind in found["seen"].values())
    text = f"{seen} of {made} changes of {len(found['seen'])} kinds, {found['readers']} readers meanwhile"
    return text, seen == made and not found["wrong"]


def handshakes(results: Results) -> tuple[str, None]:
    """The rate, that of nginx's own processor time, and what the signature and the key exchange alone would allow."""
    tls = results["site"]["tls"]
    core = [each["full_per_core"] for each in tls["ours"]]
    limit = [1 / (1 / sign + 1 / exchange) for sign, exchange in zip(tls["signatures"], tls["exchanges"], strict=True)]
    text = (
        f"{Spread.of([each['full'] for each in tls['ours']]).text()} a second;"
        f" in a second of nginx's processor time {Spread.of(core).text()}, {ratio(core, tls['signatures']).text()} of"
        f" {Spread.of(tls['signatures']).text()} signatures;"
        f" with the key exchange a core could do {Spread.of(limit).text()}"
    )
    return text, None


def stops(results: Results) -> tuple[str, bool]:
    found = results["site"]["stops"]["ours"]
    stop, start = Spread.of(found["stop"]), Spread.of(found["start"])
    return f"{stop.text('s')} / {start.text('s')}", stop.median < 1 and start.median < 5


def deploy_cold(results: Results) -> tuple[str, bool]:
    found = results["deploy"]["seconds"]
    text = f"{number(found['ratio_cold'])} times ({found['deploy_cold']:.0f} s, {found['by_hand_cold']:.0f} s)"
    return text, found["ratio_cold"] <= 1.1


def deploy_again(results: Results) -> tuple[str, bool]:
    again = {int(hosts): Spread.of(seconds) for hosts, seconds in results["fleet"]["again"].items()}
    text = ", ".join(f"{hosts} at once {spread.text('s')}" for hosts, spread in sorted(again.items()))
    return text, again[1].median <= 5


def deploy_several(results: Results) -> tuple[str, bool]:
    walls = {int(hosts): cost["wall"] for hosts, cost in results["fleet"]["cold"]["control_node"].items()}
    times = {hosts: wall / walls[1] for hosts, wall in sorted(walls.items())}
    text = ", ".join(f"{hosts} at once {walls[hosts]:.0f} s, {number(times[hosts])} times" for hosts in times)
    # What was cut off before them is not reached.
    return text, all(hosts in times and times[hosts] <= most for hosts, most in ((4, 1.5), (8, 2.5)))


def changes(results: Results) -> tuple[str, bool]:
    found = results["changes"]["services"]
    text = ", ".join(f"{service}: {each['failed']} of {each['requests']}" for service, each in found.items())
    return text, all(each["failed"] == 0 for each in found.values())


def disk(results: Results) -> tuple[str, bool]:
    unique = {name: found["unique"] / 1e6 for name, found in results["site"]["images"].items()}
    return f"{unique['ours']:.0f} MB (reference {unique['reference']:.0f} MB)", unique["ours"] <= 450


def resident(results: Results) -> tuple[str, bool]:
    total = {
        name: sum(each["pss"] + each["tmpfs"] for each in services.values()) / 1e6
        for name, services in results["site"]["memory"].items()
    }
    return f"{total['ours']:.0f} MB (reference {total['reference']:.0f} MB)", total["ours"] <= 250


AIMS = (
    Aim("anonymous front page, against the reference", "at least 400 times", ("site",), front),
    Aim(
        "anonymous front page, against a file of its size from the same nginx", "at least 0.95", ("site",),
        against_file("front_16", "static_16"),
    ),
    Aim(
        "the same with gzip, against the file compressed before", "at least 0.95", ("site",),
        against_file("front_16_gzip", "static_16_gzip"),
    ),
    Aim("signed-in front page and dashboard, against the reference", "at least 4 times", ("site",), signed_in),
    Aim(
        "the same by WordPress, in one run, against a reference of the same files", "at least 4 times", ("wordpress",),
        by_source,
    ),
    Aim(
        "first anonymous visit after the cache was emptied", "at most the signed-in time; PHP sees 1 of 64 at once",
        ("site",), cold,
    ),
    Aim("freshness: each kind of change, 100 times under load", "seen on the next request", ("freshness",), freshness),
    Aim("full TLS 1.3 handshakes, against one core's ECDSA P-256 signatures", "near", ("site",), handshakes),
    Aim("stop of the whole stack / start to the first good page", "under 1 s / under 5 s", ("site",), stops),
    Aim("cold deployment, against the bare script", "at most 1.1 times", ("deploy",), deploy_cold),
    Aim("cold, several hosts at once", "4 at most 1.5 times one, 8 at most 2.5", ("fleet",), deploy_several),
    Aim("deployment that changes nothing", "on one host at most 5 s", ("fleet",), deploy_again),
    Aim("one line of a service's configuration changed under load: failed requests", "0", ("changes",), changes),
    Aim("bytes on disk of the mandatory images with their base, shared layers once", "at most 450 MB", ("site",), disk),
    Aim("resident memory, idle, after 1,000 pages", "at most 250 MB", ("site",), resident),
)  # fmt: skip


def summary(results: Results) -> list[Row]:
    """Every aim; of a part that did not run, that it did not."""
    rows = []
    for aim in AIMS:
        if all(part in results for part in aim.needs):
            value, reached = aim.compute(results)
        else:
            value, reached = "not measured in this run", None
        rows.append(Row(aim.what, aim.aim, value, reached))
    return rows
