# SPDX-License-Identifier: GPL-3.0-or-later
"""A relay on the machine that catches one mail."""

from __future__ import annotations

import contextlib
import re
import secrets as random
from collections.abc import Iterator

from tests.verify.support import Stack, wait_until

PORT = 2525

# A relay for one mail, on the machine: STARTTLS, with a certificate of the machine's own authority, and the password of
# secrets/. It tells what it was told, and whether the password was right.
RELAY = """
import base64, json, os, socket, ssl, sys
address, port, folder, work = sys.argv[1:]
password = ""
if os.path.exists(folder + "/secrets/mail_password.txt"):
    password = open(folder + "/secrets/mail_password.txt").read()
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(work + "/relay.crt", work + "/relay.key")
server = socket.create_server((address, int(port)))
server.settimeout(600)
open(work + "/ready", "w").close()
connection, _ = server.accept()
connection.settimeout(60)
seen = {"tls": None, "user": None, "password": None, "from": None, "to": []}
lines = connection.makefile("rb")

def say(text):
    connection.sendall(text.encode() + b"\\r\\n")

say("220 relay ESMTP")
while True:
    line = lines.readline().decode().strip()
    word = line.split(" ")[0].upper()
    if word in ("EHLO", "HELO"):
        say("250-relay\\r\\n250-" + ("AUTH PLAIN" if seen["tls"] else "STARTTLS") + "\\r\\n250 8BITMIME")
    elif word == "STARTTLS":
        say("220 go ahead")
        connection = tls.wrap_socket(connection, server_side=True)
        lines = connection.makefile("rb")
        seen["tls"] = connection.version()
    elif word == "AUTH":
        _, seen["user"], given = base64.b64decode(line.split(" ")[2]).decode().split("\\0")
        seen["password"] = given == password
        say("235 welcome" if seen["password"] else "535 wrong")
    elif word == "MAIL":
        seen["from"] = line.split("<")[1].split(">")[0]
        say("250 ok")
    elif word == "RCPT":
        seen["to"].append(line.split("<")[1].split(">")[0])
        say("250 ok")
    elif word == "DATA":
        say("354 go ahead")
        data = []
        while (text := lines.readline()) != b".\\r\\n":
            data.append(text[1:] if text.startswith(b"..") else text)
        seen["data"] = b"".join(data).decode()
        say("250 taken")
        open(work + "/mail.new", "w").write(json.dumps(seen))
        os.rename(work + "/mail.new", work + "/mail.json")
    elif word == "QUIT":
        say("221 bye")
        break
    else:
        say("500 what?")
"""


@contextlib.contextmanager
def relay(stack: Stack, address: str, name: str | None = None) -> Iterator[str]:
    """A relay at an address of the machine, with a certificate for it or for a name; the folder of the mail."""
    work = stack.root("mktemp -d /tmp/verify-relay.XXXXXX").strip()
    certificate = f"""
        cd {work}
        openssl ecparam -name prime256v1 -genkey -noout -out relay.key
        openssl req -new -key relay.key -subj /CN=relay -out relay.csr
        printf 'subjectAltName={name or f"IP:{address}"}\\n' >relay.ext
        openssl x509 -req -in relay.csr -days 1 -extfile relay.ext -out relay.crt -set_serial 0x{random.token_hex(16)} \
            -CA {stack.settings.project}/secrets/ca.crt -CAkey {stack.settings.project}/secrets/ca.key
    """
    stack.root("sh -ec %s 2>&1", certificate)
    # The firewall knows the port of a relay that a deployment was told of, and none of a change by hand.
    opened = stack.root("nft --echo --handle insert rule inet inception containers tcp dport %s accept", str(PORT))
    start = "nohup timeout 900 python3 -c %s %s %s %s %s >%s 2>&1 </dev/null & echo $!"
    pid = stack.root(start, RELAY, address, str(PORT), stack.settings.project, work, f"{work}/log").strip()
    try:
        wait_until("the relay listens", lambda: stack.host.file(f"{work}/ready").exists, 60)
        yield work
    finally:
        stack.host.run("kill %s", pid)
        stack.root("nft delete rule inet inception containers handle %s", re.findall(r"# handle (\d+)", opened)[0])
        stack.root("rm -r %s", work)
