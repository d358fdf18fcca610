# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own program as one file, and what starts it. What is in it is plugin_utils/_machine_program.py's.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.fortytwo.inception.plugins.module_utils import _backup_state, _history, _places

# Seconds between two looks at whether it has answered.
PAUSE = 0.2
PLACE = "usr/local/sbin/inception"
MODE = 0o755


def head(python: str) -> bytes:
    """What starts it. Nothing of the environment or folder comes into it; in a first line a path has no spaces."""
    return f'#!/bin/sh\nexec {shlex.quote(python)} -I "$0" "$@"\n'.encode()


RESUME, HEALTH, TIMER = "inception-resume.service", "inception-health.service", "inception-health.timer"
UNITS = "etc/systemd/system"
PERIODIC = "etc/periodic/15min/inception-health"
# Each unit, and what wants it. Docker has started what it knows by then; the rest is what was cut off.
RESUME_UNIT = f"""\
# Written by fortytwo.inception.
[Unit]
Description=Go on with a deployment that was cut off, and take back a restore
ConditionPathExists=|/{_places.HISTORY}/{_history.JOURNAL}
ConditionPathExists=|/{_backup_state.BACKUP}/restore.json
After=docker.service
Wants=docker.service

[Service]
Type=oneshot
ExecStart=/{PLACE} resume
Environment=HOME=/root

[Install]
WantedBy=multi-user.target
"""
# What others wait for comes first. It starts nothing that was not there: a stopped engine stays stopped.
HEALTH_UNIT = f"""\
# Written by fortytwo.inception.
[Unit]
Description=Look after the stack: its certificate, containers, disks, clock and deployments
ConditionPathExists=/{PLACE}
# However often somebody starts it, too.
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/{PLACE} tend
Environment=HOME=/root
Restart=on-abnormal
RestartSec=1s
Nice=10
IOSchedulingClass=idle
TimeoutStartSec=30min
# That it looks once a minute is no news; what it does is.
LogLevelMax=notice
SyslogLevel=notice
"""
TIMER_UNIT = """\
# Written by fortytwo.inception.
[Unit]
Description=Look after the stack once a minute

[Timer]
OnBootSec=2min
# After the end of the last look: on a slow machine there are fewer.
OnUnitInactiveSec=1min
OnActiveSec=1min
AccuracySec=5s

[Install]
WantedBy=timers.target
"""
# It is started again as often as it takes: systemd gives up after the third time in a minute, and leaves it failed.
ENGINE = "docker.service.d/inception.conf"
ENGINE_UNIT = """\
# Written by fortytwo.inception.
[Unit]
StartLimitIntervalSec=0
"""
# One that is still at work keeps the next one out.
PERIODIC_SCRIPT = f"""\
#!/bin/sh
# Written by fortytwo.inception.
[ -x /{PLACE} ] || exit 0
exec nice -n 10 /{PLACE} tend --times 14 >/dev/null 2>&1
"""
# What the machine does by itself as often as a setting says: by systemd, or by busybox's cron (Alpine).
SCHEDULED = {"backup": "A backup of the stack", "update": "What the distribution has newer, for the stack's images"}
SCHEDULED_UNIT = f"""\
# Written by fortytwo.inception.
[Unit]
Description={{about}}
ConditionPathExists=/{PLACE}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=/{PLACE} {{name}} --scheduled
Environment=HOME=/root
Nice=10
IOSchedulingClass=idle
TimeoutStartSec=infinity
"""
# Not all machines at one time; what was missed while the machine was off is made up for.
SCHEDULED_TIMER = """\
# Written by fortytwo.inception.
[Unit]
Description={about}, {schedule}

[Timer]
OnCalendar={schedule}
RandomizedDelaySec={delay}
Persistent=true

[Install]
WantedBy=timers.target
"""
DELAYS = {"hourly": "10min", "daily": "3h", "weekly": "6h"}
SCHEDULED_PERIODIC = "etc/periodic/{schedule}/inception-{name}"
SCHEDULED_SCRIPT = f"""\
#!/bin/sh
# Written by fortytwo.inception.
[ -x /{PLACE} ] || exit 0
exec nice -n 10 /{PLACE} {{name}} --scheduled >/dev/null 2>&1
"""


def _written(path: Path, text: str, mode: int) -> bool:
    """Whether it was not there, or another one."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == mode:
            return False
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)
    return True


def _wanted(units: Path, name: str, by: str) -> bool:
    """Has a unit started by another. Whether it was not."""
    link, target = units / f"{by}.wants" / name, f"../{name}"
    with contextlib.suppress(OSError):
        if os.readlink(link) == target:
            return False
    link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return True


def _gone(*paths: Path) -> bool:
    """Removes files. Whether one was there."""
    there = [path for path in paths if os.path.lexists(path)]
    for path in there:
        path.unlink(missing_ok=True)
    return bool(there)


def _call(*argv: str) -> bool:
    """Whether it went well."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def install_units(root: Path, health: bool) -> bool:
    """Has the machine go on by itself after a start, and look after itself, if it shall. Whether that is new."""
    if not Path("/run/systemd/system").is_dir():
        return _install_periodic(root, health)
    units = root / UNITS
    changed = _written(units / RESUME, RESUME_UNIT, 0o644) | _wanted(units, RESUME, "multi-user.target")
    changed |= _written(units / ENGINE, ENGINE_UNIT, 0o644)
    if health:
        changed |= _written(units / HEALTH, HEALTH_UNIT, 0o644) | _written(units / TIMER, TIMER_UNIT, 0o644)
        changed |= _wanted(units, TIMER, "timers.target")
    elif os.path.lexists(units / TIMER):
        if root == Path("/"):
            _call("systemctl", "stop", TIMER)
        changed |= _gone(units / "timers.target.wants" / TIMER, units / TIMER, units / HEALTH)
    if changed and root == Path("/"):
        _call("systemctl", "daemon-reload")
    # Somebody may have stopped it.
    if health and root == Path("/") and (changed or not _call("systemctl", "is-active", "--quiet", TIMER)):
        changed = _call("systemctl", "restart", TIMER) or changed
    return changed


def _install_periodic(root: Path, health: bool) -> bool:
    """The same by the cron of busybox, which Alpine has from the start and does not run."""
    if not Path("/etc/periodic").is_dir():
        return False
    if not health:
        return _gone(root / PERIODIC)
    changed = _written(root / PERIODIC, PERIODIC_SCRIPT, 0o755)
    if changed and root == Path("/"):
        _call("rc-update", "add", "crond", "default")
        _call("rc-service", "--ifstopped", "crond", "start")
    return changed


def install_scheduled(root: Path, name: str, schedule: str) -> bool:
    """Has the machine do something by itself, or not any more where there is no schedule. Whether that is new."""
    own = root == Path("/")
    if not Path("/run/systemd/system").is_dir():
        others = [root / SCHEDULED_PERIODIC.format(schedule=one, name=name) for one in DELAYS if one != schedule]
        changed = _gone(*others)
        if schedule and Path("/etc/periodic").is_dir():
            script = root / SCHEDULED_PERIODIC.format(schedule=schedule, name=name)
            changed |= _written(script, SCHEDULED_SCRIPT.format(name=name), 0o755)
            if changed and own:
                _call("rc-update", "add", "crond", "default")
                _call("rc-service", "--ifstopped", "crond", "start")
        return changed
    units, service, timer = root / UNITS, f"inception-{name}.service", f"inception-{name}.timer"
    if schedule:
        told = {"about": SCHEDULED[name], "name": name, "schedule": schedule, "delay": DELAYS[schedule]}
        changed = _written(units / service, SCHEDULED_UNIT.format(**told), 0o644)
        changed |= _written(units / timer, SCHEDULED_TIMER.format(**told), 0o644)
        changed |= _wanted(units, timer, "timers.target")
    else:
        if own and os.path.lexists(units / timer):
            _call("systemctl", "stop", timer)
        changed = _gone(units / "timers.target.wants" / timer, units / timer, units / service)
    if changed and own:
        _call("systemctl", "daemon-reload")
    if schedule and own and (changed or not _call("systemctl", "is-active", "--quiet", timer)):
        changed = _call("systemctl", "restart", timer) or changed
    return changed


def is_current(place: Path, python: str, digest: str) -> bool:
    """Whether what is there is this one: by what starts it, and the digest of the rest."""
    try:
        there, first = place.read_bytes(), head(python)
        found = place.stat()
    except OSError:
        return False
    own = found.st_uid == os.geteuid() and found.st_mode & 0o777 == MODE
    return own and there.startswith(first) and hashlib.sha256(there[len(first) :]).hexdigest() == digest


def install(place: Path, python: str, archive: bytes) -> None:
    """It is there whole, or the former one still."""
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    new.write_bytes(head(python) + archive)
    new.chmod(MODE)
    new.replace(place)


def follow(argv: list[str], words: Path, over: Callable[[], bool]) -> int:
    """Runs the program apart from its caller, who may die, until it ended and `over` says so. Its exit status."""
    with (
        words.open("ab") as said,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True) as process,
    ):
        while process.poll() is None or not over():
            time.sleep(PAUSE)
    return process.returncode
