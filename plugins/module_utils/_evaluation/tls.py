# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as the evaluation speaks it: whoever signed the certificate. Private to this collection."""

from __future__ import annotations

import ssl


def unverified() -> ssl.SSLContext:
    """Self-signed is fine by the sheet: what is looked at is the site, and not who vouches for it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
