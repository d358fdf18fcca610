# SPDX-License-Identifier: GPL-3.0-or-later
"""For each setting that all roles share, good values and bad ones."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings as settings
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_rules as rules

TODAY = "2026-11-24"
GOOD: dict[str, Any] = {
    "inception_login": "wil",
    "inception_domain": "wil.42.fr",
    "inception_https_port": 443,
    "inception_project": "inception",
    "inception_title": "Inception",
    "inception_admin_user": "wil",
    "inception_admin_email": "wil@wil.42.fr",
    "inception_user": "guest",
    "inception_user_email": "guest@wil.42.fr",
    "inception_base_family": "debian",
    "inception_base_release": "bookworm",
    "inception_base_release_forced": False,
    "inception_base_source": "auto",
    "inception_bonus_services": [],
    "inception_service_dirs": [],
    "inception_builder": "auto",
    "inception_batch": ["100%"],
    "inception_docker_source": "distribution",
    "inception_wordpress_source": "package",
    "inception_tls": "local_ca",
    "inception_acme_directory": "https://acme-v02.api.letsencrypt.org/directory",
    "inception_acme_email": "",
    "inception_acme_challenge": "tls-alpn-01",
    "inception_aliases": [],
    "inception_acme_profile": "",
    "inception_acme_eab_kid": "",
    "inception_acme_eab_key": "",
    "inception_acme_authority": "",
    "inception_acme_dns_hook": "",
    "inception_acme_dns_files": [],
    "inception_hsts": False,
    "inception_http_redirect": False,
    "inception_trusted_proxies": [],
    "inception_proxy_protocol": False,
    "inception_ftp_port": 21,
    "inception_ftp_passive_ports": "21000-21009",
    "inception_ftp_passive_address": "127.0.0.1",
    "inception_ftp_plain": False,
    "inception_mail_host": "",
    "inception_mail_port": 587,
    "inception_mail_tls": "starttls",
    "inception_mail_user": "",
    "inception_mail_from": "wordpress@wil.42.fr",
    "inception_backup_place": "",
    "inception_backup_credentials": "",
    "inception_backup_known_hosts": "",
    "inception_backup_authority": "",
    "inception_backup_schedule": "daily",
    "inception_updates": "security",
    "inception_update_schedule": "daily",
    "inception_backup_keep": {"daily": 7},
    "inception_backup_append_only": False,
    "inception_backup_trial": "monthly",
    "inception_backup_point_in_time": False,
    "inception_timezone": "",
    "inception_wordpress_code": [],
    "inception_proxy": "",
    "inception_no_proxy": [],
    "inception_debian_mirror": "http://deb.debian.org/debian",
    "inception_secrets": {},
    "inception_vm_memory": 4096,
    "inception_vm_cpus": 2,
    "inception_vm_disk": 20,
    "inception_vm_ssh_port": 2222,
    "inception_vm_acme_port": 8080,
    "inception_vm_https_port": 8443,
    "inception_vm_ftp_port": 2121,
    "inception_vm_family": "debian",
    "inception_vm_image_source": "auto",
    "inception_available_services": ["redis", "ftp"],
    "inception_available_hosts": ["bastion"],
    "inception_available_secrets": ["wp_salt", "db_password"],
}

CODE = {"kind": "theme", "name": "mine", "git": "https://git.example.org/mine.git", "commit": 5 * "0a1b2c3d"}

GOOD_VALUES: dict[str, list[Any]] = {
    "inception_login": ["a", "jdoe42", "mc-doe", "a" * 32],
    "inception_domain": ["example.org", "a.b", "xn--caf-dma.fr", "1.42.fr", "a" * 63 + ".fr"],
    "inception_https_port": [1, 65535, "443", 8443, 2222],
    "inception_project": ["inception", "wil-2", "a_b", "42"],
    "inception_aliases": [["www.wil.42.fr"], ["example.org", "*.example.org"]],
    "inception_batch": [[1, "25%", "100%"], "1,25%,100%", "1, 2", 1, "50%"],
    "inception_title": ["x", 'L\'été <&> "42"', "x" * 120],
    "inception_admin_user": ["Wil", "boss", "wil.son", "w@x.y", "two words", "x" * 60],
    "inception_admin_email": ["a.b+c@wil.42.fr", "x@EXAMPLE.org"],
    "inception_user": ["Guest", "administrator"],
    "inception_user_email": ["someone@example.org"],
    "inception_base_release_forced": [True, "true", "no", 1],
    "inception_base_source": ["registry", "bootstrap"],
    "inception_bonus_services": [["redis"], ["ftp", "redis"]],
    "inception_service_dirs": [["/tmp"]],
    "inception_builder": ["control_node", "managed_host", "bastion"],
    "inception_docker_source": ["docker"],
    "inception_wordpress_source": ["archive"],
    "inception_wordpress_code": [
        [],
        [
            {**CODE, "subfolder": "wp/theme", "active": "yes"},
            {**CODE, "kind": "plugin", "git": "git@git.example.org:a/b.git"},
        ],
        [{**CODE, "git": "/srv/git/mine.git"}, {**CODE, "name": "Other-1", "git": "ssh://wil@git.example.org:22/b"}],
        [{"kind": "mu-plugin", "name": "mine", "folder": "/tmp", "replace": True}],
    ],
    "inception_proxy": [
        "http://proxy.example.org:3128",
        "http://10.0.0.1:8080/",
        "http://[fd00::1]:3128",
        "http://proxy:80",
    ],
    "inception_no_proxy": [[], ["mirror.lan", ".example.org", "10.0.0.7", "fd00::1"]],
    "inception_ftp_port": [2121, "21"],
    "inception_ftp_passive_ports": ["1024-1024", "65436-65535"],
    "inception_ftp_passive_address": ["203.0.113.7", "2001:db8::7", "fe80::1%eth0", "wil.42.fr", "inception-wil"],
    "inception_ftp_plain": [True, "no"],
    "inception_mail_host": ["smtp.example.org", "192.0.2.1"],
    "inception_mail_port": [25, "465"],
    "inception_mail_tls": ["tls", "none"],
    "inception_mail_user": ["wil@example.org", "two words"],
    "inception_mail_from": ["site@example.org"],
    "inception_backup_place": ["/mnt/backup", "rest:https://host.example.org:8000/wil", "rest:http://127.0.0.1:8000/"],
    "inception_backup_schedule": ["hourly", "weekly"],
    "inception_updates": ["none", "all"],
    "inception_update_schedule": ["weekly"],
    "inception_backup_keep": [{}, {"last": "3"}],
    "inception_backup_append_only": [True],
    "inception_backup_trial": ["never"],
    "inception_backup_point_in_time": ["no"],
    "inception_timezone": [
        "",
        "UTC",
        "Europe/Paris",
        "America/Argentina/Buenos_Aires",
        "Etc/GMT+5",
        "America/Port-au-Prince",
    ],
    "inception_debian_mirror": [
        "https://mirror.example.org",
        "http://10.0.0.1:3142/debian/",
        "http://[::1]:80/debian",
    ],
    "inception_secrets": [
        {"db_password": "Tr0ub4dor&3-'\"$x"},
        {"wp_salt": "x" * 64, "db_password": "two words, sixteen"},
    ],
    "inception_vm_memory": [1024, "2048"],
    "inception_vm_cpus": [1, "4"],
    "inception_vm_disk": [8],
    "inception_vm_ssh_port": [22, 443],
    "inception_vm_https_port": [443],
    "inception_vm_ftp_port": [21],
    "inception_vm_family": ["alpine"],
    "inception_vm_image_source": ["cloud", "bootstrap"],
}

# setting: [(bad value, what is said of it)]
BAD_VALUES: dict[str, list[tuple[Any, str]]] = {
    "inception_login": [
        (None, "is missing"),
        ("", "is missing"),
        (42, "42 is not text"),
        (True, "True is not text"),
        ("Wil", "upper case"),
        ("a" * 33, "longer than 32"),
        ("4wil", "with a letter first"),
        ("-wil", "with a letter first"),
        ("wil-", "no hyphen last"),
        ("wil_son", "lowercase letters, digits and hyphens"),
        ("wil son", "lowercase letters"),
        ("wil.son", "lowercase letters"),
        ("wil\n", "'wil?' is not lowercase letters"),
        ("wïl", "lowercase letters"),
        ("root", "a user of the system"),
        ("daemon", "a user of the system"),
        ("www-data", "a user of the system"),
        ("mysql", "a user of the system"),
        ("docker", "a user of the system"),
        ("systemd-anything", "a user of the system"),
        ("nobody", "a user of the system"),
        (["wil"], "is not text"),
    ],
    "inception_domain": [
        (None, "is not text"),
        ("", "is empty"),
        ("https://wil.42.fr", "has a scheme"),
        ("wil.42.fr:443", "has a port"),
        ("wil.42.fr/", "has a path"),
        ("wil 42.fr", "has a space"),
        ("wil.42.fr\n", "has a space"),
        ("wil_42.fr", "has an underscore"),
        ("Wil.42.fr", "has an upper case letter"),
        ("localhost", "has no dot"),
        ("a" * 64 + ".fr", "more than 63 characters"),
        (".".join(["a" * 50] * 6), "longer than 253"),
        ("wil..fr", "two in a row"),
        (".fr", "a dot at an end"),
        ("wil.fr.", "a dot at an end"),
        ("-wil.fr", "hyphen neither first nor last"),
        ("wil-.fr", "hyphen neither first nor last"),
        ("wil!.fr", "is not letters"),
        ("192.168.1.1", "an IP address"),
        ("été.fr", "is not letters"),
    ],
    "inception_https_port": [
        (None, "is not a whole number"),
        ("https", "is not a whole number"),
        (443.0, "is not a whole number"),
        (True, "is not a whole number"),
        (0, "0 is less than 1"),
        (-1, "-1 is less than 1"),
        (65536, "more than 65535"),
        (22, "22 is the port of ssh"),
        ("22", "22 is the port of ssh"),
        ("443x", "is not a whole number"),
    ],
    "inception_project": [
        ("", "name of a compose project"),
        ("Wil", "name of a"),
        ("-x", "name of a"),
        ("a b", "name of a"),
    ],
    "inception_title": [
        ("", "is empty"),
        ("  ", "is empty"),
        ("x" * 121, "longer than 120"),
        ("a\nb", "control character"),
        ("a\x00b", "control character"),
        ("a\x7fb", "control character"),
        (42, "is not text"),
        (None, "is not text"),
    ],
    "inception_admin_user": [
        ("admin", "contains 'admin'"),
        ("Administrator", "contains 'admin'"),
        ("wilADMIN", "contains 'admin'"),
        ("wil/son", "a character that WordPress does not allow"),
        (" wil", "does not allow"),
        ("a  b", "does not allow"),
        ("x" * 61, "longer than the 60"),
        ("", "is empty"),
        (None, "is not text"),
        (42, "is not text"),
    ],
    "inception_admin_email": [
        ("wil", "has no '@'"),
        ("@wil.42.fr", "no valid name"),
        ("wil@", "no valid domain"),
        ("wil@localhost", "no valid domain"),
        ("w il@wil.42.fr", "no valid name"),
        ("wil.@wil.42.fr", "no valid name"),
        ("a@b@wil.42.fr", "no valid name"),
        ("wil@wil_x.fr", "no valid domain"),
        ("wil@wil.fr\n", "no valid domain"),
        (None, "is not text"),
    ],
    "inception_user": [
        ("wil", "is the same as inception_admin_user"),
        ("WIL", "is the same as inception_admin_user"),
        ("gu€st", "a character that WordPress does not allow"),
        ("", "is empty"),
    ],
    "inception_user_email": [
        ("wil@wil.42.fr", "is the same as inception_admin_email"),
        ("WIL@wil.42.fr", "is the same as"),
        ("guest", "has no '@'"),
    ],
    "inception_base_family": [
        ("suse", "'suse' is not one of debian, alpine"),
        ("Debian", "is not one of"),
        (None, "is not one of"),
        ([], "is not one of"),
    ],
    "inception_base_release": [
        ("latest", "'latest' is forbidden by the subject (IMG-4)"),
        ("trixie", "the newest stable release"),
        ("bullseye", "an older release"),
        ("sid", "is not a stable release"),
        ("testing", "is not a stable release"),
        ("stable", "means another release each time"),
        ("12", "name it by its codename, bookworm"),
        ("12.11", "name it by its codename, bookworm"),
        ("noble", "is not a release of debian; known: "),
        (12, "is not text"),
        (None, "is not text"),
        ("", "is not a release of debian"),
    ],
    "inception_base_release_forced": [("maybe", "is neither true nor false"), (None, "is neither"), ([], "is neither")],
    "inception_base_source": [("docker", "is not one of auto, registry, bootstrap, archive"), (None, "is not one of")],
    "inception_bonus_services": [
        ("redis", "is not a list of names"),
        (None, "is not a list"),
        ([1], "is not a list"),
        ([""], "is not a list"),
        (["redid"], "'redid' is not a bonus service; available: ftp, redis"),
        (["nginx"], "'nginx' is not a bonus service"),
        (["redis", "ftp", "redis"], "'redis' is there more than once"),
    ],
    "inception_secrets": [
        (["db_password"], "is not a dictionary"),
        ({"password": "x" * 32}, "'password' is no secret of this stack; known: db_password, wp_salt"),
        ({"db_password": 1234567890123456}, "the value of db_password is not text; put it in quotes"),
        ({"db_password": "short"}, "shorter than 16 characters"),
        ({"db_password": "x" * 32 + "\n"}, "has a line break"),
        ({"db_password": "pässword-pässword"}, "is not ASCII"),
    ],
    "inception_service_dirs": [
        ("/srv", "is not a list of folders"),
        (None, "is not a list"),
        (["srv"], "'srv' is not an absolute path"),
    ],
    "inception_builder": [
        ("forge", "is not one of auto, control_node, managed_host, and no host of the inventory"),
        (True, "is not one of"),
    ],
    "inception_docker_source": [("podman", "is not one of distribution, docker"), (None, "is not one of")],
    "inception_wordpress_source": [("git", "is not one of package, archive"), (None, "is not one of")],
    "inception_wordpress_code": [
        ({}, "is not a list"),
        (["mine"], "is not a list, each of it a table"),
        ([{**CODE, "branch": "main"}], "1 (mine): 'branch' is not one of its keys"),
        ([{**CODE, "kind": "child"}], "kind: 'child' is not one of theme, plugin, mu-plugin"),
        ([{**CODE, "name": "../x"}], "name: '../x' is not letters"),
        ([{**CODE, "name": "a\nb"}], "is not letters"),
        ([{**CODE, "name": "TwentyTwenty"}], "is a name of what WordPress or this collection brings"),
        ([CODE, {**CODE, "name": "Mine"}], "two of the kind theme with the name 'mine'"),
        (
            [{**CODE, "active": True}, {**CODE, "name": "b", "active": True}],
            "mine and b are themes that shall be active",
        ),
        ([{**CODE, "active": "maybe"}], "active: 'maybe' is neither"),
        ([{**CODE, "kind": "mu-plugin", "active": True}], "a mu-plugin always is"),
        ([{**CODE, "folder": "/tmp"}], "it comes from a git repository"),
        ([{"kind": "theme", "name": "mine"}], "it comes from a git repository"),
        (
            [{"kind": "theme", "name": "mine", "folder": "/nowhere"}],
            "folder: '/nowhere' is not a folder of the control",
        ),
        ([{"kind": "theme", "name": "mine", "folder": "/tmp", "commit": "0" * 40}], "commit: it comes from a folder"),
        ([{**CODE, "commit": "main"}], "commit: 'main' is no full commit of 40 digits"),
        ([{key: CODE[key] for key in ("kind", "name", "git")}], "commit: is missing"),
        ([{**CODE, "git": "ext::sh -c id"}], "git: 'ext::sh -c id' is no address"),
        ([{**CODE, "git": "--upload-pack=id"}], "is no address"),
        ([{**CODE, "git": "https://wil:hunter2@git.example.org/x"}], "git: its address has a password in it"),
        ([{**CODE, "subfolder": "../x"}], "subfolder: '../x' is no folder"),
        ([{**CODE, "subfolder": "/x"}], "subfolder: '/x' is no folder"),
    ],
    "inception_proxy": [
        ("proxy.example.org:3128", "is not http://, a host and a port"),
        ("https://proxy.example.org:3128", "is not http://, a host and a port"),
        ("http://proxy.example.org", "is not http://, a host and a port"),
        ("http://proxy.example.org:3128/pac", "is not http://, a host and a port"),
        ("http://wil:hunter2@proxy.example.org:3128", "has a name or a password in it"),
        ("http://127.0.0.1:3128", "is the managed host itself"),
        ("http://localhost:3128", "is the managed host itself"),
        (None, "is not http://"),
    ],
    "inception_no_proxy": [
        ("localhost", "is not a list"),
        (["*.example.org"], "'*.example.org' is neither a name"),
        (["http://mirror.lan"], "is neither a name"),
        (["10.0.0.0/8"], "is neither a name"),
        (["a,b"], "is neither a name"),
    ],
    "inception_tls": [("letsencrypt", "is not one of local_ca, provided, acme"), (None, "is not one of")],
    "inception_acme_directory": [
        ("letsencrypt", "is not an address that begins with https://"),
        ("http://ca.lan/directory", "is not an address that begins with https://"),
        ("https://ca.lan/a b", "is not an address"),
        (None, "is not"),
    ],
    "inception_acme_email": [("wil", "has no '@'"), (5, "not text")],
    "inception_acme_challenge": [("dns", "is not one of tls-alpn-01, http-01, dns-01"), (None, "is not one of")],
    "inception_aliases": [
        ("www.wil.org", "is not a list"),
        (["www wil.org"], "has a space"),
        (["https://www.wil.org"], "has a scheme"),
        ([f"a{number}.wil.org" for number in range(100)], "are more than the 99"),
        (["www.wil.org", "www.wil.org"], "is there twice"),
        (["wil.42.fr"], "is inception_domain itself"),
        (["*.*.wil.org"], "has a part that is not letters"),
    ],
    "inception_batch": [
        ("1,two", "is neither a number of hosts nor a share"),
        ([0], "is neither"),
        ("1,,100%", "is neither"),
        (["1", "120%"], "is neither"),
        ([], "is neither"),
        ("25 %", "is neither"),
        ([True], "is neither"),
    ],
    "inception_acme_profile": [("short lived", "is not the name of a profile"), (None, "is not")],
    "inception_acme_eab_kid": [("a kid", "is not the name of a key"), (5, "is not")],
    "inception_acme_eab_key": [(5, "not text"), ("a\nb", "has a line break")],
    "inception_acme_authority": [("/nowhere.pem", "cannot be read")],
    "inception_acme_dns_hook": [(5, "not text")],
    "inception_acme_dns_files": [("/a", "is not a list"), (["/a/token", "/b/token"], "is the name of two files")],
    "inception_hsts": [("a year", "is neither true nor false"), (None, "is neither")],
    "inception_http_redirect": [("yes please", "is neither true nor false"), (None, "is neither")],
    "inception_trusted_proxies": [
        ("10.0.0.1", "is not a list"),
        (["proxy.example.org"], "is neither an address nor a network"),
        (["10.0.0.1/8"], "is neither an address nor a network"),
        (["0.0.0.0/0; }"], "is neither an address nor a network"),
    ],
    "inception_proxy_protocol": [
        ("haproxy", "is neither true nor false"),
        (True, "inception_trusted_proxies"),
    ],
    "inception_timezone": [
        ("Paris, France", "is not the name of a time zone"),
        ("../etc/passwd", "is not the name"),
        ("/UTC", "is not the name"),
        ("UTC\n", "is not the name"),
        (1, "is not the name"),
        (None, "is not the name"),
    ],
    "inception_debian_mirror": [
        ("ftp://x.org/debian", "does not start with http"),
        ("deb.debian.org/debian", "does not start with http"),
        ("http://", "no valid host"),
        ("http://x y/debian", "no valid host"),
        ("http://x.org:99999/d", "no valid host name or port"),
        ("http://x.org:port/d", "no valid host name or port"),
        ("http://x.org/d?a=b", "more than a host"),
        ("http://u:p@x.org/d", "more than a host"),
        ("http://x.org/a b", "more than a host"),
        ("http://x.org/'", "more than a host"),
        ("", "does not start"),
        (None, "does not start"),
    ],
    "inception_ftp_port": [
        (22, "22 is the port of ssh"),
        (443, "443 is the same port as inception_https_port"),
        ("ftp", "is not a whole number"),
    ],
    "inception_ftp_passive_ports": [
        (21000, "21000 is not two ports with a hyphen"),
        ("21000:21009", "is not two ports with a hyphen"),
        ("1000-1009", "is not between 1024 and 65535"),
        ("65530-65540", "is not between 1024 and 65535"),
        ("21009-21000", "ends before it begins"),
        ("21000-21100", "is more than 100 ports"),
        ("8440-8449", "holds the port 8443, which is inception_vm_https_port"),
    ],
    "inception_ftp_passive_address": [
        (None, "None is not text"),
        ("", "is neither an IPv4 address nor a host name"),
        ("::1::", "is neither an IPv4 address"),
        ("[2001:db8::7]", "has the brackets of a URL; here, and in ansible_host, it goes without them"),
        ("my machine", "is neither an IPv4 address"),
    ],
    "inception_ftp_plain": [("maybe", "is neither true nor false")],
    "inception_mail_host": [
        ("smtp://example.org", "is neither an IPv4 address nor a host name"),
        (None, "None is not text"),
    ],
    "inception_backup_place": [
        ("backup", "is no absolute folder"),
        ("/", "is no folder for backups"),
        ("/home/wil/data/backup", "is in /home/wil/data, which goes when the stack does"),
        ("/var/lib/fortytwo.inception/x", "is in /var/lib/fortytwo.inception"),
        ("sftp:host", "is not like sftp:user@host:/folder"),
        ("rest:http://host.example.org/", "would show its credentials to the network; use https"),
        ("rest:https://u:p@host/", "belong into inception_backup_credentials"),
        (5, "is not a line of text"),
    ],
    "inception_backup_credentials": [("/nowhere/key", "is no file on the control node")],
    "inception_backup_known_hosts": [("/nowhere/known_hosts", "is no file on the control node")],
    "inception_backup_authority": [("/nowhere/ca.crt", "cannot be read")],
    "inception_backup_schedule": [("yearly", "is not one of hourly, daily, weekly")],
    "inception_updates": [
        (True, "is not one of none, security, all"),
        ("every day", "is not one of none, security, all"),
    ],
    "inception_update_schedule": [("hourly", "is not one of daily, weekly")],
    "inception_backup_keep": [
        ("7", "is not a table"),
        ({"days": 7}, "is not one of last"),
        ({"daily": 0}, "is not a whole number from 1"),
    ],
    "inception_backup_append_only": [("maybe", "is neither true nor false")],
    "inception_backup_trial": [("daily", "is not one of weekly, monthly, never")],
    "inception_backup_point_in_time": [
        ("maybe", "is neither true nor false"),
        (True, "wants backups to go on from; name inception_backup_place"),
    ],
    "inception_mail_port": [(0, "0 is less than 1"), ("smtp", "is not a whole number")],
    "inception_mail_tls": [(True, "True is not one of starttls, tls, none"), ("ssl", "is not one of")],
    "inception_mail_user": [("a\nb", "is not a line of text"), (5, "is not a line of text")],
    "inception_mail_from": [("wil", "has no '@'")],
    "inception_vm_memory": [(1023, "1023 is less than 1024 (MiB)"), ("4G", "is not a whole number"), (None, "is not")],
    "inception_vm_cpus": [(0, "0 is less than 1"), (256, "256 is more than 255"), ("two", "is not a whole number")],
    "inception_vm_disk": [(7, "7 is less than 8 (GiB)"), ("20G", "is not a whole number")],
    "inception_vm_ssh_port": [(0, "0 is less than 1"), (70000, "more than 65535"), ("ssh", "is not a whole number")],
    "inception_vm_acme_port": [
        (2222, "2222 is the same port as inception_vm_ssh_port"),
        ("2222", "the same port"),
        (0, "0 is less than 1"),
    ],
    "inception_vm_https_port": [
        (2222, "2222 is the same port as inception_vm_ssh_port"),
        ("2222", "the same port"),
        (0, "0 is less than 1"),
    ],
    "inception_vm_ftp_port": [
        (2222, "2222 is the same port as inception_vm_ssh_port"),
        (8443, "8443 is the same port as inception_vm_https_port"),
    ],
    "inception_vm_family": [("ubuntu", "is not one of debian, alpine"), (None, "is not one of")],
    "inception_vm_image_source": [("iso", "is not one of auto, cloud, bootstrap"), (None, "is not one of")],
}


SHARED = [rule for rule in rules.RULES if rule.setting.startswith("inception_")]


def settings_problems(given: dict[str, Any], date: str) -> list[str]:
    known = {name: value for name, value in given.items() if name.startswith("inception_available_")}
    values = {name: value for name, value in given.items() if name not in known}
    variables = settings.Variables(values, values)
    return settings.problems(variables, datetime.date.fromisoformat(date), ["inception_login"], known)


def problems(**changes: Any) -> list[str]:
    return settings_problems({**GOOD, **changes}, TODAY)


def test_good_settings() -> None:
    assert problems() == []


ACME = {"inception_tls": "acme", "inception_domain": "wil.org"}
OWN = {"inception_acme_directory": "https://ca.lan/acme/directory"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (ACME, []),
        ({**ACME, "inception_domain": "wil.42.fr"}, ["inception_domain: 'wil.42.fr' belongs to the school"]),
        (
            {**ACME, "inception_domain": "site.lan"},
            ["inception_domain: 'site.lan' is a name that nobody has in public"],
        ),
        (
            {**ACME, "inception_domain": "www.example.org"},
            ["inception_domain: 'www.example.org' is a name that nobody"],
        ),
        # An authority of one's own may give any.
        ({**ACME, **OWN, "inception_domain": "wil.42.fr", "inception_aliases": ["site.lan"]}, []),
        ({**ACME, "inception_domain": "notexample.org"}, []),
        ({**ACME, "inception_aliases": ["www.wil.org"]}, []),
        ({**ACME, "inception_aliases": ["*.wil.org"]}, ["inception_aliases: '*.wil.org' is a wildcard"]),
        (
            {**ACME, "inception_aliases": ["site.local"]},
            ["inception_aliases: 'site.local' is a name that nobody"],
        ),
        (
            {**ACME, "inception_trusted_proxies": ["192.0.2.7"]},
            ["inception_acme_challenge: tls-alpn-01 ends at the proxy"],
        ),
        ({**ACME, "inception_acme_challenge": "http-01", "inception_trusted_proxies": ["192.0.2.7"]}, []),
        (
            {**ACME, "inception_acme_challenge": "http-01", "inception_https_port": 80},
            ["inception_acme_challenge: http-01 wants port 80"],
        ),
        (
            {"inception_http_redirect": True, "inception_https_port": 80},
            ["inception_http_redirect: wants port 80, which is inception_https_port"],
        ),
        (
            {**ACME, "inception_acme_eab_kid": "kid-1"},
            ["inception_acme_eab_key: is missing, and inception_acme_eab_kid"],
        ),
        ({**ACME, "inception_acme_eab_key": __file__}, ["inception_acme_eab_kid: is empty"]),
        ({**ACME, "inception_acme_eab_kid": "kid-1", "inception_acme_eab_key": __file__}, []),
        ({**ACME, "inception_acme_challenge": "dns-01"}, ["inception_acme_dns_hook: is missing"]),
        (
            {
                **ACME,
                "inception_acme_challenge": "dns-01",
                "inception_acme_dns_hook": __file__,
                "inception_aliases": ["*.wil.org"],
                "inception_trusted_proxies": ["192.0.2.7"],
            },
            [],
        ),
        ({**ACME, "stack_health": False}, ["stack_health: is what renews the certificate"]),
    ],
)
def test_acme(given: dict[str, Any], said: list[str]) -> None:
    found = problems(**given)
    assert len(found) == len(said), found
    for problem, beginning in zip(found, said, strict=True):
        assert problem.startswith(beginning), problem


def test_a_user_of_the_relay_has_a_password() -> None:
    chosen = {
        "inception_bonus_services": ["mail"],
        "inception_available_services": ["mail"],
        "inception_mail_user": "wil",
    }
    assert problems(**chosen) == [
        "inception_mail_user: 'wil' has a password at the relay, which is missing as mail_password in "
        "inception_secrets; for example: wil@example.org"
    ]
    given = {"mail_password": "0123456789abcdef"}
    assert problems(**chosen, inception_secrets=given, inception_available_secrets=["mail_password"]) == []
    assert problems(inception_mail_user="wil") == []


def test_only_the_login_must_be_given() -> None:
    assert settings_problems({"inception_login": "wil"}, TODAY) == []
    assert settings_problems({}, TODAY) == [
        "inception_login: is missing; it is the login of the project's owner and has no default; for example: wil"
    ]


@pytest.mark.parametrize(("setting", "value"), [(s, v) for s, values in GOOD_VALUES.items() for v in values])
def test_good_values(setting: str, value: Any) -> None:
    assert problems(**{setting: value}) == []


@pytest.mark.parametrize(
    ("setting", "value", "said"), [(s, v, said) for s, bad in BAD_VALUES.items() for v, said in bad]
)
def test_bad_values(setting: str, value: Any, said: str) -> None:
    # Nothing but the setting at fault has a message, and that has one line.
    (problem,) = problems(**{setting: value})
    assert problem.startswith(f"{setting}: ")
    assert said in problem
    assert "; for example: " in problem
    assert "\n" not in problem


# Those are not there either.
FILES = (
    "inception_acme_authority",
    "inception_acme_dns_files",
    "inception_acme_dns_hook",
    "inception_acme_eab_key",
    "inception_backup_authority",
    "inception_backup_credentials",
    "inception_backup_known_hosts",
)


@pytest.mark.parametrize("rule", SHARED, ids=lambda rule: rule.setting)
def test_the_examples_are_good(rule: rules.Rule) -> None:
    """What a message advises passes the check itself."""
    for family, release in (("debian", "bookworm"), ("alpine", "3.23")):
        base = {
            **GOOD,
            "inception_base_family": family,
            "inception_base_release": release,
            "inception_wordpress_source": "archive",
        }
        example = rule.example({**base, "date": datetime.date.fromisoformat(TODAY)})
        # Another family wants another release, and the folder is not there.
        if rule.setting not in ("inception_base_family", "inception_service_dirs", *FILES):
            assert settings_problems({**base, rule.setting: yaml.safe_load(example)}, TODAY) == []


def test_every_setting_is_tested() -> None:
    known = {rule.setting for rule in SHARED}
    assert set(BAD_VALUES) == known
    assert set(GOOD) == known | {f"inception_available_{what}" for what in ("services", "secrets", "hosts")}


def test_no_value_of_a_secret_is_told() -> None:
    for bad in ("geheim", "ge\nheim-geheim-geheim", "geheim-geheim-géheim", ["geheim"]):
        assert "heim" not in " ".join(problems(inception_secrets={"db_password": bad}))


@pytest.mark.parametrize(
    ("release", "forced", "said"),
    [
        ("3.23", False, None),
        ("3.24", False, "the newest stable release"),
        ("3.22", False, "an older release"),
        ("edge", False, "is not a stable release"),
        ("edge", "yes", None),
        ("3.24", True, None),
        ("3.24", "false", "the newest stable release"),
        ("3.23.1", True, "use the two numbers 3.23"),
        ("latest", True, "is forbidden"),
        (3.2, True, "put it in quotes"),
        ("bookworm", True, "is not a release of alpine"),
    ],
)
def test_alpine_releases(release: Any, forced: Any, said: str | None) -> None:
    found = problems(
        inception_base_family="alpine",
        inception_base_release=release,
        inception_base_release_forced=forced,
        inception_wordpress_source="archive",
    )
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize("release", ["trixie", "bullseye", "sid", "testing", "unstable"])
def test_a_forced_release_is_accepted(release: str) -> None:
    assert problems(inception_base_release=release, inception_base_release_forced=True) == []


OWN_DOMAIN = "blog.example.net"


@pytest.mark.parametrize(
    ("release", "domain", "said"),
    [
        ("trixie", OWN_DOMAIN, None),
        ("bookworm", OWN_DOMAIN, None),
        ("trixie", "wil.42.fr", "the subject demands"),
        ("trixie", "42.fr.example.net", None),
        ("bullseye", OWN_DOMAIN, "is an older release, and a site wants the newest"),
        ("sid", OWN_DOMAIN, "is not a stable release, and a site wants the newest"),
        ("latest", OWN_DOMAIN, "is forbidden"),
    ],
)
def test_a_site_of_one_s_own_has_the_newest_release_without_a_word(release: str, domain: str, said: str | None) -> None:
    found = problems(inception_base_release=release, inception_domain=domain)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize("release", ["latest", "stable", "oldstable", "noble", "12"])
def test_some_releases_cannot_be_forced(release: str) -> None:
    assert len(problems(inception_base_release=release, inception_base_release_forced=True)) == 1


def test_several_problems_at_once() -> None:
    found = problems(inception_https_port=0, inception_user="wil", inception_vm_disk=1)
    assert [line.split(":")[0] for line in found] == ["inception_https_port", "inception_user", "inception_vm_disk"]


def test_what_follows_from_a_bad_login_is_not_repeated() -> None:
    login = "Root_"
    found = problems(
        inception_login=login,
        inception_domain=f"{login}.42.fr",
        inception_admin_user=login,
        inception_admin_email=f"{login}@{login}.42.fr",
        inception_user_email=f"guest@{login}.42.fr",
    )
    assert [line.split(":")[0] for line in found] == ["inception_login"]


def test_a_login_with_admin_in_it() -> None:
    (problem,) = problems(inception_login="sadmin", inception_admin_user="sadmin")
    assert problem.startswith("inception_admin_user: 'sadmin' contains 'admin'")


def test_a_long_value_is_cut() -> None:
    (problem,) = problems(inception_title="x" * 5000)
    assert len(problem) < 200


def forced(release: str, family: str = "debian", **more: Any) -> dict[str, Any]:
    return {
        "inception_base_family": family,
        "inception_base_release": release,
        "inception_base_release_forced": True,
        **more,
    }


@pytest.mark.parametrize(
    ("given", "date", "said"),
    [
        ({}, TODAY, []),
        (forced("bookworm"), TODAY, []),
        (forced("trixie", inception_base_release_forced=False), TODAY, []),
        (forced("trixie"), TODAY, ["'trixie' is the newest stable release and is used because it is forced"]),
        (forced("sid"), TODAY, ["'sid' is not a stable release and is used because it is forced"]),
        (
            forced("bullseye", inception_base_release_forced="yes"),
            TODAY,
            [
                "is an older release",
                "gets no security fixes any more, since 2026-08-31; `inception_base_release: bookworm`",
            ],
        ),
        (forced("3.24", "alpine"), TODAY, ["expects the penultimate stable one, 3.23"]),
        (forced("nonsense"), TODAY, []),
        (forced("trixie", inception_domain=OWN_DOMAIN), TODAY, []),
        (forced("bullseye", inception_domain=OWN_DOMAIN), "2026-05-01", []),
        (
            forced("bullseye", inception_domain=OWN_DOMAIN),
            "2026-08-01",
            ["gets no more security fixes after 2026-08-31"],
        ),
        (forced("bookworm", "suse"), TODAY, []),
        ({}, "2028-06-01", ["knows is trixie of 2025-08-09; a newer one is probably out"]),
        (
            {"vm_memory": 4096, "vm_datastore": "ssd"},
            TODAY,
            ["vm_memory is no setting of this collection; inception_vm_"],
        ),
    ],
)
def test_warnings(given: dict[str, Any], date: str, said: list[str]) -> None:
    found = settings.warnings(settings.Variables(given, given), datetime.date.fromisoformat(date))
    assert len(found) == len(said)
    for line, part in zip(found, said, strict=True):
        assert part in line
