#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack_services
short_description: Render the services of a stack and give their images tags
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Reads the C(service.yml) of each chosen service, checks it, renders the files of the service's folder, and works out
    what follows from the descriptions together.
  - All of it happens on the control node; the managed host is not touched.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - It changes nothing.
  idempotent:
    support: full
  platform:
    platforms: all
    support: full
options:
  bonus:
    description: The services besides the mandatory ones, by the names of their folders.
    type: list
    elements: str
    default: []
  directories:
    description: Folders with services of the user's own, beside the collection's.
    type: list
    elements: path
    default: []
  env:
    description:
      - The user's own values for the project's C(.env).
      - A value that is made from a setting, and one that no service has, is an error.
    type: dict
    default: {}
  base_digest:
    description: The digest of the base image, which is a part of each tag.
    type: str
    default: ""
  packages:
    description:
      - By the name of a service, what stands for the versions of the packages that a managed host has given its image
        by itself.
      - M(fortytwo.inception.host_info) returns it in RV(fortytwo.inception.host_info#module:decided).
    type: dict
    default: {}
notes:
  - Facts of a managed host do not belong into a build context, so that tags are known before one is reached.
seealso:
  - plugin: fortytwo.inception.stack_outline
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Render the services
  fortytwo.inception.stack_services:
    bonus: [redis, cache_viewer]
    directories: [/home/wil/services]
    base_digest: sha256:0123
  register: rendered

- name: Show the tags
  ansible.builtin.debug:
    var: rendered.tags
"""

RETURN = r"""
services:
  description:
    - The services in the order of the compose file, each complete, with C(name), C(context), C(content), C(tag),
      C(image), C(compose), C(networks), C(ports) and what its C(service.yml) says.
    - C(hot_reload) names the secrets that it learns while it runs, C(revision) those that make a new container.
  returned: success
  type: list
  elements: dict
files:
  description: The files of all build contexts, for the option O(fortytwo.inception.tree#module:files).
  returned: success
  type: list
  elements: dict
tags:
  description: The tag of each service's image.
  returned: success
  type: dict
  sample: {nginx: 0123456789ab}
names:
  description: The names of what was chosen, with what is no service of its own.
  returned: success
  type: list
  elements: str
ports:
  description: What is published, with C(service), C(protocol), C(first), C(last), C(forwarded) and C(setting).
  returned: success
  type: list
  elements: dict
secrets:
  description: The secrets of all services, with C(name), C(kind) and C(length).
  returned: success
  type: list
  elements: dict
mounts:
  description: The names in C(/run/secrets), and the files of C(secrets/) that they stand for.
  returned: success
  type: dict
volumes:
  description: The names of the volumes.
  returned: success
  type: list
  elements: str
networks:
  description: The networks with C(name), C(members), C(internal), C(way_in) and C(way_out).
  returned: success
  type: list
  elements: dict
"""
