# SPDX-License-Identifier: GPL-3.0-or-later
"""A release changes by a setting, and not by a newer version of this collection, which knows of Debian 14."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tests.faults.bench import Bench
from tests.updates.mirror import PAUSE
from tests.upgrade.notes import rows
from tests.verify.support import ROOT

TABLE = "plugins/module_utils/_releases.py"
NEWEST = '        _release("13", "trixie", "2025-08-09", "2030-06-30"),\n'
PROGRAM = "/usr/local/sbin/inception"
TRIXIE = {"inception_base_release": "trixie", "inception_base_release_forced": True}


def newer_collection(folder: Path) -> Path:
    """A copy of this collection as it will be when Debian 14 is out; the path where it is found."""
    place = folder / "ansible_collections/fortytwo/inception"
    for name in ("galaxy.yml", "meta", "playbooks", "plugins", "roles"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name)
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place / name)
    table = (place / TABLE).read_text()
    assert NEWEST in table
    yesterday = datetime.datetime.now(tz=datetime.UTC).date() - datetime.timedelta(days=1)
    (place / TABLE).write_text(
        table.replace(NEWEST, f'{NEWEST}        _release("14", "forky", "{yesterday}", "2032-06-30"),\n')
    )
    return folder


def called(bench: Bench, collections: Path, playbook: str) -> str:
    """What a playbook of another collection says."""
    done = subprocess.run(
        bench.command({}, None, f"fortytwo.inception.{playbook}"),
        cwd=bench.folder,
        env=bench.environment()
        | {"ANSIBLE_COLLECTIONS_PATH": f"{collections}:{sysconfig.get_path('purelib')}", "COLUMNS": "500"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return " ".join(done.stdout.split())


def site_of(bench: Bench) -> str:
    """All that a deployment could have changed of the site: its containers, its project, its deployments."""
    files = f"find {bench.stack.settings.project} -type f -exec sha256sum {{}} + | sort"
    return bench.root(f"docker ps --no-trunc --quiet | sort; {files}; inception history")


def the_rules_hold(folder: Path, settings: Mapping[str, object]) -> None:
    """All that is verified of the exercise's rules, a clean-out and make after it included, with these settings."""
    inventory = folder / "inventory"
    shutil.copytree(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"), inventory)
    (inventory / "release.yml").write_text(json.dumps({"inception": {"vars": settings}}))
    verified = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", "rule", "-p", "no:cacheprovider", "tests/verify"),
            *("--connection", "ansible", "--hosts=ansible://inception", f"--ansible-inventory={inventory}"),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(verified.stdout.splitlines()[-1])
    assert verified.returncode == 0, verified.stdout[-6000:]


def test_after_debian_14_a_running_site_keeps_its_release_and_says_why(bench: Bench, tmp_path: Path) -> None:
    collections = newer_collection(tmp_path)
    checked = called(bench, collections, "check")
    assert "debian:bookworm, what runs here keeps its release. Since debian 14 (forky) came out" in checked
    before, program = site_of(bench), bench.root(f"sha256sum {PROGRAM}")
    deployed = called(bench, collections, "deploy")
    assert "debian:bookworm, what runs here keeps its release" in deployed
    # The machine's own program knows the table, too; nothing else is another one.
    assert "changed=1 " in deployed
    assert bench.root(f"sha256sum {PROGRAM}") != program
    assert site_of(bench) == before
    assert "changed=0 " in called(bench, collections, "deploy")


def test_the_rules_hold_of_bookworm_s_images(tmp_path: Path) -> None:
    """After all that the updates of before have made of them."""
    the_rules_hold(tmp_path, {})


def test_up_to_trixie_with_its_data_and_there_it_stays(bench: Bench) -> None:
    before = rows(bench.stack)
    with bench.visitors(pause=PAUSE) as tally:
        done = bench.deploy(TRIXIE)
    assert done.status == 0, done.output[-3000:]
    assert not tally.failures
    assert not bench.unwell()
    after = rows(bench.stack)
    for table, lines in before.items():
        assert [line for line in lines if line not in after[table]] == [], table
    # Without the setting it keeps the one that it has now, and nothing is built.
    bench.settled()
    froms = bench.root("grep -rhi '^FROM' /home/wil/inception/srcs/requirements").splitlines()
    assert {line.split()[1] for line in froms} == {"debian:trixie"}


def test_the_rules_hold_of_trixie_s_images_too(tmp_path: Path) -> None:
    the_rules_hold(tmp_path, TRIXIE)


def test_after_debian_14_a_new_site_gets_the_penultimate_and_says_why(bench: Bench, tmp_path: Path) -> None:
    """The last one here: the site goes, and with it all that its updates kept."""
    removed = bench.finish(bench.start({"inception_yes": True}, playbook="playbooks/remove.yml"))
    assert removed.status == 0, removed.output[-3000:]
    assert bench.root("docker image ls --quiet inception-base") == ""
    checked = called(bench, newer_collection(tmp_path), "check")
    assert "debian:trixie, the penultimate stable release, since debian 14 (forky) came out" in checked
