# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a stack's files and its site are as they are wanted, so that a run has nothing to write.

Private to this collection. It only reads; whatever cannot be read is not as it is wanted, and the modules whose work
it is say why.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _history, _secrets

# How long the front page is waited for; whoever looks after that has more patience.
PAGE_SECONDS = 20.0
OK = 200


def tree(project: _history.Project, files: Iterable[Mapping[str, Any]], owner: str | None, group: str | None) -> bool:
    """Whether the module tree would write nothing: each file is named with its mode and the digest of its content."""
    wanted = {one["path"]: one for one in files}
    with contextlib.suppress(_files.FileProblem, OSError):
        ids = (_files.user_id(owner), _files.group_id(group))
        if set(project.paths()) != set(wanted):
            return False
        found = project.read()
        folders = {os.path.join(*parts[:count]) for parts in _parts(wanted) for count in range(1, len(parts))}
        return all(
            path in found and (found[path].mode, _digest(found[path].data)) == (int(one["mode"], 8), one["sha256"])
            for path, one in wanted.items()
        ) and all(_belongs(os.path.join(project.root, path), ids) for path in ("", *folders, *wanted))
    return False


def _parts(paths: Iterable[str]) -> list[list[str]]:
    return [path.split("/") for path in paths]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _belongs(path: str, ids: tuple[int | None, int | None]) -> bool:
    found = os.lstat(path)
    return all(wanted in (None, have) for wanted, have in zip(ids, (found.st_uid, found.st_gid), strict=True))


@dataclass
class _Asked:
    """What the work of the module secrets wants of its module, in check mode."""

    params: dict[str, Any]
    check_mode: bool = True
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def secrets(params: dict[str, Any]) -> bool:
    """Whether the module secrets, asked this, would do nothing, has nothing to say, and no rotation is under way."""
    asked = _Asked({"state": _secrets.PRESENT, "replace": _secrets.STAGED, **params})
    asked.params["secrets"] = [{**one, "value": None} for one in params["secrets"]]
    with contextlib.suppress(_files.FileProblem, OSError):
        told = _secrets.run(asked)
        done = all(one["phase"] == _secrets.FINALIZED for one in told["secrets"])
        return done and not told["changed"] and not asked.warnings
    return False


def page(url: str, authority: str) -> bool:
    """Whether a visitor on this machine gets the front page, made now: whoever has a cookie gets no copy. With an
    authority's certificate the site's has to be signed by it."""
    place = urlsplit(url)
    with contextlib.suppress(OSError, http.client.HTTPException):
        context = ssl.create_default_context(cafile=authority or None)
        if not authority:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            place.hostname or "", place.port or 443, timeout=PAGE_SECONDS, context=context
        )
        with contextlib.closing(connection):
            connection.request("GET", place.path or "/", headers={"Cookie": "asked_by=deployment"})
            answer = connection.getresponse()
            answer.read()
            return answer.status == OK
    return False


def later(look: Callable[[], bool]) -> Callable[[], bool]:
    """What a look finds that goes on meanwhile, for whoever waits for it."""
    found: list[bool] = []
    work = threading.Thread(target=lambda: found.append(look()), daemon=True)
    work.start()

    def wait() -> bool:
        work.join()
        return found == [True]

    return wait
