# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario faults, and its visitors."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import notes
from tests.faults.bench import Bench
from tests.verify.support import Site, Stack, read_settings


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    import os

    import testinfra

    folder = tmp_path_factory.mktemp("faults")
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    host: Any = testinfra.get_host(f"ansible://wil?ansible_inventory={inventory}")
    settings = read_settings(host.ansible.get_variables(), None)
    stack = Stack(host, settings)
    authority = folder / "ca.crt"
    authority.write_text(stack.root("cat %s/secrets/ca.crt", settings.project), encoding="utf-8")
    return Bench(host, stack, Site(settings, authority), folder)


@pytest.fixture(autouse=True)
def as_before(bench: Bench) -> Iterator[None]:
    """No service of another test, and no thousand comments on a page, which takes ten seconds to make by then."""
    shutil.rmtree(bench.folder / "services", ignore_errors=True)
    yield
    bench.stack.sql("DELETE FROM wp_comments WHERE comment_content LIKE 'Comment %'")
    count = "(SELECT COUNT(*) FROM wp_comments WHERE comment_post_ID = ID AND comment_approved = '1')"
    bench.stack.sql(f"UPDATE wp_posts SET comment_count = {count}")


# These note what they counted by themselves.
COUNTED = ("test_bounds", "test_cuts", "test_power", "test_a_bad_deployment")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """What was tried and became of it, of all others too."""
    report = yield
    if report.when == "call" and not any(name in item.nodeid for name in COUNTED):
        name, _, case = item.name.removeprefix("test_").removesuffix("]").partition("[")
        words = f"{name.replace('_', ' ')}: {case}".removesuffix(": ")
        notes.note(notes.OTHERS, what=words, survived=report.passed, seconds=round(report.duration, 1))
    return report
