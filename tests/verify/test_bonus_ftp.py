# SPDX-License-Identifier: GPL-3.0-or-later
"""The bonus service ftp, by a client on the machine itself: a test machine publishes no other port than the site's."""

from __future__ import annotations

import json
import re
import secrets as random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.verify.strangers import ADDRESSES, MACHINE, THERE, outside
from tests.verify.support import Secret, Settings, Site, Stack, leaks, wait_until

UPLOADS = "wp-content/uploads"

# The password never leaves the machine. Whatever the server refuses is part of the answer.
_CLIENT = """
import ftplib, io, json, ssl, sys, time
folder, domain, port, user = sys.argv[1:5]
password = open(f"{folder}/secrets/ftp_password.txt").read()
trusted = ssl.create_default_context(cafile=f"{folder}/secrets/ca.crt")

def connect(client):
    client.connect(domain, int(port), timeout=120)
    return client

def signed_in():
    client = connect(ftplib.FTP_TLS(context=trusted))
    client.login(user, password)
    client.prot_p()
    return client

def tried(call, *arguments):
    try:
        return call(*arguments)
    except ftplib.Error as error:
        return str(error)

"""


class Client:
    """Runs an FTP session on the machine."""

    def __init__(self, stack: Stack, environment: dict[str, str]) -> None:
        self.stack = stack
        self.environment = environment

    def run(self, session: str) -> Any:
        """What the session leaves in `answer`."""
        settings = self.stack.settings
        arguments = (settings.project, settings.domain, self.environment["FTP_PORT"], self.environment["FTP_USER"])
        script = f"{_CLIENT}{session}\nprint(json.dumps(answer))\n"
        return json.loads(self.stack.root("python3 -c %s %s %s %s %s", script, *arguments))


@pytest.fixture(scope="module")
def ftp(stack: Stack) -> Client:
    """A client of the service, which is on."""
    variables = stack.containers()["ftp"]["Config"]["Env"]
    return Client(stack, dict(variable.split("=", 1) for variable in variables))


def php(stack: Stack, code: str) -> str:
    """What WordPress's PHP prints."""
    result = stack.execute("wordpress", "php", "-r", code)
    assert result.rc == 0, result.stderr
    return str(result.stdout)


@pytest.mark.rule("BON-2")
def test_a_file_is_put_then_served_then_deleted_by_wordpress(stack: Stack, site: Site, ftp: Client) -> None:
    """A file goes by FTPS, with the certificate verified, onto the site; WordPress then deletes it."""
    name, text = f"verify-{random.token_hex(8)}.txt", f"Text {random.token_hex(8)}."
    put = f"""
client = signed_in()
client.cwd("/{UPLOADS}")
answer = client.storbinary("STOR {name}", io.BytesIO({text.encode()!r}))
"""
    assert ftp.run(put).startswith("226")

    page = site.get(f"/{UPLOADS}/{name}")
    assert (page.status, page.text) == (200, text)

    assert php(stack, f'echo unlink("/var/www/html/{UPLOADS}/{name}") ? "gone" : "there";') == "gone"
    assert name not in ftp.run(f'client = signed_in()\nanswer = client.nlst("/{UPLOADS}")')
    assert site.get(f"/{UPLOADS}/{name}").status == 404


@pytest.mark.rule("BON-2")
def test_what_wordpress_writes_is_changed_and_deleted_by_ftp(stack: Stack, settings: Settings, ftp: Client) -> None:
    """The other way round, a folder too; both write as the login."""
    folder = f"{UPLOADS}/verify-{random.token_hex(8)}"
    php(
        stack,
        'require "/var/www/html/wp-load.php";'
        f'wp_mkdir_p(ABSPATH . "{folder}"); file_put_contents(ABSPATH . "{folder}/a.txt", "one");',
    )
    changed = f"""
client = signed_in()
client.cwd("/{folder}")
client.storbinary("APPE a.txt", io.BytesIO(b" two"))
client.storbinary("STOR b.txt", io.BytesIO(b"three"))
answer = sorted(client.nlst())
"""
    assert ftp.run(changed) == ["a.txt", "b.txt"]
    owners = stack.root("stat -c %s %s", "%U %a", f"{settings.data}/wordpress/{folder}/b.txt")
    assert owners.split() == [settings.login, "644"]
    assert php(stack, f'echo file_get_contents("/var/www/html/{folder}/a.txt");') == "one two"
    assert php(stack, f'echo file_put_contents("/var/www/html/{folder}/b.txt", "four");') == "4"

    removed = f"""
client = signed_in()
client.delete("/{folder}/a.txt")
client.delete("/{folder}/b.txt")
answer = client.rmd("/{folder}")
"""
    assert ftp.run(removed).startswith("250")


def test_the_pages_are_made_anew_after_a_change(site: Site, ftp: Client) -> None:
    """Of a theme's file, say; what a visitor gets after it is no copy of before."""
    name = f"verify-{random.token_hex(8)}.txt"
    for change in (f'storbinary("STOR /{UPLOADS}/{name}", io.BytesIO(b"one"))', f'delete("/{UPLOADS}/{name}")'):
        wait_until("the page is kept", lambda: site.get("/").headers["X-Page-Cache"] == "HIT")
        assert ftp.run(f"client = signed_in()\nanswer = client.{change}")[0] == "2"
        assert site.get("/").headers["X-Page-Cache"] == "MISS"
        # Once more, when no program of before runs any longer.
        wait_until("it is made again", lambda: site.get("/").headers["X-Page-Cache"] == "MISS")


@pytest.mark.rule("BON-2")
def test_nothing_is_said_without_tls(ftp: Client) -> None:
    """Neither a password nor a file goes over the network as plain text: the server refuses to hear of it."""
    plain = ftp.run(
        'client = connect(ftplib.FTP())\nanswer = [tried(client.sendcmd, "USER x"), tried(client.sendcmd, "PASS x")]'
    )
    assert [line.split()[0] for line in plain] == ["550", "550"]

    data = ftp.run("client = signed_in()\nclient.prot_c()\nanswer = tried(client.nlst)")
    assert data.startswith("550")
    assert "data channel" in data


@pytest.mark.rule("BON-2")
def test_a_client_may_begin_tls_before_its_command(ftp: Client) -> None:
    """As curl does: the data channel has TLS at once, in the session of the first one, and only then it asks."""
    session = """
import socket
client = signed_in()
data = socket.create_connection(client.makepasv(), timeout=120)
client.putcmd("NOOP")
with client.context.wrap_socket(data, server_hostname=domain, session=client.sock.session) as channel:
    client.getresp()
    client.putcmd("NLST /")
    began = client.getresp()
    answer = [began, channel.makefile().read().split(), client.getresp()]
"""
    began, names, ended = ftp.run(session)
    assert (began[:3], ended[:3]) == ("125", "226")
    assert "wp-config.php" in names


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_tls_is_not_old(ftp: Client, version: str) -> None:
    """It is the server that refuses TLS 1.0 and 1.1."""
    session = f"""
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(f"{{folder}}/secrets/ca.crt")
context.set_ciphers("DEFAULT:@SECLEVEL=0")
context.minimum_version = context.maximum_version = ssl.TLSVersion.{version}
client = connect(ftplib.FTP_TLS(context=context))
try:
    answer = client.auth()
except (ssl.SSLError, OSError) as error:
    answer = str(error)
"""
    assert re.search("protocol version|EOF|reset", ftp.run(session))


@pytest.mark.rule("BON-2")
def test_a_wrong_password_is_answered_late(ftp: Client) -> None:
    """Each wrong one takes twice as long as the last, up to a minute. The right one is not kept waiting."""
    session = """
answer = []
client = connect(ftplib.FTP_TLS(context=trusted))
for guess in (password[:-1], password + "x"):
    started = time.monotonic()
    refused = tried(client.login, user, guess)
    answer.append([refused.split()[0], time.monotonic() - started])
started = time.monotonic()
signed_in()
answer.append(["230", time.monotonic() - started])
answer.append([tried(connect(ftplib.FTP_TLS(context=trusted)).login, "somebody", password).split()[0], 0])
"""
    first, second, right, stranger = ftp.run(session)
    assert [first[0], second[0], right[0], stranger[0]] == ["530", "530", "230", "530"]
    assert first[1] >= 2
    # An earlier run of this test counts as well.
    assert second[1] >= min(first[1] * 1.8, 59)
    assert right[1] < first[1]


@pytest.mark.rule("BON-2")
def test_the_folder_is_all_there_is(stack: Stack, ftp: Client) -> None:
    """Neither a path nor a link leads out of the site's folder, to the secrets of the container for example."""
    link = f"{UPLOADS}/verify-{random.token_hex(8)}"
    php(stack, f'symlink("/run/secrets", "/var/www/html/{link}");')
    assert "ftp_password" in stack.execute("ftp", "ls", f"/var/www/html/{link}/").stdout
    session = f"""
client = signed_in()
answer = [
    client.nlst("/"),
    client.nlst("/../../.."),
    tried(client.cwd, "/{link}"),
    tried(client.nlst, "/{link}"),
    tried(client.retrbinary, "RETR /{link}/ftp_password", lambda chunk: None),
    tried(client.retrbinary, "RETR /../../../etc/passwd", lambda chunk: None),
    tried(client.retrbinary, "RETR ../../run/secrets/ftp_password", lambda chunk: None),
]
"""
    root, above, *refused = ftp.run(session)
    php(stack, f'unlink("/var/www/html/{link}");')
    assert {"wp-config.php", "wp-content"} <= {path.rsplit("/", 1)[-1] for path in root}
    assert [path.rsplit("/", 1)[-1] for path in above] == [path.rsplit("/", 1)[-1] for path in root]
    assert [line.split()[0] for line in refused] == ["550"] * len(refused)


@pytest.mark.rule("BON-2")
def test_transfers_use_the_ports_that_are_open(stack: Stack, ftp: Client) -> None:
    """PASV names the machine's address and a published port, EPSV such a port; the server never calls back."""
    session = """
client = signed_in()
lines = ("PASV", "EPSV", "PORT 127,0,0,1,200,200", "EPRT |1|127.0.0.1|51400|")
answer = [tried(client.sendcmd, line) for line in lines]
"""
    passive, extended, *active = ftp.run(session)
    first, last = (int(port) for port in ftp.environment["FTP_DATA_PORTS"].split("-"))
    told = re.search(r"\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)", passive)
    assert told, passive
    if re.fullmatch(r"[\d.]+", ftp.environment["FTP_DATA_ADDRESS"]):
        assert told[1].replace(",", ".") == ftp.environment["FTP_DATA_ADDRESS"]
    assert first <= int(told[2]) * 256 + int(told[3]) <= last
    told = re.search(r"\|\|\|(\d+)\|", extended)
    assert told, extended
    assert first <= int(told[1]) <= last
    assert [line.split()[0] for line in active] == ["500", "500"]

    published = {
        int(bound["HostPort"])
        for bindings in stack.containers()["ftp"]["HostConfig"]["PortBindings"].values()
        for bound in bindings
    }
    wanted = {int(ftp.environment["FTP_PORT"]), *range(first, last + 1)}
    assert published == wanted
    rules = stack.root("nft list table inet inception")
    let_in = next(line for line in rules.splitlines() if "tcp dport {" in line)
    # Ports in a row are a range.
    ranges = re.findall(r"(\d+)(?:-(\d+))?", let_in)
    opened = {port for first, last in ranges for port in range(int(first), int(last or first) + 1)}
    assert wanted <= opened, "the firewall lets them in"


def test_the_log_tells_of_logins_and_of_no_password(stack: Stack, ftp: Client, secrets: dict[str, Secret]) -> None:
    """Who logged in and what was put is in the container's log, a secret is not. The command status knows of it too."""
    name = f"verify-{random.token_hex(8)}.txt"
    session = f"""
client = signed_in()
answer = client.storbinary("STOR /{UPLOADS}/{name}", io.BytesIO(b"x"))
client.delete("/{UPLOADS}/{name}")
"""
    ftp.run(session)
    log = stack.root("docker logs %s 2>&1", stack.containers()["ftp"]["Id"])
    assert f"USER '{ftp.environment['FTP_USER']}' logged in." in log
    assert name in log
    assert "127.0.0.1:" not in log, "the health check fills the log"
    assert leaks(secrets, {"the log": log.encode()}) == []
    said = stack.execute("ftp", "status")
    assert re.match(r"last login \d{4}-\d\d-\d\d .*; [1-9]\d* logins and \d+ refused", said.stdout), said


def test_it_stops_at_once(stack: Stack, figure: Callable[[str], None]) -> None:
    """A stop is heard, not waited for until the server is killed, and it comes back."""
    started = time.monotonic()
    stack.compose("stop ftp")
    figure(f"ftp stops within {time.monotonic() - started:.1f} s")
    assert stack.containers()["ftp"]["State"]["ExitCode"] == 0
    stack.compose("start ftp")
    stack.wait_healthy()


_IDLE = """
import socket, sys
machine, port, each, *addresses = sys.argv[1:]
held = []
for address in addresses:
    for number in range(int(each)):
        held.append(socket.create_connection((machine, int(port)), timeout=60, source_address=(address, 0)))
        greeting = held[-1].recv(1000)
print(greeting.decode().strip())
"""


@pytest.mark.parametrize("addresses", [ADDRESSES[:1], ADDRESSES])
def test_idle_connections_lock_nobody_out(stack: Stack, ftp: Client, addresses: tuple[str, ...]) -> None:
    """More than one address, or all together, may have: the oldest that nobody has signed in through makes way."""
    with outside(stack):
        command = f"{THERE} python3 -c %s %s %s 15" + " %s" * len(addresses)
        assert stack.root(command, _IDLE, MACHINE, ftp.environment["FTP_PORT"], *addresses).startswith("220")


def test_no_cipher_in_cbc_mode(ftp: Client) -> None:
    """What NGINX does not offer, this one does not either."""
    session = """
old = ssl.create_default_context(cafile=f"{folder}/secrets/ca.crt")
old.maximum_version = ssl.TLSVersion.TLSv1_2
old.set_ciphers("ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0")
try:
    client = connect(ftplib.FTP_TLS(context=old))
    client.auth()
    answer = "spoken"
except ssl.SSLError as error:
    answer = error.reason
"""
    assert "HANDSHAKE_FAILURE" in ftp.run(session)
