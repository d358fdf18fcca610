#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evaluate_report
short_description: Write the reports of evaluations
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Writes for each evaluated host a page that is one file (C(<host>.html)), the same as JSON (C(<host>.json), whose
    form is C(docs/evaluation.schema.json)) and as JUnit XML (C(<host>.xml)), and C(index.html) over all hosts.
  - Where the images are known, writes what they are made of as a bill of materials (C(<host>.cdx.json), CycloneDX 1.6).
  - Runs on the control node. What it is given comes from projects of others. Each text is made harmless and is bounded.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - A report is read, and not its difference.
  idempotent:
    support: full
  platform:
    support: full
options:
  path:
    description: The folder of the reports. It is made when it is missing; other files in it are left alone.
    type: path
    required: true
  templates:
    description: The folder of the templates, which role P(fortytwo.inception.evaluate#role) has.
    type: path
    required: true
  evaluations:
    description: One entry for each host.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Its name in the inventory.
        type: str
        required: true
      login:
        description: The evaluated login.
        type: str
        default: ""
      domain:
        description: The site's name.
        type: str
        default: ""
      project:
        description: The folder of the project.
        type: str
        default: ""
      depth:
        description: How far the evaluation went.
        type: str
        choices: [static, runtime]
        default: static
      sections:
        description: The sections that were asked for; none for all.
        type: list
        elements: str
        default: []
      sheet_version:
        description: The version of the sheet; V(3) leaves out the items that only the newest one has.
        type: int
        choices: [3, 5]
        default: 5
      started:
        description: When it began.
        type: str
        default: ""
      seconds:
        description: How long it took.
        type: float
        default: 0.0
      error:
        description: Why it went no further; empty where nothing stopped it.
        type: str
        default: ""
      static:
        description: What the files say of each item.
        type: list
        elements: dict
        default: []
      runtime:
        description: What the running stack shows of it. An item can be there several times; then the worst counts.
        type: list
        elements: dict
        default: []
      images:
        description: The images of the running stack, as M(fortytwo.inception.evaluate_stack) tells them.
        type: list
        elements: dict
        default: []
      screenshots:
        description: Pictures (PNG) on the control node, which become part of the page.
        type: list
        elements: dict
        default: []
        suboptions:
          item:
            description: The item that it belongs to.
            type: int
            required: true
          title:
            description: What it shows.
            type: str
            required: true
          path:
            description: Its file.
            type: path
            required: true
requirements:
  - Jinja2
"""

EXAMPLES = r"""
- name: Write the report of one host
  fortytwo.inception.evaluate_report:
    path: reports
    templates: "{{ role_path }}/templates"
    evaluations:
      - host: wil
        login: wil
        static: "{{ evaluate_read.results }}"
"""

RETURN = r"""
files:
  description: All files of the reports, sorted.
  returned: success
  type: list
  elements: str
  sample: [reports/index.html, reports/wil.cdx.json, reports/wil.html, reports/wil.json, reports/wil.xml]
table:
  description: The lines of a short table for the terminal.
  returned: success
  type: list
  elements: str
  sample: ["wil: Passed. Everything mandatory is right"]
hosts:
  description: For each host whether nothing failed (V(passed)) and the one line that says why.
  returned: success
  type: dict
  sample: {wil: {passed: true, headline: Everything mandatory is right}}
"""
