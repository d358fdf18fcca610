# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine: what it is, its name for the site, and where the data is."""

from __future__ import annotations

import http.server
import os
import re
import socket
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.verify.support import Settings, Stack

if os.environ.get("INCEPTION_VERIFY_VM") == "1":

    @pytest.mark.rule("VM-1")
    @pytest.mark.vm_core
    def test_machine_is_virtual(host: Any) -> None:
        """A hypervisor runs the machine, and not a container engine."""
        if host.exists("systemd-detect-virt"):
            assert host.run("systemd-detect-virt --container").rc != 0
            kind = host.run("systemd-detect-virt --vm")
            assert kind.rc == 0, kind.stdout
        else:
            assert "container=" not in host.check_output("cat /proc/1/environ")
            assert host.check_output("cat /sys/class/dmi/id/sys_vendor").strip() == "QEMU"

    @pytest.mark.vm_core
    def test_machine_reaches_nothing_private(host: Any) -> None:
        """Neither what listens on the control node nor its network; package mirrors it reaches."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            # Sends nothing: asks which address of the control node leads out.
            way.connect(("203.0.113.9", 9))
            own = way.getsockname()[0]
        with http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.BaseHTTPRequestHandler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = server.server_address[1]
            with pytest.raises(urllib.error.HTTPError, match="501"):
                urllib.request.urlopen(f"http://{own}:{port}/", timeout=10)
            for address in ("10.0.2.2", "10.0.2.100", own, "0.0.0.0", "192.168.255.7", "169.254.169.254"):
                assert not reaches(host, address, port), f"{address}:{port} is reached"
            server.shutdown()
        lists = host.run("cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apk/repositories").stdout
        [mirror, *_] = re.findall(r"(?m)^(?:URIs: |deb )?https?://([^/\s]+)", lists)
        assert reaches(host, mirror, 80), f"{mirror} is not reached"

    # QEMU accepts each connection: it is an answer that tells.
    ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as way:
    way.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    sys.exit(not way.recv(1))
"""

    def reaches(host: Any, address: str, port: int) -> bool:
        """Whether something answers there, from the machine itself."""
        return bool(host.run("python3 -c %s %s %s", ASK, address, str(port)).rc == 0)

    # A repository that says it has a newer kernel; it is only asked.
    NEWER = """
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
processor=$(apk --print-arch)
mkdir "$folder/$processor"
printf '%s\\n' C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA= P:linux-virt V:99.0-r0 "A:$processor" S:1 I:1 T:newer '' \\
  > "$folder/APKINDEX"
tar -czf "$folder/$processor/APKINDEX.tar.gz" -C "$folder" APKINDEX
apk policy --allow-untrusted --repository "$folder" linux-virt
apk upgrade --simulate --allow-untrusted --repository "$folder"
"""

    @pytest.mark.vm_core
    def test_updates_leave_the_kernel(stack: Stack) -> None:
        """QEMU starts the kernel that the machine was made with, so an update takes none of its modules away."""
        kernel = stack.host.check_output("uname -r")
        assert stack.host.file(f"/lib/modules/{kernel}/modules.dep").is_file
        if stack.host.exists("apk"):
            said = stack.root("sh -ec %s", NEWER)
            assert "  99.0-r0:" in said
        else:
            said = stack.root("apt-get -s dist-upgrade")
        assert not re.search(rf"(?m)^Remv linux-image-{re.escape(kernel)} | Upgrading linux-virt ", said), said

    @pytest.mark.vm_core
    def test_limits_are_enforced(stack: Stack, compose_config: dict[str, Any]) -> None:
        """A virtual machine has its own kernel, which really limits memory, processes and processor time."""
        for name, container in stack.containers().items():
            limits = compose_config["services"][name]["deploy"]["resources"]["limits"]
            assert container["HostConfig"]["Memory"] == int(limits["memory"])
            assert container["HostConfig"]["PidsLimit"] == int(limits["pids"])
            group = stack.root("sed 's/^0:://' /proc/%s/cgroup", str(container["State"]["Pid"])).strip()
            assert stack.root("cat %s", f"/sys/fs/cgroup{group}/memory.max").strip() == limits["memory"]
            assert stack.root("cat %s", f"/sys/fs/cgroup{group}/pids.max").strip() == str(limits["pids"])
            quota, period = stack.root("cat %s", f"/sys/fs/cgroup{group}/cpu.max").split()
            assert int(quota) == float(limits["cpus"]) * int(period)


@pytest.mark.rule("VM-2")
def test_domain_is_of_the_login(settings: Settings, project_files: dict[str, bytes]) -> None:
    """The domain is <login>.42.fr unless the inventory asks for another, and the project has it."""
    assert f"\nDOMAIN={settings.domain}\n".encode() in project_files["srcs/.env"]


@pytest.mark.rule("VM-2")
@pytest.mark.vm_core
def test_domain_resolves_to_the_machine(stack: Stack, settings: Settings) -> None:
    """/etc/hosts gives the domain an address of this machine."""
    lines = stack.root("cat /etc/hosts").splitlines()
    addresses = {line.split()[0] for line in lines if settings.domain in line.partition("#")[0].split()[1:]}
    assert addresses
    for address in addresses:
        local = stack.root("ip route get %s", address)
        assert local.startswith("local "), f"{address} is not the machine's own: {local}"


@pytest.mark.rule("VM-2")
@pytest.mark.vm_core
def test_site_answers_on_the_machine(stack: Stack, settings: Settings) -> None:
    """By its name, without a port, as a browser on the machine would open it."""
    status, text = stack.fetch(settings.url(settings.https_port) + "/")
    assert status == 200, text
    assert f'href="{settings.url(settings.https_port)}/' in text


@pytest.mark.rule("VM-3")
@pytest.mark.vm_core
def test_data_has_a_folder_per_volume(stack: Stack, settings: Settings, compose_config: dict[str, Any]) -> None:
    """/home/<login>/data has exactly the folders of the volumes, the login's own, with something in each."""
    folders = stack.entries(settings.data)
    assert sorted(folders) == sorted(compose_config["volumes"])
    for name in folders:
        folder = stack.host.file(f"{settings.data}/{name}")
        assert folder.is_directory
        assert folder.user == settings.login
        assert stack.entries(folder.path), f"{name} is empty"


def test_facts_are_those_of_ansible(host: Any) -> None:
    """What the look finds out for the roles is what Ansible's own module says, which takes longer."""
    about = "login=wil domain=wil.42.fr project=inception project_dir=/nowhere data_dir=/nowhere facts=true"
    found = host.ansible("fortytwo.inception.host_info", about, become=True)["ansible_facts"]
    known = host.ansible("ansible.builtin.setup", become=True)["ansible_facts"]
    major, guest = "ansible_distribution_version", "ansible_virtualization_tech_guest"
    assert found.pop(major).split(".")[0] == known[major].split(".")[0]
    assert ("container" in found.pop(guest)) == ("container" in known[guest])
    # Of a service manager the roles ask whether it is systemd; a release without a name has none here, and "NA" there.
    manager = "ansible_service_mgr"
    assert (found.pop(manager) == "systemd") == (known[manager] == "systemd")
    assert (found.pop("ansible_distribution_release") or "NA") == (known["ansible_distribution_release"] or "NA")
    assert found == {name: known[name] for name in found}
