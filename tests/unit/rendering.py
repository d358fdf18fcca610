# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the project folder of the role stack as the role does, without a host.

The expressions are those of the role's own task files; only facts of a machine are made up.
It runs as a program of its own, since Ansible's plugin loader belongs to the process that it is in.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "stack"
MANDATORY = ("mariadb", "wordpress", "nginx")
# Each room of the role is rendered, so a new one is tested by being there.
BONUS = sorted(
    path.parent.name
    for path in (ROLE / "templates" / "requirements").glob("*/service.yml")
    if path.parent.name not in MANDATORY
)

# A title that breaks whoever does not quote it.
HARD_TITLE = 'Wil\'s "big" $HOME \\ `site` #1 <b> ${X} é'

# What the machine and the roles before would have told.
FACTS: dict[str, Any] = {
    "inception_login": "wil",
    "base_image_reference": "{{ inception_base_family }}:{{ inception_base_release }}",
    "base_image_digest": "sha256:0123456789abcdef",
    "base_image_archive_path": "",
    "base_image_kept": "/var/lib/fortytwo.inception/base/debian-bookworm.image.tar",
    "base_image_import_changes": [],
    "base_image_engine": {"host_info": {"CpuCfsQuota": True, "NCPU": 2}, "images": []},
    "__stack_looked": {"users": {"wil": {"uid": 1000, "gid": 1000}}},
    "inventory_hostname": "wil",
}

# Every way that changes what is rendered.
VARIANTS: dict[str, dict[str, Any]] = {
    "debian-mandatory-package": {},
    "debian-package": {"inception_bonus_services": BONUS},
    "debian-archive": {
        "stack_wordpress_archive_sha256": "5a" * 32,
        "inception_title": HARD_TITLE,
        "inception_wordpress_source": "archive",
        "inception_https_port": 8443,
        "inception_aliases": ["www.wil.42.fr", "blog.wil.42.fr", "shop.wil.42.fr", "*.wil.test"],
        "inception_admin_user": "wil the great",
        "inception_backup_place": "/mnt/backup",
        "inception_backup_point_in_time": True,
        "stack_page_cache": False,
        "inception_bonus_services": BONUS,
        # Any folder with files serves as a site.
        "stack_static_dir": str(ROLE / "templates/requirements/static/conf"),
        "inception_wordpress_code": [
            {"kind": "theme", "name": "mine", "folder": "/srv/mine", "active": True},
            {"kind": "mu-plugin", "name": "ours", "folder": "/srv/ours"},
        ],
        "__inception_code": {"folder": str(ROLE / "templates/requirements/static/conf")},
        "base_image_archive_path": "/var/lib/fortytwo.inception/base/debian-bookworm.tar",
        "base_image_import_changes": ["LABEL fortytwo.inception.base=sha256:01", 'CMD ["bash"]'],
    },
    "alpine-archive": {
        "stack_wordpress_archive_sha1": "",
        "stack_wordpress_archive_sha256": "a5" * 32,
        "inception_base_family": "alpine",
        "inception_wordpress_source": "archive",
        "inception_bonus_services": BONUS,
        "inception_tls": "provided",
        "stack_env": {"MARIADB_PORT": 3307},
        "inception_backup_place": "/mnt/backup",
        "inception_backup_point_in_time": True,
        "inception_proxy": "http://10.0.0.1:3128",
        "inception_no_proxy": ["mirror.lan", ".example.org"],
        "base_image_engine": {"host_info": {"CpuCfsQuota": False, "NCPU": 2}, "images": []},
    },
}

# Ways of a server in public, which the exercise does not want.
PUBLIC: dict[str, dict[str, Any]] = {
    challenge: {"inception_tls": "acme", "inception_acme_challenge": challenge, "inception_domain": "wil.org"}
    for challenge in ("tls-alpn-01", "http-01", "dns-01")
}
PUBLIC["redirect"] = {**PUBLIC["tls-alpn-01"], "inception_http_redirect": True}

# On a node of a cluster.
NODE = {
    "node": {
        **VARIANTS["debian-archive"],
        "inception_bonus_services": ["redis"],
        "stack_page_cache": True,
        "groups": {"cluster": ["wil"]},
        "cluster_packages": "",
        "__docker_is_node": True,
    }
}

# The same, with the database on three of them.
GALERA = {"galera": {**NODE["node"], "cluster_database": "galera"}}

# On a base image that the machine has an archive of.
KEPT = {"kept": {"base_image_archive_path": FACTS["base_image_kept"]}}


def render(settings: dict[str, Any], collections: str) -> dict[str, str]:
    """The files of the project folder by their path."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar, trust_as_template

    init_plugin_loader([collections])
    from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as project_rendering

    loader = DataLoader()

    def read(path: Path) -> Any:
        return loader.load_from_file(str(path), trusted_as_template=True)

    def trusted(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: trusted(one) for name, one in value.items()}
        return trust_as_template(value) if isinstance(value, str) else value

    def tasks(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = read(ROLE / "tasks" / name)
        return found

    def evaluate(value: Any, **more: Any) -> Any:
        return Templar(loader, {**variables, **more}).template(trusted(value))

    variables: dict[str, Any] = {
        "role_path": str(ROLE),
        "ansible_search_path": [str(ROLE), str(ROLE / "tasks")],
        **{name: trust_as_template(value) if isinstance(value, str) else value for name, value in FACTS.items()},
        **read(ROOT / "roles" / "inception" / "defaults" / "main.yml"),
        **read(ROOT / "roles" / "inception" / "vars" / "main.yml"),
        **read(ROLE / "defaults" / "main.yml"),
        **read(ROLE / "vars" / "main.yml"),
    }
    variables.update(settings)
    family = evaluate("{{ inception_base_family }}")
    variables.update(read(ROLE / "vars" / "base" / f"{family}.yml"))
    [task] = [one for one in tasks("render.yml") if "fortytwo.inception.stack_services" in one]
    options = evaluate(task["fortytwo.inception.stack_services"])
    variables[task["register"]] = project_rendering.Services(
        project_rendering.Renderer(Templar(loader, variables), loader, variables),
        options["directories"],
        options["bonus"],
        options["env"],
    ).whole(options["base_digest"])
    [written] = tasks("project.yml")
    files = project_rendering.tree(
        project_rendering.Renderer(Templar(loader, variables), loader, variables),
        ROLE / "templates" / written["fortytwo.inception.tree"]["src"],
    )
    contexts = evaluate(written["fortytwo.inception.tree"]["files"])
    files |= {file["path"]: file["content"] for file in contexts if "encoding" not in file}
    return {str(path): str(content) for path, content in files.items()}


@functools.cache
def project(variant: str, collections: str, seed: str = "random") -> dict[str, str]:
    """The rendered project of one variant; made once. The seed is that of Python's hashes, and so of a set's order."""
    finished = subprocess.run(
        [sys.executable, __file__, variant, collections],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "PYTHONHASHSEED": seed,
        },
    )
    assert finished.returncode == 0, finished.stderr
    files: dict[str, str] = json.loads(finished.stdout)
    return files


if __name__ == "__main__":
    print(json.dumps(render((VARIANTS | PUBLIC | NODE | GALERA | KEPT)[sys.argv[1]], sys.argv[2])))
