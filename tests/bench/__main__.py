# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a deployment and of the site that it makes, beside a reference stack on the same machine.

    python -m tests.bench                                      all of it, on system containers of its own
    python -m tests.bench site changes                         some parts of it
    python -m tests.bench deploy --against HEAD~1              a deployment, beside that of an earlier commit
    python -m tests.bench --inventory hosts.yml --host wil     the site of a machine of yours, as it is deployed now

    deploy       a cold deployment, beside a shell script that does the same
    cost         the processor time of a request, beside the stack of an earlier commit (--against)
    fleet        on 1, 2, 4 and 8 machines at once: cold, by who builds their images, and what changes nothing
    site         load, TLS, memory, images, stops and starts, beside the reference stack
    changes      a line of each service's configuration changed under load
    wordpress    Debian's WordPress and today's, each beside a reference stack of the same, in one run
    freshness    whether the very next visitor sees what an editor has changed, under load

Each part writes docs/bench/<part>.json; docs/bench/index.html shows all there are, and their summary is printed.

Environment: BENCH_SECONDS, of load in a round of a case (2), and BENCH_ROUNDS (5). BENCH_STAND_IN=1 where wordpress.org
cannot be reached: the part wordpress takes the stand-in of scenario archive for its archive.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import changes, cost, deploy, fleet, freshness, report
from tests.bench.lab import Failed, Lab, setting
from tests.bench.lab import fleet as fresh_fleet
from tests.verify.changes import Editor
from tests.verify.support import ROOT

FOLDER = ROOT / "docs/bench"
PARTS = ("deploy", "cost", "fleet", "site", "wordpress", "changes", "freshness")
# What a machine of the user's own is measured by: these make no machine.
OF_A_MACHINE = ("site", "changes", "freshness")
ROUNDS_OF_DEPLOYMENTS = 3
# Of each kind, and how many visitors read meanwhile.
CHANGES, READERS = 100, 16


def machine() -> dict[str, Any]:
    """The control node, which the system containers are on, before something is measured."""
    models = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processors": os.cpu_count(),
        "model": models[0] if models else platform.machine(),
        "load": os.getloadavg()[0],
    }


def measure_site(lab: Lab, seconds: int, rounds: int, *more: str) -> dict[str, Any]:
    # The cases in turn, and for all else fifteen minutes.
    timeout = 40 * rounds * (seconds + 2) + 900
    with tempfile.TemporaryDirectory(prefix="inception-bench-") as folder:
        result = Path(folder) / "site.json"
        archive = shutil.make_archive(f"{folder}/bench", "gztar", ROOT, "tests/bench")
        variables = {"archive": archive, "result": result, "seconds": seconds, "rounds": rounds, "timeout": timeout}
        lab.playbook(
            "tests/bench/site.yml",
            *(f"--extra-vars=bench_{name}={value}" for name, value in variables.items()),
            *more,
        )
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def measure_wordpress(lab: Lab, seconds: int, rounds: int) -> dict[str, Any]:
    """Debian's on the first machine, its makers' archive on the second."""
    found = {}
    for host, source in zip(lab.hosts, ("package", "archive"), strict=False):
        one = replace(lab, hosts=(host,))
        one.playbook("playbooks/deploy.yml", f"--extra-vars=inception_wordpress_source={source}")
        found[source] = measure_site(one, seconds, rounds, "--extra-vars=bench_only_php=true")
    return {"sources": found}


def measure_freshness(lab: Lab, port: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="inception-bench-") as folder:
        stack, site = lab.visit(port, Path(folder) / "ca.crt")
        visitor = site.sign_in(stack.settings.admin_user, stack.secrets()["wp_admin_password.txt"])
        found = freshness.measure(site, Editor(visitor), CHANGES, READERS)
    return {**found, "wrong": freshness.wrong(found)}


def record(part: str, measures: Callable[[], dict[str, Any]]) -> None:
    """Measures a part, and writes its figures at once."""
    record_each(part, lambda: iter([measures()]))


def record_each(part: str, measures: Callable[[], Iterator[dict[str, Any]]]) -> None:
    """The same for one that takes long: what it has so far is there, also when the rest is cut off."""
    print(f"--- {part}", flush=True)
    before = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "machine": machine()}
    for found in measures():
        (FOLDER / f"{part}.json").write_text(json.dumps(before | found, indent=1) + "\n", encoding="utf-8")


def measure(arguments: argparse.Namespace, lab: Lab) -> None:
    """Each part in a lab; its figures are written as soon as they are there."""
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "site": lambda: measure_site(lab, arguments.seconds, arguments.rounds),
        "wordpress": lambda: measure_wordpress(lab, arguments.seconds, arguments.rounds),
        "changes": lambda: changes.measure(lab, arguments.port),
        "freshness": lambda: measure_freshness(lab, arguments.port),
    }
    for part in (part for part in measures if part in arguments.parts):
        record(part, measures[part])


def read_results() -> dict[str, Any]:
    """What was measured, in this run or before; each part has its date."""
    files = {part: FOLDER / f"{part}.json" for part in PARTS}
    return {part: json.loads(file.read_text(encoding="utf-8")) for part, file in files.items() if file.exists()}


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--inventory", type=Path, help="of a machine of yours, with --host")
    parser.add_argument("--host", help="its name there")
    parser.add_argument(
        "--port", help="the control node's port that leads to its site, where the inventory does not say"
    )
    parser.add_argument(
        "--against", metavar="COMMIT", help="of the parts deploy and cost: an earlier commit, measured beside it"
    )
    arguments = parser.parse_args()
    possible = OF_A_MACHINE if arguments.inventory else PARTS
    unknown = [part for part in arguments.parts if part not in possible]
    if unknown:
        parser.error(f"no such part here: {', '.join(unknown)}; there are {', '.join(possible)}")
    if (arguments.inventory is None) != (arguments.host is None):
        parser.error("--inventory and --host belong together, for example --inventory inventory/hosts.yml --host wil")
    if "cost" in arguments.parts and not arguments.against:
        parser.error("cost is measured beside an earlier commit, for example cost --against HEAD~1")
    wanted = arguments.parts or [part for part in possible if part != "cost" or arguments.against]
    arguments.parts = [part for part in possible if part in wanted]
    arguments.seconds, arguments.rounds = setting("BENCH_SECONDS", 2), setting("BENCH_ROUNDS", 5)
    return arguments


def main() -> int:
    arguments = read_arguments()
    started = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        if "deploy" in arguments.parts:
            # It makes machines of its own.
            record("deploy", lambda: deploy.measure(arguments.against))
        if "cost" in arguments.parts:
            record("cost", lambda: cost.measure(arguments.against))
        if "fleet" in arguments.parts:
            record_each("fleet", lambda: fleet.measure(ROUNDS_OF_DEPLOYMENTS))
        if arguments.inventory:
            measure(arguments, Lab(arguments.inventory, (arguments.host,)))
        elif set(arguments.parts) - {"deploy", "cost", "fleet"}:
            with fresh_fleet(stand_in=bool(os.environ.get("BENCH_STAND_IN"))) as lab:
                if set(arguments.parts) & set(OF_A_MACHINE):
                    lab.deploy(lab.hosts[0])
                measure(arguments, lab)
    except Failed as failure:
        sys.exit(str(failure))
    results = read_results()
    report.write(results, FOLDER / "index.html")
    print(report.text(results))
    print(f"written to {FOLDER.relative_to(ROOT)} after {(time.monotonic() - started) / 60:.0f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
