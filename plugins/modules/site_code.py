#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: site_code
short_description: Fetch a site's own themes and plugins, each as one commit
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Fetches themes and plugins from git repositories and folders of the control node, looks at them, and lays them out
    in a folder of its cache as they come into WordPress's image.
  - All of it happens on the control node, with the git, the keys and the credential helpers of whoever runs it;
    nobody is asked a question.
  - What begins with a dot is left out, and so is what a repository marks with C(export-ignore).
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    details:
      - It fetches into its cache all the same, to say what a deployment would find.
  diff_mode:
    support: none
    details:
      - What is fetched is compared where it is written, by M(fortytwo.inception.tree).
  idempotent:
    support: full
  platform:
    platforms: all
    support: full
options:
  code:
    description: The themes and plugins.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: What it is.
        type: str
        choices: [theme, plugin, mu-plugin]
        required: true
      name:
        description: The name of its folder in C(wp-content).
        type: str
        required: true
      git:
        description: The address of a git repository, without a password in it.
        type: str
      commit:
        description: The whole name of the commit, with O(code[].git).
        type: str
      subfolder:
        description: The folder of the repository that it is in, where that is not the repository itself.
        type: str
      folder:
        description: A folder on the control node, in place of O(code[].git).
        type: path
      active:
        description: Whether it is turned on, once.
        type: bool
        default: false
      replace:
        description: Whether it comes in the place of one of the same name that came by the dashboard.
        type: bool
        default: false
  cache_dir:
    description:
      - The folder on the control node that keeps what was fetched.
      - C(~/.cache/fortytwo.inception) when left out.
    type: path
notes:
  - A file has 8 MiB at most, all of them together have 32 MiB, and each item 5,000 files. A link leads to a file of the
    same item.
"""

EXAMPLES = r"""
- name: Fetch the theme
  fortytwo.inception.site_code:
    code:
      - kind: theme
        name: mine
        git: https://git.example.org/mine.git
        commit: 0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d
        active: true
  register: code
"""

RETURN = r"""
folder:
  description:
    - The folder on the control node with all of it, and with C(code.json), which lists it.
    - Empty for an empty list.
  returned: success
  type: str
  sample: /home/wil/.cache/fortytwo.inception/code/sets/0a1b2c3d0a1b2c3d
"""
