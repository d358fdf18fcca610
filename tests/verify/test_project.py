# SPDX-License-Identifier: GPL-3.0-or-later
"""The project folder, as an evaluator opens it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.verify.support import SERVICES, Secret, Settings, Stack, folder, leaks


@pytest.fixture(scope="module")
def repository(
    project_files: dict[str, bytes], secrets: dict[str, Secret], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The project with stand-ins for its secrets, all of it added to a git repository as its owner would do."""
    root = tmp_path_factory.mktemp("project")
    stand_ins = {f"secrets/{name}": b"a secret" for name in secrets}
    for path, content in {**project_files, **stand_ins}.items():
        if not path.startswith(".git/"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "--all"], check=True)
    return root


def document(project_files: dict[str, bytes], name: str) -> str:
    assert name in project_files, f"{name} is not at the root of the project"
    return project_files[name].decode()


def headings(text: str) -> list[str]:
    """The headings of a document, without what only looks like one inside a block of code."""
    outside = re.sub(r"(?ms)^```.*?^```", "", text)
    return [line.lstrip("#").strip().lower() for line in outside.splitlines() if line.startswith("#")]


@pytest.mark.rule("LAY-1")
def test_makefile_builds_through_compose(stack: Stack, project_files: dict[str, bytes]) -> None:
    """`make` calls compose with the project's file, and builds."""
    assert "Makefile" in project_files
    planned = stack.login("make --dry-run")
    assert re.search(r"docker compose .*srcs/docker-compose\.yml.* up\b", planned)
    assert "sh srcs/tools/build.sh" in planned
    assert re.search(rb"(?m)^ *docker compose build", project_files["srcs/tools/build.sh"])
    assert not re.search(r"(?m)(^|[;&|({]) *sudo\b", planned), "a command with sudo"


@pytest.mark.rule("LAY-1")
def test_make_has_nothing_to_do(stack: Stack) -> None:
    """`make` on a running stack leaves every container as it is."""
    before = {
        name: (container["Id"], container["State"]["StartedAt"]) for name, container in stack.containers().items()
    }
    stack.login("make")
    after = {name: (container["Id"], container["State"]["StartedAt"]) for name, container in stack.containers().items()}
    assert after == before


@pytest.mark.rule("LAY-2")
def test_root_has_nothing_else(stack: Stack, settings: Settings) -> None:
    """All configuration is in srcs/; beside it are the Makefile, the secrets, the documents and what is git's."""
    there = set(stack.entries(settings.project))
    assert {"Makefile", "srcs", "secrets"} <= there
    documents = {"README.md", "USER_DOC.md", "DEV_DOC.md"}
    assert there <= {"Makefile", "srcs", "secrets", ".gitignore", ".gitattributes", ".git", *documents}


@pytest.mark.rule("LAY-2", "SVC-6")
def test_srcs_has_its_files(project_files: dict[str, bytes]) -> None:
    """The compose file and .env, by their names."""
    assert {"srcs/docker-compose.yml", "srcs/.env"} <= set(project_files)


@pytest.mark.rule("LAY-2")
@pytest.mark.parametrize("service", SERVICES)
def test_service_has_its_folder(project_files: dict[str, bytes], service: str) -> None:
    """Dockerfile, .dockerignore, conf/ and tools/, none of them empty."""
    room = f"{folder(service)}/"
    inside = {path.removeprefix(room): content for path, content in project_files.items() if path.startswith(room)}
    assert inside["Dockerfile"].strip()
    assert inside[".dockerignore"].strip()
    assert {path.split("/")[0] for path in inside} == {"Dockerfile", ".dockerignore", "conf", "tools"}


@pytest.mark.rule("LAY-2")
def test_project_is_the_logins(stack: Stack, settings: Settings) -> None:
    """Every file and folder is owned by the login, and nobody else may write it."""
    foreign = stack.root("find %s ! -user %s -o ! -type l -perm /022", settings.project, settings.login)
    assert foreign == ""


@pytest.mark.rule("LAY-2")
def test_no_trace_of_the_templates(project_files: dict[str, bytes]) -> None:
    """The files read as if someone had written them for this login: no template's syntax is left."""
    # Docker's own templates have a dot or a word after the braces: {{.Names}}, {{json .}}.
    left = re.compile(r"\{%|%\}|\{#|\{\{ |__stack_")
    found = [
        path
        for path, content in project_files.items()
        if not path.startswith(".git/") and left.search(content.decode())
    ]
    assert found == []


@pytest.mark.rule("LAY-3")
def test_secrets_are_in_their_folder(stack: Stack, settings: Settings) -> None:
    """secrets/ has the passwords of the database, one file each."""
    inside = stack.entries(f"{settings.project}/secrets")
    assert {"db_password.txt", "db_root_password.txt"} <= set(inside)


@pytest.mark.rule("LAY-3", "LAY-4")
def test_git_ignores_the_secrets(repository: Path) -> None:
    """Someone who adds everything to git adds no secret, and all the rest."""
    listed = subprocess.run(["git", "-C", str(repository), "ls-files"], check=True, capture_output=True, text=True)
    added = listed.stdout.splitlines()
    assert [path for path in added if path.startswith("secrets/")] == []
    assert {"Makefile", "srcs/.env", "srcs/docker-compose.yml", ".gitignore"} <= set(added)


@pytest.mark.rule("LAY-4")
def test_no_secret_in_a_file(project_files: dict[str, bytes], secrets: dict[str, Secret]) -> None:
    """No value of a secret, and no private key, in any file outside secrets/, git's own included."""
    assert leaks(secrets, project_files) == []
    assert [path for path, content in project_files.items() if b"PRIVATE KEY-----" in content] == []


@pytest.mark.rule("LAY-4")
def test_no_secret_in_a_past_commit(stack: Stack, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Where the folder is a git repository, nothing that it ever held is a secret."""
    history = ""
    if stack.host.file(f"{settings.project}/.git").exists:
        history = stack.login("git log --all --patch --format=fuller")
    assert leaks(secrets, {"the history": history.encode()}) == []


@pytest.mark.rule("LAY-4", "SVC-6")
def test_env_has_no_credential(project_files: dict[str, bytes]) -> None:
    """srcs/.env, which git does hold, has no variable for one."""
    names = re.findall(r"(?m)^\s*(?:export\s+)?(\w+)=", project_files["srcs/.env"].decode())
    assert names
    assert [name for name in names if re.search(r"PASS|PWD|SECRET|TOKEN|KEY|CRED|SALT", name)] == []


@pytest.mark.rule("LAY-5")
def test_readme_begins_as_asked(project_files: dict[str, bytes], settings: Settings) -> None:
    """In italics: part of the 42 curriculum, and by whom."""
    first = document(project_files, "README.md").splitlines()[0].strip()
    assert first == f"*This project has been created as part of the 42 curriculum by {settings.login}.*"


@pytest.mark.rule("LAY-5")
def test_readme_has_its_sections(project_files: dict[str, bytes]) -> None:
    """Description, Instructions and Resources, with how AI was used."""
    text = document(project_files, "README.md")
    assert {"description", "instructions", "resources"} <= set(headings(text))
    resources = text[re.search(r"(?m)^#+ Resources", text).start() :]  # type: ignore[union-attr]
    assert "https://" in resources
    assert re.search(r"\bAI\b", resources)


@pytest.mark.rule("LAY-5")
@pytest.mark.parametrize(
    "sides",
    [
        ("virtual machine", "docker"),
        ("secret", "environment variable"),
        ("docker network", "host network"),
        ("volume", "bind mount"),
    ],
)
def test_readme_compares(project_files: dict[str, bytes], sides: tuple[str, str]) -> None:
    """The four comparisons, each below a heading of its own."""
    found = [
        heading for heading in headings(document(project_files, "README.md")) if all(side in heading for side in sides)
    ]
    assert len(found) == 1


@pytest.mark.rule("LAY-5")
@pytest.mark.parametrize(
    ("name", "topics"),
    [
        (
            "USER_DOC.md",
            {
                "the services": r"nginx.*wordpress.*mariadb|mariadb.*wordpress.*nginx|wordpress.*mariadb",
                "start": r"\bmake\b",
                "stop": r"make (down|stop)",
                "the site": r"https://{domain}",
                "the admin panel": r"/wp-admin",
                "the credentials": r"secrets/",
                "how to check": r"make status|docker compose ps",
            },
        ),
        (
            "DEV_DOC.md",
            {
                "what is needed": r"docker-compose|docker compose",
                "the configuration": r"srcs/\.env",
                "the secrets": r"secrets/",
                "build and launch": r"\bmake\b",
                "containers": r"docker compose|docker ps",
                "volumes": r"docker volume",
                "where the data is": r"/home/{login}/data",
            },
        ),
    ],
)
def test_document_says(project_files: dict[str, bytes], settings: Settings, name: str, topics: dict[str, str]) -> None:
    """What each of the two documents has to say."""
    text = document(project_files, name)
    missing = []
    for topic, pattern in topics.items():
        wanted = pattern.replace("{domain}", re.escape(settings.domain)).replace("{login}", settings.login)
        if not re.search(wanted, text, re.IGNORECASE | re.DOTALL):
            missing.append(topic)
    assert missing == []
    assert len(headings(text)) >= 4


@pytest.mark.rule("LAY-5")
def test_documents_name_commands_that_exist(stack: Stack, project_files: dict[str, bytes]) -> None:
    """Every `make something` of the documents is a target of the Makefile."""
    named = set()
    for name in ("README.md", "USER_DOC.md", "DEV_DOC.md"):
        named |= set(re.findall(r"(?m)(?:`|^)make ([a-z]+)\b", document(project_files, name)))
    assert named
    makefile = project_files["Makefile"].decode()
    assert [target for target in sorted(named) if not re.search(rf"(?m)^{target}:", makefile)] == []
