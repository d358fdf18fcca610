# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fortytwo.inception contributors
"""A network of its own for a virtual machine: it reaches the world and nothing private. Private to this collection.

QEMU's user network is the control node's own: a guest reaches what listens on 127.0.0.1 there (as 10.0.2.2), and each
network that the control node is in. So QEMU runs in a network namespace, whose only way out is slirp4netns, and whose
routes to what is private lead nowhere. Needs no root: where somebody may make a user namespace, they own this one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import typing as t

# slirp4netns' network. It is the same as that of QEMU's user network within: who comes by a forwarded port of
# 127.0.0.1 has the address that they always had.
NETWORK, GATEWAY, RESOLVER, OWN = "10.0.2.0/24", "10.0.2.2", "10.0.2.3", "10.0.2.100"
TAP = "tap0"
# RFC 1918, shared, link-local and multicast addresses; what connects to 0.0.0.0 comes to the loopback interface.
PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("224.0.0.0/4", "240.0.0.0/4"),
)
# Forwarded ports inside of the namespace, one after the other: none is for root only.
FIRST_PORT = 10000
# Answers of forwarded ports find their way back by a table of their own, to visitors with private addresses as well.
TABLE = 42
# Files in the machine's folder.
ROUTES, RULES, NAMES, API, LOG = "network.routes", "network.rules", "resolv.conf", "network.sock", "network.log"
FILES = (ROUTES, RULES, NAMES, API, LOG)
# Seconds until the way out stands.
PATIENCE = 20.0
NEEDED = {
    "slirp4netns": "slirp4netns",
    "ip": "iproute2",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--")
# Says that the namespace is there, waits until it has its way out, and becomes QEMU, which may change nothing of it.
ENTER = f"""
echo there >"$1"
read -r go
for place in all {TAP}; do
    setting=/proc/sys/net/ipv4/conf/$place/rp_filter
    [ "$(cat "$setting")" = 0 ] || echo 0 >"$setting"
done
ip -batch {ROUTES}
ip -batch {RULES}
mount --bind {NAMES} /etc/resolv.conf
shift
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@" </dev/null
"""


class NetworkError(Exception):
    """Why there is no network of its own."""


@dataclasses.dataclass(frozen=True)
class Forward:
    """A port of the control node, and the one inside of the namespace that QEMU listens on for it."""

    protocol: str
    host_address: str
    host_port: int
    port: int


def forwards(ports: list[dict[str, t.Any]]) -> list[Forward]:
    return [
        Forward(port.get("protocol") or "tcp", port["host_address"], port["host_port"], FIRST_PORT + number)
        for number, port in enumerate(ports)
    ]


def obstacle(ports: list[dict[str, t.Any]]) -> str:
    """Why this control node cannot give a machine a network of its own; empty where it can."""
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if missing:
        return f"the package {missing[0]} is missing"
    six = next((port["host_address"] for port in ports if ":" in port["host_address"]), None)
    if six:
        return f"slirp4netns forwards no port of an IPv6 address ({six})"
    # Some systems let it be made and let nothing be done in it.
    script = "ip link set lo up; mount --bind /dev/null /etc/resolv.conf; setpriv --bounding-set=-all -- true"
    tried = subprocess.run([*UNSHARE, "sh", "-ec", script], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        words = tried.stderr.strip().splitlines() or [f"code {tried.returncode}"]
        return f"this user may make no network namespace ({words[-1]})"
    return ""


# --- What is reached -------------------------------------------------------------------------------------------------


URL = re.compile(r"://(?:[^@/]*@)?(\[[^]]*\]|[^:/?#]+)")
# Also one of restic's: sftp:user@host:/folder.
NAME = re.compile(r"(?:sftp:)?(?:[^@/]*@)?([^:/]+(?:/[0-9]+)?)")


def host_of(name: str) -> str:
    """The host in a URL; of what is none, the name, the address or the network itself."""
    found = URL.search(name) or NAME.match(name.strip())
    return found[1] if found else ""


def networks_of(name: str) -> list[str]:
    """The IPv4 addresses or the network that a name means now; none for one that nobody knows."""
    host = host_of(name)
    with contextlib.suppress(ValueError):
        return [str(ipaddress.IPv4Network(host, strict=False))]
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({f"{address[0]}/32" for *_unused, address in found})


def own_addresses() -> list[str]:
    """Those of the control node, public ones as well: what listens there is not for a stranger's machine."""
    done = subprocess.run(["ip", "-json", "-4", "address", "show"], capture_output=True, text=True, check=False)
    try:
        links = json.loads(done.stdout)
    except ValueError as error:
        raise NetworkError(f"ip told nothing of the control node's addresses: {done.stderr.strip()}") from error
    return sorted({one["local"] for link in links for one in link.get("addr_info", []) if "local" in one})


def is_private(network: str) -> bool:
    mine = ipaddress.ip_network(network)
    return any(mine.overlaps(ipaddress.ip_network(one)) for one in PRIVATE)


def routes(own: list[str], reached: list[str]) -> str:
    """For ip -batch: what leads nowhere, and the ways to what a setting names all the same."""
    allowed = {network for network in reached if is_private(network) or network.removesuffix("/32") in own}
    nowhere = [*PRIVATE, *(f"{one}/32" for one in own if not one.startswith("127."))]
    lines = [f"route add unreachable {one}" for one in dict.fromkeys(nowhere) if one not in allowed]
    lines += [f"route add {one} via {GATEWAY} dev {TAP}" for one in sorted(allowed)]
    return "".join(f"{line}\n" for line in lines)


def rules(ports: list[Forward]) -> str:
    """For ip -batch: what answers at a forwarded port goes back the way it came."""
    lines = [f"route add default via {GATEWAY} dev {TAP} table {TABLE}"]
    lines += [f"rule add ipproto {one.protocol} sport {one.port} lookup {TABLE}" for one in ports]
    return "".join(f"{line}\n" for line in lines)


# --- The processes ---------------------------------------------------------------------------------------------------


class Namespace:
    """QEMU in a namespace, and its way out, which ends with it."""

    def __init__(self, folder: str, ports: list[Forward], reached: list[str]) -> None:
        self.folder, self.ports = folder, ports
        content = {
            ROUTES: routes(own_addresses(), [network for name in reached for network in networks_of(name)]),
            RULES: rules(ports),
            NAMES: f"nameserver {RESOLVER}\n",
        }
        for name, text in content.items():
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)

    def launch(self, argv: list[str], **streams: t.Any) -> subprocess.Popen[bytes]:
        """The process, which becomes QEMU under the same number. It has its way out when this returns."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, API))
        with contextlib.ExitStack() as stack:
            said, say = stack.enter_context(pipe())
            # Whoever holds the one end of it keeps the way out: that is QEMU alone.
            ended, life = stack.enter_context(pipe())
            process = subprocess.Popen(
                [*UNSHARE, "sh", "-ec", ENTER, "sh", f"/proc/self/fd/{say.fileno()}", *argv],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                start_new_session=True,
                pass_fds=(say.fileno(), life.fileno()),
                **streams,
            )
            say.close()
            life.close()
            try:
                if not said.readline():
                    raise NetworkError(f"no network namespace was made (code {process.wait()})")
                self._lead_out(process.pid, ended.fileno())
                with t.cast("t.BinaryIO", process.stdin) as stdin:
                    stdin.write(b"go\n")
            except BaseException:
                process.kill()
                process.wait()
                raise
        return process

    def _lead_out(self, pid: int, ended: int) -> None:
        with pipe() as (ready, tell), open(os.path.join(self.folder, LOG), "wb") as log:
            way = subprocess.Popen(
                [
                    *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", f"--cidr={NETWORK}"),
                    *("--enable-sandbox", f"--exit-fd={ended}", f"--ready-fd={tell.fileno()}", f"--api-socket={API}"),
                    *(str(pid), TAP),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(ended, tell.fileno()),
            )
            tell.close()
            if ready.read(1) != b"1":
                raise NetworkError(f"slirp4netns did not start (code {way.wait()}):\n{self.log()}")
        # It goes on without this process.
        way.returncode = 0
        for port in self.ports:
            self._forward(port)

    def _forward(self, port: Forward) -> None:
        arguments = {
            "proto": port.protocol,
            "host_addr": port.host_address,
            "host_port": port.host_port,
            "guest_addr": OWN,
            "guest_port": port.port,
        }
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(PATIENCE)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                # Through the folder's handle: a socket's address holds 107 bytes, a path may be longer.
                api.connect(f"/proc/self/fd/{folder}/{API}")
            finally:
                os.close(folder)
            api.sendall(json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode())
            api.shutdown(socket.SHUT_WR)
            with api.makefile("rb") as answers:
                answer = json.loads(answers.read() or b"{}")
        if "return" not in answer:
            words = answer.get("error", {}).get("desc", "no answer")
            raise NetworkError(f"port {port.host_port} of {port.host_address} could not be forwarded: {words}")

    def log(self) -> str:
        with open(os.path.join(self.folder, LOG), encoding="utf-8", errors="replace") as file:
            return "\n".join(file.read().splitlines()[-5:])


@contextlib.contextmanager
def pipe() -> t.Iterator[tuple[t.BinaryIO, t.BinaryIO]]:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as out, os.fdopen(write, "wb") as into:
        yield out, into
