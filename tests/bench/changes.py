# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of a service's configuration is changed and deployed under load: how many visitors notice."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.lab import ROOT, Lab
from tests.rotation.load import MARGIN, Load, Tally

# In the templates of a service, with what begins a comment there. A comment makes a new image, as any other line does.
LINES = {
    "nginx": ("nginx/conf/nginx.conf", "#"),
    "wordpress": ("wordpress/conf/php.ini", ";"),
    "mariadb": ("mariadb/conf/mariadb.cnf", "#"),
}
# What a deployment needs of the collection.
COLLECTION = ("meta", "playbooks", "plugins", "roles")


def changed_collection(folder: Path, service: str) -> Path:
    """A copy of the collection with one more line in it; returns its playbook."""
    copy = folder / "ansible_collections/fortytwo/inception"
    for part in COLLECTION:
        shutil.copytree(ROOT / part, copy / part)
    shutil.copy(ROOT / "galaxy.yml", copy)
    path, comment = LINES[service]
    with (copy / "roles/stack/templates/requirements" / path).open("r+", encoding="utf-8") as file:
        file.seek(0, 2)
        file.write(f"{comment} Written by the benchmark at {time.time_ns()}.\n")
    return copy / "playbooks/deploy.yml"


def outcome(tally: Tally, service: str) -> dict[str, Any]:
    """While the database restarts, the pages of people who are not signed in go on; of nginx's and PHP's, all do."""
    counted = [line for line in tally.failures if service != "mariadb" or ": stranger: " in line]
    requests = tally.answers["stranger"] if service == "mariadb" else tally.answers.total()
    return {
        "requests": requests + len(counted),
        "failed": len(counted),
        "sessions_lost": len(tally.ended),
        "slowest": tally.slowest,
        "failures": counted[:10],
    }


def measure(lab: Lab, port: str | None) -> dict[str, Any]:
    """Failed requests by service; in the end the machine is as it was deployed."""
    found = {}
    # So that one line is all that differs.
    lab.deploy(lab.hosts[0])
    with tempfile.TemporaryDirectory(prefix="inception-bench-") as folder:
        stack, site = lab.visit(port, Path(folder) / "ca.crt")
        try:
            for service in LINES:
                playbook = changed_collection(Path(folder) / service, service)
                changed = lab.using(Path(folder) / service)
                with Load(stack, site) as tally:
                    time.sleep(MARGIN)
                    started = time.monotonic()
                    changed.playbook(playbook)
                    seconds = time.monotonic() - started
                    time.sleep(MARGIN)
                found[service] = {"seconds": seconds, **outcome(tally, service)}
                print(f"changed {service} in {seconds:.1f} s: {found[service]['failed']} failed requests", flush=True)
        finally:
            lab.deploy(lab.hosts[0])
    return {"services": found}
