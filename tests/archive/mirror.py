# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for wordpress.org's archive of today's WordPress, for machines that reach Debian's mirror only.

    python -m tests.archive.mirror DIRECTORY [SUITE]     makes it; where it is there already, nothing is done

Debian's package of a newer suite with what it links to, laid out and packed as its makers' archive is. It is not that
archive: Debian has patched it, and has libraries of its own in the place of WordPress's. What is true of it here is
true of WordPress's programs; the checksums of wordpress.org's archive are another matter (tests/pins/pins.yml).
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import yaml

from tests.alpine.mirror import Debian, archive, digest, lay_out_wordpress

SUITE = "forky"
PACKAGES = (
    "wordpress",
    "wordpress-theme-twentytwentythree",
    "wordpress-theme-twentytwentyfour",
    "wordpress-theme-twentytwentyfive",
    "libjs-cropper",
    "libjs-jquery-ui",
    "libjs-lodash",
    "libjs-underscore",
    "libphp-phpmailer",
    "php-getid3",
)


def version_of(site: Path) -> str:
    text = (site / "wp-includes/version.php").read_text(encoding="utf-8")
    [version] = re.findall(r"(?m)^\$wp_version = '([0-9.]+)';$", text)
    return str(version)


def build(target: Path, suite: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="archive-") as folder:
        work = Path(folder)
        site = lay_out_wordpress(Debian(work, suite), PACKAGES, work)
        mirror = work / "mirror"
        mirror.mkdir()
        name = f"wordpress-{version_of(site)}.tar.gz"
        archive(site, mirror / name, "wordpress")
        sums = {f"stack_wordpress_archive_{kind}": digest(mirror / name, kind) for kind in ("sha1", "sha256")}
        (mirror / "archive.yml").write_text(yaml.safe_dump({"name": name, "sums": sums}), encoding="utf-8")
        mirror.rename(target)
        print(f"{name}, made of Debian's {suite}")


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    if not directory.exists():
        build(directory, *sys.argv[2:] or [SUITE])
