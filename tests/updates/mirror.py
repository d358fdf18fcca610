# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror on the machine, beside Debian's, that the images are built from too: with newer packages, good or bad."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from tests.faults.bench import Bench

# Of each visitor, in seconds: what is built gives way to those who never wait, on a busy machine for ever.
PAUSE = 5.0
# With all of its tests, so that none of them sees the change of it.
BY_ITSELF = {"inception_updates": "security", "inception_update_schedule": "weekly"}
PORT = 8765
FOLDER = "/srv/fixes"
KNOWN = "COPY fixes.list /etc/apt/sources.list.d/fixes.list\n"
BAD = "#!/bin/sh\necho 'a bad fix: it does not start' >&2\nexit 1\n"
CHANGES = """\
{package} ({version}) bookworm-security; urgency=high

  * {what}

 -- Wil <wil@example.org>  Sat, 28 Nov 2026 00:00:00 +0000

"""
INDEX = f"""\
import hashlib, pathlib, subprocess

def said(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

here = pathlib.Path({FOLDER!r})
text = ""
for deb in sorted(here.glob("*.deb")):
    data = deb.read_bytes()
    sums = f"Size: {{len(data)}}\\nSHA256: {{hashlib.sha256(data).hexdigest()}}"
    text += f"{{said('dpkg-deb', '--field', deb)}}Filename: ./{{deb.name}}\\n{{sums}}\\n\\n"
(here / "Packages").write_text(text)
digest = hashlib.sha256(text.encode()).hexdigest()
(here / "Release").write_text(
    "Origin: Debian\\nLabel: Debian-Security\\nSuite: bookworm-security\\nCodename: bookworm-security\\n"
    f"Date: {{said('date', '-Ru')}}SHA256:\\n {{digest}} {{len(text.encode())}} Packages\\n"
)
"""


@dataclass
class Mirror:
    """It lies on the machine, where containers reach it at the engine's own bridge."""

    bench: Bench
    count: int = 0

    def begin(self) -> None:
        """Serves an empty one, and has the base image know it: with the same digest, so that no tag changes by it."""
        root = self.bench.root
        known = "docker run --rm debian:bookworm test -e /etc/apt/sources.list.d/fixes.list"
        # On a machine that was kept.
        if self.bench.host.run(f"systemctl is-active --quiet fixes && {known}").rc == 0:
            return
        root(f"mkdir -p {FOLDER} /srv/fixes-base && rm -f {FOLDER}/*.deb")
        address = root("ip -4 -o address show docker0").split()[3].partition("/")[0]
        self._index()
        root(
            "systemctl is-active --quiet fixes || systemd-run --quiet --unit=fixes "
            f"python3 -m http.server {PORT} --bind {address} --directory {FOLDER}"
        )
        self._write("/srv/fixes-base/fixes.list", f"deb [trusted=yes] http://{address}:{PORT}/ ./\n")
        self._write("/srv/fixes-base/Dockerfile", f"FROM debian:bookworm\n{KNOWN}")
        root("docker build --quiet --tag debian:bookworm /srv/fixes-base")
        # What was built before knows it too, in a layer of its own, so that nothing is built for it once more.
        ours = "--filter label=com.docker.compose.project=inception --filter dangling=false"
        for image in root(f"docker image ls {ours} --format '{{{{.Repository}}}}:{{{{.Tag}}}}'").split():
            self._write("/srv/fixes-base/Dockerfile", f"FROM {image}\n{KNOWN}")
            root(f"docker build --quiet --tag {image} /srv/fixes-base")

    def _write(self, path: str, text: str) -> None:
        self.bench.root(f"printf %s {shlex.quote(text)} >{path}")

    def installed(self, service: str, package: str) -> str:
        # What is unpacked beside WordPress is no package there.
        script = (
            f"dpkg-query --show --showformat='\\${{Version}}' {package} 2>/dev/null || "
            f"sed -n 's/^{package}[[:space:]]//p' /usr/local/share/inception/packages"
        )
        return self.bench.root(f'docker exec {self.container(service)} sh -c "{script}"').strip()

    def container(self, service: str) -> str:
        """One that started beside its former one has another number."""
        listed = f"label=com.docker.compose.project=inception --filter label=com.docker.compose.service={service}"
        return self.bench.root(f"docker ps --quiet --filter {listed}").strip()

    def publish(self, service: str, package: str, what: str, *, bad: bool = False) -> str:
        """A newer version of a package that a service's image has; its version."""
        old = self.installed(service, package)
        original, dummy, number = old.partition("+fix")
        # A machine that was kept may have had some.
        self.count = max(self.count, int(number or 0)) + 1
        version = f"{original}+fix{self.count}"
        root, work = self.bench.root, f"{FOLDER}-work"
        kept = f"{FOLDER}-kept/{package}-{original}"
        root(f"rm -rf {work} && mkdir -p {work} {kept}")
        if not root(f"ls {kept}"):
            image = root(f"docker inspect --format '{{{{.Image}}}}' {self.container(service)}").strip()
            script = (
                f"apt-get -qq update && cd /out && apt-get -qq -o APT::Sandbox::User=root download {package}={original}"
            )
            root(f"docker run --rm --user 0 --entrypoint sh --volume {kept}:/out {image} -c '{script}'")
        root(f"cd {work} && dpkg-deb --raw-extract {kept}/{package}_*.deb tree")
        root(f"sed -i 's/^Version: .*/Version: {version}/' {work}/tree/DEBIAN/control")
        docs = f"{work}/tree/usr/share/doc/{package}"
        root(f"rm -rf {docs} && mkdir -p {docs}")
        before = CHANGES.format(package=package, version=old, what="What was before: CVE-2001-0001.")
        self._write(f"{docs}/changelog.Debian", CHANGES.format(package=package, version=version, what=what) + before)
        root(f"gzip -n {docs}/changelog.Debian")
        if bad:
            self._write(f"{work}/tree/usr/sbin/{package}", BAD)
        root(f"rm -f {work}/tree/DEBIAN/md5sums {FOLDER}/{package}_*.deb")
        root(f"dpkg-deb --root-owner-group --build {work}/tree {FOLDER}/{package}_{version}.deb")
        self._index()
        return version

    def _index(self) -> None:
        """What dpkg-scanpackages and apt-ftparchive would write."""
        self.bench.root(f"python3 -c {shlex.quote(INDEX)}")
