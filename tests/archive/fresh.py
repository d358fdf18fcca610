# SPDX-License-Identifier: GPL-3.0-or-later
"""After the evaluator's clean-out (tests/verify/test_volumes.py): a first installation of the archive's WordPress.

Not collected by itself, since it is true of a site that nobody has used.
"""

from __future__ import annotations

import json

from tests.archive.test_archive import READ
from tests.verify.support import Site, Stack


def test_a_first_installation_is_today_s(stack: Stack, site: Site) -> None:
    """Its default theme is one of blocks and of the archive, and visitors get the site, from the cache too."""
    stack.wait_healthy()
    site.wait_answers()
    said = stack.execute("wordpress", "php", "-r", READ)
    assert said.rc == 0, said.stderr
    found = json.loads(said.stdout)
    assert int(found["version"].split(".")[0]) >= 7
    assert found["theme"] == "twentytwentyfive"
    assert [found[name] for name in ("database", "block theme", "cache")] == [True] * 3
    assert site.get("/").status == 200
    assert site.get("/").headers["X-Page-Cache"] == "HIT"
