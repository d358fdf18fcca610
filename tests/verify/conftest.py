# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of a live machine share.

pytest tests/verify --hosts=ansible://inception --ansible-inventory=INVENTORY

Environment: INCEPTION_VERIFY_SERVICES, the bonus services that are on; INCEPTION_VERIFY_VM=1 on a
real virtual machine; INCEPTION_VERIFY_HTTPS_PORT where the inventory does not say on which port of the control node
the site is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.verify.support import ON_THE_LIST, Secret, Settings, Site, Stack, basic, read_settings, unwell

_figures = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rule(*ids): the rules of the subject that the test checks")
    config.addinivalue_line("markers", "vm_core: what only a virtual machine shows: its kernel, its network, its boot")
    config.stash[_figures] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of services that are not on: collect_ignore does not, where a file is named."""
    services = {item: re.fullmatch("test_bonus_(.+)", item.path.stem) for item in items}
    off = [item for item, service in services.items() if service and service[1] not in ON_THE_LIST]
    items[:] = [item for item in items if item not in off]
    config.hook.pytest_deselected(items=off)


@pytest.fixture(scope="module")
def settings(host: Any) -> Settings:
    """What the inventory asked for."""
    return read_settings(host.ansible.get_variables(), os.environ.get("INCEPTION_VERIFY_HTTPS_PORT"))


@pytest.fixture(scope="module")
def stack(host: Any, settings: Settings) -> Stack:
    """The project on the machine."""
    return Stack(host, settings)


@pytest.fixture(scope="module")
def ca(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the machine's authority, as its owner would fetch it."""
    path = tmp_path_factory.mktemp("ca") / "ca.crt"
    path.write_text(stack.root("cat %s/secrets/ca.crt", stack.settings.project), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def site(settings: Settings, ca: Path) -> Site:
    """The site, through the port that is forwarded to it."""
    return Site(settings, ca)


@pytest.fixture
def containers(stack: Stack) -> dict[str, dict[str, Any]]:
    """What Docker says of each service's container, now."""
    return stack.containers()


@pytest.fixture(scope="module")
def compose_config(stack: Stack) -> dict[str, Any]:
    """The compose file as compose understands it."""
    return stack.config()


@pytest.fixture(scope="module")
def project_files(stack: Stack) -> dict[str, bytes]:
    """Every file of the project outside secrets/."""
    return stack.files()


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> dict[str, Secret]:
    """The values of the machine's secrets, by the names of their files."""
    return stack.secrets()


@pytest.fixture
def through(settings: Settings, secrets: dict[str, Secret]) -> dict[str, str]:
    """The header that opens the gate, for whoever is behind it."""
    return basic(settings.admin_user, secrets["gate_password.txt"])


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a measured figure; all of them stand below the results. None decides about a test."""
    return request.config.stash[_figures].append


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host is not None:
        report.sections.append(("Containers of the machine", "\n".join(unwell(host))))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_figures]:
        terminalreporter.section("Measured")
        for line in config.stash[_figures]:
            terminalreporter.line(line)
