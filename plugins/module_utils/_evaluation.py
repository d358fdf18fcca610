# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet, results, and the verdict over them. Private to this collection: it may change without notice.

ITEMS is the sheet, in its order. A depth of the evaluation (reading the files, or looking at the running stack) gives
one Result for each item, `undetermined` where it cannot tell. merge() joins the depths, outcome() says what an
evaluator would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

PASS, WARNING, FAIL = "pass", "warning", "fail"
# Not asked for in this project, for example the bonus of a project that has none.
NOT_APPLICABLE = "not_applicable"
# This depth cannot tell, or a person has to.
UNDETERMINED = "undetermined"
VERDICTS = (PASS, WARNING, FAIL, NOT_APPLICABLE, UNDETERMINED)

SECTIONS = {
    "preliminaries": "Preliminaries",
    "general": "General instructions",
    "overview": "Overview",
    "documents": "Documents",
    "setup": "Simple set-up",
    "docker": "Docker basics",
    "network": "Docker network",
    "nginx": "NGINX with TLS",
    "wordpress": "WordPress with php-fpm and its volume",
    "mariadb": "MariaDB and its volume",
    "persistence": "Persistence and change",
    "bonus": "Bonus",
}


@dataclass(frozen=True)
class Item:
    """An item of the sheet: `rules` are the ids of the exercise's rules that it checks."""

    id: int
    section: str
    title: str
    rule: str
    fix: str
    rules: tuple[str, ...] = ()
    stop: bool = False  # a failure ends the evaluation
    zero: bool = False  # a failure is mark 0
    oral: bool = False  # only a person can judge it
    later: bool = False  # only the newest sheet has it
    observed: bool = False  # what the running stack shows outweighs what the files say


@dataclass(frozen=True)
class Evidence:
    """`where` is a file with its line, a commit with its file, or a command; `text` is the line or the answer."""

    where: str
    text: str = ""


@dataclass
class Result:
    """What became of one item."""

    id: int
    title: str
    section: str
    rules: list[str]
    verdict: str
    evidence: list[Evidence] = field(default_factory=list)
    rule: str = ""
    fix: str = ""
    seconds: float = 0.0
    question: str = ""
    answer: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"'{self.verdict}' is not a verdict; known ones: {', '.join(VERDICTS)}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        evidence = [Evidence(**entry) for entry in values.get("evidence", [])]
        return cls(**{**values, "evidence": evidence})


def printable(text: str) -> str:
    """A text that harms no terminal and no report: control characters other than line breaks and tabs are escaped."""
    return "".join(one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)


def result(
    item_id: int,
    verdict: str,
    evidence: Iterable[Evidence] = (),
    *,
    seconds: float = 0.0,
    question: str = "",
    answer: str = "",
) -> Result:
    """A result for an item, with what the sheet says of it."""
    item = ITEMS[item_id]
    return Result(
        id=item.id,
        title=item.title,
        section=item.section,
        rules=list(item.rules),
        verdict=verdict,
        evidence=[Evidence(printable(one.where).replace("\n", "\\n"), printable(one.text)) for one in evidence],
        rule=item.rule,
        fix=item.fix,
        seconds=seconds,
        question=printable(question),
        answer=printable(answer),
    )


_WORST_FIRST = (FAIL, WARNING, PASS, NOT_APPLICABLE, UNDETERMINED)


def _joined(read: Result, full: Result) -> Result:
    """One result from what the files say and what the running stack shows.

    A failure of either stands, except that the running stack outweighs the files on `observed` items. A warning
    of the files (they do not tell for sure) gives way to what was seen.
    """
    seen = full.verdict in (PASS, WARNING, FAIL)
    outweighed = seen and (ITEMS[read.id].observed or read.verdict == WARNING)
    verdict = full.verdict if outweighed else min(read.verdict, full.verdict, key=_WORST_FIRST.index)
    return replace(
        full,
        verdict=verdict,
        evidence=[*read.evidence, *(entry for entry in full.evidence if entry not in read.evidence)],
        seconds=read.seconds + full.seconds,
        question=full.question or read.question,
        answer=full.answer or read.answer,
    )


def merge(read: Iterable[Result], full: Iterable[Result] = ()) -> list[Result]:
    """One result for every item of the sheet, in its order; items that neither depth names are undetermined."""
    by_read = {one.id: one for one in read}
    by_full = {one.id: one for one in full}
    merged = []
    for item_id in ITEMS:
        first, second = by_read.get(item_id), by_full.get(item_id)
        if first and second:
            merged.append(_joined(first, second))
        else:
            merged.append(first or second or result(item_id, UNDETERMINED))
    return merged


@dataclass(frozen=True)
class Outcome:
    """The verdict over all results; the numbers in it are ids of items.

    `status`: `zero` (mark 0), `stopped` (a failure ended the evaluation, the first one is `stopped_by`), `failed`
    (failures, none of which ends it), `passed` (no failure; `undetermined` is what a person or another depth decides).
    `bonus_counts` is None as long as something mandatory is undetermined or a warning.
    """

    status: str
    headline: str
    zero: list[int]
    stopped_by: int | None
    failures: list[int]
    warnings: list[int]
    undetermined: list[int]
    oral: list[int]
    bonus: list[int]
    bonus_failures: list[int]
    bonus_counts: bool | None
    decided: int
    total: int

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def outcome(results: Iterable[Result], *, sheet_version: int = 5) -> Outcome:
    """What an evaluator would say; `sheet_version=3` leaves out the items that only the newest sheet has."""
    considered = [one for one in merge(results) if sheet_version >= 5 or not ITEMS[one.id].later]
    mandatory = [one for one in considered if one.section != "bonus"]
    bonus = [one for one in considered if one.section == "bonus"]

    def ids(among: list[Result], verdict: str) -> list[int]:
        return [one.id for one in among if one.verdict == verdict]

    failures = ids(mandatory, FAIL)
    zero = [number for number in failures if ITEMS[number].zero]
    stopped_by = next((number for number in failures if ITEMS[number].stop), None)
    warnings = ids(considered, WARNING)
    undecided = [one.id for one in mandatory if one.verdict in (UNDETERMINED, WARNING) and not ITEMS[one.id].oral]
    bonus_counts = False if failures else None if undecided else True
    status = "zero" if zero else "stopped" if stopped_by else "failed" if failures else "passed"
    undecided_items = ids(considered, UNDETERMINED)
    return Outcome(
        status=status,
        headline=_headline(status, zero, stopped_by, failures, ids(bonus, PASS), bonus_counts),
        zero=zero,
        stopped_by=stopped_by,
        failures=failures,
        warnings=warnings,
        undetermined=[number for number in undecided_items if not ITEMS[number].oral],
        oral=[number for number in undecided_items if ITEMS[number].oral],
        bonus=ids(bonus, PASS),
        bonus_failures=ids(bonus, FAIL),
        bonus_counts=bonus_counts,
        decided=len(considered) - len(undecided_items),
        total=len(considered),
    )


def _headline(
    status: str,
    zero: list[int],
    stopped_by: int | None,
    failures: list[int],
    bonus: list[int],
    bonus_counts: bool | None,
) -> str:
    if status == "zero":
        return f"Mark 0: {ITEMS[zero[0]].title} (item {zero[0]})"
    if stopped_by is not None:
        return f"The evaluation ends at item {stopped_by}: {ITEMS[stopped_by].title}"
    if failures:
        return f"{len(failures)} item{'s' if len(failures) > 1 else ''} failed; the bonus does not count"
    if bonus and bonus_counts:
        return f"Everything mandatory is right, and {len(bonus)} of 5 bonus points"
    if bonus_counts:
        return "Everything mandatory is right"
    return "Nothing failed so far"


_BASE_MEND = (
    "Begin each Dockerfile with `FROM debian:<release>` or `FROM alpine:<version>` of the penultimate stable release, "
    "or with an image that the project builds itself."
)
_VOLUME_MEND = (
    "Declare a named volume with `driver: local` and `driver_opts` of `type: none`, `o: bind` and "
    "`device: /home/<login>/data/<name>`, and mount it by its name."
)
_FOREGROUND_MEND = (
    "Let the container's command be the service itself in the foreground (`exec mariadbd`, `nginx -g 'daemon off;'`, "
    "`php-fpm -F`); set a database up with `mariadbd --bootstrap` or an init file."
)
_ITEMS = (
    # --- Preliminaries ---
    Item(
        1,
        "preliminaries",
        "No credential in git",
        "No password, key or token is in the repository, in any file of any commit; else the mark is 0.",
        "Take the credential out of every commit (a new history, or git filter-repo), change it, and ignore the files "
        "that hold it (`srcs/.env`, `secrets/`) in `.gitignore`.",
        rules=("LAY-4", "IMG-5"),
        zero=True,
    ),
    Item(
        2,
        "preliminaries",
        "The evaluated person is present",
        "The evaluation only takes place with the evaluated person or group present.",
        "Make another appointment.",
        oral=True,
    ),
    Item(
        3,
        "preliminaries",
        "The right files and folders",
        "The required files and folders are there, under the required names: `Makefile`, `srcs/docker-compose.yml`, "
        "`srcs/requirements/<service>/`; else the mark is 0.",
        "Give the files and folders the names and places of the exercise.",
        rules=("LAY-1", "LAY-2", "LAY-3"),
        zero=True,
    ),
    Item(
        4,
        "preliminaries",
        "Cloned into an empty folder",
        "What is evaluated is a fresh clone of the submitted repository in an empty folder of the station.",
        "Clone the repository again, into a new folder.",
    ),
    # --- General instructions ---
    Item(
        5,
        "general",
        "All configuration is in srcs",
        "All files that configure the application are in the folder `srcs` at the root.",
        "Move Dockerfiles, compose file, configuration and scripts below `srcs/`.",
        rules=("LAY-2",),
    ),
    Item(
        6,
        "general",
        "A Makefile at the root",
        "A Makefile is at the root; it sets the whole application up through the compose file.",
        "Put a `Makefile` at the root whose default goal builds and starts everything through docker compose.",
        rules=("LAY-1",),
    ),
    Item(
        7,
        "general",
        "Docker cleaned out first",
        "Before it starts, all containers, images, volumes and networks of Docker's are stopped and removed.",
        "Remove what keeps Docker from being cleaned out.",
    ),
    Item(
        8,
        "general",
        "Data folders removed first, and brought back",
        "What is in `/home/<login>/data/` is removed too, and `make` brings the folders back.",
        "Let the Makefile make the data folders before it starts the containers.",
        rules=("VM-3",),
        later=True,
    ),
    Item(
        9,
        "general",
        "No host network and no links in the compose file",
        "The compose file has neither `network: host` (`network_mode: host`) nor `links:`.",
        "Join the services by a network of the project; they reach each other by their names.",
        rules=("NET-2",),
        stop=True,
    ),
    Item(
        10,
        "general",
        "The compose file names a network",
        "The compose file has `networks:` (or `network:`).",
        "Declare a network at the end of the compose file and name it in each service.",
        rules=("NET-1",),
        stop=True,
    ),
    Item(
        11,
        "general",
        "No --link in the Makefile or a script",
        "Neither the Makefile nor any script uses `--link` (or `--network host`).",
        "Leave containers to compose, and join them by a network of the project.",
        rules=("NET-2",),
        stop=True,
    ),
    Item(
        12,
        "general",
        "Dockerfiles start the service itself",
        "No Dockerfile has `tail -f`, anything in the background in its ENTRYPOINT, or a shell as its command other "
        "than to run a script.",
        _FOREGROUND_MEND,
        rules=("IMG-6", "IMG-7"),
        stop=True,
    ),
    Item(
        13,
        "general",
        "The base is the penultimate stable Debian or Alpine",
        "The containers are built from the penultimate stable version of Debian or Alpine.",
        _BASE_MEND,
        rules=("IMG-3",),
    ),
    Item(
        14,
        "general",
        "Entrypoint scripts run nothing in the background",
        "A script that an ENTRYPOINT or CMD calls runs no program in the background (`daemon &`).",
        _FOREGROUND_MEND,
        rules=("IMG-6", "IMG-7"),
    ),
    Item(
        15,
        "general",
        "No script runs for ever",
        "No script runs an endless command: `sleep infinity`, `tail -f /dev/null`, `tail -f /dev/random`, `while "
        "true`.",
        "Wait by healthchecks with `depends_on: condition: service_healthy`, and end the script with `exec <service>`.",
        rules=("IMG-6",),
    ),
    Item(
        16,
        "general",
        "make runs",
        "`make` is run, and succeeds.",
        "Mend what the last lines of `make` report.",
        rules=("LAY-1",),
    ),
    # --- Overview ---
    Item(
        17,
        "overview",
        "How Docker and Docker Compose work",
        "The evaluated person explains how Docker and Docker Compose work.",
        "Read Docker's overview and explain it by this project.",
        oral=True,
    ),
    Item(
        18,
        "overview",
        "An image with and without compose",
        "The evaluated person explains how an image used with compose differs from one used without.",
        "Run one of the images without compose, and see what is missing.",
        oral=True,
    ),
    Item(
        19,
        "overview",
        "Docker against virtual machines",
        "The evaluated person explains what Docker gains over virtual machines.",
        "Compare kernel, start, size and isolation of both.",
        oral=True,
    ),
    Item(
        20,
        "overview",
        "Why this folder layout",
        "The evaluated person explains what the folder layout of the exercise is good for.",
        "Explain what each folder holds, and who reads it.",
        oral=True,
    ),
    # --- Documents ---
    Item(
        21,
        "documents",
        "README.md at the root",
        "`README.md` is at the root, in English.",
        "Write `README.md` at the root.",
        rules=("LAY-5",),
        later=True,
    ),
    Item(
        22,
        "documents",
        "The README's first line",
        "The README's first line, in italics, says that the project was created as part of the 42 curriculum, and by "
        "whom.",
        "Begin with: *This project has been created as part of the 42 curriculum by <login>.*",
        rules=("LAY-5",),
        later=True,
    ),
    Item(
        23,
        "documents",
        "The README's sections",
        "The README has the sections Description, Instructions and Resources (with how AI was used), and compares "
        "virtual machines and Docker, secrets and environment variables, Docker network and host network, volumes and "
        "bind mounts.",
        "Add the section or the comparison that is missing.",
        rules=("LAY-5",),
        stop=True,
        later=True,
    ),
    Item(
        24,
        "documents",
        "USER_DOC.md and DEV_DOC.md at the root",
        "`USER_DOC.md` and `DEV_DOC.md` are at the root, and not empty.",
        "Write both files.",
        rules=("LAY-5",),
        later=True,
    ),
    Item(
        25,
        "documents",
        "What USER_DOC.md says",
        "It says which services there are, how to start and stop them, how to reach the site and its administration, "
        "where credentials are and how to manage them, and how to check that everything runs.",
        "Add what is missing.",
        rules=("LAY-5",),
        later=True,
    ),
    Item(
        26,
        "documents",
        "What DEV_DOC.md says",
        "It says how to set the project up from scratch, how to build and launch it, which commands manage containers "
        "and volumes, and where the data is and how it lasts.",
        "Add what is missing.",
        rules=("LAY-5",),
        stop=True,
        later=True,
    ),
    # --- Simple set-up ---
    Item(
        27,
        "setup",
        "NGINX answers on port 443 only",
        "NGINX is reached by port 443 only, and the page opens.",
        "Publish port 443 of nginx and no other port of the mandatory services.",
        rules=("SVC-1",),
    ),
    Item(
        28,
        "setup",
        "A TLS certificate is in use",
        "The site is served with a TLS certificate.",
        "Let nginx listen with `ssl`, and give it `ssl_certificate` and `ssl_certificate_key`.",
        rules=("SVC-1",),
    ),
    Item(
        29,
        "setup",
        "WordPress is installed",
        "`https://<login>.42.fr` shows the configured site, not the installation page.",
        "Install WordPress by wp-cli on the first start.",
        rules=("SVC-2",),
    ),
    Item(
        30,
        "setup",
        "Plain HTTP does not answer",
        "`http://<login>.42.fr` does not answer.",
        "Publish no port 80, and let nginx not listen on it.",
        rules=("SVC-1",),
        stop=True,
    ),
    # --- Docker basics ---
    Item(
        31,
        "docker",
        "One Dockerfile per service",
        "Each service has its Dockerfile, and none is empty.",
        "Write a Dockerfile for the service and name it in its `build:`.",
        rules=("IMG-1",),
        stop=True,
    ),
    Item(
        32,
        "docker",
        "The Dockerfiles are the project's own",
        "The evaluated person wrote the Dockerfiles; ready-made images, or a service such as Docker Hub, are "
        "forbidden.",
        "Build the image from the base of the exercise, and give the service `build:`.",
        rules=("IMG-1", "IMG-3"),
    ),
    Item(
        33,
        "docker",
        "Each image starts from an allowed base",
        "Each Dockerfile starts FROM the penultimate stable version of Debian or Alpine, named by its version, or from "
        "a local image of the project; the tag `latest` is forbidden.",
        _BASE_MEND,
        rules=("IMG-3", "IMG-4"),
        stop=True,
    ),
    Item(
        34,
        "docker",
        "Each image has its service's name",
        "Each image has the name of its service.",
        "Give each service `image: <its name>` with a tag of your own other than `latest`.",
        rules=("IMG-2", "IMG-4"),
        stop=True,
    ),
    Item(
        35,
        "docker",
        "The Makefile brought everything up, and nothing crashed",
        "The Makefile set all services up through docker compose, and no container crashed.",
        "Start everything from the Makefile by docker compose; look into the logs of the container that ended.",
        rules=("LAY-1", "SVC-5"),
        stop=True,
    ),
    # --- Docker network ---
    Item(
        36,
        "network",
        "A Docker network is in use",
        "The compose file declares a network, and `docker network ls` shows it.",
        "Declare a network at the end of the compose file and name it in each service.",
        rules=("NET-1",),
    ),
    Item(
        37,
        "network",
        "What a Docker network is",
        "The evaluated person explains what a Docker network is.",
        "Explain names, addresses and isolation by this project's network.",
        oral=True,
        stop=True,
    ),
    # --- NGINX ---
    Item(
        38,
        "nginx",
        "NGINX has a Dockerfile",
        "There is a Dockerfile for NGINX.",
        "Write `srcs/requirements/nginx/Dockerfile`.",
        rules=("IMG-1", "SVC-1"),
    ),
    Item(
        39,
        "nginx",
        "NGINX's container runs",
        "`docker compose ps` shows NGINX's container.",
        "Look into the container's log.",
        rules=("SVC-1", "SVC-5"),
    ),
    Item(
        40,
        "nginx",
        "Port 80 cannot be connected to",
        "A connection to port 80 is refused.",
        "Publish no port 80, and let nginx not listen on it.",
        rules=("SVC-1",),
    ),
    Item(
        41,
        "nginx",
        "The configured site is shown",
        "`https://<login>.42.fr` shows the configured WordPress site.",
        "Install WordPress by wp-cli on the first start.",
        rules=("SVC-1", "SVC-2"),
    ),
    Item(
        42,
        "nginx",
        "TLS 1.2 or 1.3, and nothing older",
        "The server speaks TLSv1.2 or TLSv1.3 and nothing older; a self-signed certificate is fine.",
        "Set `ssl_protocols TLSv1.2 TLSv1.3;` in nginx's configuration.",
        rules=("SVC-1",),
        stop=True,
    ),
    # --- WordPress ---
    Item(
        43,
        "wordpress",
        "WordPress has a Dockerfile",
        "There is a Dockerfile for WordPress with php-fpm.",
        "Write `srcs/requirements/wordpress/Dockerfile`.",
        rules=("IMG-1", "SVC-2"),
    ),
    Item(
        44,
        "wordpress",
        "No NGINX in WordPress's image",
        "WordPress's image holds no NGINX.",
        "Take nginx out of WordPress's Dockerfile and scripts.",
        rules=("SVC-2",),
    ),
    Item(
        45,
        "wordpress",
        "WordPress's container runs",
        "`docker compose ps` shows WordPress's container.",
        "Look into the container's log.",
        rules=("SVC-2", "SVC-5"),
    ),
    Item(
        46,
        "wordpress",
        "WordPress's volume is in the data folder",
        "`docker volume ls` shows the volume of the website files, and `docker volume inspect` `/home/<login>/data/`.",
        _VOLUME_MEND,
        rules=("VOL-1", "VOL-2"),
        observed=True,
    ),
    Item(
        47,
        "wordpress",
        "A comment can be added",
        "The WordPress user can add a comment.",
        "Make a second user, and use a theme that shows comments.",
        rules=("SVC-4",),
    ),
    Item(
        48,
        "wordpress",
        "The administrator signs in, and is not called admin",
        "The administrator can sign in, and the name does not contain `admin` in any letter case.",
        "Give the administrator another name.",
        rules=("SVC-4",),
        observed=True,
    ),
    Item(
        49,
        "wordpress",
        "A page can be edited",
        "A page edited from the dashboard is changed on the site.",
        "Look into the logs of wordpress and mariadb; the files and the database must be writable.",
        rules=("SVC-2",),
        stop=True,
    ),
    # --- MariaDB ---
    Item(
        50,
        "mariadb",
        "MariaDB has a Dockerfile",
        "There is a Dockerfile for MariaDB.",
        "Write `srcs/requirements/mariadb/Dockerfile`.",
        rules=("IMG-1", "SVC-3"),
    ),
    Item(
        51,
        "mariadb",
        "No NGINX in MariaDB's image",
        "MariaDB's image holds no NGINX.",
        "Take nginx out of MariaDB's Dockerfile and scripts.",
        rules=("SVC-3",),
    ),
    Item(
        52,
        "mariadb",
        "MariaDB's container runs",
        "`docker compose ps` shows MariaDB's container.",
        "Look into the container's log.",
        rules=("SVC-3", "SVC-5"),
    ),
    Item(
        53,
        "mariadb",
        "MariaDB's volume is in the data folder",
        "`docker volume ls` shows the volume of the database, and `docker volume inspect` `/home/<login>/data/`.",
        _VOLUME_MEND,
        rules=("VOL-1", "VOL-2"),
        observed=True,
    ),
    Item(
        54,
        "mariadb",
        "The database is closed and not empty",
        "The evaluated person explains how to log in to the database; it is not empty, and root without a password is "
        "refused.",
        "Give root a password on the first start, and let WordPress use a user of its own.",
        rules=("SVC-3",),
        stop=True,
    ),
    # --- Persistence and change ---
    Item(
        55,
        "persistence",
        "Everything is there after a reboot",
        "After a reboot of the machine and another launch everything works, and the earlier comment and edit are "
        "there.",
        "Keep database and website files in volumes of the data folder.",
        rules=("VOL-3",),
        stop=True,
    ),
    Item(
        56,
        "persistence",
        "A service's port can be changed",
        "The port of a service that the evaluator picks is changed; after a rebuild and a restart everything works.",
        "Write each port in one place, for example in `srcs/.env`, and use it everywhere else.",
        rules=("SVC-7",),
        stop=True,
        later=True,
    ),
    # --- Bonus ---
    Item(
        57,
        "bonus",
        "Redis",
        "Redis is WordPress's object cache, in a container of its own, and in use.",
        "Give Redis a Dockerfile and a service, and let WordPress use it through an object-cache drop-in.",
        rules=("BON-1",),
    ),
    Item(
        58,
        "bonus",
        "FTP server",
        "An FTP server in a container of its own serves the volume of the website files.",
        "Give the FTP server a Dockerfile and a service, and mount the volume of the website files.",
        rules=("BON-2",),
    ),
    Item(
        59,
        "bonus",
        "Static website",
        "A static website, in any language but PHP, is served by a container of its own.",
        "Give the website a Dockerfile and a service; write it without PHP.",
        rules=("BON-3",),
    ),
    Item(
        60,
        "bonus",
        "Adminer",
        "Adminer runs in a container of its own and reaches the database.",
        "Give Adminer a Dockerfile and a service.",
        rules=("BON-4",),
    ),
    Item(
        61,
        "bonus",
        "A service of choice",
        "A further useful service runs in a container of its own, and its choice can be defended.",
        "Give the service a Dockerfile and a service, and say in the README why it was chosen.",
        rules=("BON-5",),
    ),
)
ITEMS: dict[int, Item] = {item.id: item for item in _ITEMS}
