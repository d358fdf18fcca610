# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures for people: a page without anything from outside, and the same summary as text."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Results, Row, Spread, number, ratio, summary

MARK = {True: "reached", False: "not reached", None: ""}
NAMES = {"reference": "reference", "ours": "ours"}

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

LABEL, WIDTH, RIGHT, BAR, GAP = 300, 900, 110, 11, 12


def escape(text: object) -> str:
    return html.escape(str(text), quote=True)


@dataclass(frozen=True)
class Group:
    """What is beside one label of a plot: a bar of each stack."""

    label: str
    bars: dict[str, Spread]


def plot(title: str, groups: Sequence[Group], unit: str, *, logarithmic: bool = False) -> str:
    """Horizontal bars from zero, or from a power of ten; a line through a bar's end is the spread of its rounds."""
    spreads = [spread for group in groups for spread in group.bars.values()]
    most = max(spread.greatest for spread in spreads) or 1
    least = min((spread.least for spread in spreads if spread.least > 0), default=1)
    bottom = math.floor(math.log10(least))
    top = max(math.ceil(math.log10(most)), bottom + 1)
    room = WIDTH - LABEL - RIGHT

    def place(value: float) -> float:
        if not logarithmic:
            return LABEL + room * value / most
        return LABEL + room * max(math.log10(max(value, 10**bottom)) - bottom, 0) / (top - bottom)

    parts, y = [], 6.0
    for group in groups:
        height = len(group.bars) * (BAR + 2)
        parts.append(
            f'<text x="{LABEL - 10}" y="{y + height / 2 + 3:.1f}" text-anchor="end">{escape(group.label)}</text>'
        )
        for name, spread in group.bars.items():
            end, middle = place(spread.median), y + BAR / 2
            hint = f"{group.label}, {NAMES[name]}: {spread.text(unit)}"
            parts.append(
                f'<rect class="{name}" x="{LABEL}" y="{y:.1f}" width="{max(end - LABEL, 1):.1f}" height="{BAR}" rx="2">'
                f"<title>{escape(hint)}</title></rect>"
            )
            if spread.greatest > spread.least:
                left, right = place(spread.least), place(spread.greatest)
                parts.append(
                    f'<line class="spread" x1="{left:.1f}" x2="{right:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
                )
            beside = max(end, place(spread.greatest)) + 6
            value = escape(number(spread.median))
            parts.append(f'<text class="soft" x="{beside:.1f}" y="{y + BAR - 1:.1f}">{value}</text>')
            y += BAR + 2
        y += GAP
    lines = [10.0**power for power in range(bottom, top + 1)] if logarithmic else [0, most / 2, most]
    grid = "".join(
        f'<line class="grid" x1="{place(line):.1f}" x2="{place(line):.1f}" y1="0" y2="{y:.1f}"/>'
        f'<text class="soft" x="{place(line):.1f}" y="{y + 14:.1f}" text-anchor="middle">{escape(number(line))}</text>'
        for line in lines
    )
    note = f"{unit}{', logarithmic' if logarithmic else ''}"
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {y + 20:.0f}" role="img" aria-label="{escape(title)}">'
        f"{grid}{''.join(parts)}</svg>"
        f"<figcaption>{escape(note)}; a line is the spread from the least to the greatest round.</figcaption></figure>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    header = f'<th scope="col">{escape(head[0])}</th>'
    header += "".join(f'<th scope="col" class="number">{escape(cell)}</th>' for cell in head[1:])
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


def section(title: str, *content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(content)}</section>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def summary_table(rows: Sequence[Row]) -> str:
    marks = {True: '<td class="reached">reached</td>', False: '<td class="missed">not reached</td>', None: "<td></td>"}
    body = "".join(
        f"<tr><td>{escape(row.what)}</td><td>{escape(row.aim)}</td><td>{escape(row.value)}</td>{marks[row.reached]}</tr>"
        for row in rows
    )
    return (
        '<div class="wide"><table><thead><tr><th scope="col">what</th><th scope="col">aim</th>'
        f'<th scope="col">value</th><th scope="col"></th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def spreads(case: dict[str, Any], figure: str) -> dict[str, Spread]:
    """Of both stacks, as far as there are any."""
    found = {name: [each[figure] for each in case[name] if each[figure] is not None] for name in NAMES if name in case}
    return {name: Spread.of(values) for name, values in found.items() if values}


def load_groups(load: dict[str, Any], figure: str) -> list[Group]:
    groups = [Group(case["title"], spreads(case, figure)) for case in load.values()]
    return [group for group in groups if group.bars]


def load_table(load: dict[str, Any]) -> str:
    rows = []
    for case in load.values():
        for name in NAMES:
            if name not in case:
                continue
            found = {figure: spreads(case, figure).get(name) for figure in ("rate", "p50", "p99", "cpu_ms")}
            both = "reference" in case and name == "ours"
            times = (
                ratio([each["rate"] for each in case["ours"]], [each["rate"] for each in case["reference"]])
                if both
                else None
            )
            rows.append(
                [
                    f"{case['title']}, {name}",
                    *(spread.text() if spread else "" for spread in found.values()),
                    str(sum(each["failed"] for each in case[name])),
                    times.text() if times else "",
                ]
            )
    return table(["visit", "requests/s", "p50 ms", "p99 ms", "CPU ms a request", "failed", "times the reference"], rows)


def site_sections(site: dict[str, Any]) -> list[str]:
    load, tls = site["load"], site["tls"]
    names = [name for name in NAMES if name in tls]
    handshakes = [
        Group(title, {name: Spread.of([each[key] for each in tls[name]]) for name in names})
        for title, key in (
            ("full handshakes", "full"),
            ("full, for a second of nginx's processor time", "full_per_core"),
            ("resumed", "resumed"),
            ("resumed, for a second of nginx's processor time", "resumed_per_core"),
        )
    ]
    services = ("mariadb", "wordpress", "nginx")
    memory = [
        Group(
            service,
            {
                name: Spread.of([sum(site["memory"][name][service][kind] for kind in ("pss", "tmpfs")) / 1e6])
                for name in names
            },
        )
        for service in services
    ]
    disk = [
        Group(service, {name: Spread.of([site["images"][name]["each"][service] / 1e6]) for name in names})
        for service in services
    ]
    disk.append(
        Group("all, shared layers once", {name: Spread.of([site["images"][name]["unique"] / 1e6]) for name in names})
    )
    stops = [
        Group(title, {name: Spread.of(site["stops"][name][key]) for name in names})
        for title, key in (("stop", "stop"), ("start to the first good page", "start"))
    ]
    return [
        section(
            "Requests a second",
            plot("Requests a second", load_groups(load, "rate"), "requests a second", logarithmic=True),
        ),
        section(
            "Latency, the median",
            plot("Latency at p50", load_groups(load, "p50"), "milliseconds at p50", logarithmic=True),
        ),
        section(
            "Latency, one in a hundred",
            plot("Latency at p99", load_groups(load, "p99"), "milliseconds at p99", logarithmic=True),
        ),
        section(
            "Processor time of the stack for one request",
            plot("CPU", load_groups(load, "cpu_ms"), "milliseconds", logarithmic=True),
        ),
        section("The same as a table", load_table(load)),
        section(
            "TLS 1.3",
            paragraph(
                f"One core makes {Spread.of(tls['signatures']).text()} ECDSA P-256 signatures a second."
                " The clients run on the same processors, and work more than the server for each handshake."
            ),
            plot("TLS handshakes", handshakes, "handshakes a second"),
        ),
        section("Stop and start, volumes filled", plot("Stop and start", stops, "seconds")),
        section(
            "Resident memory, idle, after 1,000 pages",
            plot("Memory", memory, "MB, shared memory counted once, files in memory included"),
        ),
        section("Images on disk", plot("Images", disk, "MB with the base")),
    ]


def wordpress_sections(results: Results) -> list[str]:
    """Each WordPress of one run, beside a reference of the same."""
    sources = results.get("wordpress", {}).get("sources", {})
    return [
        section(f"WordPress {found['versions']['wordpress itself']} ({source})", load_table(found["load"]))
        for source, found in sources.items()
    ]


def deploy_sections(results: Results) -> list[str]:
    groups = []
    if "deploy" in results:
        found = results["deploy"]["seconds"]
        groups.append(
            Group(
                "cold deployment; by hand",
                {"ours": Spread.of([found["deploy_cold"]]), "reference": Spread.of([found["by_hand_cold"]])},
            )
        )
    if "fleet" in results:
        groups += [
            Group(f"cold, machines at once: {hosts}; built by: {builder}", {"ours": Spread.of([cost["wall"]])})
            for builder, sizes in results["fleet"]["cold"].items()
            for hosts, cost in sizes.items()
        ]
        groups += [
            Group(f"nothing to change, machines at once: {hosts}", {"ours": Spread.of(seconds)})
            for hosts, seconds in results["fleet"]["again"].items()
        ]
    if "changes" in results:
        groups += [
            Group(f"one line of {service} changed", {"ours": Spread.of([found["seconds"]])})
            for service, found in results["changes"]["services"].items()
        ]
    return [section("Deployments", plot("Deployments", groups, "seconds"))] if groups else []


def provenance(results: Results) -> str:
    rows = []
    for part, found in results.items():
        on = found["machine"]
        rows.append(
            [
                part,
                found["date"],
                f"{on['processors']} x {on.get('model', on.get('architecture', ''))}",
                number(on.get("load", 0.0)),
            ]
        )
    extra = ""
    if "site" in results:
        site = results["site"]
        known = {**site["on"], **site["versions"]}
        extra = table(["of the site's machine", ""], [[key, str(value)] for key, value in known.items()])
        extra += paragraph(
            f"{site['rounds']} rounds of {site['seconds']} s for each visit, the reference and ours in turn."
        )
    return section("When and where", table(["part", "date", "processors", "load before"], rows), extra)


def page(results: Results) -> str:
    body = [
        "<h1>Figures of the stack</h1>",
        paragraph(
            "Ours beside the usual Inception stack, made of the same Debian packages on the same machine"
            " (tests/bench/reference), with the same content. The load comes from a container on the machine itself,"
            " over Docker's network. Ratios travel to other machines, the rest does not."
        ),
        '<p class="key"><span class="reference"></span>reference<span class="ours"></span>ours</p>',
        section("Summary", summary_table(summary(results))),
        *(site_sections(results["site"]) if "site" in results else []),
        *wordpress_sections(results),
        *deploy_sections(results),
        provenance(results),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Figures of the stack</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def write(results: Results, path: Path) -> None:
    path.write_text(page(results), encoding="utf-8")


def text(results: Results) -> str:
    """The summary for a terminal."""
    return "\n".join(f"{row.what}\n    {row.value}   (aim: {row.aim}) {MARK[row.reached]}" for row in summary(results))
