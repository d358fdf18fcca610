# SPDX-License-Identifier: GPL-3.0-or-later
"""LAY-5: the documents of the deployed project say what the subject wants, and are true for that project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.unit import rendering

pytestmark = pytest.mark.parametrize("variant", rendering.VARIANTS)

DOCUMENTS = ("README.md", "USER_DOC.md", "DEV_DOC.md")
HEADINGS = {
    "README.md": [
        "## Description",
        "## Instructions",
        "## Project description",
        "### Design choices",
        "### Virtual machines vs Docker",
        "### Secrets vs environment variables",
        "### Docker network vs host network",
        "### Docker volumes vs bind mounts",
        "## Resources",
        "### How AI was used",
    ],
    "USER_DOC.md": [
        "## What is provided",
        "## Start and stop",
        "## The site and its admin panel",
        "## Trust the certificate",
        "## Credentials",
        "## Check that all runs",
    ],
    "DEV_DOC.md": [
        "## Set up from scratch",
        "## What each file is for",
        "## Build and launch",
        "## Containers and volumes",
        "### The database",
        "## Where the data is, and how it lasts",
        "## Change a port",
        "## How a first start works",
        "## How secrets are rotated",
        "## Security choices",
    ],
}


def prose(text: str) -> str:
    """A document without its blocks of commands, in which a # is no heading."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of the same or a higher level."""
    level = len(heading.split()[0])
    after = f"\n{text}".split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{level}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.fixture
def files(variant: str, collections_path: Path) -> dict[str, str]:
    return rendering.project(variant, str(collections_path))


def test_the_first_line_is_the_one_that_the_subject_wants(files: dict[str, str]) -> None:
    first = "*This project has been created as part of the 42 curriculum by wil.*"
    assert files["README.md"].splitlines()[0] == first


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_sections_are_there_and_say_something(files: dict[str, str], document: str) -> None:
    found = re.findall(r"^#+ .*$", prose(files[document]), flags=re.MULTILINE)
    assert [heading for heading in HEADINGS[document] if heading not in found] == []
    assert [heading for heading in found if not section(files[document], heading).strip()] == []


def test_ai_is_told_of(files: dict[str, str]) -> None:
    told = section(files["README.md"], "### How AI was used")
    assert "fortytwo.inception" in told
    assert "defend" in told


def test_every_service_and_volume_and_secret_is_told_of(files: dict[str, str]) -> None:
    services = {path.split("/")[-2] for path in files if path.endswith("/Dockerfile")}
    assert services >= {"mariadb", "wordpress", "nginx"}
    for document, heading in (("README.md", "## Description"), ("USER_DOC.md", "## What is provided")):
        assert {name for name in services if f"| `{name}` |" not in section(files[document], heading)} == set()
    secrets = re.findall(r"\.\./secrets/(\w+\.txt)", files["srcs/docker-compose.yml"])
    assert {name for name in secrets if f"`{name}`" not in section(files["USER_DOC.md"], "## Credentials")} == set()
    volumes = re.findall(r'device: "\$\{DATA_DIR\}/(\w+)"', files["srcs/docker-compose.yml"])
    lasting = section(files["DEV_DOC.md"], "## Where the data is, and how it lasts")
    assert {name for name in volumes if f"`/home/wil/data/{name}`" not in lasting} == set()


def test_every_file_and_port_is_told_of(files: dict[str, str]) -> None:
    listed = section(files["DEV_DOC.md"], "## What each file is for")
    folder, told = "", set()
    for line in listed.splitlines():
        if line.startswith("srcs/") and line.endswith("/"):
            folder = line
        elif line.startswith("    "):
            told.add(folder + line.strip())
    told |= {path for path in files if path in listed}
    assert set(files) - told == set()
    ports = re.findall(r"^(\w+_PORT)=(\d+)$", files["srcs/.env"], flags=re.MULTILINE)
    table = section(files["DEV_DOC.md"], "## Change a port")
    assert [name for name, value in ports if f"| `{name}` | {value} |" not in table] == []


def test_every_make_target_that_is_told_of_exists(files: dict[str, str]) -> None:
    targets = set(re.findall(r"^([a-z]+):", files["Makefile"], flags=re.MULTILINE))
    told = set(re.findall(r"(?:^|`)make ([a-z]+)", "\n".join(files[name] for name in DOCUMENTS), flags=re.MULTILINE))
    assert told
    assert told - targets == set()


def test_every_link_to_a_document_leads_to_one(files: dict[str, str]) -> None:
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(files[name] for name in DOCUMENTS))
    assert [link for link in links if not link.startswith("https://") and link not in files] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_text_reads_as_if_written_by_hand(files: dict[str, str], document: str) -> None:
    text = files[document]
    assert [mark for mark in ("{{", "{%", "{#", "[]", "{}", "| None", "\n\n\n", "\t") if mark in text] == []
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    assert text.endswith("\n")
    assert not text.startswith("\n")
    assert not text.endswith("\n\n")
