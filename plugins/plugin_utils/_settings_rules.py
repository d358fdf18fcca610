# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a good value of each setting.

RULES is the table: a setting, the check of its value, a good example. A check yields what is wrong
with the value, as the rest of a sentence. It gets all settings too, for those that concern others.
What has no rule here is checked by its argument spec (_settings_specs.py).
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
IMAGE = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:-]{0,63}")
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}|[A-Za-z0-9_.:@-]{0,14}\*")
OPEN_PORT = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?(?:/(?:tcp|udp))?")
# As compose takes it.
PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SERVICE_WORD = re.compile(r"[a-z][a-z0-9_-]{0,62}")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
URL = re.compile(r"https?://\S+")
PUBLIC_KEY = re.compile(
    r"((ssh|sk-ssh)-(rsa|ed25519)|(sk-)?ecdsa-sha2-nistp(256|384|521))(-cert-v01)?(@openssh\.com)?"
    r" AAAA[A-Za-z0-9+/]+=*( |$)"
)
# Kinds of a site's own code, and their folders in wp-content.
CODE_KINDS = {"theme": "themes", "plugin": "plugins", "mu-plugin": "mu-plugins"}
CODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
# What WordPress or this collection brings under these names.
CODE_NAMES_TAKEN = re.compile(r"twenty[a-z-]+|akismet|hello|redis-cache|inception.*", re.IGNORECASE)
CODE_KEYS = ("kind", "name", "git", "commit", "subfolder", "folder", "active", "replace")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
SUBFOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]*(/[A-Za-z0-9_][A-Za-z0-9._ -]*)*/?")
REPOSITORY = re.compile(r"(https?|ssh|git|file)://[^\s]+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s]+|/[^\s].*")
GIT_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+-]*")
REACHABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/@_%+~-]*")
PROXY = re.compile(r"http://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\]):([1-9]\d{0,4})/?")
NO_PROXY = re.compile(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-f:]{2,39}")
CHECKSUM = re.compile(r"sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})|sha(256|512):https?://\S+")
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
    elif _acme(settings) and (problem := private_name(domain, settings)):
        yield f"{shown(value)} {problem}; inception_tls: acme wants a domain of your own"


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
            if port is not None and port not in taken and port == whole_number(settings.get(other)):
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


def check_passive_address(value: Any, settings: Settings) -> Iterator[str]:
    """By default that of the host. One of IPv6 is told to nobody: a client that comes by it asks for none."""
    with contextlib.suppress(ValueError):
        ipaddress.IPv6Address(str(value))
        return
    if str(value).startswith("["):
        # By default it is ansible_host, which ssh would take for a name.
        yield f"{shown(value)} has the brackets of a URL; here, and in ansible_host, it goes without them"
        return
    yield from check_address(value, settings)


def check_network(value: Any, settings: Settings) -> Iterator[str]:
    network = text(value)
    try:
        ipaddress.ip_network(network or "")
    except ValueError:
        yield f"{shown(value)} is neither an address nor a network"


def check_proxy_protocol(value: Any, settings: Settings) -> Iterator[str]:
    yield from check_truth(value, settings)
    if truth(value) and not settings.get("inception_trusted_proxies"):
        yield "nobody is believed whom he brings; name in inception_trusted_proxies who speaks the protocol"


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


BACKUP_FOLDERS = ("/var/lib/fortytwo.inception", "/run", "/tmp", "/var/tmp", "/proc", "/sys", "/dev")
SFTP = re.compile(r"sftp:(?://)?[A-Za-z0-9._-]+@[A-Za-z0-9.-]+(?::\d+/)?[:/]\S+")
STORE = re.compile(r"(s3|rest):(https?)://([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?(?:/\S*)?")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def check_backup_place(value: Any, settings: Settings) -> Iterator[str]:
    place = text(value)
    if place is None or CONTROL.search(place):
        yield f"{shown(value)} is not a line of text"
    elif place.startswith("/"):
        folder, login = place.rstrip("/") or "/", settings.get("inception_login")
        lost = [*BACKUP_FOLDERS, f"/home/{login}/data", f"/home/{login}/inception"]
        if folder == "/" or "//" in place or "/../" in f"{place}/":
            yield f"{shown(value)} is no folder for backups"
        elif inside := next((one for one in lost if f"{folder}/".startswith(f"{one}/")), None):
            yield f"{shown(value)} is in {inside}, which goes when the stack does, or when the machine starts"
    elif place.startswith("sftp:"):
        if not SFTP.fullmatch(place):
            yield f"{shown(value)} is not like sftp:user@host:/folder, or sftp://user@host:2222//folder"
    elif found := STORE.fullmatch(place):
        if found[2] == "http" and found[3] not in LOOPBACK:
            yield f"{shown(value)} would show its credentials to the network; use https"
    elif place:
        hint = "; a name and a password belong into inception_backup_credentials" if "@" in place else ""
        yield f"{shown(value)} is no absolute folder, and no sftp:, s3: or rest: that is known{hint}"


def _is_file(value: Any) -> bool:
    """Whether that is the path of a file here; one with a null byte is none of any."""
    return "\0" not in str(value) and Path(str(value)).expanduser().is_file()


def check_backup_credentials(value: Any, settings: Settings) -> Iterator[str]:
    place = str(settings.get("inception_backup_place") or "")
    if value == "":
        # A place that is none has its own message.
        if SFTP.fullmatch(place) or place.startswith("s3:"):
            kind = "a private key" if place.startswith("sftp:") else "a key"
            yield f"is empty, and {place.partition(':')[0]} wants {kind}"
    elif not _is_file(value):
        yield f"{shown(value)} is no file on the control node"


def check_known_hosts(value: Any, settings: Settings) -> Iterator[str]:
    if value == "":
        if SFTP.fullmatch(str(settings.get("inception_backup_place") or "")):
            yield "is empty, and nobody could tell that host from another one"
    elif not _is_file(value):
        yield f"{shown(value)} is no file on the control node"


def check_storage_authority(value: Any, settings: Settings) -> Iterator[str]:
    if value != "" and (problem := _pem_problem(Path(str(value)).expanduser(), "CERTIFICATE")):
        yield f"{shown(value)} {problem}"


def check_point_in_time(value: Any, settings: Settings) -> Iterator[str]:
    yield from check_truth(value, settings)
    if truth(value) and not settings.get("inception_backup_place"):
        yield "wants backups to go on from; name inception_backup_place"


KEPT_UNITS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def check_backup_keep(value: Any, settings: Settings) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{shown(value)} is not a table"
        return
    for unit, number in value.items():
        if unit not in KEPT_UNITS:
            yield f"{shown(unit)} is not one of {', '.join(KEPT_UNITS)}"
        elif not (found := whole_number(number)) or found < 1:
            yield f"{unit}: {shown(number)} is not a whole number from 1"


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


def one_of(*choices: Any) -> Check:
    """A check for a value out of a few."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        # From the command line a number is a text.
        if str(value) not in map(str, choices):
            yield f"{shown(value)} is not one of {', '.join(map(str, choices))}"

    return check


BUILDERS = ("auto", "control_node", "managed_host")


def check_builder(value: Any, settings: Settings) -> Iterator[str]:
    """Where images are built: one of three words, or a machine of the inventory."""
    if str(value) not in (*BUILDERS, *(settings.get("inception_available_hosts") or ())):
        yield f"{shown(value)} is not one of {', '.join(BUILDERS)}, and no host of the inventory"


def check_wordpress_source(value: Any, settings: Settings) -> Iterator[str]:
    yield from one_of("package", "archive")(value, settings)
    if value == "package" and settings.get("inception_base_family") == "alpine":
        yield "'package' is Debian's, and inception_base_family is 'alpine'"


def check_archive_sha1(value: Any, settings: Settings) -> Iterator[str]:
    """Of the two checksums of WordPress's archive one may be empty, and not both."""
    yield from or_empty(hexadecimal(40, "a checksum"))(value, settings)
    if value == "" and settings.get("stack_wordpress_archive_sha256", "") == "":
        yield "the archive has no checksum: name this one, or stack_wordpress_archive_sha256"


def check_truth(value: Any, settings: Settings) -> Iterator[str]:
    if truth(value) is None:
        yield f"{shown(value)} is neither true nor false"


def _is_time_zone(name: str) -> bool:
    """Whether there is such a zone. A computer that knows no zones at all cannot tell."""
    for zone, known in ((name, True), ("Europe/Paris", False)):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
        return known and not name.startswith(("posix", "right/"))
    return True


def check_time_zone(value: Any, settings: Settings) -> Iterator[str]:
    zone = text(value)
    if zone is None or not TIME_ZONE.fullmatch(zone) or not _is_time_zone(zone):
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


def check_proxy(value: Any, settings: Settings) -> Iterator[str]:
    """What apt, curl, Go and WordPress all take for one."""
    address = text(value)
    if address == "":
        return
    found = PROXY.fullmatch(address or "")
    if found is None and "@" in (address or ""):
        yield (
            "has a name or a password in it, which whoever looks at processes would read; "
            "have the proxy know the managed host by its address"
        )
    elif found is None:
        yield f"{shown(value)} is not http://, a host and a port"
    elif found[1] in ("localhost", "[::1]") or found[1].startswith("127."):
        yield f"{shown(value)} is the managed host itself, which builds and containers reach by its address"


def check_no_proxy(value: Any, settings: Settings) -> Iterator[str]:
    name = text(value) or ""
    if not NO_PROXY.fullmatch(name):
        yield f"{shown(value)} is neither a name, an address, nor a domain with a dot before it"


def check_fingerprint(value: Any, settings: Settings) -> Iterator[str]:
    """Of an OpenPGP key, whole: what is shorter has been made to order for other keys."""
    if not re.fullmatch(r"([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})", (text(value) or "").replace(" ", "")):
        yield f"{shown(value)} is not a key's fingerprint of 40 hexadecimal digits"


def check_health_mail(value: Any, settings: Settings) -> Iterator[str]:
    if value == "":
        return
    if wrong := list(check_email(value, settings)):
        yield from wrong
    elif not settings.get("inception_mail_host"):
        yield f"{shown(value)} gets no mail without a relay: inception_mail_host is not set"
    elif settings.get("inception_mail_user") and "mail" not in (settings.get("inception_bonus_services") or []):
        yield f"{shown(value)} needs the relay's password, which comes with mail in inception_bonus_services"


def check_webhook(value: Any, settings: Settings) -> Iterator[str]:
    """It lets whoever knows it write there, so it is not shown."""
    url = text(value)
    if url == "":
        return
    try:
        parts = urlsplit(url or "")
        good = parts.port != 0 and bool(re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:.]+", parts.hostname or ""))
    except ValueError:
        good = False
    if url is None or not url.startswith("https://"):
        yield "is no address that begins with https://"
    elif not good or not re.fullmatch(r"[!-~]+", url):
        yield "is no address of a host with a path"
    elif "@" in urlsplit(url).netloc:
        yield "has a user in it; put what proves who you are into the path"


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
        elif not Path(folder).is_dir():
            yield f"{shown(folder)} is not a folder of the control node"


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


def check_text(value: Any, settings: Settings) -> Iterator[str]:
    if text(value) is None:
        yield f"{shown(value)} is not text; put it in quotes"
    elif CONTROL.search(value):
        yield f"{shown(value)} has a line break or another control character"


def check_path(value: Any, settings: Settings) -> Iterator[str]:
    path = text(value) or ""
    if not path.startswith("/"):
        yield f"{shown(value)} is not an absolute path"
    elif CONTROL.search(path):
        yield f"{shown(value)} has a line break or another control character"


def shaped(shape: re.Pattern[str], what: str) -> Check:
    """A check for a text of a form."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        if not shape.fullmatch(text(value) or ""):
            yield f"{shown(value)} is not {what}"

    return check


def check_day(value: Any, settings: Settings) -> Iterator[str]:
    # YAML reads a day without quotes as one.
    try:
        _releases.day(value)
    except ValueError:
        yield f"{shown(value)} is not a day"


def hexadecimal(digits: int, what: str) -> Check:
    return shaped(re.compile(f"[0-9a-f]{{{digits}}}"), f"{what} of {digits} hexadecimal digits in small letters")


def or_empty(check_first: Check) -> Check:
    """A check that lets an empty text pass."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        if value != "":
            yield from check_first(value, settings)

    return check


def each(check_item: Check) -> Check:
    """A check of each item of a list."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{shown(value)} is not a list"
            return
        for item in value:
            yield from check_item(item, settings)

    return check


def check_open_port(value: Any, settings: Settings) -> Iterator[str]:
    """A port, or several, of TCP or UDP."""
    match = OPEN_PORT.fullmatch(text(value) or str(value))
    if match is None or isinstance(value, bool):
        yield f"{shown(value)} is no port such as 8080, 51820/udp or 60000-61000/udp"
        return
    ends = [int(end) for end in (match[1], match[2] or match[1])]
    for end in sorted(set(ends)):
        yield from _port_range(end, settings)
    if ends[0] > ends[1]:
        yield f"{shown(value)} ends before it begins"


def check_public_key(value: Any, settings: Settings) -> Iterator[str]:
    key = (text(value) or "").strip()
    if "PRIVATE KEY" in key:
        yield "holds a private key, which is nobody else's; name the public one"
    elif not any(PUBLIC_KEY.match(key, place) for place in _beginnings_of_words(key)) and not URL.fullmatch(key):
        yield f"{shown(value)} is no public key"


def _beginnings_of_words(line: str) -> list[int]:
    """Options may stand before a key."""
    return [found.start() for found in re.finditer(r"(?<!\S)\S", line)]


def file_for(reason: str, is_wanted: Callable[[Settings], bool], beginning: str = "") -> Check:
    """A check for a file on the control node that another setting asks for."""

    def check(value: Any, settings: Settings) -> Iterator[str]:
        path = text(value)
        if path is None:
            yield f"{shown(value)} is not text"
        elif CONTROL.search(path):
            yield f"{shown(value)} has a line break or another control character"
        elif is_wanted(settings):
            if not path:
                yield f"is missing, and {reason} wants a file of the control node"
            elif not Path(path).expanduser().is_file():
                yield f"{shown(path)} is no file on the control node, and {reason} wants one"
            elif beginning and (problem := _pem_problem(Path(path).expanduser(), beginning)):
                yield f"{shown(path)} {problem}"

    return check


def _pem_problem(path: Path, kind: str) -> str | None:
    """What is wrong with a certificate or a key, without a word of what is in it."""
    try:
        beginning = path.read_bytes()[:65536]
    except ValueError:
        return "is no path"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if beginning.startswith(b"$ANSIBLE_VAULT;") or re.search(rb"-----BEGIN [A-Z ]*" + kind.encode(), beginning):
        return None
    return f"holds no {kind.lower()} in PEM form (-----BEGIN ... {kind}-----)"


def _provided(settings: Settings) -> bool:
    return settings.get("inception_tls") == "provided"


# Let's Encrypt, ZeroSSL, Google, Buypass, SSL.com: they give certificates for public names only.
PUBLIC_AUTHORITIES = ("letsencrypt.org", "zerossl.com", "pki.goog", "buypass.com", "buypass.no", "ssl.com")
# Names that nobody can have (RFC 6761, 6762, 7686, 8375, 9476; .internal), and those that many take all the same.
PRIVATE_NAMES = ("42.fr", "home.arpa")
_PRIVATE_ENDINGS = "alt corp example home internal invalid lan local localdomain localhost onion private test"
PRIVATE_ENDINGS = frozenset(_PRIVATE_ENDINGS.split())
EXAMPLES = ("example.com", "example.net", "example.org")
CHALLENGES = ("tls-alpn-01", "http-01", "dns-01")
KEY_NAME = re.compile(r"[A-Za-z0-9_.:/+=-]{1,200}")
MOST_NAMES = 99


def _acme(settings: Settings) -> bool:
    return settings.get("inception_tls") == "acme"


def _is_below(name: str, others: Iterable[str]) -> bool:
    return any(name == other or name.endswith(f".{other}") for other in others)


def _is_public_authority(settings: Settings) -> bool:
    host = urlsplit(str(settings.get("inception_acme_directory", ""))).hostname or ""
    return _is_below(host, PUBLIC_AUTHORITIES)


def private_name(name: str, settings: Settings) -> str | None:
    """Why an authority of the public gives no certificate for a name."""
    if not _is_public_authority(settings):
        return None
    if _is_below(name, ["42.fr"]):
        return "belongs to the school, and no authority gives you a certificate for it"
    if _is_below(name, [*PRIVATE_NAMES, *PRIVATE_ENDINGS, *EXAMPLES]):
        return "is a name that nobody has in public, and no authority gives a certificate for it"
    return None


def check_health(value: Any, settings: Settings) -> Iterator[str]:
    yield from check_truth(value, settings)
    if truth(value) is False and _acme(settings):
        yield "is what renews the certificate, and inception_tls is acme"


def check_challenge(value: Any, settings: Settings) -> Iterator[str]:
    yield from one_of(*CHALLENGES)(value, settings)
    if value not in CHALLENGES or not _acme(settings):
        return
    in_front = settings.get("inception_trusted_proxies") or truth(settings.get("inception_proxy_protocol", False))
    if value == "tls-alpn-01" and in_front:
        yield (
            "tls-alpn-01 ends at the proxy in front (inception_trusted_proxies); take dns-01, or http-01 where it "
            "hands port 80 on"
        )
    if value == "http-01" and whole_number(settings.get("inception_https_port")) == 80:
        yield "http-01 wants port 80, which is inception_https_port"


def check_http_redirect(value: Any, settings: Settings) -> Iterator[str]:
    yield from check_truth(value, settings)
    if truth(value) and whole_number(settings.get("inception_https_port")) == 80:
        yield "wants port 80, which is inception_https_port"


def check_directory(value: Any, settings: Settings) -> Iterator[str]:
    yield from shaped(re.compile(r"https://[^\s\x00-\x1f'\"]+"), "an address that begins with https://")(
        value, settings
    )


def check_alias(value: Any, settings: Settings) -> Iterator[str]:
    name = text(value)
    if name is None:
        yield f"{shown(value)} is not text"
        return
    plain = name.removeprefix("*.")
    if problem := domain_problem(plain):
        yield f"{shown(name)} {problem}"
    elif _acme(settings):
        if plain != name and settings.get("inception_acme_challenge") != "dns-01":
            yield f"{shown(name)} is a wildcard, which wants inception_acme_challenge: dns-01"
        if problem := private_name(plain, settings):
            yield f"{shown(name)} {problem}"


def check_aliases(value: Any, settings: Settings) -> Iterator[str]:
    yield from each(check_alias)(value, settings)
    names = [str(one) for one in value] if isinstance(value, list) else []
    for name in sorted({one for one in names if names.count(one) > 1 or one == settings.get("inception_domain")}):
        yield f"{shown(name)} " + ("is there twice" if names.count(name) > 1 else "is inception_domain itself")
    if isinstance(value, list) and len(value) > MOST_NAMES:
        yield f"{len(value)} names are more than the {MOST_NAMES} that one certificate can have beside the domain"


BATCH = re.compile(r"[1-9][0-9]{0,5}|(?:[1-9][0-9]?|100)%")


def check_batch(value: Any, settings: Settings) -> Iterator[str]:
    """As play's serial takes it, or that in one word for the command line."""
    items = value if isinstance(value, list) else str(value).split(",")
    for item in items or [""]:
        if isinstance(item, bool) or not BATCH.fullmatch(str(item).strip()):
            yield f"{shown(item)} is neither a number of hosts nor a share of them, such as 25%"


def check_eab_kid(value: Any, settings: Settings) -> Iterator[str]:
    yield from or_empty(shaped(KEY_NAME, "the name of a key, as the authority shows it"))(value, settings)
    key = text(settings.get("inception_acme_eab_key"))
    if value == "" and key and not CONTROL.search(key) and _acme(settings):
        yield "is empty, and inception_acme_eab_key has a key"


def _with_eab(settings: Settings) -> bool:
    return _acme(settings) and bool(settings.get("inception_acme_eab_kid"))


def check_acme_email(value: Any, settings: Settings) -> Iterator[str]:
    if value != "":
        yield from check_email(value, settings)


def check_acme_authority(value: Any, settings: Settings) -> Iterator[str]:
    if value != "" and (problem := _pem_problem(Path(str(value)).expanduser(), "CERTIFICATE")):
        yield f"{shown(value)} {problem}"


def _with_dns(settings: Settings) -> bool:
    return _acme(settings) and settings.get("inception_acme_challenge") == "dns-01"


def check_dns_files(value: Any, settings: Settings) -> Iterator[str]:
    yield from each(file_for("the program of dns-01", _with_dns))(value, settings)
    names = [Path(str(one)).name for one in value] if isinstance(value, list) else []
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield f"{shown(name)} is the name of two files, which would lie in one folder"


def check_static_dir(value: Any, settings: Settings) -> Iterator[str]:
    folder = text(value)
    if folder is None:
        yield f"{shown(value)} is not text"
    elif CONTROL.search(folder):
        yield f"{shown(value)} has a line break or another control character"
    elif folder and "static" in (settings.get("inception_bonus_services") or []):
        index = Path(folder).expanduser() / "index.html"
        if not index.is_file():
            yield f"{shown(folder)} has no index.html on the control node, and the bonus service static wants one"


def check_docker_settings(value: Any, settings: Settings) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{shown(value)} is not a dictionary of keys of daemon.json"
        return
    for name in value:
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            yield f"{shown(name)} is no key of daemon.json, which are small letters and hyphens"


def check_env(value: Any, settings: Settings) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{shown(value)} is not a dictionary of names and values"
        return
    for name, of in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            yield f"{shown(name)} is no name of a variable, which are capital letters, digits and underscores"
        elif isinstance(of, bool) or not isinstance(of, (str, int)) or CONTROL.search(str(of)):
            yield f"the value of {name} is neither a number nor a line of text; put it in quotes"


def check_names(value: Any, settings: Settings) -> Iterator[str]:
    """Names of secrets, as a list or as a text with commas; which there are is known on the managed host."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield f"{shown(value)} is not a list of names"
        return
    for name in names:
        if name.strip() and not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name.strip()):
            yield f"{shown(name)} is no name of a secret"


def check_project_source(value: Any, settings: Settings) -> Iterator[str]:
    """A folder of the control node, or what git clones from."""
    source = text(value)
    if source is None or CONTROL.search(source):
        yield f"{shown(value)} is not a line of text"
    elif source.startswith("-"):
        yield f"{shown(source)} begins with a hyphen, which git takes for an option"
    elif (
        source
        and not re.match(r"(https?|ssh|git|file)://\S+|[^/\s]+@[^/\s]+:\S+", source)
        and not Path(source).expanduser().is_dir()
    ):
        yield f"{shown(source)} is neither the address of a git repository nor a folder on the control node"


def check_code(value: Any, settings: Settings) -> Iterator[str]:
    """A list of themes and plugins, each from a git repository or a folder."""
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        yield f"{shown(value)} is not a list, each of it a table with a kind, a name and where it comes from"
        return
    for number, one in enumerate(value, 1):
        called = f"{number} ({one['name']})" if isinstance(one.get("name"), str) else str(number)
        for problem in _code_problems(one):
            yield CONTROL.sub("?", f"{called}: {problem}")
    places = [(str(one.get("kind")), str(one.get("name")).lower()) for one in value]
    for kind, name in sorted({place for place in places if places.count(place) > 1}):
        yield f"there are two of the kind {kind} with the name {shown(name)}, and they would lie in one folder"
    active = [str(one.get("name")) for one in value if one.get("kind") == "theme" and truth(one.get("active"))]
    if len(active) > 1:
        yield f"{' and '.join(active)} are themes that shall be active, and a site has one"


def _code_problems(one: Mapping[Any, Any]) -> Iterator[str]:
    for key in one:
        if key not in CODE_KEYS:
            yield f"{shown(key)} is not one of its keys, {', '.join(CODE_KEYS)}"
    if one.get("kind") not in CODE_KINDS:
        yield f"kind: {shown(one.get('kind'))} is not one of {', '.join(CODE_KINDS)}"
    name = text(one.get("name"))
    if name is None or not CODE_NAME.fullmatch(name):
        yield f"name: {shown(one.get('name'))} is not letters, digits, hyphens and underscores"
    elif CODE_NAMES_TAKEN.fullmatch(name):
        yield f"name: {shown(name)} is a name of what WordPress or this collection brings; give yours another one"
    for key in ("active", "replace"):
        if key in one and truth(one[key]) is None:
            yield f"{key}: {shown(one[key])} is neither true nor false"
    if truth(one.get("active")) and one.get("kind") == "mu-plugin":
        yield "active: a mu-plugin always is; leave it out"
    yield from _code_source_problems(one)


def _code_source_problems(one: Mapping[Any, Any]) -> Iterator[str]:
    git, folder, commit = one.get("git"), one.get("folder"), one.get("commit")
    if (git is None) == (folder is None):
        yield "it comes from a git repository (git and commit) or from a folder of the control node (folder)"
        return
    if folder is not None:
        yield from (f"folder: {problem}" for problem in check_folders([folder] if folder else folder, {}))
        for key in ("commit", "subfolder"):
            if key in one:
                yield f"{key}: it comes from a folder, and {key} is of a git repository"
        return
    address = text(git) or ""
    if re.match(r"[a-z+]+://[^/@]*:[^/@]*@", address):
        yield "git: its address has a password in it; git asks its own credential helper or key for one, leave it out"
    elif CONTROL.search(address) or not REPOSITORY.fullmatch(address):
        yield f"git: {shown(git)} is no address of a git repository"
    if not COMMIT.fullmatch(text(commit) or ""):
        said = "is missing" if commit is None else f"{shown(commit)} is no full commit of 40 digits"
        yield f"commit: {said}, so tomorrow's would be another one; git ls-remote ADDRESS BRANCH says it"
    subfolder = one.get("subfolder", "x")
    if not SUBFOLDER.fullmatch(text(subfolder) or "") or ".." in str(subfolder):
        yield f"subfolder: {shown(subfolder)} is no folder of a repository, such as themes/mine"


FORWARDED_KEYS = ("host_address", "host_port", "guest_port", "protocol", "setting")


def check_forwarded_ports(value: Any, settings: Settings) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        yield f"{shown(value)} is not a list of dictionaries"
        return
    for item in value:
        for name in item:
            if name not in FORWARDED_KEYS:
                yield f"{shown(name)} is not one of its keys, {', '.join(FORWARDED_KEYS)}"
        for name in ("host_port", "guest_port"):
            for problem in _port_range(item.get(name), settings):
                yield f"{name}: {problem}"


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
    elif release not in _free_releases(family, date, settings) and not _forced(settings):
        why = (
            "the subject demands the penultimate stable one (IMG-3)"
            if _is_exercise(settings)
            else "a site wants the newest stable one, or the one before"
        )
        yield f"{shown(value)} {rank}, and {why}; set inception_base_release_forced to true to use it all the same"


def _is_exercise(settings: Settings) -> bool:
    """The subject wants the login's own name below 42.fr: who has another domain hands nothing in."""
    return _is_below(str(settings.get("inception_domain", "wil.42.fr")), ["42.fr"])


def _free_releases(family: str, date: datetime.date, settings: Settings) -> list[str]:
    """Those that need no word of the user's: one for the exercise, two for a site of one's own."""
    if _is_exercise(settings):
        return [_releases.penultimate(family, date).name]
    return [known.name for known in _releases.known(family, date)[-2:]]


def _forced(settings: Settings) -> bool:
    return truth(settings.get("inception_base_release_forced", False)) is True


# The table


def _always(example: str) -> Callable[[Settings], str]:
    return lambda settings: example


def check_managers(value: Any, settings: Settings) -> Iterator[str]:
    number = whole_number(value)
    if number not in (0, 1, 3, 5, 7):
        yield f"{shown(value)} is not 1, 3, 5 or 7, nor 0 for as many as make sense; an even number gains nothing"


def check_node_address(value: Any, settings: Settings) -> Iterator[str]:
    try:
        address = ipaddress.IPv4Address(text(value) or "")
    except ValueError:
        yield f"{shown(value)} is no address of IPv4"
        return
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        yield f"{shown(value)} is no address by which another node reaches it"
    elif address in (_cluster_networks(settings.get("cluster_networks", "10.201.0.0/16")) or ()):
        yield f"{shown(value)} is in cluster_networks ({settings.get('cluster_networks', '10.201.0.0/16')})"


def check_peer(value: Any, settings: Settings) -> Iterator[str]:
    try:
        ipaddress.IPv4Address(text(value) or "")
    except ValueError:
        yield f"{shown(value)} is no address of IPv4"


def _cluster_networks(value: Any) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text(value) or "")
    except ValueError:
        return None


def check_cluster_networks(value: Any, settings: Settings) -> Iterator[str]:
    network = _cluster_networks(value)
    if network is None:
        yield f"{shown(value)} is no network of IPv4"
    elif not 12 <= network.prefixlen <= 22:
        yield f"{shown(value)} has not from 4 to 4096 networks of 256 addresses: it is from /12 to /22"
    elif not network.is_private:
        yield f"{shown(value)} is not private"


def check_virtual_address(value: Any, settings: Settings) -> Iterator[str]:
    if text(value) == "":
        return
    try:
        found = ipaddress.IPv4Interface(text(value) or "")
    except ValueError:
        yield f"{shown(value)} is no address of IPv4 with the bits of its network"
        return
    if "/" not in str(value):
        yield f"{shown(value)} does not say the bits of its network"
    elif found.network.prefixlen > 30 or found.ip in (found.network.network_address, found.network.broadcast_address):
        yield f"{shown(value)} is no address of a machine in {found.network}"
    elif found.is_loopback or found.is_multicast or found.is_unspecified:
        yield f"{shown(value)} is no address by which a visitor reaches a node"
    elif found.ip in (_cluster_networks(settings.get("cluster_networks", "10.201.0.0/16")) or ()):
        yield f"{shown(value)} is in cluster_networks ({settings.get('cluster_networks', '10.201.0.0/16')})"
    elif str(found.ip) == text(settings.get("cluster_address")):
        yield f"{shown(value)} is the address of a node itself (cluster_address)"


def check_copies(value: Any, settings: Settings) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{shown(value)} is not a table of services and numbers"
        return
    for name, number in value.items():
        if not isinstance(name, str) or not SERVICE_WORD.fullmatch(name):
            yield f"{shown(name)} is not the name of a service"
        elif (copies := whole_number(number)) is None or not 1 <= copies <= 1000:
            yield f"{name}: {shown(number)} is not a number from 1 to 1000"


def check_members(value: Any, settings: Settings) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{shown(value)} is not a list"
        return
    for one in value:
        if not isinstance(one, str) or not re.fullmatch(r"mariadb-[123]", one):
            yield f"{shown(one)} is no member of the database"


def _release_example(settings: Settings) -> str:
    family, date = _family_and_date(settings) or ("debian", _date(settings))
    name = _releases.penultimate(family, date).name
    return f'"{name}"' if family == "alpine" else name


def _services_example(settings: Settings) -> str:
    available = sorted(str(name) for name in settings.get("inception_available_services") or ())
    return f"[{', '.join(available[:2]) or 'redis, mail'}]"


RULES: tuple[Rule, ...] = (
    Rule("inception_login", check_login, _always("wil")),
    Rule("inception_domain", check_domain, lambda settings: "wil.org" if _acme(settings) else "wil.42.fr"),
    Rule("inception_aliases", check_aliases, _always("[www.example.org]")),
    Rule("inception_project", shaped(PROJECT, "the name of a compose project"), _always("inception")),
    Rule("inception_https_port", port_other_than({22: "ssh"}, ["host_ssh_port"]), _always("443")),
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
    Rule("inception_builder", check_builder, _always("auto")),
    Rule("inception_batch", check_batch, _always("[1, 25%, 100%]")),
    Rule("inception_docker_source", one_of("distribution", "docker"), _always("distribution")),
    Rule("inception_wordpress_source", check_wordpress_source, _always("archive")),
    Rule(
        "inception_wordpress_code",
        check_code,
        _always("[{kind: theme, name: mine, git: https://git.example.org/mine.git, commit: " + 5 * "0a1b2c3d" + "}]"),
    ),
    Rule("inception_tls", one_of("local_ca", "provided", "acme"), _always("local_ca")),
    Rule("inception_acme_directory", check_directory, _always("https://acme-v02.api.letsencrypt.org/directory")),
    Rule("inception_acme_email", check_acme_email, _always("wil@example.org")),
    Rule("inception_acme_challenge", check_challenge, _always("dns-01")),
    Rule("inception_acme_profile", or_empty(shaped(KEY_NAME, "the name of a profile")), _always("shortlived")),
    Rule("inception_acme_eab_kid", check_eab_kid, _always("kid-1")),
    Rule("inception_acme_eab_key", file_for("inception_acme_eab_kid", _with_eab), _always("/home/wil/eab.key")),
    Rule("inception_acme_authority", check_acme_authority, _always("/home/wil/authority.pem")),
    Rule(
        "inception_acme_dns_hook",
        file_for("inception_acme_challenge: dns-01", _with_dns),
        _always("/home/wil/dns-hook"),
    ),
    Rule("inception_acme_dns_files", check_dns_files, _always("[/home/wil/dns-token]")),
    Rule("inception_hsts", check_truth, _always("false")),
    Rule("inception_http_redirect", check_http_redirect, _always("false")),
    Rule("inception_trusted_proxies", each(check_network), _always("[192.0.2.7, 2001:db8::/32]")),
    Rule("inception_proxy_protocol", check_proxy_protocol, _always("false")),
    Rule("inception_ftp_port", port_other_than({22: "ssh"}, ["inception_https_port"]), _always("21")),
    Rule("inception_ftp_passive_ports", check_passive_ports, _always("21000-21009")),
    Rule("inception_ftp_passive_address", check_passive_address, _always("203.0.113.7")),
    Rule("inception_ftp_plain", check_truth, _always("false")),
    Rule("inception_mail_host", check_relay, _always("smtp.example.org")),
    Rule("inception_mail_port", number_from(1, 65535), _always("587")),
    Rule("inception_mail_tls", one_of("starttls", "tls", "none"), _always("starttls")),
    Rule("inception_mail_user", check_relay_user, _always("wil@example.org")),
    Rule("inception_mail_from", check_email, _always("wordpress@wil.42.fr")),
    Rule("inception_timezone", or_empty(check_time_zone), _always("Europe/Paris")),
    Rule("inception_debian_mirror", check_url, _always("http://deb.debian.org/debian")),
    Rule("inception_proxy", check_proxy, _always("http://proxy.example.org:3128")),
    Rule("inception_no_proxy", each(check_no_proxy), _always("[backup.example.org, .lan]")),
    Rule("inception_backup_place", check_backup_place, _always("/mnt/backup")),
    Rule("inception_backup_credentials", check_backup_credentials, _always("/home/wil/backup.key")),
    Rule("inception_backup_known_hosts", check_known_hosts, _always("/home/wil/.ssh/known_hosts")),
    Rule("inception_backup_authority", check_storage_authority, _always("/home/wil/storage-ca.crt")),
    Rule("inception_backup_schedule", one_of("hourly", "daily", "weekly"), _always("daily")),
    Rule("inception_backup_keep", check_backup_keep, _always("{daily: 7, weekly: 5, monthly: 12}")),
    Rule("inception_backup_append_only", check_truth, _always("false")),
    Rule("inception_backup_trial", one_of("weekly", "monthly", "never"), _always("monthly")),
    Rule("inception_backup_point_in_time", check_point_in_time, _always("false")),
    Rule("inception_updates", one_of("none", "security", "all"), _always("security")),
    Rule("inception_update_schedule", one_of("daily", "weekly"), _always("daily")),
    Rule("inception_secrets", check_secrets, _always('{db_password: "{{ vault_db_password }}"}')),
    Rule("inception_vm_memory", number_from(1024, 4194304, " (MiB)"), _always("4096")),
    Rule("inception_vm_cpus", number_from(1, 255), _always("2")),
    Rule("inception_vm_disk", number_from(8, 65536, " (GiB)"), _always("20")),
    Rule("inception_vm_ssh_port", port_other_than({}), _always("2222")),
    Rule(
        "inception_vm_acme_port",
        port_other_than({}, ["inception_vm_ssh_port", "inception_vm_https_port"]),
        _always("8080"),
    ),
    Rule("inception_vm_https_port", port_other_than({}, ["inception_vm_ssh_port"]), _always("8443")),
    Rule(
        "inception_vm_ftp_port",
        port_other_than({}, ["inception_vm_ssh_port", "inception_vm_https_port"]),
        _always("2121"),
    ),
    Rule("inception_vm_family", one_of("debian", "alpine"), _always("debian")),
    Rule("inception_vm_image_source", one_of("auto", "cloud", "bootstrap"), _always("auto")),
    # Settings of one role
    Rule("base_image_reference", shaped(IMAGE, "the name of an image with a tag"), _always("debian:bookworm")),
    Rule("base_image_registry_timeout", number_from(1, 3600, " (seconds)"), _always("10")),
    Rule(
        "base_image_archive",
        file_for("inception_base_source: archive", lambda settings: settings.get("inception_base_source") == "archive"),
        _always("/home/wil/bookworm.tar.xz"),
    ),
    Rule("base_image_cache_dir", check_path, _always("/home/wil/.cache/fortytwo.inception")),
    Rule("base_image_machine_dir", check_path, _always("/var/lib/fortytwo.inception/base")),
    Rule("base_image_debian_security_mirror", check_url, _always("http://deb.debian.org/debian-security")),
    Rule("base_image_alpine_mirror", check_url, _always("https://dl-cdn.alpinelinux.org/alpine")),
    Rule("cluster_managers", check_managers, _always("3")),
    Rule("cluster_address", check_node_address, _always("192.0.2.11")),
    Rule("cluster_virtual_address", check_virtual_address, _always("192.0.2.10/24")),
    Rule("cluster_packages", or_empty(shaped(WORDS, "words")), _always('"2026-11-29"')),
    Rule("cluster_networks", check_cluster_networks, _always("10.201.0.0/16")),
    Rule("cluster_copies", check_copies, _always("{wordpress: 2}")),
    Rule("cluster_database", one_of("single", "galera"), _always("galera")),
    Rule("cluster_database_without", check_members, _always("[mariadb-3]")),
    Rule("cluster_data_node", or_empty(shaped(ADDRESS, "the name of a host of the inventory")), _always("one")),
    Rule("cluster_patience", number_from(30, 86400, " (seconds)"), _always("600")),
    Rule("cluster_timeout", number_from(1, 86400, " (seconds)"), _always("1800")),
    Rule("docker_daemon_settings", check_docker_settings, _always("{log-driver: local}")),
    Rule("docker_may_restart", check_truth, _always("false")),
    Rule("docker_repository_url", check_url, _always("https://download.docker.com/linux")),
    Rule("docker_repository_key", check_fingerprint, _always("9DC858229FC7DD38854AE2D88D81803C0EBFCD88")),
    Rule(
        "host_authorized_keys",
        each(check_public_key),
        _always('["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBUZXN0 wil@home"]'),
    ),
    Rule(
        "host_firewall_trusted_interfaces",
        each(shaped(INTERFACE, "the name of an interface")),
        _always("[docker0, br-*]"),
    ),
    Rule("host_containers_reach", each(check_network), _always("[192.168.1.10, 10.1.0.0/16]")),
    Rule("host_open_ports", each(check_open_port), _always("[8080, 51820/udp]")),
    Rule("host_peers", each(check_peer), _always("[192.0.2.11, 192.0.2.12]")),
    Rule("host_peer_protocols", each(one_of("vrrp", "esp")), _always("[vrrp]")),
    Rule("host_peer_ports", each(check_open_port), _always("[2377, 7946/udp]")),
    Rule("host_reboot_at", or_empty(shaped(CLOCK, "a time of the day")), _always('"04:30"')),
    Rule("host_ssh_port", _port_range, _always("22")),
    Rule("stack_env", check_env, _always("{MARIADB_PORT: 3307}")),
    Rule("stack_backup_before", check_truth, _always("true")),
    Rule("stack_upload_size", shaped(re.compile(r"[1-9]\d{0,4}M"), "a size in megabytes"), _always("64M")),
    Rule("stack_xmlrpc", check_truth, _always("false")),
    Rule("stack_shared_addresses", each(check_network), _always("[10.0.2.2]")),
    Rule("stack_health", check_health, _always("true")),
    Rule("stack_health_mail", check_health_mail, _always("wil@example.org")),
    Rule("stack_health_webhook", check_webhook, _always("https://hooks.example.org/services/inception")),
    Rule("stack_start_timeout", number_from(1, 86400, " (seconds)"), _always("3600")),
    Rule("stack_start_patience", number_from(1, 86400, " (seconds)"), _always("120")),
    Rule("stack_rotate_timeout", number_from(1, 86400, " (seconds)"), _always("300")),
    Rule(
        "stack_tls_certificate",
        file_for("inception_tls: provided", _provided, "CERTIFICATE"),
        _always("/home/wil/fullchain.pem"),
    ),
    Rule(
        "stack_tls_key", file_for("inception_tls: provided", _provided, "PRIVATE KEY"), _always("/home/wil/privkey.pem")
    ),
    Rule("stack_wordpress_archive_url", check_url, _always("https://wordpress.org/wordpress-7.1.2.tar.gz")),
    Rule("stack_wordpress_archive_sha1", check_archive_sha1, _always("761b8101538f0631a0bfc4fba7bc4abeea92f81c")),
    Rule(
        "stack_wordpress_archive_sha256", or_empty(hexadecimal(64, "a checksum")), _always("d7494bb1" + 7 * "0a1b2c3d")
    ),
    Rule("stack_wp_cli_url", check_url, _always("https://example.org/wp-cli-2.11.0.phar")),
    Rule("stack_wp_cli_sha512", hexadecimal(128, "a checksum"), _always("adb12146" + 15 * "0a1b2c3d")),
    Rule("stack_adminer_url", check_url, _always("https://example.org/adminer-5.5.0.php")),
    Rule("stack_adminer_sha256", hexadecimal(64, "a checksum"), _always("d7494bb1" + 7 * "0a1b2c3d")),
    Rule("stack_static_dir", check_static_dir, _always("/home/wil/site")),
    Rule("stack_ca_destination", check_path, _always("/home/wil/inception-ca.crt")),
    Rule("stack_rotate_secrets", check_names, _always("[db_password, wp_salt]")),
    Rule("vm_name", shaped(LABEL, "a host name without a dot"), _always("wil")),
    Rule("vm_forwarded_ports", check_forwarded_ports, _always("[{host_port: 8443, guest_port: 443}]")),
    Rule("vm_timeout", number_from(1, 86400, " (seconds)"), _always("600")),
    Rule("vm_release", shaped(re.compile("[a-z]+"), "the codename of a release"), _always("trixie")),
    Rule("vm_debian_mirror", check_url, _always("http://deb.debian.org/debian")),
    Rule("vm_debian_security_mirror", or_empty(check_url), _always("http://deb.debian.org/debian-security")),
    Rule("vm_alpine_release", shaped(re.compile(r"\d+\.\d+"), "a release of Alpine"), _always('"3.23"')),
    Rule("vm_alpine_mirror", check_url, _always("https://dl-cdn.alpinelinux.org/alpine")),
    Rule("vm_alpine_packages", each(shaped(PACKAGE, "the name of a package")), _always("[openrc, openssh]")),
    Rule("vm_packages", each(shaped(PACKAGE, "the name of a package")), _always("[curl, git]")),
    Rule("vm_prepared_packages", each(shaped(PACKAGE, "the name of a package")), _always("[]")),
    Rule("vm_cloud_image_url", check_url, _always("https://example.org/debian-13-genericcloud-amd64.qcow2")),
    Rule(
        "vm_cloud_image_checksum",
        shaped(CHECKSUM, "sha256: or sha512: with a checksum or the address of a list"),
        _always("sha512:https://example.org/SHA512SUMS"),
    ),
    Rule(
        "vm_reachable",
        each(shaped(REACHABLE, "a name, an address, a network or a URL")),
        _always("[mirror.example.org]"),
    ),
    Rule("vm_cloud_image_timeout", number_from(1, 3600, " (seconds)"), _always("10")),
    Rule("evaluate_login", shaped(LOGIN, "a login: small letters, digits and hyphens"), _always("wil")),
    Rule("evaluate_domain", check_domain, _always("wil.42.fr")),
    Rule("evaluate_project", check_path, _always("/home/wil/inception")),
    Rule("evaluate_source", check_project_source, _always("https://example.org/wil/inception.git")),
    Rule("evaluate_date", or_empty(check_day), _always("2026-11-24")),
    Rule("evaluate_version", shaped(GIT_VERSION, "a branch, a tag or a commit"), _always("main")),
    # A folder below the current one will do: the report is written there.
    Rule("evaluate_report_dir", shaped(re.compile(r"[^\x00-\x1f]+"), "the path of a folder"), _always("reports")),
    Rule("evaluate_make_timeout", number_from(1, 86400, " (seconds)"), _always("3600")),
    Rule("evaluate_address", check_address, _always("203.0.113.7")),
    Rule("evaluate_https_port", number_from(1, 65535), _always("443")),
    Rule("evaluate_ftp_user", check_text, _always("wil")),
)


def warnings(settings: Settings, date: datetime.date) -> list[str]:
    """What is allowed but probably not meant, one line each."""
    everything = {**settings, "date": date}
    return [*_forced_warnings(everything), *_stale_warnings(everything), *_ending_warnings(everything)]


def _forced_warnings(settings: Settings) -> Iterator[str]:
    place = _family_and_date(settings)
    release = settings.get("inception_base_release")
    if place is None or release is None or not _forced(settings) or not _is_exercise(settings):
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


def _ending_warnings(settings: Settings) -> Iterator[str]:
    place, release = _family_and_date(settings), settings.get("inception_base_release")
    if place is not None and (told := _releases.ending(place[0], str(release), place[1])):
        yield f"inception_base_release: {told[0]}; {told[1]}"
