# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a site in the browser of whoever calls this, and says what that browser has to know first.

    open_site.py DOMAIN PORT ADDRESS CA

Nothing is opened that would only show an error: the name has to lead to the managed host, and somebody has to answer.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import webbrowser

SECONDS = 10


def addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def handshake(domain: str, port: int, authority: str | None) -> None:
    """As a browser begins, by the name that it has been given."""
    context = ssl.create_default_context(cafile=authority)
    with socket.create_connection((domain, port), timeout=SECONDS) as plain:
        context.wrap_socket(plain, server_hostname=domain).close()


def trust(domain: str, port: int, authority: str) -> str:
    """What the browser has to be told of the certificate; nothing where it is known already."""
    try:
        handshake(domain, port, None)
        return ""
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
    if not os.path.isfile(authority):
        return f"Its certificate is of no authority that is known here: {reason}"
    try:
        handshake(domain, port, authority)
    except ssl.SSLError as error:
        sys.exit(f"{domain}: its certificate is not of {authority}, its own authority, either; who answers? ({error})")
    return f"The browser warns until it trusts the site's own authority: import {authority} into it"


def main(domain: str, port: str, address: str, authority: str) -> list[str]:
    """What to say; ends with what is wrong, where the browser would show nothing."""
    url = f"https://{domain}{'' if port == '443' else f':{port}'}/"
    leads_to = addresses(domain)
    if not leads_to:
        sys.exit(
            f'{domain} is no name that this computer knows: add "{address} {domain}" to its /etc/hosts, or to your '
            "name server, then try again"
        )
    lines = [url]
    if not leads_to & addresses(address):
        lines.append(f"{domain} leads to {', '.join(sorted(leads_to))} here, and the managed host is {address}")
    try:
        lines.append(trust(domain, int(port), authority))
    except OSError as error:
        sys.exit("; ".join([f"{url} does not answer: {error}", *lines[1:]]))
    if not webbrowser.open(url):
        sys.exit(f"there is no browser on this computer; the address is {url}")
    return [line for line in lines if line]


if __name__ == "__main__":
    print("\n".join(main(*sys.argv[1:])))
