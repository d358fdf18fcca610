# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles host and docker write on a machine, rendered by Ansible's own templar."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.fortytwo.inception.plugins.filter.port_ranges import port_ranges

ROLES = Path(__file__).resolve().parents[3] / "roles"


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def variables(role: str, family: str = "debian") -> dict[str, Any]:
    found: dict[str, Any] = {"ansible_managed": "Ansible managed"}
    for name in ("defaults/main.yml", "vars/main.yml", f"vars/{family}.yml"):
        found |= trusted(yaml.safe_load((ROLES / role / name).read_text()))
    return found


def render(text: str, given: dict[str, Any]) -> Any:
    return Templar(loader=DataLoader(), variables=given).template(trust_as_template(text))


def rules(**given: Any) -> list[str]:
    text = (ROLES / "host/templates/inception-firewall.nft.j2").read_text()
    told = {
        "__host_firewall_ports": {"tcp": [22, 443], "udp": []},
        "__host_firewall_published": {"tcp": [443], "udp": []},
        "inception_bonus_services": [],
        "inception_mail_host": "",
        "inception_mail_port": 587,
        "inception_proxy": "",
    }
    rendered = render(text, variables("host") | told | given)
    return [line.strip() for line in rendered.splitlines()]


def test_the_firewall_touches_no_table_of_others() -> None:
    assert not [line for line in rules() if "flush" in line]
    assert {line for line in rules() if line.startswith(("table", "delete"))} == {
        "table inet inception",
        "delete table inet inception",
        "table inet inception {",
    }


def test_the_firewall_looks_before_docker_redirects() -> None:
    assert "type filter hook prerouting priority dstnat - 10; policy accept;" in rules()


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ({"tcp": [443], "udp": []}, ["tcp dport { 443 } accept"]),
        ({"tcp": [22, 443], "udp": [53, 54]}, ["tcp dport { 22, 443 } accept", "udp dport { 53, 54 } accept"]),
    ],
)
def test_the_firewall_lets_in_the_ports_and_then_refuses(ports: dict[str, list[int]], expected: list[str]) -> None:
    lines = [text for text in rules(__host_firewall_ports=ports) if text]
    at = lines.index(expected[0])
    assert lines[at : at + len(expected) + 2] == [*expected, "jump refuse", "}"]


def test_the_firewall_keeps_the_users_of_the_machine_from_the_containers() -> None:
    """Before Docker redirects: what goes to a published port is still on its way to the machine itself then."""
    lines = rules(host_firewall_trusted_interfaces=["mine0"])
    output = lines[lines.index("chain output {") :]
    assert output[1] == "type filter hook output priority dstnat - 10; policy accept;"
    assert 'oifname "mine0" meta skuid != 0 jump refuse' in output[: output.index("}")]


def test_the_firewall_can_have_visitors_wait() -> None:
    """For the machine's own address only: what its containers ask others for goes out."""
    lines = rules(host_firewall_trusted_interfaces=["mine0"])
    for chain in ("chain prerouting {", "chain output {"):
        inside = lines[lines.index(chain) :]
        held = inside.index("fib daddr type local tcp dport @held drop")
        assert "ct state established,related accept" in inside[:held]
        assert not [line for line in inside[:held] if line.endswith("accept") and line.startswith(("iif", "tcp"))]


def test_the_firewall_trusts_the_interfaces_that_are_named() -> None:
    lines = rules(host_firewall_trusted_interfaces=["mine0"])
    assert 'iifname "mine0" accept' in lines
    assert 'fib daddr oifname "mine0" jump refuse' in lines
    assert not [line for line in lines if "docker0" in line]


def chain(lines: list[str], name: str) -> list[str]:
    inside = lines[lines.index(f"chain {name} {{") + 1 :]
    return inside[: inside.index("}")]


def test_the_firewall_closes_the_host_and_private_networks_to_our_containers() -> None:
    """Published ports alone, and not that of ssh; names are answered, and nothing else is before the refusal."""
    lines = rules()
    assert 'iifname "inc-*" goto containers' in chain(lines, "prerouting")
    inside = chain(lines, "containers")
    assert [line for line in inside if not line.startswith("#")] == [
        "meta l4proto { icmp, ipv6-icmp } accept",
        'fib daddr oifname "inc-*" accept',
        "fib daddr type local tcp dport { 443 } accept",
        'iifname != "inc-out*" jump refuse',
        "meta l4proto { tcp, udp } th dport 53 accept",
        "fib daddr type != unicast jump refuse",
        "ip daddr { 10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16 } jump refuse",
        "ip6 daddr { fc00::/7, fe80::/10 } jump refuse",
        "accept",
    ]


def test_the_firewall_lets_our_containers_reach_what_the_settings_name() -> None:
    """A network, and the relay where mails go out; a relay without the service is asked by nobody."""
    given = {"host_containers_reach": ["192.168.1.10", "fd00::/8"], "inception_mail_host": "smtp.example.org"}
    inside = chain(rules(**given, inception_bonus_services=["mail"]), "containers")
    for rule in ("ip daddr 192.168.1.10 accept", "ip6 daddr fd00::/8 accept", "tcp dport 587 accept"):
        assert rule in inside, rule
    assert "tcp dport 587 accept" not in chain(rules(**given), "containers")


def test_the_firewall_opens_the_ports_of_a_cluster_to_its_nodes_alone() -> None:
    """By the address of the one that asks; and not to what a container sends, which has its node's address."""
    given = {
        "host_peers": ["192.0.2.12", "192.0.2.11"],
        "__host_firewall_peer_ports": {"tcp": [2377], "udp": [7946]},
    }
    outside, inside = (chain(rules(**given), one) for one in ("prerouting", "containers"))
    for rule in ("tcp dport { 2377 } accept", "udp dport { 7946 } accept"):
        assert f"ip saddr {{ 192.0.2.11, 192.0.2.12 }} {rule}" in outside, rule
    refused = inside.index("ip daddr { 192.0.2.11, 192.0.2.12 } jump refuse")
    assert inside.index("ip daddr { 192.0.2.11, 192.0.2.12 } tcp dport { 443 } accept") < refused
    assert "192.0.2.11" not in rules()


def test_the_firewall_lets_a_protocol_in_from_nodes_alone() -> None:
    """Others that say who has the floating address are refused before what is open to everybody."""
    given = {
        "host_peers": ["192.0.2.12", "192.0.2.11"],
        "host_peer_protocols": ["vrrp"],
        "__host_firewall_peer_ports": {},
    }
    outside = chain(rules(**given), "prerouting")
    refused = outside.index("ip saddr != { 192.0.2.11, 192.0.2.12 } meta l4proto vrrp jump refuse")
    assert refused < next(at for at, line in enumerate(outside) if line.startswith("meta l4proto {") and "vrrp" in line)
    assert not [line for line in rules() if "meta l4proto vrrp" in line]


@pytest.mark.parametrize(
    ("proxy", "rule"),
    [
        ("http://10.0.0.7:3128", "ip daddr 10.0.0.7 tcp dport 3128 accept"),
        ("http://[fd00::7]:8080/", "ip6 daddr fd00::7 tcp dport 8080 accept"),
        ("http://proxy.example.org:3128", "tcp dport 3128 accept"),
    ],
)
def test_the_firewall_lets_our_containers_reach_the_proxy(proxy: str, rule: str) -> None:
    """Which lies in a private network as a rule, before those are refused."""
    inside = chain(rules(inception_proxy=proxy), "containers")
    assert inside.index(rule) < next(number for number, line in enumerate(inside) if "192.168.0.0/16" in line)


def ports(connection: str, **given: Any) -> dict[str, list[int | str]]:
    entries = render(
        "{{ __host_firewall_entries }}",
        variables("host")
        | {
            "__inception_stack": {"tcp_ports": [443, 3000], "udp_ports": [53]},
            "__host_ssh_connection": {"stdout": connection},
        }
        | trusted(given),
    )
    return port_ranges(entries)


@pytest.mark.parametrize(
    ("connection", "given", "tcp", "udp"),
    [
        ("", {}, [22, 443, 3000], [53]),
        ("\n", {}, [22, 443, 3000], [53]),
        ("10.0.2.2 53124 10.0.2.15 22\r\n", {}, [22, 443, 3000], [53]),
        ("10.0.2.2 53124 10.0.2.15 2222\n", {"host_open_ports": ["8080", 21]}, [21, 22, 443, 2222, 3000, 8080], [53]),
        ("", {"host_open_ports": ["442-444", "9000-9002/tcp"]}, [22, "442-444", 3000, "9000-9002"], [53]),
        ("fe80::1 53124 fe80::2 22", {"host_ssh_port": 2022}, [22, 443, 2022, 3000], [53]),
        ("", {"host_open_ports": ["5000/udp", "54/udp"]}, [22, 443, 3000], [53, 54, 5000]),
    ],
)
def test_the_ports_that_are_let_in(
    connection: str, given: dict[str, Any], tcp: list[int | str], udp: list[int | str]
) -> None:
    assert ports(connection, **given) == {"tcp": tcp, "udp": udp}


@pytest.mark.parametrize(
    ("distribution", "origin"),
    [
        ("Debian", "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"),
        ("Ubuntu", "origin=Ubuntu,archive=${distro_codename}-security,label=Ubuntu"),
    ],
)
def test_security_updates_come_from_the_security_archive_alone(distribution: str, origin: str) -> None:
    text = (ROLES / "host/templates/unattended-upgrades.conf.j2").read_text()
    rendered = render(text, variables("host") | {"ansible_facts": {"distribution": distribution}})
    assert [line.strip() for line in rendered.splitlines() if "origin=" in line] == [f'"{origin}";']


@pytest.mark.parametrize(
    ("there", "kept", "clock"),
    [
        (["/etc/cloud"], True, True),
        (["/usr/sbin/chronyd"], True, False),
        (["/usr/sbin/ntpd"], True, False),
        ([], False, False),
    ],
)
def test_the_clock_is_left_to_a_daemon_that_is_there(there: list[str], kept: bool, clock: bool) -> None:
    given = variables("host") | {"host_clock": kept, "__host_state": {"paths": there}}
    assert render("{{ __host_keeps_clock }}", given) is clock


@pytest.mark.parametrize("family", ["debian", "alpine"])
def test_each_distribution_knows_the_same_facts(family: str) -> None:
    for role in ("host", "docker"):
        known = {name for name in variables(role, family) if not name.endswith(("_by_distribution", "_origins"))}
        assert known == {
            name for name in variables(role, "debian") if not name.endswith(("_by_distribution", "_origins"))
        }


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [(None, []), ([{"Name": "buildx"}, {"Name": "compose"}], ["buildx", "compose"])],
)
def test_the_plugins_that_the_command_has(plugins: list[dict[str, str]] | None, expected: list[str]) -> None:
    said = json.dumps({"ClientInfo": {"Plugins": plugins}})
    given = variables("docker") | {"__docker_info": {"stdout": said}}
    assert render("{{ __docker_plugins }}", given) == expected


def first(**given: Any) -> str:
    """What the first task says to a shell."""
    (task,) = [
        task
        for task in yaml.safe_load((ROLES / "inception/tasks/bootstrap.yml").read_text())
        if "ansible.builtin.raw" in task
    ]
    # Ansible's raw warns of one, and leaves it out.
    assert "environment" not in task
    return str(render(task["ansible.builtin.raw"], {"__inception_proxy_values": {}} | given))


def test_the_first_python_comes_by_the_proxy() -> None:
    assert "export" not in first().partition("if command -v apk")[0]
    script = first(__inception_proxy_values={"http_proxy": "http://p:3128", "no_proxy": "localhost,it's"})
    before = script.partition("if command -v apk")[0].replace("\n", ";")
    said = subprocess.run(["sh", "-c", f'{before} echo "$http_proxy $no_proxy"'], check=True, capture_output=True)
    assert said.stdout.decode() == "http://p:3128 localhost,it's\n"
