# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that were well and make no progress any more, told apart from those that are slow. Private to this
collection; part of the machine's own program.

Docker calls both unhealthy. One that computes, waits for a disk, or says something new, is slow (decision 0031); of
one that does none of it for five minutes nothing is to be expected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    LOOKS,
    Container,
    Patience,
    at_work,
    said,
)

# Without progress for so long, in the time of a machine that is not slow.
QUIET_SECONDS = 300.0
# Seconds between two of the looks at a time: whoever works now and then is seen at it.
PAUSE = 0.5
# A service is restarted so often in a day; then a person has to look.
RESTARTS, RESTARTS_SECONDS = 3, 86400.0
DEPENDS_LABEL = "com.docker.compose.depends_on"


@dataclass
class Quiet:
    """What is remembered of a container."""

    started: str = ""
    was_well: bool = False
    quiet: float = 0.0
    looked: float | None = None
    seen: list[str] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)


def waits_for(labels: dict[str, str]) -> set[str]:
    """The services that a container was made to wait for: "mariadb:service_healthy:false,..."."""
    return {one.split(":")[0] for one in labels.get(DEPENDS_LABEL, "").split(",") if one}


@dataclass
class Watch:
    """Looks after them, once a minute."""

    known: dict[str, Quiet]
    clock: Callable[[], float]
    # The last words of a container, and how long the engine took to say them.
    log: Callable[[Container], str]
    sleep: Callable[[float], None] = time.sleep

    def look(self, containers: Iterable[Container], labels: dict[str, dict[str, str]]) -> list[Container]:
        """Those of which nothing is to be expected."""
        there = list(containers)
        for gone in set(self.known) - {one.id for one in there}:
            del self.known[gone]
        ill = [one for one in there if self._was_well(one)]
        if not ill:
            return []
        stuck = self._quiet(ill)
        unwell = {one.service for one in there if not one.well}
        # Who waits for another one that is not well is no better off for a restart.
        return [one for one in stuck if not waits_for(labels.get(one.id, {})) & (unwell - {one.service})]

    def _was_well(self, one: Container) -> bool:
        """Whether it is unhealthy now, and was well since it was started."""
        known = self.known.get(one.id)
        if known is None or known.started != one.started:
            known = self.known[one.id] = Quiet(one.started)
        if one.well:
            self.known[one.id] = Quiet(one.started, was_well=True)
        return known.was_well and one.status == "running" and one.health == "unhealthy"

    def _quiet(self, ill: list[Container]) -> list[Container]:
        over: set[str] = set()
        patience = {one.id: self._patience(self.known[one.id]) for one in ill}
        for number in range(LOOKS):
            busy = at_work([one.pid for one in ill])
            for one in ill:
                asked = self.clock()
                signs = said(self.log(one)) if number == 0 else set()
                now = self.clock()
                if patience[one.id].look(now, now - asked, signs, one.pid in busy):
                    over.add(one.id)
                else:
                    over.discard(one.id)
            self.sleep(PAUSE)
        for one in ill:
            self._keep(self.known[one.id], patience[one.id])
        return [one for one in ill if one.id in over]

    @staticmethod
    def _patience(known: Quiet) -> Patience:
        return Patience(QUIET_SECONDS, known.quiet, known.looked, set(known.seen), list(known.busy))

    @staticmethod
    def _keep(known: Quiet, patience: Patience) -> None:
        known.quiet, known.looked = patience.quiet, patience.looked
        known.seen, known.busy = sorted(patience.seen), patience.busy


def may_be_restarted(before: list[float], now: float) -> bool:
    """`before` are the times of earlier restarts of the service."""
    return len([at for at in before if now - at < RESTARTS_SECONDS]) < RESTARTS
