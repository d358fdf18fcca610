# SPDX-License-Identifier: GPL-3.0-or-later
"""The project folder as it is rendered: linters, and what must hold on each base and with each source."""

from __future__ import annotations

import datetime
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import FAIL, PASS, WARNING
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read
from ansible_collections.fortytwo.inception.tests.unit import rendering

pytestmark = pytest.mark.parametrize("variant", rendering.VARIANTS)


@pytest.fixture
def files(variant: str, collections_path: Path) -> dict[str, str]:
    return rendering.project(variant, str(collections_path))


def test_a_second_run_renders_the_same(variant: str, collections_path: Path) -> None:
    """Ansible's union, difference and intersect give their lists in another order in each run."""
    made = [rendering.project(variant, str(collections_path), seed) for seed in ("1", "2", "3")]
    differing = {path for other in made[1:] for path, content in other.items() if content != made[0].get(path)}
    assert differing == set()


def write(files: dict[str, str], root: Path) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.fixture
def folder(files: dict[str, str], tmp_path: Path) -> Path:
    """The project on disk, with its data beside it."""
    root = write(files, tmp_path / "inception")
    environment = root / "srcs/.env"
    environment.write_text(environment.read_text().replace("/home/wil/data", f"{tmp_path}/data"))
    return root


@pytest.fixture
def compose(files: dict[str, str]) -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load(files["srcs/docker-compose.yml"])
    return described


def run(folder: Path, tool: str, *arguments: str | Path) -> str:
    """Run a tool, which must be there, beside this Python or in PATH, and be content; returns what it printed."""
    path = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert path, f"{tool} is missing"
    finished = subprocess.run(
        [path, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def settings(files: dict[str, str]) -> dict[str, str]:
    """srcs/.env as Compose reads it: in double quotes, a backslash takes the meaning from the next character."""
    found = {}
    for line in files["srcs/.env"].splitlines():
        if not line or line.startswith("#"):
            continue
        name, value = line.split("=", 1)
        if value.startswith('"'):
            assert re.fullmatch(r'"(?:[^"\\$]|\\["\\$])*"', value), f"{name} is not quoted well: {value}"
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        else:
            assert not re.search(r"[\s\"'$#\\]", value), f"{name} needs quotes: {value}"
        found[name] = value
    return found


def test_shellcheck_finds_nothing(files: dict[str, str], folder: Path) -> None:
    scripts = [name for name in files if name.endswith(".sh")]
    assert len(scripts) >= 4
    run(folder, "shellcheck", *scripts)


def test_hadolint_finds_nothing(files: dict[str, str], folder: Path, repository: Path) -> None:
    dockerfiles = [name for name in files if name.endswith("/Dockerfile")]
    assert len(dockerfiles) >= 3
    run(folder, "hadolint", "--config", repository / ".hadolint.yaml", *dockerfiles)


def test_the_compose_file_is_valid_yaml(files: dict[str, str], folder: Path) -> None:
    rules = "{rules: {key-duplicates: enable, empty-lines: {max: 1}, indentation: enable, trailing-spaces: enable}}"
    run(folder, "yamllint", "--strict", "--config-data", rules, "srcs/docker-compose.yml")
    assert "\n\n    " not in files["srcs/docker-compose.yml"], "a blank line inside a service"


def test_no_trace_of_the_templates(files: dict[str, str]) -> None:
    for name, content in files.items():
        assert not re.search(r"\{\{[ -]|\{%|\{# ", content), f"{name} has something of Jinja left"
        assert not re.search(r"[ \t]$", content, flags=re.MULTILINE), f"{name} has a line with a trailing space"
        # Python wants two of them between functions.
        assert "\n" * (4 if name.endswith(".py") else 3) not in content, f"{name} has more than one blank line in a row"
        assert re.search(r"\S\n\Z", content), f"{name} does not end with one line end"
        assert not content.startswith("\n"), f"{name} begins with a blank line"


def test_our_own_evaluation_blames_nothing(files: dict[str, str], variant: str, tmp_path: Path) -> None:
    """As far as reading goes; that another port than 443 is not the exercise's is for the user to know."""
    results = read(Project(snapshot(str(write(files, tmp_path / "inception"))), datetime.date.today()))
    blamed = {
        one.id: [f"{piece.where}: {piece.text}" for piece in one.evidence]
        for one in results
        if one.verdict in (FAIL, WARNING)
    }
    if "inception_https_port" in rendering.VARIANTS[variant]:
        assert len(blamed.pop(27)) == 1
    assert blamed == {}
    assert sum(one.verdict == PASS for one in results) >= 30


def test_layout(files: dict[str, str], compose: dict[str, Any]) -> None:
    """LAY-1, LAY-2, LAY-3, IMG-1"""
    assert {"Makefile", ".gitignore", "srcs/docker-compose.yml", "srcs/.env"} <= set(files)
    assert "secrets/" in files[".gitignore"].splitlines()
    assert [name for name in files if name.startswith("secrets/")] == []
    for name, service in compose["services"].items():
        context = f"srcs/{service['build']['context']}"
        assert service["build"]["context"] in (f"requirements/{name}", f"requirements/bonus/{name}")
        assert files[f"{context}/Dockerfile"].strip()
        assert files[f"{context}/.dockerignore"].strip()
        for part in ("conf", "tools"):
            assert [path for path in files if path.startswith(f"{context}/{part}/")], f"{name} has no {part}/"


def test_images(files: dict[str, str], compose: dict[str, Any], variant: str) -> None:
    """IMG-2, IMG-3, IMG-4"""
    family = variant.split("-")[0]
    for name, service in compose["services"].items():
        assert re.fullmatch(rf"{name}:[0-9a-f]{{12}}", service["image"])
        dockerfile = files[f"srcs/{service['build']['context']}/Dockerfile"]
        bases = re.findall(r"^FROM (\S+)", dockerfile, flags=re.MULTILINE)
        assert {base.split(":")[0] for base in bases} == {family}
        assert all(re.fullmatch(r"[a-z]+:(?!latest$)[a-z0-9.]+", base) for base in bases)


def test_nothing_runs_endlessly_or_in_the_background(files: dict[str, str]) -> None:
    """IMG-6, NET-2"""
    forbidden = r"tail -f|sleep infinity|while true|while :|nohup|[^&>]&\s*$|--link|network[ =]host"
    for name, content in files.items():
        if name.endswith((".sh", "/Dockerfile", "Makefile")):
            assert not re.search(forbidden, content, flags=re.MULTILINE), name
    for name, content in files.items():
        if name.endswith("/Dockerfile"):
            commands = re.findall(r"^(?:CMD|ENTRYPOINT) (.*)$", content, flags=re.MULTILINE)
            assert commands, name
            assert not [command for command in commands if not re.match(r'\["(?!(?:/bin/)?(?:ba)?sh")', command)], name


def test_networks_and_volumes(compose: dict[str, Any]) -> None:
    """NET-1, NET-2, VOL-1, VOL-2, SVC-1"""
    assert compose["networks"]
    for service in compose["services"].values():
        assert service["networks"]
        assert not {"network_mode", "links"} & set(service)
        assert all(volume.split(":")[0] in compose["volumes"] for volume in service.get("volumes", []))
    for name, volume in compose["volumes"].items():
        assert volume["driver_opts"]["device"] == f"${{DATA_DIR}}/{name}"
    published = {name for name in rendering.MANDATORY if compose["services"][name].get("ports")}
    assert published == {"nginx"}
    joined = {name: set(service["networks"]) for name, service in compose["services"].items()}
    assert not joined["nginx"] & joined["mariadb"]
    for name, network in compose["networks"].items():
        members = [service for service, networks in joined.items() if name in networks]
        assert len(members) == (2 if (network or {}).get("internal") else 1), name
    assert [name for name, networks in joined.items() if f"{name}-way-out" in networks] == ["wordpress"]


def test_every_service_is_hardened_and_limited(compose: dict[str, Any], variant: str) -> None:
    """SVC-5, and the project's own rules"""
    for service in compose["services"].values():
        assert service["user"] == "${LOGIN_UID}:${LOGIN_GID}"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        limits = service["deploy"]["resources"]["limits"]
        # Where the machine's kernel has no CPU quota, Docker would refuse one.
        assert set(limits) == {"memory", "pids", *(["cpus"] if variant.startswith("debian") else [])}


def test_every_setting_and_secret_that_is_used_exists(files: dict[str, str], compose: dict[str, Any]) -> None:
    """SVC-6"""
    used = set(re.findall(r"(?<!\$)\$\{(\w+)\}", files["srcs/docker-compose.yml"]))
    assert used - set(settings(files)) == set()
    secrets = {name for service in compose["services"].values() for name in service.get("secrets", [])}
    assert secrets == set(compose["secrets"])


def test_builds_have_the_proxy_in_both_ways_of_writing(files: dict[str, str], compose: dict[str, Any]) -> None:
    """BuildKit takes one of the two by chance, and Docker's client may add a wrong one in both."""
    names = ("http_proxy", "https_proxy", "no_proxy") if "http_proxy=" in files["srcs/.env"] else ()
    wanted = {way: f"${{{name}}}" for name in names for way in (name, name.upper())}
    for service in compose["services"].values():
        assert service["build"].get("args", {}) == wanted


def test_a_service_s_own_words_go_through_no_proxy_and_name_its_neighbours_alone(compose: dict[str, Any]) -> None:
    """One that is added elsewhere makes no other container of it."""
    services = compose["services"]
    for service in services.values():
        near = {other for other in services if set(services[other]["networks"]) & set(service["networks"])}
        told = service["environment"]["no_proxy"].split(",")
        assert service["environment"]["NO_PROXY"].split(",") == told
        assert {"localhost", "127.0.0.1", "::1", "${DOMAIN}"} <= set(told)
        assert set(told) & set(services) == near


def test_hard_values_come_out_of_env_as_they_went_in(files: dict[str, str], variant: str) -> None:
    given = rendering.VARIANTS[variant]
    found = settings(files)
    assert found["SITE_TITLE"] == given.get("inception_title", "Inception")
    assert found["ADMIN_USER"] == given.get("inception_admin_user", "wil")
    assert found["HTTPS_PORT"] == str(given.get("inception_https_port", 443))
    assert found["MARIADB_PORT"] == str(given.get("stack_env", {}).get("MARIADB_PORT", 3306))


def test_where_wordpress_comes_from(files: dict[str, str], variant: str) -> None:
    """No image has wp-cli: the machine's own program brings it, when it is asked for."""
    dockerfile = files["srcs/requirements/wordpress/Dockerfile"]
    assert not [path for path, text in files.items() if re.search(r"wp-cli|wp\.phar", text)]
    if variant.endswith("package"):
        assert "apt-get download" in dockerfile
        assert "http" not in dockerfile
    else:
        assert "apt-get download" not in dockerfile
        urls = re.findall(r"--output (\S+) (https://\S+)", dockerfile)
        assert [name for name, _ in urls] == ["wordpress.tar.gz"]
        # Each that is given, and no other.
        names = {kind: f"stack_wordpress_archive_{kind}" for kind in ("sha1", "sha256")}
        defaults = yaml.safe_load(Path(rendering.ROLE / "defaults/main.yml").read_text())
        given = {kind: (defaults | rendering.VARIANTS[variant])[name] for kind, name in names.items()}
        checked = {kind: value for kind, value in given.items() if value}
        assert checked
        assert dict(re.findall(r'echo "(\S+)  wordpress.tar.gz" >wordpress.(\w+) ', dockerfile)) == {
            value: kind for kind, value in checked.items()
        }
        assert re.findall(r"&& (\w+)sum -c ", dockerfile) == list(checked)


def test_the_object_cache_comes_with_redis(files: dict[str, str], variant: str) -> None:
    """BON-1: wherever WordPress comes from, and not without Redis."""
    dockerfile = files["srcs/requirements/wordpress/Dockerfile"]
    ours = "srcs/requirements/wordpress/conf/object-cache.php"
    with_redis = "redis" in rendering.VARIANTS[variant].get("inception_bonus_services", [])
    assert (ours in files, "COPY conf/object-cache.php" in dockerfile) == (with_redis, with_redis)
    assert ("-redis \\\n" in dockerfile or "-pecl-redis\n" in dockerfile) == with_redis


def test_the_page_cache_can_be_off(files: dict[str, str], variant: str) -> None:
    on = rendering.VARIANTS[variant].get("stack_page_cache", True)
    rooms = "srcs/requirements"
    assert (f"{rooms}/wordpress/conf/pages.php" in files) == on
    assert ("pages.php" in files[f"{rooms}/wordpress/Dockerfile"]) == on
    configuration = "".join(content for name, content in files.items() if name.startswith(f"{rooms}/nginx/conf/"))
    assert ("proxy_cache" in configuration) == on
    assert ("/var/cache/pages" in files["srcs/docker-compose.yml"]) == on


def test_memory_follows_the_limits(files: dict[str, str], compose: dict[str, Any]) -> None:
    """One rule: a quarter of the container's for what is shared, and in PHP's 48 MB of the rest for each child."""

    def limit(service: str) -> int:
        return int(compose["services"][service]["deploy"]["resources"]["limits"]["memory"].removesuffix("M"))

    def value(file: str, name: str) -> int:
        return sum(
            map(int, re.findall(rf"^{re.escape(name)} = (\d+)", files[f"srcs/requirements/{file}"], flags=re.MULTILINE))
        )

    shared = value("wordpress/conf/php.ini", "opcache.memory_consumption")
    children = value("wordpress/conf/php-fpm.conf", "pm.max_children")
    assert shared == limit("wordpress") // 4
    assert children == (limit("wordpress") - shared) // 48
    assert value("mariadb/conf/mariadb.cnf", "innodb_buffer_pool_size") == limit("mariadb") // 4


def test_make_credentials(folder: Path, variant: str) -> None:
    given = rendering.VARIANTS[variant]
    (folder / "secrets").mkdir()
    (folder / "secrets/wp_admin_password.txt").write_text("one")
    (folder / "secrets/wp_user_password.txt").write_text("two")
    port = {443: ""}.get(given.get("inception_https_port", 443), ":8443")
    said = [f"https://wil.42.fr{port}/wp-admin/", f"{given.get('inception_admin_user', 'wil')}: one", "guest: two"]
    assert run(folder, "make", "--silent", "credentials").splitlines()[: len(said)] == said


def test_make_credentials_has_a_value_for_every_user(folder: Path, compose: dict[str, Any]) -> None:
    """Those of the bonus services too, where a file has what is shown."""
    (folder / "secrets").mkdir()
    for name, secret in compose["secrets"].items():
        (folder / "secrets" / Path(secret["file"]).name).write_text(f"value of {name}")
    told = run(folder, "make", "--silent", "credentials").splitlines()
    users = [line for line in told if not re.match(r"[a-z]+://", line)]
    assert len(users) >= 2
    assert [line for line in users if not re.fullmatch(r"\S.*: value of [a-z_]+", line)] == []


def test_make_help_names_every_command(files: dict[str, str], folder: Path) -> None:
    inner = {"all", "up", "prepare", "sure", "help"}
    targets = set(re.findall(r"^([a-z]+):", files["Makefile"], flags=re.MULTILINE)) - inner
    told = run(folder, "make", "--silent", "help")
    assert {target for target in targets if not re.search(rf"\b{target}\b", told.replace("make ", ""))} == set()


@pytest.mark.parametrize(
    ("answer", "filled", "gone"),
    [
        ("yes", True, True),
        ("no", True, False),
        ("", True, False),
        # Whoever has no terminal, such as an evaluator's script, is not asked; nor is anybody where nothing is lost.
        (None, True, True),
        ("no", False, True),
    ],
)
def test_make_fclean_asks_at_a_terminal(folder: Path, answer: str | None, filled: bool, gone: bool) -> None:
    volume = folder.parent / "data/wordpress"
    if filled:
        volume.mkdir(parents=True)
    # Docker is not there.
    # By several at once, too.
    command = ["make", "--jobs=4", "fclean", f"DATA={volume.parent}", "COMPOSE=echo compose", "IMAGES=true"]
    ours, terminal = pty.openpty()
    try:
        os.write(ours, f"{answer or ''}\n".encode())
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL if answer is None else terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(terminal)
    assert (done.returncode == 0, volume.exists()) == (gone, not gone), done.stdout + done.stderr
    assert ("compose down" in done.stdout) == gone
    assert ("Type yes to remove it" in done.stdout) == (filled and answer is not None)


def test_prepare_makes_what_is_missing_and_nothing_else(folder: Path, compose: dict[str, Any]) -> None:
    """LAY-3, VOL-2, and sheet item 8: make brings the folders back"""
    run(folder, "sh", "srcs/tools/prepare.sh")
    secrets = folder / "secrets"
    data = folder.parent / "data"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    for path in [data, *(data / name for name in compose["volumes"])]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
    named = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == named | {"ca.key", "ca.crt"}
    for path in secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o444 if path.suffix == ".crt" else 0o400)
        if path.suffix == ".txt":
            assert re.fullmatch(r"[A-Za-z0-9]{32,}", path.read_text())
    run(secrets, "openssl", "verify", "-CAfile", "ca.crt", "-verify_hostname", "wil.42.fr", "tls.crt")

    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    gone = secrets / "db_password.txt"
    gone.unlink()
    assert run(folder, "sh", "srcs/tools/prepare.sh") == "Made secrets/db_password.txt\n"
    after = {path.name: path.read_bytes() for path in secrets.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {gone.name}
    assert run(folder, "sh", "srcs/tools/prepare.sh") == ""


def test_a_site_of_the_users_takes_the_place_of_ours(files: dict[str, str], variant: str) -> None:
    dockerfile = files.get("srcs/requirements/bonus/static/Dockerfile", "")
    ignored = files.get("srcs/requirements/bonus/static/.dockerignore", "")
    own = "stack_static_dir" in rendering.VARIANTS[variant]
    assert ("COPY site /srv/stack" in dockerfile, "!site" in ignored) == (own, own)
    assert ("generate" in dockerfile) is (bool(dockerfile) and not own)
