# SPDX-License-Identifier: GPL-3.0-or-later
"""What browsers and owners of today expect: types, icons, sizes, characters, IPv6, a plain http that leads on."""

from __future__ import annotations

import html
import http.client
import json
import secrets as random
from typing import Any

from tests.verify.strangers import THERE, outside
from tests.verify.support import PATIENCE, Secret, Settings, Site, Stack, wait_until

TYPES = {
    "mjs": "application/javascript",
    "wasm": "application/wasm",
    "avif": "image/avif",
    "webp": "image/webp",
    "jxl": "image/jxl",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "webmanifest": "application/manifest+json",
    "json": "application/json",
    "vtt": "text/vtt",
    "csv": "text/csv",
    "opus": "audio/ogg",
    "webm": "video/webm",
    "glb": "model/gltf-binary",
}


def php(stack: Stack, code: str, *arguments: str) -> str:
    result = stack.execute("wordpress", "php", "-r", code, "--", *arguments)
    assert result.rc == 0, result.stdout + result.stderr
    return str(result.stdout)


def test_files_of_today_have_their_types(stack: Stack, site: Site) -> None:
    """A module of JavaScript with another type is not run, and a font or a picture with none is not shown."""
    folder = f"wp-content/uploads/verify-{random.token_hex(4)}"
    inside = f"/var/www/html/{folder}"
    names = " ".join(f"{inside}/one.{kind}" for kind in TYPES)
    try:
        assert (
            stack.execute("wordpress", "sh", "-c", f"mkdir {inside} && for f in {names}; do echo 1 >$f; done").rc == 0
        )
        pages = {kind: site.get(f"/{folder}/one.{kind}") for kind in TYPES}
        assert {kind: page.headers["Content-Type"] for kind, page in pages.items()} == TYPES
        assert {page.status for page in pages.values()} == {200}
    finally:
        stack.execute("wordpress", "rm", "-r", inside)


def test_there_is_an_icon(site: Site) -> None:
    """Every browser asks for /favicon.ico; where there is no such file, WordPress leads to the site's or its own."""
    page = site.get("/favicon.ico")
    assert page.status == 302
    assert page.location.startswith(f"{site.url}/")
    icon = site.get(page.location.removeprefix(site.url))
    assert (icon.status, icon.headers["Content-Type"].split("/")[0]) == (200, "image")


def test_plain_http_is_led_to_tls(settings: Settings, site: Site) -> None:
    """http:// with the port of TLS, typed or copied: to the same page, on the same port; nothing else is answered."""
    connection = http.client.HTTPConnection(settings.address, settings.forwarded_port, timeout=PATIENCE)
    host = site.url.removeprefix("https://")
    connection.request("GET", "/sample-page/?a=1", headers={"Host": host})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"{site.url}/sample-page/?a=1")
    assert answer.headers["Set-Cookie"] is None
    connection.close()
    connection = http.client.HTTPConnection(settings.address, settings.forwarded_port, timeout=PATIENCE)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    assert connection.getresponse().headers["Location"] is None
    connection.close()


def test_ipv6_is_listened_on(stack: Stack, settings: Settings) -> None:
    """By its own [::1], with the right certificate; what is for the container itself is so by that way too."""
    port = settings.https_port
    name = f"--cacert /tmp/verify-ca.crt --resolve '{settings.domain}:{port}:[::1]'"
    ask = f"curl -gsS -o /dev/null -w '%{{http_code}}' {name}"
    stack.root("cp %s/secrets/ca.crt /tmp/verify-ca.crt", settings.project)
    container = stack.containers()["nginx"]["Id"]
    stack.root("docker exec -i %s sh -c 'cat >/tmp/verify-ca.crt' </tmp/verify-ca.crt", container)
    for path, status in (("/", "200"), ("/healthz", "204")):
        said = stack.execute("nginx", "sh", "-c", f"{ask} https://{settings.domain}:{port}{path}")
        assert said.stdout == status, said.stderr
    stack.execute("nginx", "rm", "/tmp/verify-ca.crt")


# A server on the machine that nobody has let in; it says who it is when it listens.
SERVER_OF_NOBODY = """
import os, socket, time
server = socket.create_server(("::", 4242), family=socket.AF_INET6)
if child := os.fork():
    print(child)
else:
    os.closerange(0, 3)
    time.sleep(300)
"""
# What a neighbour gets who connects to a machine's ports.
NEIGHBOUR = """
import json, socket, sys, time
def connect(port):
    for _ in range(100):
        try:
            with socket.create_connection((sys.argv[1], port), timeout=3):
                return "open"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            # Until the link is up.
            time.sleep(0.1)
    return "no way"
print(json.dumps([connect(int(port)) for port in sys.argv[2:]]))
"""


def test_the_firewall_is_for_ipv6_too(stack: Stack, host: Any) -> None:
    """From a neighbour: what is let in is open, and what somebody has opened and nobody has let in is refused."""
    machine = "fd42:42::1"
    with_an_address = "echo 0 >/proc/sys/net/ipv6/conf/{0}/disable_ipv6; ip address add {1}/64 dev {0}"
    with outside(stack):
        stack.root("sh -ec %s", with_an_address.format("to-stranger", machine))
        stack.root(f"{THERE} sh -ec %s", with_an_address.format("to-machine", "fd42:42::2"))
        server = stack.root("python3 -c %s", SERVER_OF_NOBODY).strip()
        try:
            ssh = str(host.ansible.get_variables().get("host_ssh_port", 22))
            answers = stack.root(f"{THERE} python3 -c %s %s %s 4242", NEIGHBOUR, machine, ssh)
        finally:
            stack.root("kill %s", server)
    assert json.loads(answers) == ["open", "refused"]


def test_the_size_of_uploads_is_one(stack: Stack, site: Site, settings: Settings, secrets: dict[str, Secret]) -> None:
    """A file of just the size that WordPress names is taken, with the form around it; a larger one is refused."""
    visitor = site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])
    page = visitor.get("/wp-admin/media-new.php?browser-uploader").text
    size = int(php(stack, "require '/var/www/html/wp-load.php'; echo wp_max_upload_size();"))
    assert f"Maximum upload file size: {size >> 20} MB" in page
    nonce = visitor.get("/wp-admin/admin-ajax.php?action=rest-nonce").text
    border = "verify-border"

    def upload(length: int) -> tuple[int, str]:
        # The form around the file is long as well.
        parts = (
            ("more", "", b"t" * 200_000),
            ("file", '; filename="verify.txt"', (b"verify\n" * (length // 7 + 1))[:length]),
        )
        body = b"".join(
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
            for name, more, content in parts
        )
        headers = {"X-WP-Nonce": nonce, "Content-Type": f"multipart/form-data; boundary={border}"}
        answer = visitor.request("POST", "/wp-json/wp/v2/media", body + f"--{border}--\r\n".encode(), headers)
        return answer.status, answer.text

    status, text = upload(size)
    assert status == 201, text[:500]
    removed = visitor.request(
        "DELETE", f"/wp-json/wp/v2/media/{json.loads(text)['id']}?force=true", headers={"X-WP-Nonce": nonce}
    )
    assert removed.status == 200
    assert upload(size + (2 << 20))[0] == 413


TITLE = "Wil's 🦀 “Site” & <Co> $HOME `id` #1 %s \\ ünï 日本 👩‍👩‍👧"


def test_every_character_in_the_title_and_in_names(stack: Stack, site: Site) -> None:
    """Of the settings, as a deployment hands them on; and of a user, as he writes his name himself."""
    run = 'SITE_TITLE="$0" php /usr/local/lib/inception/install.php'
    code = """
        require "/var/www/html/wp-load.php";
        wp_update_user(["ID" => 1, "display_name" => $argv[1], "first_name" => $argv[1]]);
        echo get_userdata(1)->display_name, "\\n", get_user_meta(1, "first_name", true), "\\n", get_option("blogname");
    """
    before = php(stack, "require '/var/www/html/wp-load.php'; echo get_userdata(1)->display_name;")
    try:
        assert stack.execute("wordpress", "sh", "-c", run, TITLE).rc == 0
        names = php(stack, code, "Ünal 🦀 日本").splitlines()
        assert names[:2] == ["Ünal 🦀 日本"] * 2
        assert html.unescape(site.own().get("/wp-json/").json()["name"]) == TITLE
        assert "🦀" in site.own().get("/").title
    finally:
        assert stack.execute("wordpress", "php", "/usr/local/lib/inception/install.php").rc == 0
        php(stack, code, before)


def test_it_is_one_site(site: Site, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Who looks for a network of sites reads why there is none, and nothing of it is offered."""
    visitor = site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])
    page = visitor.get("/wp-admin/network.php")
    assert page.status == 403
    assert "This site cannot become a network of sites" in page.text
    assert "network.php" not in visitor.get("/wp-admin/").text


# A plugin that has a server of its own for mail, on a site without a relay. The server is another process.
SERVER = """
    $server = stream_socket_server("tcp://127.0.0.1:2526");
    touch("/tmp/verify-mail.ready");
    $client = stream_socket_accept($server, 60);
    fwrite($client, "220 here\\r\\n");
    $is_data = false;
    while (($line = fgets($client)) !== false) {
        file_put_contents("/tmp/verify-mail", $line, FILE_APPEND);
        $word = strtoupper(strtok(trim($line), " "));
        if ($is_data && trim($line) !== ".") {
            continue;
        }
        $is_data = $word === "DATA";
        fwrite($client, ["DATA" => "354 go", "QUIT" => "221 bye"][$word] ?? "250 ok");
        fwrite($client, "\\r\\n");
    }
"""
PLUGIN = """
    putenv("MAIL_HOST=");
    require "/var/www/html/wp-load.php";
    $known = static fn () => [inception_sends_mail(), wp_mail("somebody@example.org", "verify", "a letter")];
    $without = $known();
    add_action("phpmailer_init", static function ($mailer) {
        $mailer->isSMTP();
        [$mailer->Host, $mailer->Port, $mailer->SMTPAutoTLS] = ["127.0.0.1", 2526, false];
    });
    echo json_encode([$without, $known()]);
"""


def test_a_plugin_may_send_mail_by_itself(stack: Stack) -> None:
    """Without a relay nobody sends, and WordPress is told so at once; a plugin that has a server of its own does."""
    run = 'php -r "$0" >/tmp/verify-mail.log 2>&1 &'
    try:
        assert stack.execute("wordpress", "sh", "-c", run, SERVER).rc == 0
        wait_until("it listens", lambda: stack.execute("wordpress", "test", "-e", "/tmp/verify-mail.ready").rc == 0)
        assert json.loads(php(stack, PLUGIN)) == [[False, False], [True, True]]
        letter = stack.execute("wordpress", "cat", "/tmp/verify-mail").stdout
        assert "RCPT TO:<somebody@example.org>" in letter
        assert "Subject: verify" in letter
    finally:
        stack.execute("wordpress", "sh", "-c", "rm -f /tmp/verify-mail*")
