# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an evaluation: HTML, JSON, JUnit XML, and a table for the terminal. Private to this collection.

Whatever comes from an evaluated project is hostile until shown otherwise: readable() makes each text of it harmless and
bounded before it goes anywhere, Jinja escapes it, and the pages forbid every script but their own by its digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ansible_collections.fortytwo.inception.plugins.module_utils import _sbom
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Result, readable
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS, SECTIONS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.outcome import (
    and_more,
    asked_for,
    merge,
    outcome,
)

FORMAT = "fortytwo.inception.evaluation/1"
# Evidence is for people: beyond this it is a file of its own, and not a report.
MAX_EVIDENCE = 40
MAX_SCREENSHOT = 4_000_000
MAX_IMAGES = 100

# How each verdict is called and drawn; never by its color alone.
LABELS = {
    "fail": "failed",
    "warning": "warnings",
    "pass": "passed",
    "undetermined": "undetermined",
    "not_applicable": "not applicable",
}
ONE = {**LABELS, "warning": "warning"}
SYMBOLS = {"fail": "✕", "warning": "!", "pass": "✓", "undetermined": "?", "not_applicable": "-"}
STATUSES = {
    "passed": "Passed",
    "failed": "Failed",
    "stopped": "Evaluation ended",
    "zero": "Mark 0",
    "error": "Not evaluated",
}


@dataclass(frozen=True)
class Screenshot:
    """A picture for an item, as a file on the control node."""

    item: int
    title: str
    path: str

    def data(self) -> str | None:
        """The picture for the page itself; None where it is missing, too large or no PNG."""
        try:
            content = Path(self.path).read_bytes()
        except OSError:
            return None
        if len(content) > MAX_SCREENSHOT or not content.startswith(b"\x89PNG\r\n"):
            return None
        return "data:image/png;base64," + base64.b64encode(content).decode()


@dataclass(frozen=True)
class Image:
    """An image of the running stack; nothing in it that is no name, no version and no number of an image."""

    service: str
    image: dict[str, Any]
    inside: _sbom.Contents

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Image:
        image = {
            "Id": readable(told["image"].get("Id") or "", 100),
            "RepoTags": [readable(tag, 200) for tag in (told["image"].get("RepoTags") or [])[:1]],
            "Architecture": readable(told["image"].get("Architecture") or "", 100),
            "Created": readable(told["image"].get("Created") or "", 100),
        }
        return cls(readable(told["service"], 100), image, _sbom.Contents.from_dict(told["inside"]))

    def row(self) -> dict[str, Any]:
        """For people: the bill has the packages."""
        return {
            "service": self.service,
            "system": f"{self.inside.system} {self.inside.release}".strip(),
            "packages": len(self.inside.packages),
            "problem": readable(self.inside.problem, 300),
        }


@dataclass
class Evaluation:
    """What was found on one host; `error` says why there is no more of it."""

    host: str
    login: str = ""
    domain: str = ""
    project: str = ""
    depth: str = "static"
    started: str = ""
    seconds: float = 0.0
    error: str = ""
    static: list[Result] = field(default_factory=list)
    runtime: list[Result] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    screenshots: list[Screenshot] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    sheet_version: int = 5

    def document(self) -> dict[str, Any]:
        """All of it as data, harmless; the form is docs/evaluation.schema.json."""
        results = merge(self.static, self.runtime, asked_for(self.sections, self.sheet_version))
        worked = bool(results) and not self.error
        document = {
            "format": FORMAT,
            **{name: readable(getattr(self, name), 500) for name in ("host", "login", "domain", "project", "started")},
            "depth": self.depth,
            "sections": self.sections or list(SECTIONS),
            # The time of the work; who waited for a place or for another host did not work.
            "seconds": round(sum(one.seconds for one in results) if worked else self.seconds, 1),
            "error": readable(self.error),
            "outcome": self._outcome(results),
            "results": [] if self.error and not (self.static or self.runtime) else [_plain(one) for one in results],
            "images": [one.row() for one in self.images[:MAX_IMAGES]],
            "screenshots": [
                {"item": one.item, "title": readable(one.title, 200), "image": image}
                for one in self.screenshots
                if (image := one.data())
            ],
        }
        return {**document, "comment": comment(document)}

    def bill(self) -> dict[str, Any] | None:
        """What its images are made of, in CycloneDX's format."""
        made = [_sbom.bill(one.service, one.image, one.inside) for one in self.images[:MAX_IMAGES]]
        return _sbom.whole(made) if made else None

    def _outcome(self, results: list[Result]) -> dict[str, Any]:
        found = outcome(results).to_dict()
        if self.error:
            found |= {"status": "error", "headline": readable(self.error.strip().partition("\n")[0], 300)}
        return found


def _plain(one: Result) -> dict[str, Any]:
    """A result as data; its item's weight comes along, so that a reader of the JSON needs no other table."""
    item = ITEMS[one.id]
    values = one.to_dict()
    if len(one.evidence) > MAX_EVIDENCE:
        more = {"where": f"… and {len(one.evidence) - MAX_EVIDENCE} more places", "text": ""}
        values["evidence"] = [*values["evidence"][:MAX_EVIDENCE], more]
    return {
        **values,
        "title": item.title,
        "section": item.section,
        "rules": list(item.rules),
        "rule": item.rule,
        "fix": item.fix,
        "seconds": round(one.seconds, 3),
        "oral": item.oral,
        "stop": item.stop,
        "zero": item.zero,
    }


def passed(document: Mapping[str, Any]) -> bool:
    """Whether nothing failed."""
    return bool(document["outcome"]["status"] == "passed")


def tally(document: Mapping[str, Any]) -> dict[str, int]:
    """How many items have which verdict; what is a person's to ask is not counted among what is open."""
    counted_ones = [one for one in document["results"] if not (one["oral"] and one["verdict"] == "undetermined")]
    return {verdict: sum(one["verdict"] == verdict for one in counted_ones) for verdict in LABELS}


def to_ask(document: Mapping[str, Any]) -> int:
    """How many oral questions there are."""
    return len(document["outcome"]["oral"])


def to_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_junit(document: Mapping[str, Any]) -> str:
    """The same for what reads test results: an item is a case, its section the class."""
    counts = tally(document)
    suite = ElementTree.Element(
        "testsuite",
        name=document["host"],
        timestamp=document["started"],
        time=f"{document['seconds']:.3f}",
        tests=str(len(document["results"]) or 1),
        failures=str(counts["fail"]),
        errors="1" if document["error"] else "0",
        skipped=str(sum(one["verdict"] in ("undetermined", "not_applicable") for one in document["results"])),
    )
    for one in document["results"]:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{document['host']}.{one['section']}",
            name=f"{one['id']} {one['title']}",
            time=f"{one['seconds']:.3f}",
        )
        found = "\n".join(f"{e['where']}: {e['text']}" for e in one["evidence"])
        if one["verdict"] == "fail":
            ElementTree.SubElement(case, "failure", message=one["rule"]).text = f"{found}\n{one['fix']}"
        elif one["verdict"] in ("undetermined", "not_applicable"):
            ElementTree.SubElement(case, "skipped", message=ONE[one["verdict"]])
        elif found:
            ElementTree.SubElement(case, "system-out").text = found
    if document["error"]:
        case = ElementTree.SubElement(suite, "testcase", classname=document["host"], name="evaluation")
        ElementTree.SubElement(case, "error", message=document["outcome"]["headline"]).text = document["error"]
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def file_names(hosts: Iterable[str]) -> dict[str, str]:
    """A file name for each host, plain and never the same as another's or as the summary's."""
    names: dict[str, str] = {}
    for host in hosts:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", host).lstrip(".")[:80]
        # <host>.cdx.json is the bill of another one.
        if plain != host or plain.endswith(".cdx") or plain in ("index", *names.values()):
            plain = f"{plain}-{hashlib.sha256(host.encode('utf-8', 'replace')).hexdigest()[:8]}"
        names[host] = plain
    return names


def counted(counts: Mapping[str, int]) -> str:
    """How many are what, in words."""
    numbers = ((counts[verdict], LABELS[verdict] if counts[verdict] > 1 else ONE[verdict]) for verdict in LABELS)
    return ", ".join(f"{number} {label}" for number, label in numbers if number)


def table(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of a short table: the verdict of each host, and below it what is wrong."""
    lines = []
    for document in documents:
        outcome = document["outcome"]
        lines.append(f"{document['host']}: {STATUSES[outcome['status']]}. {outcome['headline']}")
        if document["results"]:
            asked = f"; {to_ask(document)} for you to ask" if to_ask(document) else ""
            lines.append(f"  {counted(tally(document))}{asked}; {document['seconds']:.1f} s of work")
        wrong = (one for one in document["results"] if one["verdict"] in ("fail", "warning"))
        lines += [
            f"  {SYMBOLS[one['verdict']]} {one['id']:>2} {one['title']}{_first(one['evidence'])}" for one in wrong
        ]
    return lines


def _first(evidence: list[dict[str, str]]) -> str:
    """The first thing that was found, on one line, and how many more there are."""
    if not evidence:
        return ""
    told = f"{evidence[0]['where']}: {evidence[0]['text']}".strip(": ")
    return f": {readable(' '.join(told.split()), 110)}{and_more([entry['text'] for entry in evidence])}"


# What the intranet takes.
_COMMENT = 2048


def comment(document: Mapping[str, Any]) -> str:
    """A draft of what the evaluator writes: what was found, in the order of its weight, and never too long."""
    results = document["results"]
    failures = sorted(
        (one for one in results if one["verdict"] == "fail"),
        key=lambda one: (not one["zero"], not one["stop"], one["id"]),
    )
    blocks = [
        ("", [f"{document['outcome']['headline']}."]),
        ("What is wrong", [_line(one) for one in failures]),
        ("What I looked at twice", [_line(one) for one in results if one["verdict"] == "warning"]),
        ("What is right", [one["title"] for one in results if one["verdict"] == "pass"]),
    ]
    text = ""
    for heading, lines in blocks:
        begun = f"\n{heading}:\n" if heading else ""
        for at, line in enumerate(lines):
            piece = f"{begun}- {line}\n" if heading else f"{line}\n"
            left = f"- and {len(lines) - at} more\n"
            if len(text) + len(piece) + len(left) > _COMMENT:
                text += left if not begun else ""
                break
            text, begun = text + piece, ""
    return text


def _line(one: Mapping[str, Any]) -> str:
    return f"{one['title']}{_first(one['evidence'])}"


def render(templates: str, name: str, **values: Any) -> str:
    """A page from its template. Jinja2 is the control node's, as Ansible itself needs it."""
    import jinja2
    import markupsafe

    def marked(text: str) -> markupsafe.Markup:
        """`code` of the sheet's own words, as code."""
        return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["marked"] = marked
    script = Path(templates, "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(name).render(
        labels=LABELS,
        one_label=ONE,
        symbols=SYMBOLS,
        statuses=STATUSES,
        section_titles=SECTIONS,
        tally=tally,
        to_ask=to_ask,
        counted=counted,
        script=markupsafe.Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        **values,
    )


def reports(evaluations: Iterable[Evaluation], templates: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Every file of the report by its name, and the documents that they show."""
    made = {one.host: one for one in evaluations}
    documents = {host: one.document() for host, one in made.items()}
    names = file_names(documents)
    rows = [{"name": names[host], "document": document} for host, document in documents.items()]
    shown = {one["id"]: one for document in documents.values() for one in document["results"]}
    items = [shown[number] for number in sorted(shown)]
    files = {"index.html": render(templates, "index.html.j2", rows=rows, items=items)}
    for host, document in documents.items():
        bill = made[host].bill()
        if bill:
            files[f"{names[host]}.cdx.json"] = to_json(bill)
        files[f"{names[host]}.html"] = render(
            templates, "report.html.j2", document=document, bill=f"{names[host]}.cdx.json" if bill else ""
        )
        files[f"{names[host]}.json"] = to_json(document)
        files[f"{names[host]}.xml"] = to_junit(document)
    return files, list(documents.values())
