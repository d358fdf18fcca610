# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_is_good
short_description: Whether a certificate is of some names, by an authority, and valid for some days more
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Judges what the filter P(community.crypto.x509_certificate_info#filter) tells of a certificate.
positional: names, authority, days, most
options:
  _input:
    description: What that filter returned.
    type: dict
    required: true
  names:
    description: The names that the certificate shall be for, all of them and no other.
    type: list
    elements: str
    required: true
  authority:
    description: The common name of who signed it.
    type: str
    required: true
  days:
    description: How many days more it shall be valid.
    type: int
    default: 30
  most:
    description: How many days it may be valid altogether; browsers advise a year.
    type: int
    default: 366
"""

EXAMPLES = r"""
- name: Make a new certificate when it is time
  ansible.builtin.include_tasks: sign.yml
  when: not certificate | fortytwo.inception.certificate_is_good(['wil.42.fr'], 'Inception of wil')
  vars:
    certificate: "{{ lookup('ansible.builtin.file', 'tls.crt') | community.crypto.x509_certificate_info }}"
"""

RETURN = r"""
_value:
  description: Whether it is.
  type: bool
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

FORM = "%Y%m%d%H%M%SZ"


def _now() -> datetime.datetime:
    return datetime.datetime.now(tz=datetime.UTC)


def _time(written: str) -> datetime.datetime:
    return datetime.datetime.strptime(written, FORM).replace(tzinfo=datetime.UTC)


def certificate_is_good(
    certificate: Mapping[str, Any], names: Sequence[str], authority: str, days: int = 30, most: int = 366
) -> bool:
    """Whether there is no reason to make another one. One that is not valid yet is no reason: clocks differ."""
    issuer = certificate.get("issuer") or {}
    begins, ends = _time(certificate["not_before"]), _time(certificate["not_after"])
    return (
        set(certificate.get("subject_alt_name") or []) == {f"DNS:{name}" for name in names}
        and issuer.get("commonName") == authority
        and ends > _now() + datetime.timedelta(days=int(days))
        and ends - begins <= datetime.timedelta(days=int(most))
    )


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_is_good": certificate_is_good}
