# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of failing: how each is provoked on a deployed machine, and what its screen has to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A service as users write one: a folder with three files.
SERVICE = "about: a service of the tests\nlimits: {memory: 32M, cpus: 1, pids: 10}\n"
COMPOSE = """\
    tmpfs:
      - /tmp:mode=1777
    healthcheck:
      test: [CMD-SHELL, "%s"]
      <<: *healthcheck
"""
FROM = "FROM {{ __stack_base_image }}\n"
SLEEPS = 'CMD ["sleep", "100000"]\n'


@dataclass(frozen=True)
class Way:
    """How it is provoked: a service of one's own, commands on the machine, settings. And what is to be said."""

    says: tuple[str, ...]
    dockerfile: str = ""
    check: str = "true"
    service: str = SERVICE
    settings: Mapping[str, Any] = field(default_factory=dict)
    spoil: str = ""
    repair: str = ""
    # While the deployment is at work, once this stands on the machine's list of processes.
    meanwhile: str = ""
    when: str = ""
    # Words of the inventory that are replaced.
    inventory: tuple[str, str] = ("", "")


WAYS: dict[str, Way] = {
    "a package that is not there": Way(
        dockerfile=FROM + "RUN apt-get update && apt-get install --yes ngnix\n" + SLEEPS,
        says=(
            "The image of broken was not built.",
            "Failed step: RUN apt-get update && apt-get install --yes ngnix",
            "E: Unable to locate package ngnix",
            "Likely: there is no package ngnix",
        ),
    ),
    "a mirror that is gone": Way(
        dockerfile=FROM
        + "RUN rm -f /etc/apt/sources.list.d/* && echo deb http://127.0.0.1:9/debian stable main >/etc/apt/sources.list"
        + " && apt-get update --error-on=any\n"
        + SLEEPS,
        says=("The image of broken was not built.", "127.0.0.1:9", "Likely: the managed host does not reach"),
    ),
    "a service that is unhealthy": Way(
        dockerfile=FROM + 'CMD ["sh", "-c", "echo waiting for somebody >&2; exec sleep 100000"]\n',
        check="echo nobody answers at port 8080; exit 1",
        settings={"stack_start_patience": 5},
        says=(
            "broken did not become healthy",
            "Its health check said last:\n  nobody answers at port 8080",
            "The last words of broken:\n  waiting for somebody",
            "Next:   `docker compose logs broken`",
        ),
    ),
    "a service that crashes": Way(
        dockerfile=FROM + 'CMD ["sh", "-c", "echo reading settings; exec entrypoint.sh"]\n',
        says=("broken starts and ends again: exit code 127", "The last words of broken:", "entrypoint.sh: not found"),
    ),
    "a port that is taken": Way(
        dockerfile=FROM + SLEEPS,
        service=SERVICE + "ports: [{published: 8099}]\n",
        spoil="systemd-run --quiet --collect --unit=holds-a-port python3 -m http.server 8099",
        repair="systemctl stop holds-a-port",
        says=("broken/service.yml:3: port 8099 (tcp), which the service broken publishes",),
    ),
    "the site's port is taken": Way(
        spoil="docker stop inception-nginx-1 >/dev/null;"
        " systemd-run --quiet --collect --unit=holds-a-port python3 -m http.server 443",
        repair="systemctl stop holds-a-port",
        says=("port 443 (tcp), which the service nginx publishes, is taken by python3",),
    ),
    "Docker that does not start": Way(
        spoil="systemctl stop docker.socket docker; mkdir -p /etc/systemd/system/docker.service.d;"
        " printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >/etc/systemd/system/docker.service.d/broken.conf;"
        " systemctl daemon-reload",
        repair="rm -r /etc/systemd/system/docker.service.d; systemctl daemon-reload;"
        " systemctl reset-failed docker docker.socket; systemctl start docker.socket docker",
        says=("Likely: Docker does not run", "journalctl -u docker"),
    ),
    "Docker that goes meanwhile": Way(
        dockerfile=FROM + "RUN sleep 97\n" + SLEEPS,
        when="sleep 97",
        meanwhile="systemctl stop docker.socket docker",
        repair="systemctl start docker.socket docker",
        says=("Likely: Docker does not run",),
    ),
    "a connection that is cut off": Way(
        dockerfile=FROM + "RUN sleep 98\n" + SLEEPS,
        when="sleep 98",
        # The sessions, and not the one that listens.
        meanwhile="for process in $(pgrep -f '^sshd(-session)?: root@notty'); do kill -KILL $process; done",
        repair="pkill -f '^sleep 98$' || true",
        says=("unreachable: [wil]", "Likely: the connection to the managed host was cut off"),
    ),
    "a disk that is full": Way(
        dockerfile=FROM + "# " + "x" * 200_000 + "\n" + SLEEPS,
        spoil="mkdir -p /home/wil/inception/srcs/requirements/bonus/broken;"
        " mount -t tmpfs -o size=64k none /home/wil/inception/srcs/requirements/bonus/broken",
        repair="umount /home/wil/inception/srcs/requirements/bonus/broken",
        says=("No space left on device", "Likely: a disk of the managed host is full", "df -h"),
    ),
    "the machine's mirror is gone": Way(
        spoil="apt-get -qq --yes remove make >/dev/null 2>&1; mv /etc/apt/sources.list /etc/apt/sources.kept;"
        " echo deb http://127.0.0.1:9/debian trixie main >/etc/apt/sources.list; rm -rf /var/lib/apt/lists/*",
        repair="mv /etc/apt/sources.kept /etc/apt/sources.list",
        says=("Install the packages", "Likely: the managed host does not reach"),
    ),
    "a host that is not reached": Way(
        inventory=("ansible_port: 2336", "ansible_port: 1"),
        says=(
            "unreachable: [wil]",
            "port 1: Connection refused",
            "Likely: the managed host is switched off",
            "ssh -p 1",
        ),
    ),
    "sudo without its password": Way(
        spoil="useradd --create-home visitor; cp -r /root/.ssh /home/visitor/; chown -R visitor: /home/visitor/.ssh;"
        " echo visitor:secret-of-nobody | chpasswd; echo 'visitor ALL=(ALL) ALL' >/etc/sudoers.d/visitor",
        repair="userdel --remove visitor 2>/dev/null; rm /etc/sudoers.d/visitor",
        settings={"ansible_user": "visitor"},
        says=("Likely: the user of the inventory needs a password for sudo", "--ask-become-pass"),
    ),
    "a host without Python": Way(
        settings={"ansible_python_interpreter": "/usr/bin/python9"},
        says=("python9", "Likely: Python"),
    ),
    "a setting that is wrong": Way(
        settings={"inception_https_port": 99999},
        says=("inception_https_port", "99999", "for example"),
    ),
    "a certificate that is none": Way(
        settings={
            "inception_tls": "provided",
            "stack_tls_certificate": "{{ lookup('env', 'FAILURES_FOLDER') }}/no.pem",
            "stack_tls_key": "{{ lookup('env', 'FAILURES_FOLDER') }}/no.pem",
        },
        says=("no.pem",),
    ),
}
