# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of GlusterFS. Private to this collection."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

# Seconds until a new peer is one, and a new brick has all there is.
PATIENCE = 600.0
PAUSE = 1.0

# What runs gluster: its words. Its code, output and errors come back.
Run = Callable[[list[str]], "tuple[int, str, str]"]


class StorageProblem(Exception):
    """What is wrong, for the user."""


class Gluster:
    """The command, whose answers are XML."""

    def __init__(self, run: Run, check_mode: bool = False) -> None:
        self.run, self.check_mode = run, check_mode
        self.done: list[str] = []

    def ask(self, *words: str) -> ElementTree.Element:
        code, output, errors = self.run(["gluster", "--mode=script", *words, "--xml"])
        try:
            # Its own answer, on this machine.
            answer = ElementTree.fromstring(output)
        except ElementTree.ParseError:
            raise StorageProblem(f"gluster {' '.join(words[:2])}: {(errors or output).strip() or 'no word'}") from None
        if code or answer.findtext("opRet") not in (None, "0"):
            raise StorageProblem(f"gluster {' '.join(words[:2])}: {answer.findtext('opErrstr') or errors.strip()}")
        return answer

    def heal(self, name: str) -> None:
        """All that a new brick lacks, from now on. Of this command alone the answer is no XML."""
        code, output, errors = self.run(["gluster", "--mode=script", "volume", "heal", name, "full"])
        if code:
            raise StorageProblem(f"gluster volume heal: {(errors or output).strip() or 'no word'}")

    def do(self, what: str, *words: str) -> None:
        self.done.append(what)
        if not self.check_mode:
            self.ask(*words)

    # -- peers --

    def peers(self) -> dict[str, bool]:
        """The addresses of the others, and whether each is a peer to the full and there."""
        found = {}
        for peer in self.ask("peer", "status").iter("peer"):
            well = peer.findtext("connected") == "1" and peer.findtext("stateStr") == "Peer in Cluster"
            for name in peer.iter("hostname"):
                if name.text:
                    found[name.text] = well
        return found

    def wait_for_peers(self, names: list[str]) -> None:
        end = time.monotonic() + PATIENCE
        while missing := [name for name in names if not self.peers().get(name)]:
            if time.monotonic() > end:
                raise StorageProblem(f"gluster: {', '.join(missing)} is no peer after {PATIENCE:.0f} s")
            time.sleep(PAUSE)

    # -- the volume --

    def volume(self, name: str) -> dict[str, Any] | None:
        for one in self.ask("volume", "info").iter("volume"):
            if one.findtext("name") == name:
                return {
                    "started": one.findtext("statusStr") == "Started",
                    "bricks": [brick.findtext("name") or "" for brick in one.iter("brick")],
                    "settings": {
                        option.findtext("name"): option.findtext("value")
                        for option in one.iter("option")
                        if option.find("name") is not None
                    },
                }
        return None

    def away(self, name: str) -> set[str]:
        """The bricks that do not answer."""
        return {brick for brick, there, dummy in self._bricks(name) if not there}

    def copies(self, name: str) -> list[dict[str, Any]]:
        """Each copy: whose it is, whether it answers, and how many files wait to be brought there by it."""
        return [
            {"host": brick.partition(":")[0], "there": there, "to_heal": waiting}
            for brick, there, waiting in self._bricks(name)
        ]

    def _bricks(self, name: str) -> list[tuple[str, bool, int]]:
        """Each, whether it answers, and how many files it has that others have not yet."""
        found = self.volume(name)
        if found is not None and len(found["bricks"]) == 1:
            # There is nothing to heal of one copy, and GlusterFS is not to be asked for it. Who is away is not listed.
            nodes = [node for node in self.ask("volume", "status", name).iter("node") if node.findtext("status") == "1"]
            there = {f"{node.findtext('hostname')}:{node.findtext('path')}" for node in nodes}
            return [(brick, brick in there, 0) for brick in found["bricks"]]
        return [
            (
                brick.findtext("name") or "",
                brick.findtext("status") == "Connected",
                int(entries) if (entries := brick.findtext("numberOfEntries") or "").isdecimal() else 0,
            )
            for brick in self.ask("volume", "heal", name, "info").iter("brick")
        ]

    def wait_until_healed(self, name: str) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            numbers = [entry.text or "-" for entry in self.ask("volume", "heal", name, "info").iter("numberOfEntries")]
            if numbers and set(numbers) == {"0"}:
                return
            if time.monotonic() > end:
                raise StorageProblem(
                    f"gluster: {name} is not healed after {PATIENCE:.0f} s ({', '.join(numbers)} left)"
                )
            time.sleep(PAUSE)
