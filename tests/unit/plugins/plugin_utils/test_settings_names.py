# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt settings, and other people's variables that look like one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_names as names
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_specs as specs

MISSPELT = {
    "inception_htps_port": "inception_https_port",
    "inception_http_port": "inception_https_port",
    "inception_httpsport": "inception_https_port",
    "inception_port": "inception_ftp_port",
    "inception_logn": "inception_login",
    "inception_login_name": "inception_login",
    "inception_Login": "inception_login",
    "inception-login": "inception_login",
    "INCEPTION_LOGIN": "inception_login",
    "inceptoin_login": "inception_login",
    "inceptions_login": "inception_login",
    "incepton_title": "inception_title",
    "inception__title": "inception_title",
    "inception_titel": "inception_title",
    "inception_bonus": "inception_bonus_services",
    "inception_bonus_service": "inception_bonus_services",
    "inception_service_dir": "inception_service_dirs",
    "inception_services_dirs": "inception_service_dirs",
    "inception_secret": "inception_secrets",
    "inception_base_realease": "inception_base_release",
    "inception_base_familiy": "inception_base_family",
    "inception_release": "inception_base_release",
    "inception_wordpres_source": "inception_wordpress_source",
    "inception_timezon": "inception_timezone",
    "inception_time_zone": "inception_timezone",
    "inception_ftp_pasive_ports": "inception_ftp_passive_ports",
    "inception_mail_form": "inception_mail_from",
    "inception_mail_relay_host": "inception_mail_host",
    "inception_admin_mail": "inception_admin_email",
    "inception_vm_memmory": "inception_vm_memory",
    "inception_memory": "inception_vm_memory",
    "inception_vm_cpu": "inception_vm_cpus",
    "inception_page_cache": "stack_page_cache",
    "inception_tls_key": "stack_tls_key",
    "inception_firewall": "host_firewall",
    "inception_open_ports": "host_open_ports",
    "stack_pagecache": "stack_page_cache",
    "stack_pge_cache": "stack_page_cache",
    "stack_cache_page": "stack_page_cache",
    "stack_envs": None,
    "stack_tls_cert": None,
    "stack_tls_certificat": "stack_tls_certificate",
    "stack_unused_datas": "stack_unused_data",
    "stack_start_time_out": "stack_start_timeout",
    "stack_starttimeout": "stack_start_timeout",
    "stack_wordpress_archive_sha": "stack_wordpress_archive_sha1",
    "stack_static_dri": "stack_static_dir",
    "stack_ca_destinaton": "stack_ca_destination",
    "stack_rotate_secret": "stack_rotate_secrets",
    "host_firewal": "host_firewall",
    "host_fire_wall": "host_firewall",
    "host_open_port": "host_open_ports",
    "host_ports_open": "host_open_ports",
    "host_authorised_keys": "host_authorized_keys",
    "host_security_update": "host_security_updates",
    "host_ssh_prot": "host_ssh_port",
    "docker_daemon_setings": "docker_daemon_settings",
    "docker_deamon_settings": "docker_daemon_settings",
    "docker_repository_uri": "docker_repository_url",
    "docker-repository-url": "docker_repository_url",
    "base_image_referense": "base_image_reference",
    "base_image_archiv": "base_image_archive",
    "base_image_alpin_mirror": "base_image_alpine_mirror",
    "base_image_registry_time_out": "base_image_registry_timeout",
    "vm_acelerator": "vm_accelerator",
    "vm_timout": "vm_timeout",
    "vm_forwarded_port": "vm_forwarded_ports",
    "vm_cloud_image_checksm": "vm_cloud_image_checksum",
    "evaluate_dept": "evaluate_depth",
    "evaluate_clean_uot": "evaluate_clean_out",
    "evaluate_section": "evaluate_sections",
    "evaluate_repot_dir": "evaluate_report_dir",
    "control_node_program": "control_node_programs",
    "rotate_secret": "rotate_secrets",
    "rotate_sercets": "rotate_secrets",
    "export_dri": "export_dir",
    "inception_yse": "inception_yes",
}
# Too short, or too far, to be sure: nothing is refused.
UNSURE = {name for name, meant in MISSPELT.items() if meant is None}

_STRANGERS = """
    docker_users docker_version docker_compose_version docker_edition docker_packages docker_daemon_options
    docker_data_root docker_install_compose docker_repo docker_registry_mirrors docker_service_state
    docker_apt_repository host_ip host_name host_address host_login host_repo host_port host_ports host_user
    host_id host_alias host_fqdn host_ssh_user host_keys host_groups host_interfaces host_domain
    host_clock_offset host_env vm_id vm_ip vm_user vm_size vm_disk vm_template vm_network vm_host vm_state
    vm_names vm_guest_os vm_image vm_datastore stack_name stack_version stack_domain stack_user stack_services
    stack_file stack_port stack_network stack_root stack_tls base_image base_image_name base_image_tag
    base_image_url evaluate_later evaluate control_node control_node_ip inventory_dir group_names http_port
    https_port login domain title secrets nginx_port mysql_root_password timezone export_path rotate_logs
    rotate_count include_dir install_yes insights_login incident_port ansible_host ansible_port ansible_user
    ansible_ssh_private_key_file __inception_internal __stack_services
"""
STRANGERS = _STRANGERS.split()

RIGHT = sorted(specs.options()) + sorted(names.OF_PLAYBOOKS | names.RETURNED)


def said(name: str) -> str | None:
    found = dict(names.unknown([name], specs.options()))
    return found.get(name)


@pytest.mark.parametrize("name", sorted(set(MISSPELT) - UNSURE))
def test_a_misspelt_setting(name: str) -> None:
    assert said(name) == f"unknown setting; did you mean {MISSPELT[name]}?"


@pytest.mark.parametrize("name", [*STRANGERS, *sorted(UNSURE), *RIGHT])
def test_a_variable_that_is_no_misspelt_setting(name: str) -> None:
    assert said(name) is None


@pytest.mark.parametrize("name", ["inception_xyz", "inception_"])
def test_our_prefix_with_nothing_like_it(name: str) -> None:
    assert said(name) == "unknown setting; docs/settings.md has all"


def test_an_old_name() -> None:
    known = set(specs.options()) - set(names.RENAMED)
    found = dict(names.unknown(names.RENAMED, known))
    assert found == {
        "evaluate_newest": "is called evaluate_sheet_version (5 in place of true, 3 in place of false) now",
        "controller_programs": "is called control_node_programs now",
        "host_open_udp_ports": "is called host_open_ports (51820/udp in place of 51820) now",
    }


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("", "", 0), ("a", "a", 0), ("ab", "ba", 1), ("abc", "ac", 1), ("kitten", "sitting", 3), ("ftp", "https_port", 3)],
)
def test_distance(one: str, other: str, expected: int) -> None:
    assert min(names.distance(one, other, 2), 3) == expected
    assert names.distance(one, other, 2) == names.distance(other, one, 2)


def test_what_roles_return_is_known(repository: Path) -> None:
    """Every registered variable, fact and variable of a play that has one of the prefixes."""
    prefixes = (names.OWN, *names.RARE, *names.COMMON)
    found = set()
    for path in [*repository.glob("roles/*/tasks/*.yml"), *repository.glob("playbooks/*.yml")]:
        text = path.read_text()
        found |= set(re.findall(r"^ *register: (\w+)$", text, re.MULTILINE))
        for facts in re.findall(r"set_fact:\n((?: {4,}.+\n)+)", text):
            found |= set(re.findall(r"^ +(\w+):", facts, re.MULTILINE))
        for play in yaml.safe_load(text) if path.parent.name == "playbooks" else []:
            found |= set(play.get("vars", {}))
    ours = {name for name in found if name.startswith(prefixes)}
    assert {name for name in ours if said(name) is not None} == set()
