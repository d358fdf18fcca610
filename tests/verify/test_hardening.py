# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container may do, and who may read what."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.verify.support import BONUS, SERVICES, Secret, Settings, Stack, leaks

# What of them is behind the second sign-in.
GATED = {"adminer", "analytics"}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.vm_core
def test_no_process_has_a_privilege(stack: Stack, settings: Settings, service: str) -> None:
    """Every process is the login's, real, effective, saved and for files; it has no capability and cannot gain one."""
    uid = stack.root("id -u %s", settings.login).strip()
    assert uid != "0"
    processes = stack.processes(service)
    assert processes
    for process in processes:
        lines = [line.partition(":") for line in process.status.splitlines()]
        now = {name: values.split() for name, _, values in lines}
        assert now["Uid"] == [uid] * 4
        assert now["NoNewPrivs"] == ["1"]
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(now[capabilities][0], 16) == 0, capabilities


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.vm_core
def test_root_file_system_is_read_only(stack: Stack, containers: dict[str, dict[str, Any]], service: str) -> None:
    """As the kernel sees it, and not only as Docker was asked."""
    assert containers[service]["HostConfig"]["ReadonlyRootfs"] is True
    mounts = stack.root("cat %s", f"/proc/{containers[service]['State']['Pid']}/mounts").splitlines()
    (root,) = [mount.split() for mount in mounts if mount.split()[1] == "/"]
    assert "ro" in root[3].split(",")


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_not_privileged(containers: dict[str, dict[str, Any]], service: str) -> None:
    """No privilege, no added capability, no namespace or socket of the machine."""
    config = containers[service]["HostConfig"]
    assert config["Privileged"] is False
    assert not config["CapAdd"]
    assert config["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in config["SecurityOpt"]
    assert [config[name] for name in ("PidMode", "UTSMode", "UsernsMode")] == ["", "", ""]
    assert not [mount for mount in containers[service]["Mounts"] if "docker.sock" in mount["Source"]]


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_limited(compose_config: dict[str, Any], service: str) -> None:
    """The compose file limits memory and the number of processes."""
    limits = compose_config["services"][service]["deploy"]["resources"]["limits"]
    assert int(limits["memory"]) > 0
    assert int(limits["pids"]) > 0


@pytest.mark.rule("LAY-3", "SVC-6")
def test_secrets_are_for_their_owner_only(host: Any, settings: Settings, secrets: dict[str, Secret]) -> None:
    """secrets/ is the login's alone, and so is each file in it that is confidential."""
    folder = host.file(f"{settings.project}/secrets")
    assert (folder.mode, folder.user) == (0o700, settings.login)
    for name in secrets:
        file = host.file(f"{settings.project}/secrets/{name}")
        assert (file.mode, file.user) == (0o400, settings.login), name


@pytest.mark.rule("SVC-6")
def test_secrets_are_strong(host: Any, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Long, each another, and without the newline at the end that makes logins fail."""
    names = [name for name in secrets if name.endswith(".txt")]
    assert len({str(secrets[name]) for name in names}) == len(names)
    for name in names:
        assert len(secrets[name]) >= 20, name
        assert not host.file(f"{settings.project}/secrets/{name}").content.endswith(b"\n"), name


@pytest.mark.rule("SVC-6", "IMG-5")
@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_in_the_environment(stack: Stack, secrets: dict[str, Secret], service: str) -> None:
    """Neither in the environment nor in the arguments of any process: those are for everybody to see."""
    places = {
        f"{what} of {process.pid}": text.encode()
        for process in stack.processes(service)
        for what, text in (("environment", process.environment), ("arguments", process.args))
    }
    assert places
    inspected = stack.host.run("docker inspect %s", stack.containers()[service]["Id"]).stdout_bytes
    assert leaks(secrets, {**places, "docker inspect": inspected}) == []


@pytest.mark.rule("SVC-6")
def test_no_secret_in_the_logs(stack: Stack, secrets: dict[str, Secret]) -> None:
    """What the containers said since they started."""
    logs = {}
    for name, container in stack.containers().items():
        result = stack.host.run("docker logs %s", container["Id"])
        logs[name] = result.stdout_bytes + result.stderr_bytes
    assert leaks(secrets, logs) == []


@pytest.mark.rule("SVC-6")
def test_service_has_only_its_secrets(compose_config: dict[str, Any]) -> None:
    """A service that is broken into gives away no more than it needs."""
    given = {
        name: {secret["source"] for secret in service.get("secrets", [])}
        for name, service in compose_config["services"].items()
    }
    assert given["mariadb"] == {"db_password", "db_root_password"}
    assert "db_root_password" not in given["wordpress"]
    assert "tls_key" not in given["wordpress"]
    assert given["nginx"] == {"tls_key", "tls_certificate"} | ({"gate_password"} if GATED & set(BONUS) else set())
    wanted = {"redis": {"redis_password"}, "ftp": {"tls_key", "tls_certificate", "ftp_password"}}
    for name in BONUS:
        assert given[name] == wanted.get(name, set()), name


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_in_memory_has_a_size(
    containers: dict[str, dict[str, Any]], compose_config: dict[str, Any], service: str
) -> None:
    """Whoever fills a tmpfs fills the memory next door; all of them are less than the container's."""
    options = containers[service]["HostConfig"].get("Tmpfs") or {}
    sizes = {path: re.search(r"(?:^|,)size=(\d+)m(?:,|$)", option) for path, option in options.items()}
    assert all(sizes.values()), options
    # A machine that is a container itself has no limits; the compose file says them all the same.
    most = int(compose_config["services"][service]["deploy"]["resources"]["limits"]["memory"])
    assert sum(int(size[1]) for size in sizes.values() if size) * 1024**2 < most


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_runs_as_nobody_special(stack: Stack, containers: dict[str, dict[str, Any]], service: str) -> None:
    """By itself too, as one number everywhere; and no program in it makes who calls it somebody else."""
    image = json.loads(stack.root("docker image inspect %s", containers[service]["Image"]))[0]
    found = stack.execute(
        service, "find", "/", "-xdev", "-type", "f", "(", "-perm", "-4000", "-o", "-perm", "-2000", ")"
    )
    assert found.stdout == "", found
    if service != "echo":
        assert image["Config"]["User"] == "10042:10042"


@pytest.mark.rule("SVC-1")
@pytest.mark.parametrize("service", ["mariadb", "wordpress"])
def test_inner_service_is_not_published(containers: dict[str, dict[str, Any]], service: str) -> None:
    """php-fpm runs whatever it is told, and the database is nobody else's: no port of theirs is the machine's."""
    assert not containers[service]["HostConfig"]["PortBindings"]
    assert not containers[service]["HostConfig"]["PublishAllPorts"]
    assert not [bound for bound in containers[service]["NetworkSettings"]["Ports"].values() if bound]


def test_nothing_that_a_visitor_may_not_see(site: Any) -> None:
    """Hidden files, the settings and programs among the uploads are not given out."""
    for path in ("/.release", "/.htaccess", "/wp-content/uploads/x.php"):
        assert site.get(path).status in (403, 404), path
    assert not re.search(r"DB_PASSWORD|inception_secret", site.get("/wp-config.php").text)
