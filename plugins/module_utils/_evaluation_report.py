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
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ansible_collections.fortytwo.inception.plugins.module_utils import _evaluation

FORMAT = "fortytwo.inception.evaluation/1"
# Evidence is for people: beyond this it is a file of its own, and not a report.
MAX_TEXT = 4000
MAX_EVIDENCE = 40
MAX_SCREENSHOT = 4_000_000

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


def readable(text: object, limit: int = MAX_TEXT) -> str:
    """A text in which every character is seen: controls by pictures, what turns or hides others by its code."""
    whole = str(text)
    kept = "".join(_seen(character) for character in whole[:limit])
    return kept if len(whole) <= limit else f"{kept}… ({len(whole) - limit} more characters)"


def _seen(character: str) -> str:
    if character in "\n\t":
        return character
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return "␡" if code == 0x7F else chr(0x2400 + code)
    # Cc: other controls; Cf: bidirectional overrides, invisible ones; Cs: halves of surrogates; Cn, Co: no characters.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return character


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


def combined(results: Iterable[_evaluation.Result]) -> list[_evaluation.Result]:
    """One result for each item, where several looks at the running stack found something of it: the worst counts."""
    worst_first = ("fail", "warning", "pass", "not_applicable", "undetermined")
    found: dict[int, _evaluation.Result] = {}
    for one in results:
        before = found.get(one.id)
        if before is None:
            found[one.id] = one
        else:
            found[one.id] = replace(
                one,
                verdict=min(before.verdict, one.verdict, key=worst_first.index),
                evidence=[*before.evidence, *one.evidence],
                seconds=before.seconds + one.seconds,
                answer="\n".join(filter(None, (before.answer, one.answer))),
            )
    return list(found.values())


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
    static: list[_evaluation.Result] = field(default_factory=list)
    runtime: list[_evaluation.Result] = field(default_factory=list)
    screenshots: list[Screenshot] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    sheet_version: int = 5
    cloned: bool = False

    def document(self) -> dict[str, Any]:
        """All of it as data, harmless; the form is docs/evaluation.schema.json."""
        sections = self.sections or list(_evaluation.SECTIONS)
        clone = _evaluation.Evidence("git clone", f"into the empty folder {self.project}")
        seen = [*self.runtime, *([_evaluation.result(4, "pass", [clone])] if self.cloned else [])]
        results = [
            one
            for one in _evaluation.merge(self.static, combined(seen))
            if one.section in sections and (self.sheet_version >= 5 or not _evaluation.ITEMS[one.id].later)
        ]
        return {
            "format": FORMAT,
            **{name: readable(getattr(self, name), 500) for name in ("host", "login", "domain", "project", "started")},
            "depth": self.depth,
            "sections": sections,
            "seconds": round(self.seconds, 1),
            "error": readable(self.error),
            "outcome": self._outcome(results),
            "results": [] if self.error and not (self.static or self.runtime) else [_plain(one) for one in results],
            "screenshots": [
                {"item": one.item, "title": readable(one.title, 200), "image": image}
                for one in self.screenshots
                if (image := one.data())
            ],
        }

    def _outcome(self, results: list[_evaluation.Result]) -> dict[str, Any]:
        asked = {one.id for one in results}
        outcome = _evaluation.outcome(results, sheet_version=self.sheet_version).to_dict()
        # What was not asked for is not undetermined.
        outcome["undetermined"] = [number for number in outcome["undetermined"] if number in asked]
        outcome["oral"] = [number for number in outcome["oral"] if number in asked]
        outcome["total"] = len(asked)
        outcome["decided"] = len(asked) - len(outcome["undetermined"]) - len(outcome["oral"])
        if self.error:
            outcome |= {"status": "error", "headline": readable(self.error.strip().partition("\n")[0], 300)}
        return outcome


def _plain(one: _evaluation.Result) -> dict[str, Any]:
    """A result as data; its item's weight comes along, so that a reader of the JSON needs no other table."""
    item = _evaluation.ITEMS[one.id]
    evidence = [{"where": readable(e.where, 500), "text": readable(e.text)} for e in one.evidence[:MAX_EVIDENCE]]
    if len(one.evidence) > MAX_EVIDENCE:
        evidence.append({"where": f"… and {len(one.evidence) - MAX_EVIDENCE} more places", "text": ""})
    return {
        **one.to_dict(),
        "evidence": evidence,
        "question": readable(one.question),
        "answer": readable(one.answer),
        "seconds": round(one.seconds, 3),
        "oral": item.oral,
        "stop": item.stop,
        "zero": item.zero,
    }


def passed(document: Mapping[str, Any]) -> bool:
    """Whether nothing failed."""
    return bool(document["outcome"]["status"] == "passed")


def tally(document: Mapping[str, Any]) -> dict[str, int]:
    """How many items have which verdict."""
    return {verdict: sum(one["verdict"] == verdict for one in document["results"]) for verdict in LABELS}


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
        skipped=str(counts["undetermined"] + counts["not_applicable"]),
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
        if plain != host or plain in ("index", *names.values()):
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
            lines.append(f"  {counted(tally(document))}; {document['seconds']:.1f} s")
        wrong = (one for one in document["results"] if one["verdict"] in ("fail", "warning"))
        lines += [
            f"  {SYMBOLS[one['verdict']]} {one['id']:>2} {one['title']}{_first(one['evidence'])}" for one in wrong
        ]
    return lines


def _first(evidence: list[dict[str, str]]) -> str:
    """The first thing that was found, on one line."""
    if not evidence:
        return ""
    told = f"{evidence[0]['where']}: {evidence[0]['text']}".strip(": ")
    return f": {readable(' '.join(told.split()), 110)}"


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
        section_titles=_evaluation.SECTIONS,
        tally=tally,
        counted=counted,
        script=markupsafe.Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        **values,
    )


def reports(evaluations: Iterable[Evaluation], templates: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Every file of the report by its name, and the documents that they show."""
    documents = {one.host: one.document() for one in evaluations}
    names = file_names(documents)
    rows = [{"name": names[host], "document": document} for host, document in documents.items()]
    shown = {one["id"]: one for document in documents.values() for one in document["results"]}
    items = [shown[number] for number in sorted(shown)]
    files = {"index.html": render(templates, "index.html.j2", rows=rows, items=items)}
    for host, document in documents.items():
        files[f"{names[host]}.html"] = render(templates, "report.html.j2", document=document)
        files[f"{names[host]}.json"] = to_json(document)
        files[f"{names[host]}.xml"] = to_junit(document)
    return files, list(documents.values())
