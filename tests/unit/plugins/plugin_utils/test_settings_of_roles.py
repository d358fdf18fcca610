# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of one role: good values and bad ones, and the ports that virtual machines share."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings as settings
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_rules as rules
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_specs as specs

TODAY = datetime.date(2026, 11, 24)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBUZXN0 wil@home"

BAD: dict[str, list[tuple[Any, str]]] = {
    "base_image_reference": [
        ("debian", "an image with a tag"),
        ("", "an image"),
        (12, "an image"),
        ("Debian:12", "an image"),
        ("debian:", "tag"),
    ],
    "base_image_refresh": [("maybe", "neither true nor false"), ("", "neither"), (2, "neither"), (["yes"], "neither")],
    "base_image_registry_timeout": [
        ("10s", "whole number"),
        (0, "less than 1"),
        (True, "whole number"),
        (1.5, "whole"),
    ],
    "base_image_archive": [(1, "not text"), (["/a"], "not text")],
    "base_image_cache_dir": [
        ("cache", "absolute path"),
        ("", "absolute"),
        ("~/x", "absolute"),
        ("/a\nb", "line break"),
    ],
    "base_image_machine_dir": [("base", "absolute path"), (None, "absolute path")],
    "base_image_debian_security_mirror": [("deb.debian.org", "http://"), ("ftp://x/y", "http://"), ("", "http://")],
    "base_image_alpine_mirror": [("https://", "host name"), ("https://x/?a", "more than a host")],
    "control_node_programs": [
        ("zstd", "not a list"),
        (["zstd"], "not a dictionary"),
        ([{"path": "/usr/bin/zstd"}], "has no package"),
        ([{"path": "zstd", "package": "zstd"}], "absolute path"),
        ([{"path": "/usr/bin/zstd", "pakage": "zstd"}], "'pakage' is not one of its keys"),
    ],
    "cluster_managers": [(2, "an even number"), (-1, "is not 1, 3, 5 or 7"), ("three", "is not 1"), (9, "is not 1")],
    "cluster_address": [
        ("", "no address of IPv4"),
        ("one.example.org", "no address of IPv4"),
        ("fd00::1", "no address of IPv4"),
        ("127.0.0.1", "by which another node reaches it"),
        ("10.201.3.4", "is in cluster_networks"),
        (None, "no address"),
    ],
    "cluster_networks": [
        ("10.201.0.0", "from /12 to /22"),
        ("10.201.0.1/16", "no network"),
        ("8.0.0.0/16", "not private"),
        ("fd00::/64", "no network"),
        ("10.0.0.0/8", "from /12 to /22"),
    ],
    "cluster_encrypted": [("maybe", "neither")],
    "cluster_packages": [("new; ones", "is not words"), ([1], "is not words")],
    "cluster_virtual_address": [
        ("192.0.2.10", "does not say the bits"),
        ("192.0.2.0/24", "no address of a machine"),
        ("192.0.2.255/24", "no address of a machine"),
        ("192.0.2.10/32", "no address of a machine"),
        ("10.201.3.4/16", "is in cluster_networks"),
        ("fd00::1/64", "no address of IPv4"),
        ("127.0.0.2/8", "by which a visitor"),
        ("one", "no address of IPv4"),
    ],
    "cluster_availability": [("off", "is not one of"), ("", "is not one of")],
    "cluster_copies": [
        (3, "not a table"),
        (["wordpress"], "not a table"),
        ({"wordpress": 0}, "from 1 to 1000"),
        ({"wordpress": "all"}, "from 1 to 1000"),
        ({"Word press": 2}, "not the name of a service"),
    ],
    "cluster_database": [("two", "is not one of"), ("", "is not one of")],
    "cluster_database_without": [("mariadb-3", "is not a list"), (["three"], "is no member of the database")],
    "cluster_data_node": [("one two", "the name of a host"), (1, "the name of a host")],
    "cluster_without_backup": [("maybe", "neither")],
    "cluster_patience": [("10m", "whole number"), (3, "less than 30")],
    "cluster_timeout": [("10m", "whole number"), (0, "less than 1")],
    "host_peers": [("192.0.2.1", "not a list"), (["one"], "no address of IPv4"), (["fd00::1"], "no address of IPv4")],
    "host_peer_protocols": [("vrrp", "not a list"), (["tcp"], "is not one of"), ([112], "is not one of")],
    "host_peer_ports": [(2377, "not a list"), (["http"], "port"), ([70000], "65535")],
    "docker_daemon_settings": [
        ("local", "dictionary"),
        ([], "dictionary"),
        ({"log_driver": 1}, "no key"),
        ({1: 2}, "no key"),
    ],
    "docker_may_restart": [("perhaps", "neither")],
    "docker_repository_key": [
        ("0EBFCD88", "fingerprint"),
        ("0x8D81803C0EBFCD88", "fingerprint"),
        ("9DC858229FC7DD38854AE2D88D81803C0EBFCD8G", "fingerprint"),
        (42, "fingerprint"),
        (None, "fingerprint"),
    ],
    "docker_repository_url": [("download.docker.com", "http://"), (None, "http://")],
    "host_authorized_keys": [
        (KEY, "not a list"),
        (["~/.ssh/id_ed25519.pub"], "no public key"),
        (["-----BEGIN OPENSSH PRIVATE KEY-----\nx"], "private key"),
        ([""], "no public key"),
        ([42], "no public key"),
        (["ssh-ed25519"], "no public key"),
    ],
    "host_clock": [("sometimes", "neither"), (None, "neither")],
    "host_firewall": [("off!", "neither"), ("enabled", "neither"), ("y", "neither")],
    "host_firewall_trusted_interfaces": [
        ("docker0", "not a list"),
        (["eth0; drop"], "an interface"),
        (["a" * 16], "an interface"),
        (["br-*x"], "an interface"),
        ([0], "an interface"),
    ],
    "host_containers_reach": [
        ("192.168.1.10", "not a list"),
        (["proxy.lan"], "neither an address nor a network"),
        (["192.168.1.10/24"], "neither an address nor a network"),
        (["10.1.0.0/33"], "neither an address nor a network"),
        ([None], "neither an address nor a network"),
    ],
    "host_open_ports": [
        (8080, "not a list"),
        ("8080", "not a list"),
        ([0], "less than 1"),
        ([70000], "more than 65535"),
        (["http"], "no port such as"),
        (["8010-8000"], "ends before it begins"),
        (["80/icmp"], "no port such as"),
        (["80/UDP"], "no port such as"),
        ([True], "no port such as"),
        ([{"port": 80}], "no port such as"),
    ],
    "host_security_updates": [("daily", "neither")],
    "host_reboot_at": [("24:00", "is not a time of the day"), (430, "is not a time"), ("4:30", "is not a time")],
    "host_ssh_port": [(0, "less than 1"), ("ssh", "whole number"), (65536, "more than 65535")],
    "stack_env": [
        ("A=1", "dictionary"),
        (["A"], "dictionary"),
        ({"mariadb_port": 1}, "capital letters"),
        ({"A": True}, "neither a number nor"),
        ({"A": [1]}, "neither a number nor"),
        ({"A": "x\ny"}, "neither a number nor"),
    ],
    "stack_unused_data": [("delete", "not one of keep, remove"), (True, "not one of"), ("", "not one of")],
    "stack_backup_before": [("daily", "neither")],
    "stack_health": [("daily", "neither")],
    "stack_health_mail": [
        ("wil", "no '@'"),
        (["wil@example.org"], "not text"),
        ("wil@example.org\nBcc: x@y.fr", "no valid"),
    ],
    "stack_health_webhook": [
        ("http://hooks.example.org/x", "begins with https://"),
        ("hooks.example.org/x", "begins with https://"),
        ("https://wil:x@hooks.example.org/x", "has a user in it"),
        ("https:///x", "no address of a host"),
        ("https://hooks.example.org/a b", "no address of a host"),
        (5, "begins with https://"),
    ],
    "stack_page_cache": [("on off", "neither"), ("disabled", "neither"), ({}, "neither")],
    "stack_upload_size": [("64", "a size in megabytes"), ("1G", "a size"), (64, "a size"), ("0M", "a size")],
    "stack_xmlrpc": [("maybe", "neither")],
    "stack_shared_addresses": [
        ("10.0.2.2", "not a list"),
        (["gateway"], "neither an address nor a network"),
        (["10.0.2.2/8"], "neither an address nor a network"),
        (["10.0.0.0/8 1; }"], "neither an address nor a network"),
    ],
    "stack_start_timeout": [("1h", "whole number"), (0, "less than 1"), (100000, "more than 86400"), (-5, "less than")],
    "stack_start_patience": [(0, "less than 1"), ("long", "whole number"), (100000, "more than 86400")],
    "stack_rotate_timeout": [("", "whole number"), (None, "whole number")],
    "stack_tls_certificate": [(5, "not text")],
    "stack_tls_key": [([], "not text")],
    "stack_wordpress_archive_url": [("wordpress.tar.gz", "http://")],
    "stack_wordpress_archive_sha1": [
        ("abc", "40 hexadecimal"),
        ("G" * 40, "40"),
        ("A" * 40, "small letters"),
        (1, "40"),
        ("", "the archive has no checksum"),
    ],
    "stack_wordpress_archive_sha256": [("a" * 40, "64 hexadecimal"), (None, "64")],
    "stack_wp_cli_url": [("/wp-cli.phar", "http://")],
    "stack_wp_cli_sha512": [("a" * 64, "128 hexadecimal")],
    "stack_adminer_url": [(None, "http://")],
    "stack_adminer_sha256": [("sha256:" + "a" * 64, "64 hexadecimal")],
    "stack_static_dir": [(False, "not text")],
    "stack_ca_destination": [("ca.crt", "absolute path"), ("", "absolute path")],
    "stack_rotate_secrets": [
        ({}, "list of names"),
        (["db password"], "no name of a secret"),
        ("DB", "no name"),
        (5, "list"),
    ],
    "vm_name": [
        ("wil.42", "without a dot"),
        ("Wil", "host name"),
        ("", "host name"),
        ("a_b", "host name"),
        (1, "host name"),
    ],
    "vm_state_dir": [("vm", "absolute path"), (1, "absolute path")],
    "vm_cache_dir": [("~/cache", "absolute path")],
    "vm_forwarded_ports": [
        ("8443:443", "list of dictionaries"),
        ([8443], "list of dictionaries"),
        ([{"host_port": 8443}], "guest_port: None is not a whole number"),
        ([{"host_port": 0, "guest_port": 1}], "host_port: 0 is less than 1"),
        ([{"hostport": 1, "host_port": 1, "guest_port": 1}], "'hostport' is not one of its keys"),
    ],
    "vm_accelerator": [("hvf", "not one of auto, kvm, tcg"), (True, "not one of")],
    "vm_isolation": [("yes", "not one of auto, required, none"), (True, "not one of")],
    "vm_reachable": [("10.1.2.3", "not a list"), (["two words"], "a network or a URL"), (["-x"], "a network or a URL")],
    "vm_timeout": [("long", "whole number"), (0, "less than 1")],
    "vm_release": [("13", "codename"), ("Trixie", "codename"), (13, "codename")],
    "vm_debian_mirror": [("deb.debian.org", "http://")],
    "vm_debian_security_mirror": [("none", "http://")],
    "vm_alpine_release": [("edge", "release of Alpine"), ("3.23.1", "release of Alpine"), (3.2, "release of Alpine")],
    "vm_alpine_mirror": [("dl-cdn.alpinelinux.org", "http://")],
    "vm_alpine_packages": [("curl", "not a list"), (["curl git"], "name of a package")],
    "vm_packages": [("curl", "not a list"), (["curl git"], "name of a package"), (["Curl"], "name of a package")],
    "vm_prepared_packages": [("nftables", "not a list"), (["nft tables"], "name of a package")],
    "vm_cloud_image_url": [("debian.qcow2", "http://")],
    "vm_cloud_image_checksum": [
        ("", "sha256:"),
        ("a" * 128, "sha256:"),
        ("md5:abc", "sha256:"),
        ("sha256:abc", "sha256:"),
    ],
    "vm_cloud_image_timeout": [(0, "less than 1"), ("x", "whole number")],
    "evaluate_login": [("Wil", "a login"), ("", "a login"), ("a b", "a login"), (42, "a login")],
    "evaluate_domain": [("https://wil.42.fr", "scheme"), ("wil", "no dot"), (1, "not text")],
    "evaluate_project": [("inception", "absolute path"), ("", "absolute path")],
    "evaluate_source": [("/nowhere/at/all", "neither the address"), ("--upload-pack=x", "hyphen"), (1, "line of text")],
    "evaluate_date": [("yesterday", "is not a day"), ("2026-13-01", "is not a day")],
    "evaluate_version": [("", "a branch"), ("-x", "a branch"), ("a b", "a branch"), (1.0, "a branch")],
    "evaluate_sections": [("docker", "not a list"), (["dokcer"], "'dokcer' is not one of preliminaries, ")],
    "evaluate_report_dir": [("", "path of a folder"), (1, "path of a folder"), ("a\nb", "path of a folder")],
    "evaluate_clean_out": [("sure", "neither")],
    "evaluate_reboot": [("2", "neither")],
    "evaluate_make_timeout": [(0, "less than 1"), ("1h", "whole number")],
    "evaluate_address": [("", "neither an IPv4"), ("a b", "neither an IPv4"), (1, "not text")],
    "evaluate_https_port": [(0, "less than 1"), ("https", "whole number"), (70000, "more than 65535")],
    "evaluate_admin_password_file": [("admin.txt", "absolute path")],
    "evaluate_user_password_file": [("", "absolute path")],
    "evaluate_ftp_user": [(1, "not text")],
    "evaluate_ftp_password_file": [("x", "absolute path")],
}

# Their choices are the argument spec's; what is tested here is that others are refused.
BY_CHOICE = {"evaluate_depth", "evaluate_sheet_version", "evaluate_newest"}

GOOD: dict[str, list[Any]] = {
    "base_image_reference": ["debian:bookworm", "localhost:5000/base/debian:12", "alpine:3.23"],
    "base_image_refresh": [True, "true", "no", 0],
    "base_image_registry_timeout": [1, "30"],
    "docker_repository_key": [
        "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
        "9dc8 5822 9fc7 dd38 854a  e2d8 8d81 803c 0ebf cd88",
    ],
    "docker_daemon_settings": [{}, {"log-opts": {"max-size": "5m"}, "debug": True}],
    "host_authorized_keys": [
        [],
        [KEY],
        [f'restrict,command="a b" {KEY}'],
        ["sk-ssh-ed25519@openssh.com AAAAGnNr x", "ecdsa-sha2-nistp256 AAAAE2Vj"],
        ["https://example.org/wil.keys"],
    ],
    "host_containers_reach": [[], ["192.168.1.10", "10.1.0.0/16", "fd00::/8"]],
    "host_firewall": ["false", "off", 0, True],
    "host_firewall_trusted_interfaces": [["docker0", "br-*", "wg0", "eth0.100"], []],
    "host_open_ports": [[8080, "9000", "51820/udp", "60000-61000/udp", "80/tcp"], []],
    "host_reboot_at": ["04:30", "23:59", ""],
    "host_ssh_port": [2222, "22"],
    "stack_env": [{}, {"MARIADB_PORT": 3307, "PHP_FPM_PORT": "9001", "A_B": ""}],
    "stack_unused_data": ["remove"],
    "stack_backup_before": ["false", True],
    "stack_health": ["false", True],
    "stack_health_mail": [""],
    "stack_health_webhook": ["", "https://chat.example.org:8443/hooks/T0/B0?key=x", "https://[::1]/x"],
    "stack_page_cache": ["true", "False", False],
    "stack_upload_size": ["8M", "2048M"],
    "stack_xmlrpc": ["yes"],
    "stack_shared_addresses": [[], ["10.0.2.2", "172.16.0.0/12", "2001:db8::/32"]],
    "stack_start_timeout": ["7200", 60],
    "stack_rotate_secrets": [[], "db_password,wp_salt", "db_password, wp_salt", ["db_password"], ""],
    "vm_forwarded_ports": [
        [{"host_port": "8443", "guest_port": 443, "host_address": "0.0.0.0"}],
        # As the role vm makes them of what the services name
        [{"host_port": 2121, "guest_port": 21, "protocol": "tcp", "setting": "inception_vm_ftp_port"}],
        [],
    ],
    "vm_debian_security_mirror": [""],
    "vm_alpine_release": ["3.24"],
    "vm_alpine_packages": [["openrc", "openssh"]],
    "vm_packages": [["curl", "g++", "libstdc++6"]],
    "vm_reachable": [[], ["git.example.org", "192.168.1.10", "10.1.0.0/16", "http://mirror.example.org:3142/debian"]],
    "vm_prepared_packages": [[], ["docker.io"]],
    "vm_cloud_image_checksum": ["sha256:" + "0" * 64, "sha512:https://example.org/SHA512SUMS"],
    "evaluate_source": ["", "https://example.org/x.git", "git@example.org:wil/x.git", "/tmp", "file:///srv/x.git"],
    "evaluate_date": ["", "2026-11-24", "2024-02-29"],
    "evaluate_version": ["HEAD", "main", "feature/x", "v1.0", "0a1b2c3"],
    "evaluate_sections": [[], ["docker", "nginx"]],
    "evaluate_clean_out": ["yes", False],
}


# What a setting needs beside it.
NEEDED = {"inception_mail_host": "smtp.example.org"}


def problems(values: dict[str, Any]) -> list[str]:
    everything = {"inception_login": "wil", "inception_https_port": 443, **NEEDED, **values}
    return settings.problems(settings.Variables(everything, everything), TODAY, ["inception_login"])


@pytest.mark.parametrize(("name", "value", "said"), [(name, v, said) for name, bad in BAD.items() for v, said in bad])
def test_bad_values(name: str, value: Any, said: str) -> None:
    if name not in specs.options():
        pytest.skip(f"{name} is another name here")
    (problem,) = problems({name: value})
    assert problem.startswith(f"{name}: ")
    assert said in problem
    assert "; for example: " in problem
    assert "\n" not in problem


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, good in GOOD.items() for value in good])
def test_good_values(name: str, value: Any) -> None:
    assert problems({name: value}) == []


OF_ROLES = sorted(name for name in specs.options() if not name.startswith("inception_"))


@pytest.mark.parametrize("name", OF_ROLES)
def test_the_default_and_the_example_are_good(name: str) -> None:
    option = specs.options()[name]
    example = settings.example(name, {"inception_login": "wil"})
    assert problems({name: yaml.safe_load(example)}) == []
    if option.default is not None and not specs.is_computed(option):
        assert problems({name: option.default}) == []


def test_every_rule_is_tested() -> None:
    """What has none is checked by its argument spec."""
    ruled = {rule.setting for rule in rules.RULES if not rule.setting.startswith("inception_")}
    assert ruled <= set(BAD)


@pytest.mark.parametrize("name", sorted(BY_CHOICE & set(OF_ROLES)))
def test_a_choice(name: str) -> None:
    (problem,) = problems({name: "nonsense"})
    assert problem.startswith(f"{name}: 'nonsense' is n")


def test_a_number_to_choose_may_be_a_text() -> None:
    """As from the command line."""
    option = specs.Option("x", "y", "int", choices=(5, 3))
    assert [list(specs.check(option, value, {})) for value in (5, "3")] == [[], []]
    assert list(specs.check(option, 4, {})) == ["4 is not one of 5, 3"]


def test_the_site_is_not_at_the_port_of_ssh() -> None:
    (problem,) = problems({"inception_https_port": 2222, "host_ssh_port": "2222"})
    assert problem.startswith("inception_https_port: 2222 is the same port as host_ssh_port")


def test_an_old_value(monkeypatch: pytest.MonkeyPatch) -> None:
    old = specs.Option("evaluate_depth", "evaluate", choices=("static", "runtime"))
    monkeypatch.setitem(specs.options(), "evaluate_depth", old)
    assert problems({"evaluate_depth": "full"}) == [
        "evaluate_depth: 'full' is called runtime now; for example: static",
    ]


# Files of the control node


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in {
        "cert.pem": "-----BEGIN CERTIFICATE-----\nx\n",
        "key.pem": "-----BEGIN EC PRIVATE KEY-----\ngeheim\n",
        "vault.pem": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "index.html": "<p>",
        "empty": "",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("settings_of_mail", "said"),
    [
        ({"inception_mail_host": ""}, "without a relay: inception_mail_host is not set"),
        ({"inception_mail_host": "smtp.example.org", "inception_mail_user": "wil"}, "the relay's password"),
        ({"inception_mail_host": "smtp.example.org"}, None),
    ],
)
def test_a_mail_wants_a_relay(settings_of_mail: dict[str, Any], said: str | None) -> None:
    found = problems({"stack_health_mail": "wil@example.org", **settings_of_mail})
    assert [said in line for line in found if said] == ([True] if said else [])


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("cert.pem", "key.pem", []),
        ("cert.pem", "vault.pem", []),
        ("key.pem", "cert.pem", ["holds no certificate", "holds no private key"]),
        ("nothing.pem", "key.pem", ["is no file on the control node"]),
        (".", "empty", ["is no file", "holds no private key"]),
    ],
)
def test_provided_certificates(files: Path, certificate: str, key: str, said: list[str]) -> None:
    given = {"stack_tls_certificate": str(files / certificate), "stack_tls_key": str(files / key)}
    found = problems({"inception_tls": "provided", **given})
    assert len(found) == len(said)
    assert all(part in line for line, part in zip(found, said, strict=True))
    assert "geheim" not in " ".join(found)
    assert problems({"inception_tls": "local_ca", **given}) == []


def test_what_another_setting_asks_for_is_missing(files: Path) -> None:
    """A file that is wanted has to be named, though its default is none."""
    found = problems({"inception_tls": "provided", "inception_base_source": "archive"})
    assert [line.split(":")[0] for line in found] == ["base_image_archive", "stack_tls_certificate", "stack_tls_key"]
    assert all("is missing, and inception_" in line for line in found)
    assert problems({"inception_base_source": "archive", "base_image_archive": str(files / "empty")}) == []


def test_the_static_site(files: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    chosen = {"inception_bonus_services": ["static"]}
    assert problems({**chosen, "stack_static_dir": str(files)}) == []
    assert problems({**chosen, "stack_static_dir": ""}) == []
    (problem,) = problems({**chosen, "stack_static_dir": str(tmp_path_factory.mktemp("other"))})
    assert "has no index.html" in problem
    assert problems({"stack_static_dir": "/nowhere"}) == []


# Virtual machines side by side

HTTPS = {"host_port": 8443, "guest_port": 443, "setting": "inception_vm_https_port"}
MORE = [
    {"host_port": port, "guest_port": port, "setting": "inception_ftp_passive_ports"} for port in range(21000, 21003)
]


@pytest.mark.parametrize(
    ("values", "forwarded", "expected"),
    [
        ({}, [], {2222: "inception_vm_ssh_port"}),
        ({"inception_vm_ssh_port": "2223"}, [HTTPS], {2223: "inception_vm_ssh_port", 8443: "inception_vm_https_port"}),
        ({"inception_vm_ssh_port": "bad"}, [], {}),
        ({"vm_forwarded_ports": [{"host_port": "80", "guest_port": 80}]}, [HTTPS], {80: "vm_forwarded_ports"}),
        ({"vm_forwarded_ports": [HTTPS]}, [], {8443: "inception_vm_https_port"}),
        ({"vm_forwarded_ports": []}, [HTTPS], {}),
    ],
)
def test_ports(values: dict[str, Any], forwarded: list[dict[str, Any]], expected: dict[int, str]) -> None:
    assert settings.ports(values, forwarded) == expected


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (
            {},
            {},
            ["inception_vm_ssh_port: b wants the port 2222 of the control node, and so does a (inception_vm_ssh_"],
        ),
        ({"inception_vm_ssh_port": 2223}, {}, []),
        (
            {"inception_vm_ssh_port": 8443},
            {"forwarded": [HTTPS]},
            ["inception_vm_ssh_port: b wants the port 8443 of the control node, and so does a (inception_vm_https"],
        ),
        (
            {"inception_vm_ssh_port": 1, "forwarded": MORE},
            {"forwarded": MORE},
            ["inception_ftp_passive_ports: b wants the port 21000 to 21002 of the control node, and so does a"],
        ),
    ],
)
def test_clashes(mine: dict[str, Any], theirs: dict[str, Any], said: list[str]) -> None:
    own, others = (settings.ports(one, one.get("forwarded", [])) for one in (mine, theirs))
    found = list(settings.clashes("b", own, {"a": others}))
    assert len(found) == len(said), found
    for line, part in zip(found, said, strict=True):
        assert line.startswith(part)
        assert "; for example: " in line


def test_ports_in_one_report() -> None:
    """Only the later one of two is named first, and a host without a virtual machine is none of them."""
    same = {2222: "inception_vm_ssh_port"}
    found = settings.report({"a": [], "b": [], "c": []}, {"a": same, "b": same, "c": {}})
    assert [line.split(" of ")[0] for line in found] == ["b: inception_vm_ssh_port: b wants the port 2222"]


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({"a": []}, []),
        ({"a": ["x", "y"]}, ["x", "y"]),
        ({"a": ["x"], "b": []}, ["a: x"]),
        ({"a": ["x"], "b": ["x"], "c": ["y"]}, ["a, b: x", "c: y"]),
        ({"a": ["x"], "b": ["x", "y"]}, ["all hosts: x", "b: y"]),
    ],
)
def test_one_report(found: dict[str, list[str]], lines: list[str]) -> None:
    assert settings.report(found) == lines


def test_rules_are_of_settings() -> None:
    """A rule for a setting that is gone would never be heard of."""
    assert {rule.setting for rule in rules.RULES} <= set(specs.options())
