# SPDX-License-Identifier: GPL-3.0-or-later
"""What projects do to whoever evaluates them, one script each: it runs as the login in an empty project folder.

CANARY_FILE and CANARY_PORT are a file and a port of the control node that none may learn of. A process called
hostile-left is looked for afterwards.
"""

from __future__ import annotations

SKELETON = r"""
mkdir -p srcs/requirements/{nginx,wordpress,mariadb} secrets
for name in nginx wordpress mariadb; do
    printf 'FROM debian:bookworm\nCMD ["nginx", "-g", "daemon off;"]\n' >srcs/requirements/$name/Dockerfile
done
cat >srcs/docker-compose.yml <<'Y'
services:
  nginx: {build: requirements/nginx, image: "nginx:1", ports: ["443:443"], restart: always}
  wordpress: {build: requirements/wordpress, image: "wordpress:1", restart: always}
  mariadb: {build: requirements/mariadb, image: "mariadb:1", restart: always}
Y
printf 'DOMAIN_NAME=wil.42.fr\n' >srcs/.env
printf '# Inception\n' >README.md
printf 'all:\n\ttrue\n' >Makefile
"""
LEFT = "setsid --fork bash -c 'exec -a hostile-left sleep 100000'"


def make(*lines: str) -> str:
    """A Makefile of one target; what its shell is to see of $ is written twice."""
    recipe = "".join(f"\t{line}\n" for line in lines)
    return f"cat >Makefile <<'M'\nSHELL = /bin/bash\nall:\n{recipe}M\n"


# A site in one program: whatever it is asked for, it gives BODY to.
SERVER = r"""
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=wil.42.fr \
    -addext subjectAltName=DNS:wil.42.fr 2>/dev/null
cat >site.py <<'P'
import http.server, ssl, time
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        @BODY@
    do_POST = do_GET
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("", 443), Site)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
P
""" + make("setsid --fork python3 site.py >/dev/null 2>&1; sleep 2")


def site(*body: str) -> str:
    return SERVER.replace("@BODY@", "\n        ".join(body))


PROJECTS: dict[str, str] = {
    "endless": make("sleep 100000"),
    "detached": make(LEFT, "sleep 100000"),
    "many": make(f"for n in $$(seq 200); do {LEFT}; done", "sleep 100000"),
    "reborn": make("trap '' TERM INT HUP; while :; do " + LEFT + "; sleep 0.2; done"),
    "flood": make("yes hostile"),
    "pipe": "rm srcs/.env README.md; mkfifo srcs/.env README.md srcs/requirements/x secrets/wp_admin_password.txt",
    "huge": "truncate -s 20G srcs/.env README.md secrets/wp_admin_password.txt srcs/requirements/nginx/Dockerfile",
    "links": """
        rm -r README.md srcs/requirements
        ln -s /dev/zero README.md; ln -s / srcs/requirements; ln -s /etc/shadow secrets/wp_admin_password.txt
        ln -s loop srcs/loop; ln -s /proc/kcore srcs/core
    """,
    "deep": """
        (for n in $(seq 900); do mkdir d; cd d; done; touch end)
        mkdir srcs/many; (cd srcs/many; seq 30000 | xargs touch)
    """,
    "yaml": r"""
        { echo 'a: &a [x,x,x,x,x,x,x,x,x]'
        for n in b c d e f g h i; do
            p=$(echo $n | tr b-i a-h); echo "$n: &$n [*$p,*$p,*$p,*$p,*$p,*$p,*$p,*$p,*$p]"
        done
        echo 'services: {nginx: {environment: *i}}'; } >srcs/docker-compose.yml
    """,
    "slow-text": r"""
        python3 -c 'print("A=\"" + "\n" * 60000)' >srcs/.env
        python3 -c 'print("services: {nginx: {image: n, volumes: [\"" + ":" * 60000 + "\"]}}")' >srcs/docker-compose.yml
        python3 -c 'print("RUN " + "a \\\n" * 60000)' >>srcs/requirements/nginx/Dockerfile
    """,
    "git-runs": r"""
        git init -q .; git add -A; git -c user.name=w -c user.email=w@example.org commit -qm first
        git config core.fsmonitor 'id -u >>/tmp/hostile-ran; false'
        git config core.pager 'id -u >>/tmp/hostile-ran'; git config diff.external 'id -u >>/tmp/hostile-ran'
        git config core.sshCommand 'id -u >>/tmp/hostile-ran'; git config alias.log '!id -u >>/tmp/hostile-ran'
        for hook in post-checkout pre-commit post-index-change; do
            printf '#!/bin/sh\nid -u >>/tmp/hostile-ran\n' >.git/hooks/$hook
        done
        chmod +x .git/hooks/*; mkdir -p .git/objects/info; echo /root/.git/objects >.git/objects/info/alternates
    """,
    "git-bomb": r"""
        git init -q .; truncate -s 1G big; for n in $(seq 5); do echo $n >>big; git add -A
        git -c core.compression=9 -c user.name=w -c user.email=w@example.org commit -qm "$n"; done; rm big
    """,
    "shell": r"""
        echo 'exec sleep 100000' | tee ~/.profile ~/.bash_profile ~/.bashrc >/dev/null
    """,
    "fake-docker": r"""
        mkdir ~/bin; printf '#!/bin/sh\necho healthy\n' >~/bin/docker; chmod +x ~/bin/docker
        echo 'export PATH=$HOME/bin:$PATH' | tee ~/.profile ~/.bash_profile >/dev/null
    """,
    "vanishing": make("cd ..; rm -rf inception; ln -s /root inception"),
    "words": r"""
        printf '# <script>fetch("http://127.0.0.1:CANARY_PORT")</script>\n' >README.md
        printf '{{ lookup("file", "CANARY_FILE") }}\n' >>README.md
        printf 'x\033]0;owned\007\033[2J\n' >>README.md
        touch "$(printf 'srcs/\033[31m<img src=x onerror=alert(1)>\n{{ lookup("pipe", "env") }}')"
        cat >srcs/docker-compose.yml <<'Y'
services:
  "{{ lookup('file', 'CANARY_FILE') }}": {image: "<img src='file://CANARY_FILE'>"}
  "../../../tmp/hostile": {image: "$(cat CANARY_FILE)"}
Y
    """
    + make(r"""printf '\033[2J{{ lookup("file", "CANARY_FILE") }}<script>1</script>\n::error::owned\n'; false"""),
    "leading": site(
        'places = ["file://CANARY_FILE", "http://127.0.0.1:CANARY_PORT/", "http://172.17.0.1:CANARY_PORT/"]',
        "self.send_response(302 if len(self.path) % 2 else 200)",
        'self.send_header("Location", places[len(self.path) % 3])',
        'self.send_header("Content-Type", "text/html"); self.end_headers()',
        "self.wfile.write(\"\".join(f\"<iframe src='{one}'></iframe><img src='{one}'>\" for one in places).encode())",
    ),
    "dripping": site(
        'self.send_response(200); self.send_header("Content-Type", "text/html"); self.end_headers()',
        'while True: self.wfile.write(b"<p>"); self.wfile.flush(); time.sleep(5)',
    ),
    "pouring": site(
        'self.send_response(200); self.send_header("Content-Type", "text/html"); self.end_headers()',
        'while True: self.wfile.write(b"<p>hostile " * 100000)',
    ),
}

# On virtual machines of their own, as make host makes them: the login is root there, the control node a gateway away.
VIRTUAL: dict[str, str] = {
    "reaching": make(
        "for at in 10.0.2.2 10.0.2.3 127.0.0.1 172.17.0.1 $$(ip route | awk '/^default/ {print $$3}'); do"
        " curl -s -m 5 http://$$at:CANARY_PORT/; done; false"
    ),
    "rooting": make(
        "sudo ip route replace default dev $$(ip -o link | awk -F': ' '/eth|enp/ {print $$2; exit}') || true",
        "sudo ip address add 10.0.2.2/32 dev lo || true",
        f'sudo sh -c "{LEFT}"',
        "for n in $$(seq 50); do sudo sh -c 'yes hostile >/dev/console' & done; sleep 20; sudo pkill yes; false",
    ),
}
