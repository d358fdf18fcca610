# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The browser that visits a stranger's site, shut in. Private to this collection.

Its sandbox is on. It is never root: where the module is, it runs as a user that nobody has. Its only way out is the
wall's. It knows nothing of the environment that the module has.
"""

from __future__ import annotations

import os
import pwd
import random
import shlex
import shutil
import stat
import sys
import tempfile
from pathlib import Path

# Of systemd's range for users that live as long as a process; nothing belongs to them.
_USERS = range(61184, 65520)
# What is started in the place of the browser where the module is root: it gives the browser its profile, and root away.
_AS_NOBODY = """\
import os, sys
user = {user}
for word in sys.argv:
    if word.startswith("--user-data-dir="):
        os.chown(word.partition("=")[2], user, user, follow_symlinks=False)
os.chdir({home!r})
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
os.execv({browser!r}, [{browser!r}, *sys.argv[1:]])
"""


class NoBrowser(Exception):
    """The message says what is missing."""


def arguments(wall: int) -> list[str]:
    """All goes to the wall, this machine's own addresses too; no name is resolved, and nothing is sent past it."""
    return [
        f"--proxy-server=http://127.0.0.1:{wall}",
        "--proxy-bypass-list=<-loopback>",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-quic",
        "--dns-prefetch-disable",
        "--no-pings",
        "--deny-permission-prompts",
    ]


def environment(home: Path) -> dict[str, str | float | bool]:
    return {"HOME": str(home), "TMPDIR": str(home), "PATH": os.defpath, "LANG": "C.UTF-8"}


def room() -> str:
    """Where its folder is made. Root's own place for temporary files may be one that nobody else gets into."""
    usual = tempfile.gettempdir()
    if os.geteuid() != 0:
        return usual
    for place in (usual, "/tmp", "/var/tmp"):
        if _all_may_run(Path(place)):
            return place
    raise NoBrowser(
        f"{usual}, /tmp and /var/tmp are root's alone, and root runs no browser: `chmod 1777 /tmp` is usual"
    )


def _spare_user() -> int:
    taken = {one.pw_uid for one in pwd.getpwall()}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                taken.add(os.stat(f"/proc/{name}").st_uid)
            except OSError:
                continue
    return random.SystemRandom().choice([one for one in _USERS if one not in taken])


def executable(folder: Path, bundled: str) -> tuple[str, Path]:
    """What is to be started as the browser, and its home; `bundled` is where playwright keeps its own."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or bundled
    home = folder / "home"
    home.mkdir(mode=0o700)
    if os.geteuid() != 0:
        return browser, home
    if not _all_may_run(Path(browser)):
        raise NoBrowser(
            f"{browser} is in a folder of root's alone, and root runs no browser: install one for all, for example: "
            "apt-get install chromium"
        )
    user = _spare_user()
    os.chown(home, user, user)
    # What playwright makes in it has to be reached.
    folder.chmod(0o711)
    program = folder / "browser.py"
    program.write_text(_AS_NOBODY.format(user=user, home=str(home), browser=browser))
    # A path with a space in it cannot stand in the first line of a script.
    starter = folder / "browser"
    starter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(str(program))} "$@"\n')
    starter.chmod(0o700)
    return str(starter), home


def _all_may_run(path: Path) -> bool:
    try:
        whole = path.resolve(strict=True)
    except OSError:
        return False
    return all(os.stat(one).st_mode & stat.S_IXOTH for one in (whole, *whole.parents))
