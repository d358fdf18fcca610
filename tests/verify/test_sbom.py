# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images are made of, as the managed host tells it."""

from __future__ import annotations

import json
from typing import Any

from tests.verify.support import Settings, Stack

LISTED = {
    "debian": ("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}-${Version}\\n"),
    "alpine": ("apk", "info", "-v"),
}


def test_the_bill_is_what_the_package_manager_says(
    stack: Stack, settings: Settings, containers: dict[str, dict[str, Any]]
) -> None:
    """Each image is in it, with each of its packages in its version, and WordPress besides."""
    bill = json.loads(stack.root("inception sbom"))
    assert {one["name"] for one in bill["components"]} == set(containers)
    for image in bill["components"]:
        said = stack.execute(image["name"], *LISTED[settings.base_family]).stdout.splitlines()
        here = {line.removeprefix("ii").strip() for line in said if line and not line.startswith(("rc", "WARNING"))}
        assert {f"{one['name']}-{one['version']}" for one in image["components"] if one["type"] == "library"} == here
    [wordpress] = (one for image in bill["components"] for one in image["components"] if one["name"] == "wordpress")
    code = 'require "/usr/src/wordpress/wp-includes/version.php"; echo $wp_version;'
    assert wordpress["version"] == stack.execute("wordpress", "php", "-r", code).stdout
