#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Find what is on a managed host already, and what of it stands in the way of a stack
version_added: "1.1.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Looks once at what lived on a host before - the containers and compose projects of others, what listens, the
    firewall, Docker's engine with its settings and flags, the file systems that are meant, the package manager, and the
    names that the stack would use - and says everything that stands in the way, with what to type for each.
  - What belongs to the stack is told by more than its name - a container by the folder that its project is in, a volume
    by the folder that it stands for, a file by what is written in it.
  - What only a first deployment needs, such as free space, is asked only where there was none.
  - With O(facts) it says what the roles ask of a host, too, in the time of one module.
  - Docker is asked at C(/run/docker.sock), whatever the client of root has been told.
extends_documentation_fragment:
  - fortytwo.inception._info_module
  - fortytwo.inception._attributes
attributes:
  platform:
    support: full
    description: Linux. Packages are looked at where dpkg manages them.
options:
  login:
    description: The login whose project it is.
    type: str
    required: true
  domain:
    description: The name that shall lead to this host.
    type: str
    required: true
  project:
    description: The name of the compose project.
    type: str
    required: true
  base_image:
    description:
      - The name that the stack's base image will have. Somebody's own image of that name would lose it. Left out, none
        is looked for.
    type: str
    default: ""
  project_dir:
    description: The folder of the project.
    type: path
    required: true
  data_dir:
    description: The folder of its data.
    type: path
    required: true
  stack:
    description: >-
      Services, ports, volumes and networks of the stack, as P(fortytwo.inception.stack_outline#lookup) returns them.
    type: dict
    default: {}
  packages:
    description: The packages that the deployment will install where they are missing, by the name of the distribution.
    type: dict
    default: {}
  docker_source:
    description: Whose packages of Docker they are.
    type: str
    choices: [distribution, docker]
    default: distribution
  docker_settings:
    description: The keys of the engine's settings that the deployment wants.
    type: dict
    default: {}
  docker_settings_own:
    description: The names of those of them that the user has chosen. Others give way to what is there.
    type: list
    elements: str
    default: []
  docker_may_restart:
    description: Whether the engine may be restarted though containers of others would stop.
    type: bool
    default: false
  firewall:
    description: Whether the deployment will have its firewall.
    type: bool
    default: true
  open_ports:
    description: What that lets in besides, such as V(8080) or V(51820/udp).
    type: list
    elements: str
    default: []
  ssh_port:
    description: The port of sshd.
    type: int
    default: 22
  trusted_interfaces:
    description: Interfaces whose traffic the firewall lets in. A C(*) at the end stands for any ending.
    type: list
    elements: str
    default: []
  facts:
    description:
      - Whether its name, distribution, kernel, architecture, Python, package and service manager, and whether it is a
        container, become facts, by the names of M(ansible.builtin.setup).
    type: bool
    default: false
  distributions:
    description:
      - The distributions that are supported, each with its oldest version. Of another host nothing more is asked.
        Left out, any is.
    type: dict
    default: {}
  architectures:
    description: The architectures that are supported, as C(uname -m) has them. Left out, any is.
    type: list
    elements: str
    default: []
  pythons:
    description: The versions of Python that are supported, such as V(3.13). Left out, any is.
    type: list
    elements: str
    default: []
  memory_mb:
    description: The memory that is needed, in MiB.
    type: int
    default: 0
  mirror:
    description: An address that has to answer before a first deployment. Left out, none is asked.
    type: str
  node:
    description: Whether the host is a node of a cluster, on which a swarm's things of this project are its own.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at what is there
  fortytwo.inception.host_info:
    login: wil
    domain: wil.42.fr
    project: inception
    project_dir: /home/wil/inception
    data_dir: /home/wil/data
  register: found

- name: Report everything that stands in the way
  ansible.builtin.fail:
    msg: "{{ found.obstacles | join('\n') }}"
  when: found.obstacles | length > 0
"""

RETURN = r"""
ansible_facts:
  description: What the roles ask of the host.
  returned: with O(facts=true)
  type: dict
  contains:
    ansible_architecture:
      description: As C(uname -m) has it.
      type: str
    ansible_distribution:
      description: Its name.
      type: str
      sample: Debian
    ansible_distribution_major_version:
      description: What its version begins with.
      type: str
      sample: "13"
    ansible_distribution_release:
      description: The name of its release; empty where it has none.
      type: str
      sample: trixie
    ansible_distribution_version:
      description: Its version; empty where it has none.
      type: str
      sample: "13.1"
    ansible_hostname:
      description: Its name, as far as the first dot.
      type: str
      sample: web1
    ansible_kernel:
      description: As C(uname -r) has it.
      type: str
      sample: 6.12.48+deb13-amd64
    ansible_os_family:
      description: The family.
      type: str
      sample: Debian
    ansible_pkg_mgr:
      description: V(apt), V(apk) or V(unknown).
      type: str
    ansible_python_version:
      description: The version of the Python that runs there.
      type: str
      sample: 3.13.5
    ansible_service_mgr:
      description: V(systemd), V(openrc) or V(service).
      type: str
    ansible_virtualization_tech_guest:
      description: V(container) where it is one, whatever else it is.
      type: list
      elements: str
obstacles:
  description:
    - A sentence for each thing that stands in the way, with what to type.
    - A setting that has to do with it comes first.
  returned: success
  type: list
  elements: str
  sample: ["inception_https_port: port 443 (tcp) is taken by apache2; stop that, ..."]
deployed:
  description: Whether there is a stack of this collection for O(login).
  returned: success
  type: bool
runs:
  description: What runs of it, as far as the history of its deployments knows; empty where that is nothing.
  returned: success
  type: dict
  contains:
    number:
      description: The number of the deployment on this host.
      type: int
    version:
      description: Of its images. It is the same on each host with the same images.
      type: str
      sample: 4f1c2d3e
backed_up:
  description: Whether it makes backups of a stack by itself.
  returned: success
  type: bool
own:
  description:
    - Of a host that is to be a node of a cluster, the stack of its own that the cluster takes over, and nothing where
      there is none.
    - How far that is, C(phase) says; empty where it has not begun, or where all of the host's own runs again, and else
      V(ending) or V(ended) (M(fortytwo.inception.from_one)).
  returned: success
  type: dict
  sample: {phase: ""}
decided:
  description: What the stack that is deployed here stays with, unless a setting says another.
  returned: success
  type: dict
  contains:
    release:
      description: >-
        The C(family) and the C(name) of the release that its images are built on; empty where it is not known.
      type: dict
      sample: {family: debian, name: bookworm}
    packages:
      description: >-
        By the name of a service, what stands for the versions of the packages that this host has given its image by
        itself; for the option O(fortytwo.inception.stack_services#module:packages).
      type: dict
      sample: {nginx: 0123456789ab}
foreign:
  description: What others have under the name of the compose project, and under the paths that a stack uses.
  returned: success
  type: list
  elements: str
  sample: [container inception-web-1, volume inception_mariadb, /usr/local/sbin/inception]
ssh_port:
  description: The port at which the connection of this task came in; null where it came in by another way than ssh.
  returned: success
  type: int
firewall:
  description: Whether the firewall is in the kernel; null where none is wanted.
  returned: success
  type: bool
engine:
  description: Docker's engine; null where none runs.
  returned: success
  type: dict
  contains:
    version:
      description: Its version.
      type: str
    root:
      description: The folder where it keeps images and containers.
      type: str
    flags:
      description: The keys of its settings that its service gives as flags.
      type: list
      elements: str
    settings_pending:
      description: Whether M(fortytwo.inception.engine_settings) would change something.
      type: bool
    settings_skipped:
      description: Keys of O(docker_settings) that would be left alone, and why.
      type: dict
    containers:
      description: How many containers there are.
      type: int
    others:
      description: The names of the containers that are not this project's.
      type: list
      elements: str
    projects:
      description: The names of all compose projects.
      type: list
      elements: str
"""

import urllib.request
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _facts, _host_look

ASK_TIMEOUT = 20


def asked(given: dict[str, Any]) -> _host_look.Asked:
    """The options of the module, as the look takes them."""
    names = "login domain project project_dir data_dir base_image packages docker_source firewall open_ports ssh_port"
    names += " trusted_interfaces memory_mb node"
    stack = {name: given["stack"].get(name, []) for name in ("names", "ports", "volumes", "shared", "networks")}
    settings = _engine.Wanted(
        given["docker_settings"], frozenset(given["docker_settings_own"]), given["docker_may_restart"]
    )
    return _host_look.Asked(settings=settings, **stack, **{name: given[name] for name in names.split()})


def silent_mirror(address: str | None) -> str | None:
    """What to say of a mirror that does not answer."""
    try:
        if address:
            with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=ASK_TIMEOUT):
                pass
    except Exception as error:
        return (
            f"inception_debian_mirror: this host gets no answer from {address} ({error}); check its network and "
            "its name "
            "server, or name another mirror; for example: http://deb.debian.org/debian"
        )
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "login": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "project": {"type": "str", "required": True},
            "project_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path", "required": True},
            "base_image": {"type": "str", "default": ""},
            "stack": {"type": "dict", "default": {}},
            "packages": {"type": "dict", "default": {}},
            "docker_source": {"type": "str", "choices": ["distribution", "docker"], "default": "distribution"},
            "docker_settings": {"type": "dict", "default": {}},
            "docker_settings_own": {"type": "list", "elements": "str", "default": []},
            "docker_may_restart": {"type": "bool", "default": False},
            "firewall": {"type": "bool", "default": True},
            "open_ports": {"type": "list", "elements": "str", "default": []},
            "ssh_port": {"type": "int", "default": 22},
            "trusted_interfaces": {"type": "list", "elements": "str", "default": []},
            "facts": {"type": "bool", "default": False},
            "distributions": {"type": "dict", "default": {}},
            "architectures": {"type": "list", "elements": "str", "default": []},
            "pythons": {"type": "list", "elements": "str", "default": []},
            "memory_mb": {"type": "int", "default": 0},
            "mirror": {"type": "str"},
            "node": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    # What a program says is read: in one language.
    module.run_command_environ_update = {"LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    host = _host_look.Host(asked(module.params), lambda command: module.run_command(command, handle_exceptions=False))
    given = module.params
    facts = {"ansible_facts": host.facts} if given["facts"] else {}
    wants = (given["distributions"], given["architectures"], given["pythons"])
    if unfit := list(_facts.unfit(host.facts, *wants, module.ansible_version)):
        module.exit_json(changed=False, obstacles=unfit, **facts)
    try:
        obstacles = _host_look.obstacles(host)
        if not host.deployed and (silence := silent_mirror(given["mirror"])):
            obstacles.append(silence)
        result = _host_look.found(host)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(changed=False, obstacles=obstacles, **result, **facts)


if __name__ == "__main__":
    main()
