# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports: what they say, that hostile content harms nothing, and that a browser and its users cope with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import jsonschema
import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.fortytwo.inception.plugins.action.evaluate_report import ActionModule
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Evidence, result
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.report import file_names
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[4]
TEMPLATES = ROOT / "roles/evaluate/templates"
SCHEMA = json.loads((ROOT / "docs/evaluation.schema.json").read_text())

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</pre></style></title><script>document.title='owned'</script>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "javascript:alert(1)",
    "\x1b[2J\x1b]0;owned\x07\x00\x08",
    "invoice\u202egnp.exe\u2066\u200b\ufeff",
    "]]><x/>",
]

# A PNG of one point.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0dc5b6a50000000049454e44ae426082"
)


def results(**verdicts: list[int]) -> list[dict[str, Any]]:
    """A result for each item: passed, but for the ids given by verdict."""
    special = {number: verdict for verdict, numbers in verdicts.items() for number in numbers}
    found = []
    for number, item in ITEMS.items():
        verdict = special.get(number, "undetermined" if item.oral else "pass")
        evidence = [] if verdict == "open" else [Evidence("srcs/docker-compose.yml:3", "networks: [inception]")]
        asked = {"question": "What is it?", "answer": "A network."} if item.oral else {}
        found.append(result(number, verdict, evidence, seconds=0.5, **asked).to_dict())
    return found


def hostile_results() -> list[dict[str, Any]]:
    """Each text of a project that reaches the report, as bad as it gets."""
    found = results(fail=[5, 30], warning=[40])
    for one in found:
        one["evidence"] = [{"where": text, "text": text} for text in HOSTILE]
        one["answer"] = HOSTILE[one["id"] % len(HOSTILE)]
    found[4]["evidence"].append({"where": "x" * 3_000_000, "text": "y" * 3_000_000})
    return found


class Report:
    """The action, run with what most tests agree on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *evaluations: dict[str, Any], check: bool = False) -> dict[str, Any]:
        args = {"path": str(self.folder), "templates": str(TEMPLATES), "evaluations": list(evaluations)}
        task = mock.Mock(args=args, check_mode=check, async_val=0, diff=False)
        task.action = "fortytwo.inception.evaluate_report"
        action = ActionModule(task, *(mock.Mock() for _ in range(5)))
        written: dict[str, Any] = action.run(task_vars={})
        return written

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return Report(tmp_path / "reports")


class Elements(HTMLParser):
    """The elements of a page, and its text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_every_file_is_there(report: Report) -> None:
    written = report({"host": "wil", "static": results()}, {"host": "ford", "error": "no route to host"})
    names = ["ford.html", "ford.json", "ford.xml", "index.html", "wil.html", "wil.json", "wil.xml"]
    assert [Path(path).name for path in written["files"]] == names
    assert sorted(path.name for path in report.folder.iterdir()) == names
    assert written["hosts"]["wil"]["passed"] is True
    assert written["hosts"]["ford"] == {"passed": False, "headline": "no route to host"}


def test_a_second_run_changes_nothing_and_a_rehearsal_writes_nothing(report: Report) -> None:
    evaluation = {"host": "wil", "static": results()}
    assert report(evaluation, check=True)["changed"] is True
    assert not report.folder.exists()
    assert report(evaluation)["changed"] is True
    assert report(evaluation)["changed"] is False


@pytest.mark.parametrize(
    ("verdicts", "status", "word"),
    [
        ({}, "passed", "Passed"),
        ({"warning": [5]}, "passed", "Passed"),
        ({"fail": [5]}, "failed", "Failed"),
        ({"fail": [5, 30]}, "stopped", "Evaluation ended"),
        ({"fail": [1, 30]}, "zero", "Mark 0"),
    ],
)
def test_the_verdict_is_on_top(report: Report, verdicts: dict[str, list[int]], status: str, word: str) -> None:
    written = report({"host": "wil", "static": results(**verdicts)})
    assert json.loads(report.text("wil.json"))["outcome"]["status"] == status
    assert f'<p class="word">{word}</p>' in report.text("wil.html")
    assert written["table"][0].startswith(f"wil: {word}. ")
    assert written["hosts"]["wil"]["passed"] is (status == "passed")


def test_the_table_names_what_is_wrong(report: Report) -> None:
    table = report({"host": "wil", "static": results(fail=[30], warning=[40])})["table"]
    assert "  ✕ 30 Plain HTTP does not answer: srcs/docker-compose.yml:3: networks: [inception]" in table
    assert any(line.startswith("  ! 40 ") for line in table)
    assert not any(" 41 " in line for line in table)


@pytest.mark.parametrize("evaluation", [{"static": results()}, {"static": hostile_results()}, {"error": "gone"}])
def test_the_json_is_as_documented(report: Report, evaluation: dict[str, Any]) -> None:
    report({"host": "wil", **evaluation})
    jsonschema.validate(json.loads(report.text("wil.json")), SCHEMA)


def test_the_schema_refuses(report: Report) -> None:
    report({"host": "wil", "static": results()})
    document = json.loads(report.text("wil.json"))
    document["results"][0]["verdict"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_junit_counts(report: Report) -> None:
    report({"host": "wil", "static": results(fail=[30, 5], undetermined=[49]), "seconds": 3.0})
    (suite,) = ElementTree.fromstring(report.text("wil.xml"))
    oral = sum(item.oral for item in ITEMS.values())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(len(ITEMS)), "2", "0")
    assert suite.get("skipped") == str(oral + 1) == str(len(suite.findall("testcase/skipped")))
    assert [case.get("name") for case in suite if case.find("failure") is not None] == [
        "5 All configuration is in srcs",
        "30 Plain HTTP does not answer",
    ]


def test_a_host_without_an_evaluation_is_an_error(report: Report) -> None:
    report({"host": "ford", "error": "no route to host\nat all"})
    (suite,) = ElementTree.fromstring(report.text("ford.xml"))
    assert suite.get("errors") == "1"
    assert "at all" in report.text("ford.html")
    assert "Not evaluated" in report.text("index.html")


def test_only_what_was_asked_for(report: Report) -> None:
    report({"host": "wil", "static": results(undetermined=[39]), "sections": ["nginx"]})
    document = json.loads(report.text("wil.json"))
    assert [one["id"] for one in document["results"]] == [38, 39, 40, 41, 42]
    assert document["outcome"]["undetermined"] == [39]
    assert (document["outcome"]["decided"], document["outcome"]["total"]) == (4, 5)


def test_a_draft_of_the_comment_fits_the_intranet(report: Report) -> None:
    """The gravest first; what does not fit is counted."""
    found = results(fail=[5, 1, 30], warning=[40])
    for one in found:
        one["evidence"] = [{"where": f"srcs/file{one['id']}", "text": "x" * 300}]
    report({"host": "wil", "static": found})
    told = json.loads(report.text("wil.json"))["comment"]
    assert len(told) <= 2048
    wrong = told.partition("What is wrong:\n")[2].splitlines()
    assert [line.partition(":")[0] for line in wrong[:3]] == [
        "- No credential in git", "- Plain HTTP does not answer", "- All configuration is in srcs",
    ]  # fmt: skip
    assert told.splitlines()[-1].startswith("- and ")
    assert "A draft of your comment" in report.text("wil.html")


def test_questions_for_a_person_are_not_among_what_is_open(report: Report) -> None:
    table = report({"host": "wil", "static": results(undetermined=[39])})["table"]
    assert "1 undetermined; 6 for you to ask" in table[1]


@pytest.mark.parametrize(("depth", "told"), [("static", "5 of 5 declared"), ("runtime", "5 of 5 points")])
def test_a_bonus_that_nobody_saw_is_declared(report: Report, depth: str, told: str) -> None:
    report({"host": "wil", "depth": depth, "static": results()})
    assert told in report.text("wil.html")


def test_the_time_is_that_of_the_work(report: Report) -> None:
    report({"host": "wil", "static": results(), "seconds": 900.0})
    assert json.loads(report.text("wil.json"))["seconds"] == 0.5 * len(ITEMS)


def test_the_older_sheet(report: Report) -> None:
    report({"host": "wil", "static": results(fail=[56]), "sheet_version": 3})
    document = json.loads(report.text("wil.json"))
    assert document["outcome"]["status"] == "passed"
    assert 56 not in [one["id"] for one in document["results"]]


def test_a_section_that_is_not_there(report: Report) -> None:
    with pytest.raises(AnsibleActionFail, match="no such section: ngnix; there are preliminaries, general"):
        report({"host": "wil", "sections": ["ngnix"]})


def test_hostile_content_is_only_text(report: Report) -> None:
    """It adds no element and no attribute to a page; none of its characters acts on a terminal or hides another."""
    plain, bad = {"host": "wil", "static": results(fail=[5, 30], warning=[40])}, {"static": hostile_results()}
    report(plain)
    kinds = {tag for tag, _ in Elements(report.text("wil.html")).found}
    written = report({"host": "wil", "login": HOSTILE[0], "project": HOSTILE[1], "error": HOSTILE[2], **bad})
    for name in ("wil.html", "index.html"):
        elements = Elements(report.text(name))
        assert {tag for tag, _ in elements.found} <= kinds | {"table", "thead", "tbody", "tr", "th", "td"}
        assert [tag for tag, _ in elements.found].count("script") == 1
        attributes = {attribute for _, values in elements.found for attribute in values}
        assert not [attribute for attribute in attributes if attribute.startswith("on")]
        assert "49" not in [word.strip() for word in elements.words if "7 *" in word]
    for text in (*map(report.text, ("wil.html", "wil.json", "wil.xml", "index.html")), *written["table"]):
        assert not set("\x1b\x00\x07\x08\u202e\u2066\u200b") & set(text)
    ElementTree.fromstring(report.text("wil.xml"))


PACKAGE = {"name": "nginx", "version": "1.22.1-9", "architecture": "amd64", "source": "nginx", "homepage": ""}
INSIDE = {"kind": "deb", "system": "debian", "release": "12", "packages": [PACKAGE], "unpackaged": {}, "problem": ""}
IMAGE = {"Id": "sha256:0a", "RepoTags": ["nginx:1"], "Architecture": "amd64", "Created": "2026-11-28"}


def test_what_the_images_are_made_of(report: Report) -> None:
    """In a file of its own, which the page names; an image of which nothing is known is named with why."""
    nothing = {"service": "static", "image": IMAGE, "inside": {**INSIDE, "packages": [], "problem": "no list"}}
    report(
        {
            "host": "wil",
            "static": results(),
            "images": [{"service": "nginx", "image": IMAGE, "inside": INSIDE}, nothing],
        }
    )
    bill = json.loads(report.text("wil.cdx.json"))
    assert [one["name"] for one in bill["components"]] == ["nginx", "static"]
    assert [one["name"] for one in bill["components"][0]["components"]] == ["debian", "nginx"]
    assert {"name": "inception:problem", "value": "no list"} in bill["components"][1]["properties"]
    document = json.loads(report.text("wil.json"))
    assert document["images"][0] == {"service": "nginx", "system": "debian 12", "packages": 1, "problem": ""}
    assert '<a href="wil.cdx.json">2 with 1 packages</a>; static: no list' in report.text("wil.html")


def test_hostile_images_are_only_text(report: Report) -> None:
    packages = [{**PACKAGE, key: text} for key in PACKAGE for text in HOSTILE if text]
    inside = {**INSIDE, "packages": packages, "system": HOSTILE[0]}
    inside["unpackaged"] = {HOSTILE[0]: "1", "wordpress": HOSTILE[1]}
    image = {"service": HOSTILE[0], "image": dict.fromkeys(IMAGE, HOSTILE[1]), "inside": inside}
    report({"host": "wil", "static": results(), "images": [image]})
    bill = json.loads(report.text("wil.cdx.json"))
    # The address of its home is left out, and the package stays.
    assert {one["name"] for one in bill["components"]} == {"", "nginx"}
    assert "externalReferences" not in report.text("wil.cdx.json")
    for text in map(report.text, ("wil.html", "wil.json", "wil.cdx.json")):
        assert not set("\x1b\x00\x07\x08\u202e\u2066\u200b") & set(text)


@pytest.mark.parametrize(
    "told",
    [
        {"runtime": [{"id": 99, "verdict": "pass"}]},
        {"runtime": [{"id": "a", "verdict": "pass"}]},
        {"runtime": [{"id": [], "verdict": "pass"}]},
        {"runtime": [{"id": 5, "verdict": "owned"}]},
        {"runtime": [{"id": 5, "verdict": "pass", "evidence": ["x"]}]},
        {"runtime": [{"id": 5, "verdict": "pass", "more": 1}]},
        {"images": [{"service": "nginx"}]},
        {"images": [{"service": "nginx", "image": [], "inside": INSIDE}]},
        {"images": [{"service": "nginx", "image": IMAGE, "inside": {**INSIDE, "packages": [1]}}]},
        {"images": [{"service": "nginx", "image": IMAGE, "inside": {**INSIDE, "unpackaged": []}}]},
    ],
)
def test_a_host_that_answers_anything_spoils_nobody_s_report(report: Report, told: dict[str, Any]) -> None:
    written = report({"host": "wil", "static": results(), **told}, {"host": "ford", "static": results()})
    assert written["hosts"]["ford"]["passed"] is True
    assert written["hosts"]["wil"]["passed"] is False
    assert "no known form" in written["hosts"]["wil"]["headline"]


def test_evidence_is_bounded(report: Report) -> None:
    found = results(fail=[5])
    found[4]["evidence"] = [{"where": f"{n} " + "a" * 9999, "text": "b" * 10_000} for n in range(1000)]
    report({"host": "wil", "static": found})
    assert len(report.text("wil.html")) < 600_000
    assert "960 more places" in report.text("wil.html")
    assert "(6000 more characters)" in report.text("wil.json")


def test_names_of_files_stay_in_the_folder_and_apart() -> None:
    names = file_names(["wil", "wil.cdx", "../../etc/passwd", "a b", "a/b", "index", ".hidden", "x" * 300])
    assert names["wil"] == "wil"
    assert names["wil.cdx"] != "wil.cdx"
    assert len(set(names.values())) == len(names)
    assert not [name for name in names.values() if "/" in name or name.startswith(".") or name == "index"]
    assert max(map(len, names.values())) < 100


def test_screenshots_are_in_the_page(report: Report, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(PNG)
    (tmp_path / "bad.png").write_text("<svg onload=alert(1)>")
    shots = [
        {"item": 49, "title": "The page", "path": str(tmp_path / name)} for name in ("good.png", "bad.png", "none")
    ]
    report({"host": "wil", "static": results(), "screenshots": shots})
    images = [values for tag, values in Elements(report.text("wil.html")).found if tag == "img"]
    assert [str(values["src"])[:22] for values in images] == ["data:image/png;base64,"]
    assert images[0]["alt"] == "Screenshot: The page"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium)
        yield started
        started.close()


def listen(page: Page) -> tuple[list[str], list[str]]:
    """What the page asks for, and what its console says, from now on."""
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: problems.append(message.text))
    return asked, problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(report: Report, browser: Browser, scheme: Any) -> None:
    """No serious fault of accessibility, nothing wider than a telephone, no request, no script but the page's own."""
    report(
        {"host": "wil", "static": results(fail=[30, 14], warning=[46], undetermined=[49], not_applicable=[61])},
        {"host": "eve", "login": HOSTILE[0], "static": hostile_results()},
        {"host": "ford", "error": "no route to host"},
    )
    for width in (1280, 390):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        asked, problems = listen(page)
        for name in ("wil", "eve", "ford", "index"):
            page.goto((report.folder / f"{name}.html").as_uri())
            assert "owned" not in page.evaluate("document.title").replace("='owned'", "")
            assert page.evaluate("document.documentElement.scrollWidth") == width, name
            # The hostile page has the same parts, and so much of them that this would take long.
            if width == 390 and name != "eve":
                faults = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
                assert [(fault["id"], fault["impact"]) for fault in faults] == [], name
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert problems == []
        context.close()


def test_filters_work_without_a_script(report: Report, browser: Browser) -> None:
    report({"host": "wil", "static": results(fail=[30], warning=[46])})
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((report.folder / "wil.html").as_uri())
    assert page.locator("#item-41").is_visible()
    page.uncheck("#show-pass")
    assert not page.locator("#item-41").is_visible()
    assert page.locator("#item-30").is_visible()
    page.uncheck("#show-fail")
    assert not page.locator("#item-30").is_visible()
    page.click("#questions summary >> nth=0")
    assert page.locator(".answer >> nth=0").inner_text() == "A network."
