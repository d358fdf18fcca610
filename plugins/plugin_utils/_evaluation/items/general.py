# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: General instructions. Private to this collection: it may change without notice."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    UNDETERMINED,
    WARNING,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Located, Service
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.images import (
    bases_seen,
    official,
    penultimate,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items.network import names_network
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import (
    COMPOSE_FILE,
    Project,
    Starter,
    is_compose,
    run_texts,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    judged,
    lines_with,
    listed,
    seen,
    unreadable,
)

# What configures a container, and where people keep notes, examples and tools beside their project.
_CONFIGURATION = re.compile(r"(?:^|/)(?:\.env|[\w.-]+\.(?:conf|cnf|ini|env))$", re.IGNORECASE)
_TOOLS = re.compile(
    r"(?:^|/)\.[\w-]+/|^(?:docs?|tests?|secrets?|notes?|study|theory|examples?|old|archive|vm|vagrant|ansible|tools?|utils?|refs?"
    r"|official[\w-]*|resources?|img|assets)[\w.-]*/",
    re.IGNORECASE,
)


def _configuration(project: Project) -> Finding:
    """What is built and used counts; a Dockerfile in somebody's notes configures nothing."""
    if not project.is_folder("srcs") and not project.compose_files:
        # That there is none is item 3's.
        return Finding(UNDETERMINED, [Evidence("srcs", "is not there, and no compose file")])
    # A file that no Dockerfile, compose file, Makefile or script names configures nothing.
    users = {*(project.dockerfile_path(one) for one in project.services.values()), *project.compose_files, "Makefile"}
    users |= {source.path for source in project.shell_scripts()}
    named = {word for path in users for word in re.findall(r"[\w.-]+", project.text(path) or "")}
    failures = [
        Evidence(path, "is outside srcs")
        for path in project.files()
        if not path.startswith("srcs/") and _CONFIGURATION.search(path) and not _TOOLS.search(path)
        if path.endswith(".env") or posixpath.basename(path) in named
    ]
    failures += [Evidence(path, "is outside srcs") for path in project.compose_files if not path.startswith("srcs/")]
    failures += [
        Evidence(service.line("build"), f"{service.name} is built from outside srcs: {service.context}")
        for service in project.services.values()
        if service.built and not (service.context + "/").startswith("srcs/")
    ]
    warnings = []
    uses = any(
        "${" in (project.text(path) or "") or "env_file" in (project.text(path) or "") for path in project.compose_files
    )
    if project.compose_files and not uses and not project.is_file("srcs/.env"):
        warnings.append(Evidence("srcs/.env", "is not there, and the compose file uses no variable"))
    return judged(failures, warnings, [Evidence("srcs", "holds all configuration")])


def _makefile(project: Project) -> Finding:
    if project.makefile is None:
        others = [name for name in ("makefile", "GNUmakefile") if project.is_file(name)]
        return Finding(
            FAIL, [Evidence("Makefile", f"is not there; there is {others[0]}" if others else "is not there")]
        )
    default = project.makefile.default
    if default is None:
        return Finding(FAIL, [Evidence("Makefile", "has no goal")])
    goal_commands = project.makefile.commands
    reached = project.makefile.reached(default)
    for goal in reached:
        for line, text in goal_commands(goal):
            if _starts_compose(project, text):
                return judged([], [], [Evidence(f"Makefile:{line}", text[:200])])
    lines = ((line, text) for goal in reached for line, text in goal_commands(goal))
    elsewhere = next(
        (Evidence(f"Makefile:{line}", text[:200]) for line, text in lines if _handed_on(project, text)), None
    )
    if elsewhere:
        # Whether the stack starts in there is to be seen.
        return Finding(WARNING, [elsewhere])
    for goal in project.makefile.goals.values():
        for line, text in goal_commands(goal):
            if _starts_compose(project, text):
                where = f"plain make makes '{default.name}'; it is '{goal.name}' that starts the stack"
                return Finding(FAIL, [Evidence(f"Makefile:{line}", where)])
    return Finding(FAIL, [Evidence(f"Makefile:{default.line}", "no goal starts docker compose")])


_MACHINES = frozenset(
    {"vagrant", "ansible-playbook", "ssh", "virsh", "VBoxManage", "virt-install", "multipass", "limactl"}
)


def _handed_on(project: Project, text: str, nested: int = 0) -> bool:
    """Whether a command works in a machine of its own, also by a script, or by a script that is not to be read."""
    folder = "."
    for command in shell.parse(text).commands:
        if command.name == "cd" and len(command.words) > 1:
            folder = posixpath.join(folder, command.words[1])
        if command.name in _MACHINES or command.name.startswith("qemu"):
            return True
        if command.words[0].endswith(".sh"):
            called = project.text(posixpath.normpath(posixpath.join(folder, command.words[0])))
            if called is None or (nested < 3 and _handed_on(project, called, nested + 1)):
                return True
    return False


def _starts_compose(project: Project, text: str, nested: int = 0, folder: str = ".") -> bool:
    """Whether a command starts the stack by docker compose, also by a script of the project."""
    for command in shell.parse(text).commands:
        if command.name == "cd" and len(command.words) > 1:
            folder = posixpath.join(folder, command.words[1])
        if is_compose(command.words) and {"up", "start", "run"} & set(command.words):
            return True
        for word in command.words:
            path = posixpath.normpath(posixpath.join(folder, word))
            called = project.text(path) if re.fullmatch(r"[\w./-]+\.sh", word) else None
            if called is not None and nested < 3 and _starts_compose(project, called, nested + 1):
                return True
    return False


# --- The compose file ---


def _no_host_network(project: Project) -> Finding:
    return unreadable(project) or judged(
        _host_networks(project), [], [Evidence(path) for path in project.compose_files]
    )


def _host_networks(project: Project) -> Iterator[Evidence]:
    for service in project.services.values():
        raw = service.raw
        for key in ("network_mode", "network", "net"):
            if str(raw.get(key, "")).strip().lower() == "host":
                yield Evidence(service.line(key), f"{service.name}: {key}: host")
        for key in ("links", "external_links"):
            if raw.get(key):
                yield Evidence(service.line(key), f"{service.name}: {key}: {raw[key]}")
        build = raw.get("build")
        if isinstance(build, Located) and str(build.get("network", "")).lower() == "host":
            yield Evidence(build.where("network"), f"{service.name}: build: network: host")
        networks = raw.get("networks")
        if (
            isinstance(networks, (dict, list))
            and "host" in networks
            and "host" not in (project.composition.get("networks") or {})
        ):
            yield Evidence(service.line("networks"), f"{service.name}: networks: host")
    networks = project.composition.get("networks")
    for name, raw in networks.items() if isinstance(networks, Located) else ():
        if isinstance(raw, Located):
            external = raw.get("external")
            called = external.get("name") if isinstance(external, dict) else raw.get("name", name)
            if str(raw.get("driver", "")).lower() == "host" or (external and called == "host"):
                yield Evidence(networks.where(name), f"the network {name} is the host's")


def _no_host_network_seen(stack: Stack) -> Finding | None:
    if not stack.containers:
        return None
    wrong = [
        Evidence(f"docker inspect {service}", f"NetworkMode {one.network_mode}, links {one.links}")
        for service, one in stack.containers.items()
        if one.links or one.network_mode == "host"
    ]
    return seen(wrong, [Evidence("docker inspect", "no container has the machine's network or a link")])


def _names_network(project: Project) -> Finding:
    if project.compose_problem and (project.compose_files or project.is_file(COMPOSE_FILE)):
        return Finding(FAIL, [Evidence("srcs/docker-compose.yml", project.compose_problem)])
    return names_network(project)


_RUNS = frozenset({"run", "create"})


_HOST_NETWORK = re.compile(r"--net(?:work)?=host$")


def _no_link(project: Project) -> Finding:
    failures = []
    for source in project.scripts():
        for command in shell.parse(source.text, source.first_line).commands:
            words = command.words
            docker = "docker" in command.name.lower() or "podman" in command.name.lower() or words[0].startswith("$")
            if not docker or not _RUNS & set(words[1:]):
                continue
            host = any(_HOST_NETWORK.match(word) for word in words) or any(
                word in ("--net", "--network") and words[at + 1] == "host" for at, word in enumerate(words[:-1])
            )
            if host or any(word == "--link" or word.startswith("--link=") for word in words):
                failures.append(Evidence(f"{source.path}:{command.place.line}", command.place.text))
    return judged(failures, [], [Evidence("Makefile"), Evidence(".", "no script uses --link")])


# --- What containers run ---


def _commands(project: Project) -> Finding:
    """Dockerfiles: no tail -f, nothing in the background, no bare shell."""
    if problem := unreadable(project):
        return problem
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    good: list[Evidence] = []
    for service in project.services.values():
        starters = project.starters(service)
        good += [Evidence(where, f"{kind} {_shown(words)}") for kind, words, where in starters]
        if not starters and service.name in project.dockerfiles:
            builders = project.builders(service)
            if builders and official(builders[-1][1].base):
                failures.append(Evidence(project.dockerfile_path(service), "has no command: the base's own is a shell"))
        for kind, words, where in _with_arguments(starters):
            _command(kind, words, where, failures, warnings)
        warnings += _under_a_shell(project, service)
        for owner, stage in project.builders(service):
            for one in stage.instructions:
                if one.name == "RUN":
                    for source in run_texts(one, ""):
                        script = shell.parse(source.text, source.first_line)
                        where = project.where(owner, one)
                        failures += [Evidence(where, place.text) for place in script.endless]
                        warnings += [
                            Evidence(where, f"runs in the background: {place.text}") for place in script.background
                        ]
    return judged(failures, warnings, good)


# Scripts that start a server and stay above it.
_KEEPERS = re.compile(r"(?:.*/)?(?:mysqld|mariadbd)[_-]safe$")


def _under_a_shell(project: Project, service: Service) -> Iterator[Evidence]:
    """Where the last command of the script that a container starts is not handed PID 1, or is a script itself."""
    scripts = project.start_scripts(service)
    starters = project.starters(service)
    direct = [words for _kind, words, _where in starters if not isinstance(words, str)]
    for words in direct[:1]:
        if words and _KEEPERS.match(posixpath.basename(words[0])):
            yield Evidence(starters[0][2], f"{words[0]} is a script that stays above the server")
    if not scripts or not direct:
        return
    first = scripts[0]
    commands = shell.parse(first.text, first.first_line).commands
    if not commands or not any(posixpath.basename(word) == posixpath.basename(first.path) for word in _words(direct)):
        return
    last = commands[-1]
    keeper = next((word for words in direct for word in words if _KEEPERS.match(word)), "")
    if keeper and last.words[0] in ("$@", "$*"):
        yield Evidence(starters[-1][2], f"{keeper} is handed to {first.path}, is no server, and stays above one")
    if last.name == "wait":
        yield Evidence(f"{first.path}:{last.place.line}", f"the shell stays PID 1, and waits: {last.place.text}")
    elif _KEEPERS.match(last.name):
        yield Evidence(f"{first.path}:{last.place.line}", f"is no server, and stays above one: {last.place.text}")
    elif _SERVERS.match(last.name) and not re.match(r"\s*exec\b", last.place.text) and "exec" not in last.place.text:
        yield Evidence(f"{first.path}:{last.place.line}", f"without exec the shell stays PID 1: {last.place.text}")


_SERVERS = re.compile(
    r"(?:nginx|php-fpm[\d.]*|mysqld|mariadbd|redis-server|vsftpd|proftpd|pure-ftpd|lighttpd|httpd|apache2|valkey-server)$"
)


def _words(starters: list[tuple[str, ...]]) -> Iterator[str]:
    for words in starters:
        for word in words:
            yield from word.split()


def _with_arguments(starters: list[Starter]) -> list[Starter]:
    """ENTRYPOINT with what CMD adds to it: a shell in the one may have its script in the other."""
    if len(starters) == 2:
        (dummy, first, where), (dummy, second, dummy) = starters
        if isinstance(first, tuple) and isinstance(second, tuple):
            return [("ENTRYPOINT", first + second, where), starters[1]]
    return starters


def _shown(words: tuple[str, ...] | str) -> str:
    return (words if isinstance(words, str) else " ".join(words))[:200]


def _command(
    kind: str, words: tuple[str, ...] | str, where: str, failures: list[Evidence], warnings: list[Evidence]
) -> None:
    shown = Evidence(where, f"{kind} {_shown(words)}")
    script = shell.parse(shell.started(words))
    if shell.is_shell_with_text(words) and not any(_runs_script(one.words) for one in script.commands):
        warnings.append(Evidence(where, f"{kind} is a shell that runs no script: {_shown(words)}"))
    if script.endless or script.background or script.bare_shells:
        failures.append(shown)


# A first process that is no service.
_IDLE = re.compile(r"^(\S*/)?((ba|da|a|z)?sh(\s+-\w*c\b.*)?|tail\b.*|sleep\b.*|cat|yes)\s*$")


def _first_processes(stack: Stack) -> Finding:
    entries = [Evidence(f"PID 1 of {name}", one.first) for name, one in stack.containers.items() if one.first]
    return seen([entry for entry in entries if _IDLE.match(entry.text)], entries)


def _runs_script(words: tuple[str, ...]) -> bool:
    """Whether a command is a script, or a shell with one."""
    if posixpath.basename(words[0]) in shell.SHELLS:
        return any(not word.startswith("-") for word in words[1:])
    return bool(re.search(r"\.(?:ba|da)?sh$|/[\w.-]*(?:entrypoint|start|init|setup|run)[\w.-]*$", words[0]))


def _background(project: Project) -> Finding:
    return _in_start_scripts(project, "background")


def _in_start_scripts(project: Project, kind: str) -> Finding:
    if problem := unreadable(project):
        return problem
    failures: list[Evidence] = []
    good: list[Evidence] = []
    for service in project.services.values():
        for source in project.start_scripts(service):
            good.append(Evidence(source.path))
            script = shell.parse(source.text, source.first_line)
            failures += [Evidence(f"{source.path}:{place.line}", place.text) for place in getattr(script, kind)]
    return judged(failures, [], good)


def _endless(project: Project) -> Finding:
    """A loop in a script that no container runs asks its user something, or shows that it is at work."""
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    starting = {
        source.path: source for service in project.services.values() for source in project.start_scripts(service)
    }
    for path, source in starting.items():
        script = shell.parse(source.text, source.first_line)
        failures += [Evidence(f"{path}:{place.line}", place.text) for place in (*script.endless, *script.bare_shells)]
        warnings += [Evidence(f"{path}:{place.line}", f"ends by a break: {place.text}") for place in script.doubtful]
    for source in project.shell_scripts():
        if source.path not in starting and _of_an_image(project, source.path):
            script = shell.parse(source.text, source.first_line)
            warnings += [
                Evidence(f"{source.path}:{place.line}", f"no container was seen to run it: {place.text}")
                for place in script.endless
            ]
    return judged(failures, warnings, [Evidence(path) for path in starting])


def _of_an_image(project: Project, path: str) -> bool:
    return any(one.built and path.startswith(f"{one.context}/") for one in project.services.values())


def _ask_foreground(project: Project) -> tuple[str, str]:
    """About the very lines that keep a server in the foreground."""
    places = lines_with(project, _FOREGROUND, _files_of_images(project))
    if not places:
        return "", ""
    return (
        f"What does {places[0].text[:80]!r} do, and what happens without it?",
        "The server stays the container's first process. Without it, it forks and its parent ends, and so does the "
        f"container. Here: {listed(places)}.",
    )


def _ask_exec(project: Project) -> tuple[str, str]:
    scripts = [source.path for service in project.services.values() for source in project.start_scripts(service)]
    places = lines_with(project, re.compile(r"^\s*exec\s"), scripts)
    if not places:
        return "", ""
    return (
        f"What does `exec` do in {places[0].where}?",
        "The server takes the shell's place as the first process, so that Docker's signal to stop reaches it. "
        f"Here: {listed(places)}.",
    )


_FOREGROUND = re.compile(
    r"daemon\s+off|php-fpm[\d.]*\s+(?:-F|--nodaemonize)|daemonize\s*=?\s*no|-DFOREGROUND|background\s*=\s*no", re.I
)


def _files_of_images(project: Project) -> list[str]:
    return [path for one in project.services.values() if one.built for path in project.below(one.context)]


_BASE_MEND = (
    "Begin each Dockerfile with `FROM debian:<release>` or `FROM alpine:<version>` of the penultimate stable release, "
    "or with an image that the project builds itself."
)


_FOREGROUND_MEND = (
    "Let the container's command be the service itself in the foreground (`exec mariadbd`, `nginx -g 'daemon off;'`, "
    "`php-fpm -F`); set a database up with `mariadbd --bootstrap` or an init file."
)


_ITEMS = (
    Item(
        5,
        "All configuration is in srcs",
        "All files that configure the application are in the folder `srcs` at the root.",
        "Move Dockerfiles, compose file, configuration and scripts below `srcs/`.",
        rules=("LAY-2",),
        static=_configuration,
        decided_by="names and places",
    ),
    Item(
        6,
        "A Makefile at the root",
        "A Makefile is at the root; it sets the whole application up through the compose file.",
        "Put a `Makefile` at the root whose default goal builds and starts everything through docker compose.",
        rules=("LAY-1",),
        static=_makefile,
        decided_by="what plain `make` reaches starts compose",
    ),
    Item(
        7,
        "Docker cleaned out first",
        "Before it starts, all containers, images, volumes and networks of Docker's are stopped and removed.",
        "Remove what keeps Docker from being cleaned out.",
    ),
    Item(
        8,
        "Data folders removed first, and brought back",
        "What is in `/home/<login>/data/` is removed too, and `make` brings the folders back.",
        "Let the Makefile make the data folders before it starts the containers.",
        rules=("VM-3",),
        later=True,
    ),
    Item(
        9,
        "No host network and no links in the compose file",
        "The compose file has neither `network: host` (`network_mode: host`) nor `links:`.",
        "Join the services by a network of the project; they reach each other by their names.",
        rules=("NET-2",),
        stop=True,
        static=_no_host_network,
        decided_by="the compose file as resolved",
        runtime=_no_host_network_seen,
    ),
    Item(
        10,
        "The compose file names a network",
        "The compose file has `networks:` (or `network:`).",
        "Declare a network at the end of the compose file and name it in each service.",
        rules=("NET-1",),
        stop=True,
        static=_names_network,
        decided_by="the compose file as resolved",
    ),
    Item(
        11,
        "No --link in the Makefile or a script",
        "Neither the Makefile nor any script uses `--link` (or `--network host`).",
        "Leave containers to compose, and join them by a network of the project.",
        rules=("NET-2",),
        stop=True,
        static=_no_link,
        decided_by="`docker run` in recipes and scripts",
    ),
    Item(
        12,
        "Dockerfiles start the service itself",
        "No Dockerfile has `tail -f`, anything in the background in its ENTRYPOINT, or a shell as its command other "
        "than to run a script.",
        _FOREGROUND_MEND,
        rules=("IMG-6", "IMG-7"),
        stop=True,
        static=_commands,
        decided_by="ENTRYPOINT and CMD together, `command:` and `entrypoint:` of compose",
        runtime=_first_processes,
        ask=_ask_foreground,
    ),
    Item(
        13,
        "The base is the penultimate stable Debian or Alpine",
        "The containers are built from the penultimate stable version of Debian or Alpine.",
        _BASE_MEND,
        rules=("IMG-3",),
        static=penultimate,
        decided_by=(
            "each `FROM` against the release table (`_releases.py`) on the day of the evaluation; stages and the "
            "project's own images are followed. When the table is older than the usual time between two releases, "
            "another release is a warning"
        ),
        runtime=bases_seen,
    ),
    Item(
        14,
        "Entrypoint scripts run nothing in the background",
        "A script that an ENTRYPOINT or CMD calls runs no program in the background (`daemon &`).",
        _FOREGROUND_MEND,
        rules=("IMG-6", "IMG-7"),
        ask=_ask_exec,
        static=_background,
        decided_by="the scripts that containers start, by the names that COPY gives them, and what those call",
    ),
    Item(
        15,
        "No script runs for ever",
        "No script runs an endless command: `sleep infinity`, `tail -f /dev/null`, `tail -f /dev/random`, `while "
        "true`.",
        "Wait by healthchecks with `depends_on: condition: service_healthy`, and end the script with `exec <service>`.",
        rules=("IMG-6",),
        static=_endless,
        decided_by="all scripts; `while true` that a `break` ends is a warning",
    ),
    Item(
        16,
        "make runs",
        "`make` is run, and succeeds.",
        "Mend what the last lines of `make` report.",
        rules=("LAY-1",),
    ),
)
SECTION = Section("General instructions", _ITEMS)
