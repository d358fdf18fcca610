# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a good value of each setting. Private to this collection: it may change without notice.

RULES is the table: a setting, the check of its value, a good example. A check yields what is wrong
with the value, as the rest of a sentence. It gets all settings too, for those that concern others.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from ansible_collections.fortytwo.inception.plugins.module_utils import _releases

Settings = Mapping[str, Any]
Check = Callable[[Any, Settings], Iterable[str]]

LONGEST_TITLE = 120
MOST_PASSIVE_PORTS = 100
SHORTEST_SECRET = 16

LOGIN = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PORT_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
WORDPRESS_USER = re.compile(r"[A-Za-z0-9_.@-]+( [A-Za-z0-9_.@-]+)*")
MAIL_NAME = re.compile(r"[A-Za-z0-9_%+-]+(\.[A-Za-z0-9_%+-]+)*")
TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
URL_PATH = re.compile(r"[A-Za-z0-9._~/+-]*")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# The accounts of a base system of Debian, Ubuntu or Alpine, and of the packages that the machine or an image gets.
_SYSTEM_USERS = """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup
    messagebus sshd syslog uuidd tcpdump landscape pollinate polkitd lxd dnsmasq ntp chrony avahi rtkit usbmux
    adm shutdown halt operator postmaster smmsp cron at squid xfs guest ftp vpopmail cyrus svn ntpd klogd utmp
    docker dockremap mysql mariadb nginx redis vsftpd postfix postgres memcached php-fpm apache wheel sudo staff
    users disk tty video audio kvm input render sgx shadow ssh admin
"""
SYSTEM_USERS = frozenset(_SYSTEM_USERS.split())
SYSTEM_USER_PREFIXES = ("systemd-", "debian-")

FORBIDDEN_RELEASE = "latest"
MOVING_RELEASES = {"debian": {"stable", "oldstable", "oldoldstable"}, "alpine": {"stable", "latest-stable"}}
UNSTABLE_RELEASES = {"debian": {"testing", "forky", "unstable", "sid", "experimental"}, "alpine": {"edge"}}


@dataclass(frozen=True)
class Rule:
    """The check of one setting and an example of a good value."""

    setting: str
    check: Check
    example: Callable[[Settings], str]


# Values: they come from YAML, or as strings from the command line.


def text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) else None


def whole_number(value: Any) -> int | None:
    """An integer, also from a string of digits; neither a boolean nor a fraction."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value.strip(), re.ASCII):
        return int(value)
    return None


def truth(value: Any) -> bool | None:
    """A boolean, also from the words that Ansible takes for one."""
    if isinstance(value, bool):
        return value
    return {
        "true": True, "yes": True, "on": True, "1": True,
        "false": False, "no": False, "off": False, "0": False,
    }.get(str(value).strip().lower())  # fmt: skip


def shown(value: Any) -> str:
    """A value for a message, in one short line."""
    written = "'" + str(value) + "'" if isinstance(value, str) else str(value)
    written = CONTROL.sub("?", written)
    return written if len(written) <= 80 else written[:76] + "...'"


# Checks of one value


def check_login(value: Any, settings: Settings) -> Iterator[str]:
    login = text(value)
    if value is None or login == "":
        yield "is missing; it is the login of the project's owner and has no default"
    elif login is None:
        yield f"{shown(value)} is not text; put it in quotes"
    elif login != login.lower():
        yield f"{shown(value)} has an upper case letter"
    elif len(login) > 32:
        yield f"{shown(value)} is longer than 32 characters"
    elif not LOGIN.fullmatch(login):
        yield f"{shown(value)} is not lowercase letters, digits and hyphens, with a letter first and no hyphen last"
    elif login in SYSTEM_USERS or login.startswith(SYSTEM_USER_PREFIXES):
        yield f"{shown(value)} is a user of the system itself"


def domain_problem(domain: str) -> str | None:
    """What is wrong with a domain name, the most telling thing first."""
    findings: tuple[tuple[bool, str], ...] = (
        (not domain, "is empty"),
        ("://" in domain, "has a scheme; leave out everything up to '//'"),
        ("/" in domain, "has a path; leave out everything from '/'"),
        (":" in domain, "has a port; the port is a setting of its own, inception_https_port"),
        (re.search(r"\s", domain) is not None, "has a space"),
        ("_" in domain, "has an underscore, which host names do not allow"),
        (domain != domain.lower(), "has an upper case letter"),
        ("." not in domain, "has no dot"),
        (len(domain) > 253, "is longer than 253 characters"),
        (any(len(label) > 63 for label in domain.split(".")), "has a part of more than 63 characters between its dots"),
        (any(not label for label in domain.split(".")), "has a dot at an end, or two in a row"),
        (domain.rpartition(".")[2].isdecimal(), "ends with a number; an IP address is not a domain"),
        (
            any(not LABEL.fullmatch(label) for label in domain.split(".")),
            "has a part that is not letters, digits and hyphens, with a hyphen neither first nor last",
        ),
    )
    return next((problem for found, problem in findings if found), None)


def check_domain(value: Any, settings: Settings) -> Iterator[str]:
    domain = text(value)
    login = settings.get("inception_login")
    if domain is not None and domain == f"{login}.42.fr" and any(check_login(login, settings)):
        return  # The login is at fault and has its own message.
    if domain is None:
        yield f"{shown(value)} is not text"
    elif problem := domain_problem(domain):
        yield f"{shown(value)} {problem}"


def number_from(lowest: int, highest: int | None = None, unit: str = "") -> Check:
    """A check for a whole number of a range."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        number = whole_number(value)
        if number is None:
            yield f"{shown(value)} is not a whole number"
        elif number < lowest:
            yield f"{number} is less than {lowest}{unit}"
        elif highest is not None and number > highest:
            yield f"{number} is more than {highest}{unit}"

    return check


_port_range = number_from(1, 65535)


def port_other_than(taken: Mapping[int, str], others: Iterable[str] = ()) -> Check:
    """A check for a TCP port that something else must not have."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        yield from _port_range(value, settings)
        port = whole_number(value)
        if port is not None and port in taken:
            yield f"{port} is the port of {taken[port]}"
        for other in others:
            if port is not None and port == whole_number(settings.get(other)):
                yield f"{port} is the same port as {other}"

    return check


def check_passive_ports(value: Any, settings: Settings) -> Iterator[str]:
    found = PORT_RANGE.fullmatch(text(value) or "")
    if found is None:
        yield f"{shown(value)} is not two ports with a hyphen between them"
        return
    first, last = (int(port) for port in found.groups())
    if first < 1024 or last > 65535:
        yield f"{shown(value)} is not between 1024 and 65535"
    elif last < first:
        yield f"{shown(value)} ends before it begins"
    elif last - first >= MOST_PASSIVE_PORTS:
        yield f"{shown(value)} is more than {MOST_PASSIVE_PORTS} ports"
    for other in ("inception_https_port", "inception_ftp_port", "inception_vm_ssh_port", "inception_vm_https_port"):
        port = whole_number(settings.get(other))
        if port is not None and first <= port <= last:
            yield f"{shown(value)} holds the port {port}, which is {other}"


def check_address(value: Any, settings: Settings) -> Iterator[str]:
    address = text(value)
    if address is None:
        yield f"{shown(value)} is not text"
    elif not ADDRESS.fullmatch(address):
        yield f"{shown(value)} is neither an IPv4 address nor a host name"


def check_relay(value: Any, settings: Settings) -> Iterator[str]:
    if value != "":
        yield from check_address(value, settings)


def check_relay_user(value: Any, settings: Settings) -> Iterator[str]:
    user = text(value)
    if user is None or CONTROL.search(user):
        yield f"{shown(value)} is not a line of text"
    elif user and "mail" in (settings.get("inception_bonus_services") or []):
        secrets = settings.get("inception_secrets", {"mail_password": ""})
        if isinstance(secrets, Mapping) and "mail_password" not in secrets:
            yield f"{shown(value)} has a password at the relay, which is missing as mail_password in inception_secrets"


def check_title(value: Any, settings: Settings) -> Iterator[str]:
    title = text(value)
    if title is None:
        yield f"{shown(value)} is not text; put it in quotes"
    elif not title.strip():
        yield "is empty"
    elif CONTROL.search(title):
        yield f"{shown(value)} has a line break or another control character"
    elif len(title) > LONGEST_TITLE:
        yield f"{shown(value)} is longer than {LONGEST_TITLE} characters"


def check_user(value: Any, settings: Settings) -> Iterator[str]:
    user = text(value)
    if user is None:
        yield f"{shown(value)} is not text; put it in quotes"
    elif not user:
        yield "is empty"
    elif len(user) > 60:
        yield f"{shown(value)} is longer than the 60 characters that WordPress allows"
    elif not WORDPRESS_USER.fullmatch(user):
        yield f"{shown(value)} has a character that WordPress does not allow; letters, digits, '_', '.', '@', '-' are"


def check_admin_user(value: Any, settings: Settings) -> Iterator[str]:
    if value is not None and value == settings.get("inception_login") and any(check_login(value, settings)):
        return  # The login is at fault and has its own message.
    yield from check_user(value, settings)
    if "admin" in str(value).lower():
        yield f"{shown(value)} contains 'admin', which the subject forbids (SVC-4)"


def different_from(other: str, check_first: Check) -> Check:
    """A check for a value that must differ from another setting, whatever the case of its letters."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        yield from check_first(value, settings)
        if value and str(value).lower() == str(settings.get(other, "")).lower():
            yield f"{shown(value)} is the same as {other}"

    return check


def check_email(value: Any, settings: Settings) -> Iterator[str]:
    email = text(value)
    if email is None:
        yield f"{shown(value)} is not text"
        return
    name, at, domain = email.rpartition("@")
    if not at:
        yield f"{shown(value)} has no '@'"
    elif not MAIL_NAME.fullmatch(name) or len(name) > 64:
        yield f"{shown(value)} has no valid name before the '@'"
    elif domain != settings.get("inception_domain") and domain_problem(domain.lower()):
        # The site's own domain has its own message.
        yield f"{shown(value)} has no valid domain after the '@'"


def one_of(*choices: str) -> Check:
    """A check for a value out of a few."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        if value not in choices:
            yield f"{shown(value)} is not one of {', '.join(choices)}"

    return check


def check_wordpress_source(value: Any, settings: Settings) -> Iterator[str]:
    yield from one_of("package", "archive")(value, settings)
    if value == "package" and settings.get("inception_base_family") == "alpine":
        yield "'package' is Debian's, and inception_base_family is 'alpine'"


def check_truth(value: Any, settings: Settings) -> Iterator[str]:
    if truth(value) is None:
        yield f"{shown(value)} is neither true nor false"


def check_time_zone(value: Any, settings: Settings) -> Iterator[str]:
    zone = text(value)
    # A computer that knows no zones at all can judge only the shape.
    zones = available_timezones()
    if zone is None or not TIME_ZONE.fullmatch(zone) or (zones and zone not in zones):
        yield f"{shown(value)} is not the name of a time zone"


def check_url(value: Any, settings: Settings) -> Iterator[str]:
    url = text(value) or ""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port != 0
    except ValueError:
        port_is_fine = False
        parts = urlsplit("")
    host = parts.hostname or ""
    if not url.startswith(("http://", "https://")):
        yield f"{shown(value)} does not start with http:// or https://"
    elif not port_is_fine or not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:.]+", host):
        yield f"{shown(value)} has no valid host name or port"
    elif parts.username is not None or parts.query or parts.fragment or not URL_PATH.fullmatch(parts.path):
        yield f"{shown(value)} has more than a host, a port and a path"


def list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def check_services(value: Any, settings: Settings) -> Iterator[str]:
    if not list_of_texts(value):
        yield f"{shown(value)} is not a list of names"
        return
    available = settings.get("inception_available_services")
    if available is not None:
        for name in sorted({str(item) for item in value} - {str(item) for item in available}):
            yield f"{shown(name)} is not a bonus service; available: {', '.join(sorted(available)) or 'none'}"
    for name in sorted({str(item) for item in value if list(value).count(item) > 1}):
        yield f"{shown(name)} is there more than once"


def check_folders(value: Any, settings: Settings) -> Iterator[str]:
    if not list_of_texts(value):
        yield f"{shown(value)} is not a list of folders"
        return
    for folder in value:
        if not folder.startswith("/"):
            yield f"{shown(folder)} is not an absolute path"


def check_secrets(value: Any, settings: Settings) -> Iterator[str]:
    """Names, and what can be seen to be no value. What is told never has a value in it."""
    if not isinstance(value, Mapping):
        yield "is not a dictionary of names and values"
        return
    available = settings.get("inception_available_secrets")
    for name, secret in value.items():
        if available is not None and name not in available:
            yield f"{shown(name)} is no secret of this stack; known: {', '.join(sorted(available))}"
        elif not isinstance(secret, str):
            yield f"the value of {name} is not text; put it in quotes"
        elif CONTROL.search(secret) or not secret.isascii():
            yield f"the value of {name} has a line break, a control character or one that is not ASCII"
        elif len(secret) < SHORTEST_SECRET:
            yield f"the value of {name} is shorter than {SHORTEST_SECRET} characters; make one: openssl rand -hex 32"


# The release of the base image


def release_rank(family: str, release: str, date: datetime.date) -> str | None:
    """What kind of release another than the penultimate one is; None for a name that is not known."""
    names = [known.name for known in _releases.known(family, date)]
    if release in UNSTABLE_RELEASES[family]:
        return "is not a stable release"
    if release not in names:
        return None
    if release == names[-1]:
        return "is the newest stable release"
    return "is an older release" if release != names[-2] else "is the penultimate stable release"


def _family_and_date(settings: Settings) -> tuple[str, datetime.date] | None:
    family = str(settings.get("inception_base_family", "debian"))
    return (family, _date(settings)) if family in _releases.RELEASES else None


def _date(settings: Settings) -> datetime.date:
    date: datetime.date = settings["date"]
    return date


def unknown_release(family: str, release: str, date: datetime.date) -> str:
    """What to say of a release that is not in the table."""
    known = _releases.known(family, date)
    for entry in known:
        if family == "debian" and release.split(".")[0] == entry.version:
            return f"{shown(release)} is a version; name it by its codename, {entry.name}"
        if family == "alpine" and release.startswith(f"{entry.version}."):
            return f"{shown(release)} names a patch level; use the two numbers {entry.name}"
    if release in MOVING_RELEASES[family]:
        return f"{shown(release)} means another release each time a new one comes out; name the release itself"
    return f"{shown(release)} is not a release of {family}; known: {', '.join(entry.name for entry in known)}"


def check_release(value: Any, settings: Settings) -> Iterator[str]:
    place = _family_and_date(settings)
    if place is None:
        return  # The family is at fault and has its own message.
    family, date = place
    release = text(value)
    if release is None:
        yield f"{shown(value)} is not text; put it in quotes"
    elif release == FORBIDDEN_RELEASE:
        yield f"{shown(value)} is forbidden by the subject (IMG-4), even when forced"
    elif (rank := release_rank(family, release, date)) is None:
        yield unknown_release(family, release, date)
    elif release != _releases.penultimate(family, date).name and not _forced(settings):
        yield (
            f"{shown(value)} {rank}, and the subject demands the penultimate stable one (IMG-3); "
            "set inception_base_release_forced to true to use it all the same"
        )


def _forced(settings: Settings) -> bool:
    return truth(settings.get("inception_base_release_forced", False)) is True


# The table


def _always(example: str) -> Callable[[Settings], str]:
    return lambda settings: example


def _release_example(settings: Settings) -> str:
    family, date = _family_and_date(settings) or ("debian", _date(settings))
    name = _releases.penultimate(family, date).name
    return f'"{name}"' if family == "alpine" else name


def _services_example(settings: Settings) -> str:
    available = sorted(str(name) for name in settings.get("inception_available_services") or ())
    return f"[{', '.join(available[:2])}]"


RULES: tuple[Rule, ...] = (
    Rule("inception_login", check_login, _always("wil")),
    Rule("inception_domain", check_domain, _always("wil.42.fr")),
    Rule("inception_https_port", port_other_than({22: "ssh"}), _always("443")),
    Rule("inception_title", check_title, _always("Inception")),
    Rule("inception_admin_user", check_admin_user, _always("wil")),
    Rule("inception_admin_email", check_email, _always("wil@wil.42.fr")),
    Rule("inception_user", different_from("inception_admin_user", check_user), _always("guest")),
    Rule("inception_user_email", different_from("inception_admin_email", check_email), _always("guest@wil.42.fr")),
    Rule("inception_base_family", one_of("debian", "alpine"), _always("debian")),
    Rule("inception_base_release", check_release, _release_example),
    Rule("inception_base_release_forced", check_truth, _always("false")),
    Rule("inception_base_source", one_of("auto", "registry", "bootstrap", "archive"), _always("auto")),
    Rule("inception_bonus_services", check_services, _services_example),
    Rule("inception_service_dirs", check_folders, _always("[/home/wil/services]")),
    Rule("inception_docker_source", one_of("distribution", "docker"), _always("distribution")),
    Rule("inception_wordpress_source", check_wordpress_source, _always("archive")),
    Rule("inception_tls", one_of("local_ca", "provided"), _always("local_ca")),
    Rule("inception_ftp_port", port_other_than({22: "ssh"}, ["inception_https_port"]), _always("21")),
    Rule("inception_ftp_passive_ports", check_passive_ports, _always("21000-21009")),
    Rule("inception_ftp_passive_address", check_address, _always("203.0.113.7")),
    Rule("inception_ftp_plain", check_truth, _always("false")),
    Rule("inception_mail_host", check_relay, _always("smtp.example.org")),
    Rule("inception_mail_port", number_from(1, 65535), _always("587")),
    Rule("inception_mail_tls", one_of("starttls", "tls", "none"), _always("starttls")),
    Rule("inception_mail_user", check_relay_user, _always("wil@example.org")),
    Rule("inception_mail_from", check_email, _always("wordpress@wil.42.fr")),
    Rule("inception_timezone", check_time_zone, _always("Europe/Paris")),
    Rule("inception_debian_mirror", check_url, _always("http://deb.debian.org/debian")),
    Rule("inception_secrets", check_secrets, _always('{db_password: "{{ vault_db_password }}"}')),
    Rule("inception_vm_memory", number_from(1024, unit=" (MiB)"), _always("4096")),
    Rule("inception_vm_cpus", number_from(1, 255), _always("2")),
    Rule("inception_vm_disk", number_from(8, unit=" (GiB)"), _always("20")),
    Rule("inception_vm_ssh_port", port_other_than({}), _always("2222")),
    Rule("inception_vm_https_port", port_other_than({}, ["inception_vm_ssh_port"]), _always("8443")),
    Rule(
        "inception_vm_ftp_port",
        port_other_than({}, ["inception_vm_ssh_port", "inception_vm_https_port"]),
        _always("2121"),
    ),
    Rule("inception_vm_image_source", one_of("auto", "cloud", "bootstrap"), _always("auto")),
)
KNOWN = frozenset(rule.setting for rule in RULES) | {"inception_available_services", "inception_available_secrets"}


def problems(settings: Settings, date: datetime.date) -> list[str]:
    """What is wrong with the settings, one line each. What is left out has its default, but for the login."""
    everything = {"inception_login": None, **settings, "date": date}
    return [
        f"{rule.setting}: {problem}; for example: {rule.example(everything)}"
        for rule in RULES
        if rule.setting in everything
        for problem in rule.check(everything[rule.setting], everything)
    ]


def warnings(settings: Settings, date: datetime.date) -> list[str]:
    """What is allowed but probably not meant, one line each."""
    everything = {**settings, "date": date}
    return [*_forced_warnings(everything), *_stale_warnings(everything), *_unknown_warnings(settings)]


def _forced_warnings(settings: Settings) -> Iterator[str]:
    place = _family_and_date(settings)
    release = settings.get("inception_base_release")
    if place is None or release is None or not _forced(settings):
        return
    wanted = _releases.penultimate(*place).name
    rank = release_rank(place[0], str(release), place[1])
    if release != wanted and rank is not None:
        yield (
            f"inception_base_release: {shown(release)} {rank} and is used because it is forced; "
            f"an evaluator expects the penultimate stable one, {wanted} (IMG-3)"
        )


def _stale_warnings(settings: Settings) -> Iterator[str]:
    place = _family_and_date(settings)
    if place is not None and _releases.stale(*place):
        newest = _releases.RELEASES[place[0]][-1]
        yield (
            f"inception_base_release: the newest release of {place[0]} that this version of the collection knows is "
            f"{newest.name} of {newest.date}; a newer one is probably out, see {_releases.SOURCES[place[0]]}"
        )


def _unknown_warnings(settings: Settings) -> Iterator[str]:
    for name in sorted(set(settings) - KNOWN):
        near = difflib.get_close_matches(name, sorted(KNOWN), n=1, cutoff=0.85)
        if near:
            yield f"{name}: there is no such setting and it has no effect; did you mean {near[0]}?"
