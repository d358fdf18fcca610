# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services do, also after a crash and on another port."""

from __future__ import annotations

import json
import re
import socket
import ssl
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verify.support import MANDATORY, SERVICES, Secret, Settings, Site, Stack, is_healthy, wait_until


def handshake(settings: Settings, ca: Path, version: ssl.TLSVersion) -> str | None:
    """Connect with one version of TLS and no other; what was agreed on."""
    context = ssl.create_default_context(cafile=str(ca))
    # Else this side would refuse the old versions by itself.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((settings.address, settings.forwarded_port), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname=settings.domain) as connection,
    ):
        return connection.version()


@pytest.mark.rule("SVC-1")
@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_tls_is_new(settings: Settings, ca: Path, version: ssl.TLSVersion, name: str) -> None:
    """TLS 1.2 and 1.3 are spoken, with a certificate for the domain that the machine's authority signed."""
    assert handshake(settings, ca, version) == name


@pytest.mark.rule("SVC-1")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_tls_is_not_old(settings: Settings, ca: Path, version: ssl.TLSVersion) -> None:
    """It is the server that refuses TLS 1.0 and 1.1: its alert says so."""
    with pytest.raises(ssl.SSLError) as refused:
        handshake(settings, ca, version)
    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.rule("SVC-1")
def test_https_port_is_the_only_way_in(containers: dict[str, dict[str, Any]], settings: Settings) -> None:
    """Of all containers, nginx alone publishes a port, and that is the https port; but for those of ftp and of echo."""
    published = {
        (name, bound["HostPort"])
        for name, container in containers.items()
        for bindings in container["HostConfig"]["PortBindings"].values()
        for bound in bindings
    }
    wanted = {("nginx", str(settings.https_port))}
    if "ftp" in containers:
        environment = dict(variable.split("=", 1) for variable in containers["ftp"]["Config"]["Env"])
        first, last = (int(port) for port in environment["FTP_DATA_PORTS"].split("-"))
        wanted |= {("ftp", environment["FTP_PORT"]), *(("ftp", str(port)) for port in range(first, last + 1))}
    if "echo" in containers:
        wanted |= {("echo", "7007")}
    assert published == wanted


@pytest.mark.rule("SVC-1")
@pytest.mark.vm_core
def test_plain_http_does_not_answer(stack: Stack, settings: Settings) -> None:
    """Port 80 of the machine refuses a connection, by the domain's name and at every address of the machine."""
    addresses = re.findall(r"inet ([\d.]+)", stack.root("ip -4 address"))
    assert "127.0.0.1" in addresses
    for name in (settings.domain, *addresses):
        assert stack.fetch(f"http://{name}/") == (0, "ConnectionRefusedError"), name


@pytest.mark.rule("SVC-1")
@pytest.mark.vm_core
def test_https_port_speaks_no_plain_http(settings: Settings) -> None:
    """Whoever talks plain HTTP to the https port does not get the site: he is led to TLS, at most."""
    with socket.create_connection((settings.address, settings.forwarded_port), timeout=60) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nHost: {settings.domain}\r\nConnection: close\r\n\r\n".encode())
        answer = raw.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].split()[1:2]
    assert status in ([], [b"400"], [b"301"])
    assert status != [b"301"] or f"\r\nLocation: https://{settings.domain}/\r\n".encode() in head + b"\r\n"
    assert settings.title.encode() not in body


@pytest.mark.rule("SVC-2")
@pytest.mark.vm_core
def test_wordpress_is_installed(site: Site) -> None:
    """The installation page says that there is nothing to install, and has no form."""
    page = site.get("/wp-admin/install.php")
    assert "Already Installed" in page.text
    assert "<form" not in page.text


@pytest.mark.rule("SVC-2")
def test_wordpress_is_configured(stack: Stack, settings: Settings) -> None:
    """The site knows its address, has readable links, and a theme that is there."""
    options = dict(
        stack.sql(
            "SELECT option_name, option_value FROM wp_options"
            " WHERE option_name IN ('home', 'siteurl', 'permalink_structure')"
        )
    )
    url = settings.url(settings.https_port)
    assert options == {"home": url, "siteurl": url, "permalink_structure": "/%postname%/"}


@pytest.mark.rule("SVC-2", "SVC-3")
@pytest.mark.parametrize("service", ["wordpress", "mariadb"])
def test_no_nginx_inside(stack: Stack, service: str) -> None:
    """There is no nginx in the image, wherever one looks; in nginx's own image there is."""
    look = "find / -xdev -name nginx -type f 2>/dev/null; command -v nginx || true"
    assert stack.execute("nginx", "sh", "-c", look).stdout != ""
    assert stack.execute(service, "sh", "-c", look).stdout == ""


@pytest.mark.rule("SVC-2")
def test_php_fpm_answers(stack: Stack) -> None:
    """php-fpm listens on its port, in WordPress's container and in no other."""
    assert listening(stack, "wordpress") == {setting(stack, "WORDPRESS_PORT")}


@pytest.mark.rule("IMG-7")
@pytest.mark.parametrize(("name", "tool"), [("nginx", "envsubst"), ("wordpress", "php")])
def test_who_is_told_to_stop_while_it_gets_ready_stops(stack: Stack, name: str, tool: str) -> None:
    """The first process hears Docker's signal before the server is there; else that runs on until it is killed."""
    probe, folder = f"inception-stops-{name}", stack.root("mktemp -d -p /root").strip()
    # In the tool's place, so that the signal comes while the entrypoint is at it, on any machine.
    held = "#!/bin/sh\ntouch /tmp/at-it\nuntil [ -e /tmp/go ]; do sleep 0.2; done\n"
    try:
        stack.root("printf %%s %s >%s", held, f"{folder}/{tool}")
        stack.root("chmod -R a+rx %s", folder)
        stack.compose(f"run --detach --no-deps --name {probe} --volume {folder}/{tool}:/usr/local/bin/{tool}:ro {name}")
        wait_until("it is at it", lambda: stack.host.run("docker exec %s test -e /tmp/at-it", probe).rc == 0)
        signal = stack.root("docker inspect --format '{{.Config.StopSignal}}' %s", probe).strip()
        stack.root("docker kill --signal %s %s", signal, probe)
        stack.root("docker exec %s touch /tmp/go", probe)
        # 143: the entrypoint itself. A server would end with 0, and one that hears nothing not at all.
        assert stack.root("timeout 60 docker wait %s", probe).strip() == "143"
    finally:
        stack.host.run("docker rm --force --volumes %s", probe)
        stack.root("rm -r %s", folder)


@pytest.mark.rule("SVC-3")
def test_database_is_used(stack: Stack) -> None:
    """WordPress's own user sees WordPress's tables, and there is something in them."""
    tables = {row[0] for row in stack.sql("SHOW TABLES")}
    assert {"wp_options", "wp_posts", "wp_users", "wp_comments"} <= tables
    assert int(stack.sql("SELECT COUNT(*) FROM wp_posts")[0][0]) > 0


def as_root(stack: Stack, password: str) -> Any:
    """Ask as the database's root, from inside its container; password is a piece of shell, or comes from the project.

    Not from the container's own file: a database that learnt a new value while it ran has the former one mounted."""
    client = "mariadb --no-defaults --user=root --socket=/run/mysqld/mysqld.sock --execute='SELECT 1'"
    return stack.host.run(
        "docker exec --interactive %s sh -c %s <%s",
        stack.containers()["mariadb"]["Id"],
        f"MYSQL_PWD={password} {client}",
        f"{stack.settings.project}/secrets/db_root_password.txt",
    )


@pytest.mark.rule("SVC-3")
def test_root_needs_its_password(stack: Stack) -> None:
    """Refused without one and with a wrong one, let in with the one of the secret."""
    for password in ("''", "root", '"$(cat /run/secrets/db_password)"'):
        refused = as_root(stack, password)
        assert refused.rc != 0, f"root was let in with the password {password}"
        assert "Access denied" in refused.stderr
    assert as_root(stack, '"$(cat)"').rc == 0


@pytest.mark.rule("SVC-3")
def test_database_lets_nobody_else_in(stack: Stack) -> None:
    """From WordPress's container: its own user with the password, and nobody without it, root not at all."""
    code = """
        mysqli_report(MYSQLI_REPORT_OFF);
        $password = $argv[2] === "" ? "" : file_get_contents($argv[2]);
        $link = @mysqli_connect("mariadb", $argv[1], $password, "", (int) getenv("MARIADB_PORT"));
        echo $link ? "in" : mysqli_connect_errno();
    """

    def connect(user: str, file: str) -> str:
        return str(stack.execute("wordpress", "php", "-r", code, user, file).stdout)

    user = setting(stack, "MARIADB_USER")
    assert connect(user, "/run/secrets/db_password") == "in"
    # 1045: access denied; 1130: not from there; 1698: access denied, by the way of signing in.
    for name, file in ((user, ""), ("root", ""), ("root", "/run/secrets/db_password"), ("", "")):
        assert connect(name, file) in ("1045", "1130", "1698"), name


@pytest.mark.rule("SVC-4")
def test_two_users(stack: Stack, settings: Settings) -> None:
    """One administrator, whose name has no "admin" in it, and one who is none."""
    rows = stack.sql(
        "SELECT user_login, meta_value FROM wp_users JOIN wp_usermeta ON user_id = ID"
        " WHERE meta_key = 'wp_capabilities'"
    )
    administrators = [login for login, roles in rows if '"administrator"' in roles]
    others = [login for login, roles in rows if '"administrator"' not in roles]
    assert administrators == [settings.admin_user]
    assert "admin" not in administrators[0].lower()
    assert others == [settings.user]


@pytest.mark.rule("SVC-4")
@pytest.mark.vm_core
def test_users_sign_in(site: Site, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Both with their secret, through the form; only the administrator gets to the settings. No other password does."""
    user = site.sign_in(settings.user, secrets["wp_user_password.txt"])
    administrator = site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])
    assert user.get("/wp-admin/profile.php").status == 200
    assert user.get("/wp-admin/options-general.php").status == 403
    assert administrator.get("/wp-admin/options-general.php").status == 200

    page = Site(settings, site.ca).post(
        "/wp-login.php", {"log": settings.admin_user, "pwd": "wrong", "testcookie": "1"}
    )
    assert (page.status, page.location) == (200, "")


@pytest.mark.rule("SVC-5")
def test_containers_are_apart(containers: dict[str, dict[str, Any]]) -> None:
    """A container for each service, all well, and each to be started again after a crash."""
    assert set(containers) == set(SERVICES)
    assert len({container["Id"] for container in containers.values()}) == len(containers)
    for name, container in containers.items():
        assert is_healthy(container), name
        assert container["HostConfig"]["RestartPolicy"]["Name"] in ("always", "unless-stopped"), name


@pytest.mark.rule("SVC-5")
@pytest.mark.parametrize("service", SERVICES)
def test_service_comes_back_after_a_crash(stack: Stack, site: Site, service: str) -> None:
    """Its first process is killed from outside; the same container starts again, is healthy, and the site answers."""
    stack.wait_healthy()
    before = stack.containers()[service]
    stack.root("kill -KILL %s", str(before["State"]["Pid"]))

    def again() -> bool:
        now = stack.containers()[service]
        return now["RestartCount"] > before["RestartCount"] and now["State"]["Running"]

    wait_until(f"Docker starts {service} again", again)
    stack.wait_healthy()
    site.wait_answers()
    assert stack.containers()[service]["Id"] == before["Id"]


def env_values(text: str) -> dict[str, str]:
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def setting(stack: Stack, name: str) -> str:
    """A value of .env, as it is now."""
    return env_values(stack.host.file(f"{stack.settings.project}/srcs/.env").content_string)[name]


def listening(stack: Stack, service: str) -> set[str]:
    """The TCP ports that a service listens on, in its own network, Docker's name server left out."""
    pid = str(stack.containers()[service]["State"]["Pid"])
    ports = set()
    for line in stack.root("cat %s %s", f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6").splitlines():
        fields = line.split()
        # 0A: listening. Docker's name server is at 127.0.0.11.
        if fields[3] == "0A" and not fields[1].startswith("0B00007F:"):
            ports.add(str(int(fields[1].rsplit(":", 1)[1], 16)))
    return ports


@pytest.mark.rule("SVC-6")
def test_environment_configures(stack: Stack, compose_config: dict[str, Any], project_files: dict[str, bytes]) -> None:
    """srcs/.env is there, every service gets its variables from it, and the compose file repeats no value of it."""
    values = env_values(project_files["srcs/.env"].decode())
    assert values["DOMAIN"]
    for name in MANDATORY:
        # SECRETS names the issues of its secrets, from a file beside them; a proxy of the host is not the containers'.
        given = set(compose_config["services"][name]["environment"]) - {"SECRETS", "no_proxy", "NO_PROXY"}
        assert given, name
        assert given <= set(values), name
    compose = project_files["srcs/docker-compose.yml"].decode()
    for name in ("DOMAIN", "MARIADB_PORT", "WORDPRESS_PORT", "ADMIN_USER", "ADMIN_EMAIL"):
        assert not re.search(rf"(?<![\w.]){re.escape(values[name])}(?![\w.])", compose), f"{name} is written out"


@pytest.mark.rule("SVC-6")
def test_secrets_are_docker_secrets(compose_config: dict[str, Any], settings: Settings) -> None:
    """What is confidential comes from files in secrets/, and is in /run/secrets of the containers that need it."""
    for name, secret in compose_config["secrets"].items():
        assert secret["file"].startswith(f"{settings.project}/secrets/"), name
    for name in MANDATORY:
        mounted = compose_config["services"][name]["secrets"]
        assert mounted, name
        assert all(secret["target"].startswith("/run/secrets/") for secret in mounted), name


@pytest.fixture
def changed_ports(stack: Stack, site: Site) -> Iterator[dict[str, str]]:
    """Every service on another port, by a change of srcs/.env and `make`; afterwards as before."""
    names = {"mariadb": "MARIADB_PORT", "wordpress": "WORDPRESS_PORT", "nginx": "HTTPS_PORT"}
    ports = {service: str(int(setting(stack, name)) + 11) for service, name in names.items()}
    edits = " ".join(f"-e 's/^{names[service]}=.*/{names[service]}={port}/'" for service, port in ports.items())
    stack.login("cp -p srcs/.env /tmp/verify.env")
    try:
        stack.login(f"sed -i {edits} srcs/.env && make")
        yield ports
    finally:
        stack.login("cp /tmp/verify.env srcs/.env && rm /tmp/verify.env && make")
        stack.wait_healthy()
        site.wait_answers()


@pytest.mark.rule("SVC-7")
def test_ports_change_in_one_place(stack: Stack, settings: Settings, changed_ports: dict[str, str]) -> None:
    """On the new ports, and no longer on the old ones, everything works: page, database, and the links of the site."""
    stack.wait_healthy()
    for service, port in changed_ports.items():
        assert listening(stack, service) == {port}
    url = settings.url(int(changed_ports["nginx"]))
    status, page = stack.fetch(f"{url}/")
    assert status == 200, page
    ports = set(re.findall(rf"https://{re.escape(settings.domain)}(:[0-9]+)?", page.replace("\\/", "/")))
    assert ports == {f":{changed_ports['nginx']}"}
    status, posts = stack.fetch(f"{url}/wp-json/wp/v2/posts")
    assert status == 200
    assert json.loads(posts)
    assert stack.sql("SELECT option_value FROM wp_options WHERE option_name = 'home'") == [[url]]
    assert stack.fetch(settings.url(settings.https_port) + "/") == (0, "ConnectionRefusedError"), "the old port answers"


@pytest.mark.rule("SVC-2")
def test_comment_form(site: Site) -> None:
    """A visitor sees the comments of the first post, and where to sign in to write one."""
    page = site.get(urllib.parse.urlsplit(site.get("/wp-json/wp/v2/posts?per_page=1").json()[0]["link"]).path)
    assert "comments" in page.text
    assert "wp-login.php" in page.text


def test_the_database_s_own_tables_are_of_its_version(stack: Stack) -> None:
    """The command that a deployment runs after a newer server took over does its work once, and leaves no password."""
    info = "/var/lib/mysql/data/m*_upgrade_info"

    def upgrade() -> str:
        done = stack.execute("mariadb", "upgrade")
        assert done.rc == 0, done.stderr
        return str(done.stdout)

    assert upgrade() == ""
    assert stack.execute("mariadb", "sh", "-c", f'for file in {info}; do echo 10.5.8-MariaDB >"$file"; done').rc == 0
    assert "its own tables are those of" in upgrade()
    assert upgrade() == ""
    version = stack.execute("mariadb", "sh", "-c", f"tail -n 1 {info}").stdout.strip()
    assert version in stack.execute("mariadb", "mariadbd", "--version").stdout
    assert "upgrade" not in stack.execute("mariadb", "ls", "/tmp").stdout
