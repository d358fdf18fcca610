# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_known
short_description: What a certificate says of its names, its authority and its days
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - As P(community.crypto.x509_certificate_info#filter) says it, of which this has what a decision to renew needs.
    That one costs a deployment that changes nothing more than the decision itself.
options:
  _input:
    description: The certificate in PEM; of several the first.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show until when the site's certificate is valid
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'tls.crt') | fortytwo.inception.certificate_known).not_after }}"
"""

RETURN = r"""
_value:
  description:
    - V(subject_alt_name) has its names, each with its kind, and is null where it has none; V(issuer.commonName) is who
      signed it; V(not_before) and V(not_after) are as C(20261129120000Z).
  type: dict
"""

import datetime
from typing import Any

from ansible.errors import AnsibleFilterError

FORM = "%Y%m%d%H%M%SZ"


def certificate_known(text: str) -> dict[str, Any]:
    # Only where there is one to read.
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise AnsibleFilterError(f"this is no certificate in PEM: {error}") from error
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    issuer = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {
        "subject_alt_name": None if names is None else [_name(one) for one in names],
        "issuer": {"commonName": str(issuer[-1].value)} if issuer else {},
        "not_before": _time(certificate, "not_valid_before"),
        "not_after": _time(certificate, "not_valid_after"),
    }


def _name(name: Any) -> str:
    """With its kind."""
    from cryptography import x509

    kinds: dict[type, str] = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.RFC822Name: "email"}
    return f"{kinds.get(type(name), type(name).__name__)}:{name.value}"


def _time(certificate: Any, name: str) -> str:
    """Before cryptography 42 it has no zone, and is UTC's."""
    moment = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    if not isinstance(moment, datetime.datetime):
        raise AnsibleFilterError(f"{name} is no time")
    return moment.strftime(FORM)


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"certificate_known": certificate_known}
