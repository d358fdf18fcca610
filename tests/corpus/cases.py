# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus: ways in which people break a rule, and look-alikes that break none. Every value is made up."""

from __future__ import annotations

from tests.corpus.build import Case, Change, append, breaks, doubts, fine, history, remove, rename, replace, write

COMPOSE = "srcs/docker-compose.yml"
ENV = "srcs/.env"
NGINX, WORDPRESS, MARIADB = (f"srcs/requirements/{name}/Dockerfile" for name in ("nginx", "wordpress", "mariadb"))
STATIC, FTP = (f"srcs/requirements/bonus/{name}/Dockerfile" for name in ("static", "ftp"))
START_NGINX, START_WORDPRESS, START_MARIADB = (
    f"srcs/requirements/{name}/tools/start.sh" for name in ("nginx", "wordpress", "mariadb")
)
# The line that gives root of the database a password.
ROOT = "\t\tALTER USER root@localhost IDENTIFIED BY '$(cat /run/secrets/db_root_password)';\n"
SITE = "srcs/requirements/nginx/conf/site.conf"
UNIGNORED = replace(".gitignore", "srcs/.env\nsecrets/\n", "*.log\n")
PASSWORD = "MYSQL_PASSWORD=Tr0ub4dor-3\n"
KEY = f"-----BEGIN PRIVATE KEY-----\n{'MIIEvQIBADANBgkqhkiG9w0B' * 3}\n-----END PRIVATE KEY-----\n"


def in_start(text: str, path: str = START_MARIADB) -> Change:
    return replace(path, 'exec "$@"\n', f'{text}\nexec "$@"\n')


def windows(path: str) -> Change:
    return lambda files: files.update({path: (files[path] or "").replace("\n", "\r\n")})


def nginx_command(new: str) -> Change:
    return replace(NGINX, 'ENTRYPOINT ["/usr/local/bin/start.sh"]\nCMD ["nginx", "-g", "daemon off;"]', new)


def replace_all(path: str, old: str, new: str) -> Change:
    return lambda files: files.update({path: (files[path] or "").replace(old, new)})


def website_at(path: str) -> tuple[Change, ...]:
    """The volume of the website at another path, in the containers of WordPress, NGINX and FTP."""
    return (replace_all(COMPOSE, "wordpress:/var/www/html", f"wordpress:{path}"),)


def tls_for_all(protocols: str, server: str) -> tuple[Change, ...]:
    """NGINX's own file says some protocols for all servers, and the site's server what it says of itself."""
    whole = f"events {{}}\nhttp {{\n    ssl_protocols {protocols};\n    include /etc/nginx/conf.d/*.conf;\n}}\n"
    return (
        write("srcs/requirements/nginx/conf/nginx.conf", whole),
        replace(SITE, "    ssl_protocols TLSv1.2 TLSv1.3;\n", server),
    )


BROKEN: tuple[Case, ...] = (
    # --- 1: credentials in git ---
    history(1, "env-committed", (UNIGNORED, append(ENV, PASSWORD))),
    history(1, "env-committed-then-deleted", (UNIGNORED, append(ENV, PASSWORD)), (remove(ENV),)),
    history(
        1,
        "env-committed-then-ignored",
        (UNIGNORED, append(ENV, PASSWORD)),
        (remove(ENV), write(".gitignore", "srcs/.env\n")),
    ),
    history(1, "secret-file-committed", (UNIGNORED, write("secrets/db_password.txt", "hunter2hunter2\n"))),
    history(
        1,
        "secret-file-committed-then-deleted",
        (UNIGNORED, write("secrets/credentials.txt", "wil:Tr0ub4dor-3\n")),
        (remove("secrets"),),
    ),
    history(1, "private-key-committed", (write("srcs/requirements/nginx/conf/site.key", KEY),)),
    history(1, "env-in-another-folder", (write("srcs/requirements/mariadb/conf/mariadb.env", PASSWORD),)),
    history(1, "real-value-in-a-script", (append(ENV, PASSWORD), in_start("echo 'Tr0ub4dor-3' >/dev/null"))),
    breaks(1, "password-in-dockerfile-env", append(MARIADB, "ENV MYSQL_ROOT_PASSWORD=Tr0ub4dor-3\n")),
    breaks(1, "password-in-dockerfile-env-old-form", append(MARIADB, "ENV MYSQL_ROOT_PASSWORD Tr0ub4dor-3\n")),
    breaks(1, "password-in-dockerfile-arg", replace(FTP, "RUN ", "ARG FTP_PASS=Tr0ub4dor-3\nRUN ")),
    breaks(1, "password-by-chpasswd", append(FTP, "RUN echo 'wil:Tr0ub4dor-3' | chpasswd\n")),
    breaks(
        1,
        "password-in-compose",
        replace(COMPOSE, "MYSQL_PASSWORD_FILE: /run/secrets/db_password", "MYSQL_PASSWORD: Tr0ub4dor-3"),
    ),
    breaks(
        1,
        "password-in-compose-default",
        replace(COMPOSE, "MYSQL_PASSWORD_FILE: /run/secrets/db_password", "MYSQL_PASSWORD: ${DB_PW:-Tr0ub4dor-3}"),
    ),
    breaks(1, "password-in-sql", in_start("mariadb -e \"ALTER USER root@localhost IDENTIFIED BY 'Tr0ub4dor-3'\"")),
    breaks(1, "password-of-mysqladmin", append(MARIADB, 'RUN mysqladmin -u root password "Tr0ub4dor-3"\n')),
    breaks(1, "password-of-mysql-p", in_start("mariadb -u root -pTr0ub4dor-3 -e 'SELECT 1'")),
    breaks(
        1, "password-of-wp-cli", in_start("wp user create visitor v@42.fr --user_pass=Tr0ub4dor-3", START_WORDPRESS)
    ),
    breaks(
        1,
        "password-in-wp-config",
        write("srcs/requirements/wordpress/conf/wp-config.php", "<?php define('DB_PASSWORD', 'Tr0ub4dor-3');\n"),
    ),
    breaks(
        1,
        "password-between-underscores",
        write("srcs/requirements/bonus/redis/redis.conf", "requirepass __Tr0ub4dor-3__\n"),
    ),
    breaks(1, "password-of-redis", write("srcs/requirements/bonus/redis/redis.conf", "requirepass Tr0ub4dor-3\n")),
    # --- 3, 5, 6: layout ---
    breaks(3, "compose-file-at-the-root", rename(COMPOSE, "docker-compose.yml")),
    breaks(3, "no-requirements-folder", rename("srcs/requirements", "srcs/services")),
    breaks(3, "source-instead-of-srcs", rename("srcs", "src")),
    breaks(3, "mariadb-folder-missing", remove("srcs/requirements/mariadb")),
    breaks(5, "env-at-the-root", rename(ENV, ".env")),
    breaks(5, "nginx-conf-at-the-root", rename(SITE, "conf/site.conf")),
    breaks(
        5,
        "bonus-outside-srcs",
        rename("srcs/requirements/bonus/static", "static"),
        replace(COMPOSE, "requirements/bonus/static", "../static"),
    ),
    breaks(6, "no-makefile", remove("Makefile")),
    breaks(6, "makefile-in-lower-case", rename("Makefile", "makefile")),
    breaks(6, "makefile-in-srcs", rename("Makefile", "srcs/Makefile")),
    breaks(
        6,
        "makefile-without-compose",
        write("Makefile", "all:\n\tdocker build -t nginx srcs/requirements/nginx\n\tdocker run nginx\n"),
    ),
    breaks(6, "makefile-compose-in-a-comment", write("Makefile", "all:\n\t@true # docker compose up\n")),
    # --- 9: host network and links ---
    breaks(
        9, "network-mode-host", replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${TAG}\n    network_mode: host")
    ),
    breaks(
        9,
        "network-mode-through-an-anchor",
        replace(COMPOSE, "x-service: &service", 'x-net: &net\n  network_mode: "host"\nx-service: &service\n  <<: *net'),
    ),
    breaks(
        9,
        "network-mode-by-a-variable",
        append(ENV, "MODE=host\n"),
        replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${TAG}\n    network_mode: ${MODE}"),
    ),
    breaks(9, "links-as-a-list", replace(COMPOSE, "depends_on: [wordpress]", "links:\n      - wordpress")),
    breaks(9, "links-in-flow-style", replace(COMPOSE, "depends_on: [wordpress]", "links: [wordpress]")),
    breaks(
        9,
        "links-in-an-extended-file",
        write("srcs/common.yml", "services:\n  web: {links: [wordpress]}\n"),
        replace(COMPOSE, "depends_on: [wordpress]", "extends: {file: common.yml, service: web}"),
    ),
    breaks(
        9,
        "external-network-host",
        replace(COMPOSE, "networks:\n  inception:\n", "networks:\n  inception:\n    name: host\n    external: true\n"),
    ),
    breaks(
        9,
        "host-in-json-style",
        replace(COMPOSE, "image: ftp:${TAG}", "image: ftp:${TAG}\n    \"network_mode\": 'host'"),
    ),
    # --- 10, 36: network ---
    breaks(
        10,
        "no-network",
        replace(COMPOSE, "networks:\n  inception:\n\n", ""),
        replace(COMPOSE, "  networks: [inception]\n", ""),
    ),
    breaks(
        10,
        "network-in-a-comment",
        replace(COMPOSE, "networks:\n  inception:\n\n", "# networks:\n#   inception:\n\n"),
        replace(COMPOSE, "  networks: [inception]\n", ""),
    ),
    breaks(36, "network-that-nobody-joins", replace(COMPOSE, "  networks: [inception]\n", "")),
    breaks(36, "network-that-is-not-declared", replace(COMPOSE, "  networks: [inception]\n", "  networks: [other]\n")),
    # --- 11: --link ---
    breaks(11, "link-in-makefile", append("Makefile", "\nrun:\n\tdocker run --link mariadb:db wordpress\n")),
    breaks(
        11,
        "link-in-a-script",
        write("srcs/requirements/nginx/tools/run.sh", "#!/bin/sh\ndocker run -d \\\n  --link=wordpress nginx\n"),
    ),
    breaks(
        11,
        "link-by-a-make-variable",
        append("Makefile", "\nOPTS = --link mariadb\nrun:\n\t@docker run $(OPTS) wordpress\n"),
    ),
    breaks(11, "host-network-in-makefile", append("Makefile", "\nrun:\n\tdocker run --net=host nginx\n")),
    # --- 12: commands of Dockerfiles ---
    breaks(12, "cmd-tail", nginx_command('CMD ["tail", "-f", "/dev/null"]')),
    breaks(12, "cmd-tail-shell-form", nginx_command("CMD service nginx start && tail -f /var/log/nginx/access.log")),
    breaks(12, "cmd-tail-capital", nginx_command("CMD nginx; tail -F /dev/null")),
    breaks(12, "entrypoint-bash", nginx_command('ENTRYPOINT ["bash"]')),
    breaks(12, "cmd-sh", nginx_command("CMD sh")),
    breaks(12, "cmd-bin-bash-login", nginx_command('CMD ["/bin/bash", "-l"]')),
    breaks(12, "cmd-of-an-entrypoint-is-bash", replace(NGINX, 'CMD ["nginx", "-g", "daemon off;"]', 'CMD ["bash"]')),
    breaks(12, "entrypoint-background", nginx_command("ENTRYPOINT nginx & sleep 10")),
    breaks(12, "entrypoint-background-sh-c", nginx_command('ENTRYPOINT ["sh", "-c", "nginx & wait"]')),
    breaks(12, "cmd-sleep-infinity", nginx_command('CMD ["sleep", "infinity"]')),
    breaks(12, "cmd-service-start", nginx_command('CMD ["service", "nginx", "start"]')),
    breaks(12, "no-command-at-all", nginx_command("EXPOSE 444")),
    breaks(
        12,
        "cmd-over-several-lines",
        nginx_command("CMD nginx \\\n# a comment within\n    && tail \\\n    -f /dev/null"),
    ),
    breaks(
        12,
        "cmd-with-a-backtick-escape",
        replace(NGINX, "FROM", "# escape=`\nFROM"),
        nginx_command("CMD nginx && tail `\n  -f /dev/null"),
    ),
    breaks(
        12,
        "compose-command-tail",
        replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${TAG}\n    command: tail -f /dev/null"),
    ),
    breaks(
        12,
        "compose-entrypoint-bash",
        replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${TAG}\n    entrypoint: [bash]"),
    ),
    # --- 13, 32, 33: bases ---
    breaks(33, "debian-latest", replace(NGINX, "debian:bookworm", "debian:latest")),
    breaks(33, "debian-without-tag", replace(NGINX, "debian:bookworm", "debian")),
    breaks(33, "alpine-without-tag", replace(STATIC, "alpine:3.23", "alpine")),
    breaks(13, "debian-the-newest", replace(NGINX, "debian:bookworm", "debian:trixie-slim")),
    breaks(13, "debian-too-old", replace(NGINX, "debian:bookworm", "debian:11")),
    breaks(13, "alpine-too-old", replace(STATIC, "alpine:3.23", "alpine:3.16")),
    breaks(13, "debian-stable", replace(NGINX, "debian:bookworm", "debian:stable")),
    breaks(
        13,
        "release-by-an-argument",
        replace(NGINX, "FROM debian:bookworm", "ARG RELEASE=buster\nFROM debian:${RELEASE}"),
    ),
    breaks(
        13,
        "release-by-a-compose-argument",
        replace(NGINX, "FROM debian:bookworm", "ARG RELEASE=bookworm\nFROM debian:$RELEASE"),
        replace(
            COMPOSE,
            "build: requirements/nginx",
            "build:\n      context: requirements/nginx\n      args: {RELEASE: trixie}",
        ),
    ),
    breaks(32, "from-wordpress", replace(WORDPRESS, "debian:bookworm", "wordpress:6-fpm")),
    breaks(32, "from-own-name", replace(NGINX, "debian:bookworm", "nginx")),
    breaks(32, "from-php", replace(WORDPRESS, "debian:bookworm", "php:8.2-fpm-alpine")),
    breaks(
        32,
        "ready-made-image",
        replace(COMPOSE, "image: redis:${TAG}\n    build: requirements/bonus/redis", "image: redis:7-alpine"),
    ),
    breaks(
        32,
        "builder-stage-from-node",
        replace(STATIC, "FROM alpine:3.23", "FROM node:20 AS build\nRUN npm ci\nFROM alpine:3.23"),
    ),
    breaks(32, "copy-from-composer", append(WORDPRESS, "COPY --from=composer:2 /usr/bin/composer /usr/bin/composer\n")),
    breaks(33, "from-ubuntu", replace(MARIADB, "debian:bookworm", "ubuntu:22.04")),
    # --- 31, 38, 43, 50: Dockerfiles ---
    breaks(31, "dockerfile-empty", write("srcs/requirements/bonus/cadvisor/Dockerfile", "")),
    breaks(
        31, "dockerfile-only-comments", write("srcs/requirements/bonus/cadvisor/Dockerfile", "# FROM alpine:3.23\n")
    ),
    breaks(31, "dockerfile-missing", remove("srcs/requirements/bonus/cadvisor")),
    breaks(31, "service-without-build", replace(COMPOSE, "    build: requirements/bonus/cadvisor\n", "")),
    breaks(38, "nginx-dockerfile-missing", remove(NGINX)),
    breaks(43, "wordpress-dockerfile-empty", write(WORDPRESS, "\n")),
    breaks(50, "mariadb-dockerfile-misnamed", rename(MARIADB, "srcs/requirements/mariadb/dockerfile.txt")),
    # --- 34: names ---
    breaks(34, "image-of-another-name", replace(COMPOSE, "image: nginx:${TAG}", "image: my_nginx:${TAG}")),
    breaks(34, "no-image-name", replace(COMPOSE, "    image: nginx:${TAG}\n", "")),
    breaks(34, "image-latest", replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:latest")),
    breaks(34, "image-without-tag", replace(COMPOSE, "image: nginx:${TAG}", "image: nginx")),
    breaks(34, "image-latest-by-a-variable", replace(ENV, "TAG=inception", "TAG=latest")),
    # --- 14: background in scripts ---
    breaks(14, "mysqld-safe-in-the-background", in_start("mysqld_safe --skip-networking &\nsleep 5")),
    breaks(14, "service-start", in_start("service mysql start")),
    breaks(14, "etc-init-d", in_start("/etc/init.d/mariadb start")),
    breaks(14, "nohup", in_start("nohup mariadbd >/dev/null 2>&1 &")),
    breaks(14, "setsid-fork", in_start("setsid --fork mariadbd")),
    breaks(14, "subshell", in_start("( mariadbd --skip-networking ) &")),
    breaks(14, "group", in_start("{ sleep 3; mariadb < /init.sql; } &")),
    breaks(14, "in-an-if", in_start("if true; then mariadbd & fi")),
    breaks(
        14,
        "in-a-called-script",
        write("srcs/requirements/mariadb/tools/setup.sh", "#!/bin/sh\nmariadbd &\n"),
        in_start("sh /usr/local/bin/setup.sh"),
        append(MARIADB, "COPY tools/setup.sh /usr/local/bin/\n"),
    ),
    breaks(14, "sh-c", in_start("sh -c 'mariadbd --skip-networking &'")),
    breaks(14, "php-fpm-daemonized", in_start("php-fpm8.2 -D", START_WORDPRESS)),
    breaks(14, "cron", in_start("cron", START_WORDPRESS)),
    breaks(
        14,
        "heredoc-script-in-dockerfile",
        nginx_command('COPY <<\'EOF\' /start.sh\n#!/bin/sh\nnginx &\nwait\nEOF\nENTRYPOINT ["sh", "/start.sh"]'),
    ),
    breaks(
        14,
        "renamed-by-copy",
        replace(MARIADB, "COPY tools/start.sh /usr/local/bin/start.sh", "COPY tools/start.sh /entrypoint"),
        replace(MARIADB, "/usr/local/bin/start.sh", "/entrypoint"),
        in_start("mariadbd &"),
    ),
    # --- 15: endless scripts ---
    breaks(15, "tail-dev-null", in_start("tail -f /dev/null")),
    breaks(15, "while-true", in_start("while true; do sleep 1; done")),
    breaks(15, "while-colon", in_start("while :; do sleep 10; done")),
    breaks(15, "while-one", in_start("while [ 1 ]\ndo\n\tsleep 10\ndone")),
    breaks(15, "until-false", in_start("until false; do sleep 10; done")),
    breaks(15, "for-without-an-end", replace(START_WORDPRESS, 'exec "$@"', "for ((;;)); do sleep 1; done")),
    breaks(15, "sleep-infinity", in_start("sleep infinity")),
    breaks(15, "exec-sleep-inf", in_start("exec sleep inf")),
    breaks(15, "sleep-for-years", in_start("sleep 2147483647")),
    breaks(15, "tail-behind-and", in_start("mariadb-install-db && tail -f /var/log/mysql.log")),
    breaks(15, "bare-bash-at-the-end", replace(START_NGINX, 'exec "$@"', "nginx\nexec bash")),
    breaks(15, "eval", in_start("eval 'while true; do sleep 1; done'")),
    # --- 21 to 26: documents ---
    breaks(21, "no-readme", remove("README.md")),
    breaks(21, "readme-in-lower-case", rename("README.md", "readme.md")),
    breaks(
        22,
        "first-line-not-italic",
        replace(
            "README.md",
            "*This project has been created as part of the 42 curriculum by wil.*",
            "This project has been created as part of the 42 curriculum by wil.",
        ),
    ),
    breaks(22, "first-line-is-a-title", replace("README.md", "*This project", "# Inception\n*This project")),
    breaks(22, "first-line-names-nobody", replace("README.md", "by wil.*", "by <login1>.*")),
    breaks(23, "no-resources", replace("README.md", "## Resources", "## Links")),
    breaks(23, "description-only-in-code", replace("README.md", "## Description", "```\n## Description\n```")),
    breaks(
        23,
        "word-about-ai-in-a-comment",
        replace("README.md", " AI was used to review the text.", "\n\n<!-- Resources,\nand how AI was used -->"),
    ),
    breaks(23, "no-word-about-ai", replace("README.md", " AI was used to review the text.", "")),
    breaks(
        23,
        "no-comparison-of-networks",
        replace(
            "README.md",
            "### Docker network and host network\n\n"
            "Containers reach each other by name in a network of their own, not in the host network.\n",
            "",
        ),
    ),
    breaks(24, "no-user-doc", remove("USER_DOC.md")),
    breaks(24, "dev-doc-empty", write("DEV_DOC.md", "\n")),
    breaks(24, "docs-in-a-folder", rename("USER_DOC.md", "docs/USER_DOC.md")),
    breaks(
        25,
        "user-doc-without-credentials",
        replace("USER_DOC.md", "The credentials are in `secrets/`; change the file and start again. ", ""),
    ),
    breaks(
        25,
        "user-doc-that-controls-nothing",
        replace("USER_DOC.md", "`docker compose ps` shows whether all runs.", "All is under version control."),
    ),
    breaks(25, "user-doc-a-stub", write("USER_DOC.md", "# User documentation\n")),
    breaks(26, "dev-doc-without-persistence", replace("DEV_DOC.md", "; it persists when containers are removed", "")),
    breaks(
        26,
        "dev-doc-that-only-names-a-folder-of-requirements",
        replace(
            "DEV_DOC.md",
            "Set up from scratch: install Docker, clone, and write `srcs/.env`",
            "NGINX is in `srcs/requirements/nginx/`, the settings are in `srcs/.env`",
        ),
    ),
    breaks(
        26,
        "dev-doc-without-data",
        replace("DEV_DOC.md", "The data is in /home/wil/data; it persists when containers are removed.", "Ask wil."),
    ),
    # --- 27, 28, 30, 40, 42: nginx ---
    breaks(
        27, "mariadb-published", replace(COMPOSE, "secrets: [db_password, db_root_password]", 'ports: ["3306:3306"]')
    ),
    breaks(
        27, "php-fpm-published", replace(COMPOSE, "secrets: [db_password, credentials]", "ports:\n      - 9000:9000")
    ),
    breaks(30, "port-80-published", replace(COMPOSE, '- "443:443"', '- "443:443"\n      - "80:80"')),
    breaks(
        40,
        "port-80-published-in-long-form",
        replace(COMPOSE, '- "443:443"', '- "443:443"\n      - {target: 443, published: 80}'),
    ),
    breaks(
        30,
        "port-80-published-on-an-address",
        replace(COMPOSE, '- "443:443"', '- "443:443"\n      - 0.0.0.0:80:443/tcp'),
    ),
    breaks(
        28,
        "nginx-without-tls",
        replace(SITE, "    listen 443 ssl;\n    listen [::]:443 ssl;", "    listen 443;"),
        replace(SITE, "    ssl_certificate /run/tls/site.crt;\n    ssl_certificate_key /run/tls/site.key;\n", ""),
    ),
    breaks(42, "tls-1-1", replace(SITE, "TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2 TLSv1.3")),
    breaks(42, "tls-1-1-for-all-where-a-server-says-nothing", *tls_for_all("TLSv1.1 TLSv1.2", server="")),
    breaks(42, "tls-1-1-of-one-server", *tls_for_all("TLSv1.2", server="    ssl_protocols TLSv1.1 TLSv1.2;\n")),
    breaks(42, "tls-1-0", replace(SITE, "TLSv1.2 TLSv1.3", "TLSv1 TLSv1.2")),
    # --- 44, 51: nginx where it does not belong ---
    breaks(44, "wordpress-installs-nginx", replace(WORDPRESS, "php-mysql", "php-mysql nginx")),
    breaks(44, "wordpress-starts-nginx", in_start("nginx -t", START_WORDPRESS)),
    breaks(51, "mariadb-installs-nginx", replace(MARIADB, "mariadb-server", "mariadb-server nginx-light=1.22*")),
    breaks(
        51,
        "mariadb-installs-nginx-by-a-stage",
        replace(
            MARIADB, "FROM debian:bookworm", "FROM debian:bookworm AS base\nRUN apt-get install -y nginx\nFROM base"
        ),
    ),
    # --- 46, 53: volumes ---
    breaks(
        46,
        "bind-mount",
        replace(COMPOSE, "- wordpress:/var/www/html\n\n  nginx", "- /home/wil/data/wordpress:/var/www/html\n\n  nginx"),
    ),
    breaks(
        46,
        "bind-mount-relative",
        replace(COMPOSE, "- wordpress:/var/www/html\n\n  nginx", "- ./data:/var/www/html\n\n  nginx"),
    ),
    breaks(46, "volume-in-dockers-own-folder", replace(COMPOSE, "device: /home/${LOGIN}/data/wordpress", "type: none")),
    breaks(46, "device-elsewhere", replace(COMPOSE, "/home/${LOGIN}/data/wordpress", "/var/data/wordpress")),
    breaks(53, "no-volume", replace(COMPOSE, "    volumes:\n      - mariadb:/var/lib/mysql\n", "")),
    breaks(53, "anonymous-volume", replace(COMPOSE, "- mariadb:/var/lib/mysql", "- /var/lib/mysql")),
    breaks(
        53,
        "bind-mount-in-long-form",
        replace(
            COMPOSE, "- mariadb:/var/lib/mysql", "- type: bind\n        source: ./db\n        target: /var/lib/mysql"
        ),
    ),
    breaks(53, "device-at-the-root", replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "/root/data/mariadb")),
    # --- 48: the administrator's name ---
    breaks(48, "admin", replace(ENV, "WP_ADMIN_USER=wil", "WP_ADMIN_USER=admin")),
    breaks(48, "admin-in-capitals", replace(ENV, "WP_ADMIN_USER=wil", "WP_ADMIN_USER=wilADMIN")),
    breaks(48, "administrator", replace(ENV, "WP_ADMIN_USER=wil", "WP_ADMIN_USER='Administrator42'")),
    breaks(
        48,
        "admin-in-compose",
        replace(COMPOSE, "MYSQL_PASSWORD_FILE:", "WORDPRESS_ADMIN_USER: theAdmin\n      MYSQL_PASSWORD_FILE:"),
    ),
    breaks(
        48, "admin-in-a-script", replace(START_WORDPRESS, '--admin_user="$WP_ADMIN_USER"', "--admin_user=superadmin")
    ),
    breaks(
        48,
        "admin-under-another-variable",
        append(ENV, "BOSS=wp-admin\n"),
        replace(START_WORDPRESS, '--admin_user="$WP_ADMIN_USER"', '--admin_user="${BOSS}"'),
    ),
    # --- Bonus ---
    breaks(57, "redis-dockerfile-empty", write("srcs/requirements/bonus/redis/Dockerfile", "")),
    breaks(
        58,
        "ftp-without-the-website",
        replace(COMPOSE, '- "21:21"\n    volumes:\n      - wordpress:/var/www/html', '- "21:21"'),
    ),
    breaks(59, "static-site-in-php", write("srcs/requirements/bonus/static/index.php", "<?php echo 1;\n")),
    breaks(59, "static-site-that-waits", replace(STATIC, '["darkhttpd", "/site"', '["sleep", "infinity"')),
    breaks(
        59,
        "static-site-that-waits-in-a-loop",
        replace(STATIC, '["darkhttpd", "/site", "--port", "8080"]', '["sh", "-c", "while true; do sleep 3600; done"]'),
    ),
    breaks(57, "redis-that-waits", replace(COMPOSE, "image: redis:${TAG}", "image: redis:${TAG}\n    command: cat")),
    breaks(59, "static-site-with-php", replace(STATIC, "darkhttpd", "darkhttpd php83")),
    breaks(60, "adminer-ready-made", replace(COMPOSE, "    build: requirements/bonus/adminer\n", "")),
    breaks(61, "service-of-choice-without-dockerfile", remove("srcs/requirements/bonus/cadvisor")),
    # --- Seen on projects of strangers ---
    breaks(53, "device-by-tilde-elsewhere", replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "~/mariadb")),
    breaks(
        53,
        "device-by-an-exported-variable-elsewhere",
        replace("Makefile", "all: up", "export DATA_PATH := /srv\n\nall: up"),
        replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "${DATA_PATH}/mariadb"),
    ),
    breaks(
        46,
        "website-at-another-path-elsewhere",
        *website_at("/opt/site"),
        replace(COMPOSE, "/home/${LOGIN}/data/wordpress", "/srv/wordpress"),
    ),
    breaks(
        36,
        "nginx-and-wordpress-apart",
        replace(COMPOSE, "networks:\n  inception:\n", "networks:\n  inception:\n  front:\n"),
        replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${TAG}\n    networks: [front]"),
    ),
    breaks(
        27,
        "listens-on-80-in-the-network-of-the-machine",
        replace(SITE, "listen 443 ssl;", "listen 80;\n    listen 443 ssl;"),
        replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${TAG}\n    network_mode: host"),
    ),
    breaks(6, "default-goal-helps", replace("Makefile", "all: up\n", "help:\n\t@echo help\n\nall: up\n")),
    breaks(6, "default-goal-only-builds", replace("Makefile", "all: up\n", "all:\n\t@$(COMPOSE) build\n")),
    breaks(57, "redis-that-nothing-uses", replace(START_WORDPRESS, "\twp config set WP_REDIS_HOST redis\n", "")),
    breaks(
        47,
        "the-administrator-twice",
        replace(START_WORDPRESS, "wp user create visitor", 'wp user create "$WP_ADMIN_USER"'),
    ),
    breaks(47, "one-user", replace(START_WORDPRESS, "wp user create visitor", "true visitor")),
    breaks(
        50,
        "database-that-is-postgres",
        replace(COMPOSE, "  mariadb:\n    <<", "  database:\n    <<"),
        replace(COMPOSE, "image: mariadb:", "image: database:"),
        replace(MARIADB, "mariadb-server", "postgresql"),
        write(START_MARIADB, '#!/bin/sh\nexec "$@"\n'),
        replace(MARIADB, "mariadbd", "postgres"),
    ),
    history(1, "secret-file-with-a-common-word", (UNIGNORED, write("secrets/db_password.txt", "password\n"))),
    history(
        1,
        "certain-behind-many-doubtful",
        tuple(write(f"docs/{page}.md", "MYSQL_PASSWORD=Tr0ub4dor-4\n" * 30) for page in range(15)),
        (write("srcs/zz.env", PASSWORD),),
    ),
    breaks(
        1, "password-behind-exec", append("Makefile", "\ndb:\n\tdocker exec -it mariadb mysql -uroot -pTr0ub4dor-3\n")
    ),
    breaks(
        1, "password-written-by-sed", in_start('sed -i "s/^requirepass .*/requirepass Tr0ub4dor-3/" /etc/redis.conf')
    ),
    breaks(1, "password-in-env-among-others", append(MARIADB, "ENV A=1 MYSQL_ROOT_PASSWORD=Tr0ub4dor-3 B=2\n")),
    breaks(1, "password-in-env-over-lines", append(MARIADB, "ENV A=1 \\\n    MYSQL_ROOT_PASSWORD=Tr0ub4dor-3\n")),
    breaks(1, "password-by-passwd", append(FTP, 'RUN echo -e "Tr0ub4dor-3\\nTr0ub4dor-3" | passwd wil\n')),
    breaks(1, "password-by-printf-and-chpasswd", append(FTP, "RUN printf 'wil:Tr0ub4dor-3\\n' | chpasswd\n")),
    breaks(1, "password-by-useradd", append(FTP, "RUN useradd -m -p Tr0ub4dor-3 wil\n")),
    breaks(1, "password-by-openssl", append(FTP, 'RUN useradd -m -p "$(openssl passwd -1 Tr0ub4dor-3)" wil\n')),
    breaks(
        1,
        "hash-in-an-sql-dump",
        write(
            "srcs/requirements/mariadb/conf/dump.sql",
            "INSERT INTO `wp_users` VALUES (1,'wil','$P$BTr0ub4dor3Tr0ub4dor3Tr0ub4dor3','wil');\n",
        ),
    ),
)

# What a person has to look at: it may be right, and it may not.
DOUBTFUL: tuple[Case, ...] = (
    doubts(1, "archive-of-secrets", write("secrets.zip", "PK")),
    doubts(1, "address-put-to-use", write("srcs/export.sh", "export FROM=mysql://wp:password@mariadb/wordpress\n")),
    doubts(
        53,
        "data-root-in-place-of-device",
        replace(COMPOSE, "      device: /home/${LOGIN}/data/mariadb\n", ""),
        append("Makefile", '\nroot:\n\techo \'{"data-root": "/home/wil/data"}\' > /etc/docker/daemon.json\n'),
    ),
    doubts(
        1,
        "password-in-a-table-of-a-document",
        append("README.md", "\n| Name | Password |\n|---|---|\n| DB_PASSWORD | `Tr0ub4dor-3` |\n"),
    ),
    doubts(
        1,
        "password-below-a-word-that-is-no-mark",
        append("README.md", "\nNever commit these:\nDB_PASSWORD=Tr0ub4dor-3\n"),
    ),
    doubts(
        1,
        "password-in-a-sentence-of-a-document",
        append("README.md", "\nSign in as wil, the password is `Tr0ub4dor-3`.\n"),
    ),
    doubts(
        1,
        "credentials-from-a-paste",
        append("Makefile", "\nenv:\n\tcurl -o srcs/.env https://pastebin.com/raw/Ab12Cd34\n"),
    ),
    doubts(
        1,
        "password-of-the-build-stays-in-the-image",
        append(MARIADB, "ARG ROOT_PW\nENV MYSQL_ROOT_PASSWORD=$ROOT_PW\n"),
    ),
    doubts(6, "make-starts-a-machine", replace("Makefile", "all: up\n", "all:\n\t@vagrant up\n")),
    doubts(35, "no-restart-policy", replace(COMPOSE, "  restart: on-failure\n", "")),
    doubts(35, "restart-no", replace(COMPOSE, "restart: on-failure", 'restart: "no"')),
    doubts(12, "script-that-stays-pid-1", replace(START_NGINX, 'exec "$@"', "nginx -g 'daemon off;'")),
    doubts(12, "mysqld-safe-by-cmd", replace(MARIADB, 'CMD ["mariadbd"', 'CMD ["mysqld_safe"')),
    doubts(12, "mysqld-safe", replace(START_MARIADB, 'exec "$@"', "exec mysqld_safe")),
    doubts(41, "server-name-of-another", replace(SITE, "server_name wil.42.fr", "server_name marvin.42.fr")),
    doubts(54, "root-without-a-password", replace(START_MARIADB, ROOT, "")),
    doubts(
        54,
        "root-with-one-from-elsewhere",
        replace(START_MARIADB, ROOT, "GRANT ALL ON *.* TO 'root'@'%' IDENTIFIED BY '$ROOT_PW';\n"),
    ),
    doubts(
        54,
        "root-from-elsewhere-altered",
        replace(START_MARIADB, ROOT, "ALTER USER IF EXISTS 'root'@'%' IDENTIFIED BY '$ROOT_PW';\n"),
    ),
    doubts(54, "root-with-one-in-a-comment", replace(START_MARIADB, ROOT, f"#{ROOT}")),
    doubts(
        54,
        "root-without-a-password-in-a-file-of-statements",
        replace(START_MARIADB, ROOT, ""),
        replace(START_MARIADB, "\t\tCREATE DATABASE $MYSQL_DATABASE;\n", ""),
        replace(START_MARIADB, "\t\tCREATE USER", "\t\t-- CREATE USER"),
        write("srcs/requirements/mariadb/conf/first.sql", "CREATE DATABASE wordpress;\n"),
    ),
    doubts(
        41,
        "server-name-of-another-beside-a-replacement",
        replace(SITE, "server_name wil.42.fr", "server_name marvin.42.fr"),
        in_start('sed -i "s/worker_processes auto/worker_processes $WORKERS/" /etc/nginx/nginx.conf', START_NGINX),
    ),
    doubts(
        3,
        "requirements-under-another-name",
        rename("srcs/requirements", "srcs/requeriments"),
        replace_all(COMPOSE, "requirements/", "requeriments/"),
    ),
    Case(
        "env-in-git-with-names-of-credentials",
        1,
        commits=((UNIGNORED, append(ENV, "MYSQL_PASSWORD=changeme\n")),),
        doubtful=True,
    ),
)

FINE: tuple[Case, ...] = (
    fine("base"),
    # --- Credentials that are none ---
    history(None, "clean-history", (), (append("README.md", "\nMore.\n"),)),
    history(None, "env-ignored", (append(ENV, PASSWORD), write("secrets/db_password.txt", "hunter2hunter2\n"))),
    history(None, "env-example", (write("srcs/.env.example", "MYSQL_PASSWORD=\nWP_ADMIN_PASSWORD=change-me\n"),)),
    history(None, "env-sample-with-placeholders", (write("srcs/.env.sample", "MYSQL_PASSWORD=<your password>\n"),)),
    history(
        None,
        "secret-example",
        (UNIGNORED, remove(ENV), write("secrets/db_password.txt.example", "your-password-here\n")),
    ),
    history(
        None,
        "secrets-folder-kept",
        (UNIGNORED, remove(ENV), write("secrets/.gitkeep", ""), write("secrets/README.md", "One file each.\n")),
    ),
    history(None, "env-without-credentials", (UNIGNORED,)),
    history(
        None,
        "certificate-is-public",
        (write("srcs/requirements/nginx/conf/site.crt", KEY.replace("PRIVATE KEY", "CERTIFICATE")),),
    ),
    fine(
        "password-of-a-variable",
        in_start("mariadb -e \"ALTER USER root@localhost IDENTIFIED BY '$MYSQL_ROOT_PASSWORD'\""),
    ),
    fine(
        "password-from-a-file",
        in_start('MYSQL_PASSWORD=$(cat /run/secrets/db_password)\nexport DB_PASS="$(</run/secrets/x)"'),
    ),
    fine("password-prompt", in_start('read -r password; test "$password" = "" || echo "password: set"')),
    fine("password-file-variable", append(MARIADB, "ENV MYSQL_ROOT_PASSWORD_FILE=/run/secrets/db_root_password\n")),
    fine("password-argument-without-default", replace(FTP, "RUN ", "ARG FTP_PASSWORD\nRUN ")),
    fine(
        "getenv-in-php",
        write(
            "srcs/requirements/wordpress/conf/wp-config.php", "<?php define('DB_PASSWORD', getenv('DB_PASSWORD'));\n"
        ),
    ),
    fine(
        "password-required-in-compose",
        replace(COMPOSE, "MYSQL_PASSWORD_FILE: /run/secrets/db_password", "MYSQL_PASSWORD: ${DB_PW:?set it}"),
    ),
    fine(
        "password-in-a-sentence",
        append("README.md", "\nThe password: see `secrets/`. Set MYSQL_PASSWORD=your_password first.\n"),
    ),
    fine("fastcgi-pass", append(SITE, "# proxy_pass = upstream\n")),
    fine("mysql-with-p-alone", in_start("mariadb -u root -p < /dev/null || true")),
    # --- Layout ---
    fine("ci-folder", write(".github/workflows/docker-compose.yml", "---\non: push\n")),
    fine("editor-settings", write(".vscode/settings.ini", "x=1\n")),
    fine(
        "makefile-by-a-script",
        write("srcs/up.sh", "#!/bin/sh\ndocker compose -f srcs/docker-compose.yml up -d\n"),
        replace("Makefile", "@$(COMPOSE) up --build --detach", "@./srcs/up.sh"),
    ),
    fine("makefile-docker-compose-v1", replace("Makefile", "docker compose -f", "docker-compose --file")),
    fine(
        "makefile-with-cd",
        replace("Makefile", "docker compose -f srcs/docker-compose.yml", "cd srcs && docker compose"),
    ),
    fine(
        "makefile-default-goal",
        replace("Makefile", "all: up\n", "help:\n\t@echo help\n\n.DEFAULT_GOAL := up\n"),
        replace("Makefile", ".PHONY: all", ".PHONY: help"),
        replace("Makefile", "re: clean all", "re: clean up"),
    ),
    fine("makefile-calls-make", replace("Makefile", "all: up\n", "all:\n\t@$(MAKE) --no-print-directory up\n")),
    # --- Compose ---
    fine(
        "a-variable-named-links",
        append(ENV, "LINKS=links:\n"),
        replace(COMPOSE, "MYSQL_PASSWORD_FILE:", "links: none\n      MYSQL_PASSWORD_FILE:"),
    ),
    fine("links-in-a-comment", append(COMPOSE, "# links:\n#   - wordpress\n# network_mode: host\n")),
    fine(
        "a-service-named-host",
        replace(COMPOSE, "cadvisor:\n    <<", "host:\n    <<"),
        replace(COMPOSE, "image: cadvisor", "image: host"),
    ),
    fine(
        "a-network-with-a-name",
        replace(
            COMPOSE, "networks:\n  inception:\n", "networks:\n  inception:\n    name: host-of-wil\n    driver: bridge\n"
        ),
    ),
    fine(
        "default-network-declared",
        replace(COMPOSE, "  networks: [inception]\n", ""),
        replace(COMPOSE, "networks:\n  inception:", "networks:\n  default:"),
    ),
    fine(
        "networks-as-a-mapping",
        replace(COMPOSE, "  networks: [inception]", "  networks:\n    inception:\n      aliases: [host]"),
    ),
    fine(
        "compose-in-flow-style",
        replace(
            COMPOSE,
            "  redis:\n    <<: *service\n    image: redis:${TAG}\n    build: requirements/bonus/redis\n",
            '  redis: {<<: *service, image: "redis:${TAG}", build: {context: requirements/bonus/redis}}\n',
        ),
    ),
    fine(
        "included-file",
        write(
            "srcs/bonus.yml",
            "services:\n  portainer:\n    image: portainer:1\n    build: requirements/bonus/cadvisor2\n"
            "    restart: always\n    networks: [inception]\n",
        ),
        write(
            "srcs/requirements/bonus/cadvisor2/Dockerfile",
            'FROM alpine:3.23\nRUN apk add portainer\nCMD ["portainer"]\n',
        ),
        replace(COMPOSE, "services:\n  mariadb", "include: [bonus.yml]\n\nservices:\n  mariadb"),
    ),
    # --- --link ---
    fine("copy-link", replace(NGINX, "COPY tools", "COPY --link tools")),
    fine(
        "ln-link-in-makefile",
        append("Makefile", "\nfiles:\n\tcp --link a b\n\t@echo 'docker run --link is forbidden'\n"),
    ),
    fine("link-in-a-comment", in_start("# docker run --link mariadb wordpress")),
    # --- Commands ---
    fine("tail-in-a-comment", append(NGINX, "# CMD tail -f /dev/null\n"), in_start("# tail -f /dev/null & while true")),
    fine("tail-of-a-file", in_start("tail -n 5 /etc/passwd; tail -5 /etc/group")),
    fine("tail-in-a-string", in_start("echo 'tail -f /dev/null; while true; do sleep infinity; done &'")),
    fine("and-and", in_start("true && echo yes || echo no")),
    fine("redirections", in_start("ls >/dev/null 2>&1; ls &>/dev/null; ls >&2; ls 2>&1 | cat; ls &>>/dev/null")),
    fine("ampersand-in-a-url", in_start("curl -s 'https://wil.42.fr/?a=1&b=2' || true; echo a\\&b", START_WORDPRESS)),
    fine("ampersand-in-sed", in_start("sed -i 's/listen/& 9000/' /etc/php/www.conf", START_WORDPRESS)),
    fine("ampersand-in-arithmetic", in_start("x=$((6 & 3)); [ $x -gt 1 ] && echo $x")),
    fine(
        "heredoc-with-an-ampersand",
        in_start("cat > /tmp/page <<EOF\nTom & Jerry\nwhile true; do sleep infinity; done &\nEOF"),
    ),
    fine("heredoc-quoted", in_start("cat <<'END' > /tmp/x\n$(mariadbd &)\ntail -f /dev/null\nEND")),
    fine("case-with-semicolons", in_start('case "$1" in\na&b) ;;\n*) ;;\nesac'.replace("a&b", "a"))),
    fine("wait-for-loop", in_start("until mariadb-admin ping --silent; do sleep 1; done", START_WORDPRESS)),
    fine("wait-for-loop-while", in_start("while ! mariadb-admin ping; do\n\tsleep 1\ndone", START_WORDPRESS)),
    fine(
        "wait-for-loop-counted",
        in_start("for i in 1 2 3; do mariadb-admin ping && break; sleep 1; done", START_WORDPRESS),
    ),
    fine("c-style-loop-that-ends", in_start("for ((i = 0; i < 10; i++)); do echo $i; done", START_WORDPRESS)),
    fine("while-read", in_start('while read -r line; do echo "$line"; done < /etc/passwd')),
    fine("sleep-a-little", in_start("sleep 5")),
    fine("cat-a-heredoc", in_start("cat <<EOF\nhello\nEOF\ntold=$(cat < /etc/hostname)")),
    fine(
        "bash-runs-a-script",
        nginx_command('ENTRYPOINT ["bash", "/usr/local/bin/start.sh"]\nCMD ["nginx", "-g", "daemon off;"]'),
    ),
    fine(
        "shell-in-entrypoint-script-in-cmd",
        nginx_command('ENTRYPOINT ["/bin/sh"]\nCMD ["/usr/local/bin/start.sh", "nginx"]'),
    ),
    fine("shell-form-command", nginx_command("CMD nginx -g 'daemon off;'")),
    fine("bash-fed-by-a-heredoc", in_start("bash <<EOF\necho hello\nEOF\necho 'echo hi' | sh")),
    fine("run-bash-c", append(NGINX, 'RUN bash -c "echo hello && echo world"\n')),
    fine("run-heredoc", append(NGINX, "RUN <<EOF\nset -e\necho 'a & b' > /etc/x\nEOF\n")),
    fine(
        "tabs-between-words",
        nginx_command('ENTRYPOINT\t["sh",\t"/usr/local/bin/start.sh"]\nCMD\t["nginx", "-g", "daemon off;"]'),
    ),
    fine("build-script-follows-nothing", in_start("tail --lines=3 -- file-f")),
    fine("service-status", in_start("service mariadb status || true")),
    fine("a-function-named-start", in_start('start() { echo "starting service"; }\nstart')),
    fine("trap", in_start("trap 'echo bye' TERM")),
    fine("makefile-follows-logs", append("Makefile", "\nfollow:\n\ttail -f /tmp/x\n")),
    # --- Bases ---
    fine("bookworm-slim", replace(NGINX, "debian:bookworm", "debian:bookworm-slim")),
    fine("debian-12", replace(NGINX, "debian:bookworm", "debian:12")),
    fine("debian-12-11", replace(NGINX, "debian:bookworm", "debian:12.11-slim")),
    fine("debian-of-a-day", replace(NGINX, "debian:bookworm", "debian:bookworm-20250610-slim")),
    fine("debian-with-its-registry", replace(NGINX, "debian:bookworm", "docker.io/library/debian:bookworm")),
    fine("debian-with-a-digest", replace(NGINX, "debian:bookworm", f"debian:bookworm@sha256:{'0a' * 32}")),
    fine("debian-for-a-platform", replace(NGINX, "FROM debian", "FROM --platform=linux/amd64 debian")),
    fine("alpine-3-23-4", replace(STATIC, "alpine:3.23", "alpine:3.23.4")),
    fine("from-in-lower-case", replace(NGINX, "FROM debian:bookworm", "from debian:bookworm")),
    fine(
        "release-by-an-argument-that-is-right",
        replace(NGINX, "FROM debian:bookworm", 'ARG RELEASE="bookworm"\nFROM debian:${RELEASE:-trixie}'),
    ),
    fine("two-stages", replace(STATIC, "FROM alpine:3.23", "FROM alpine:3.23 AS Build\nRUN echo hi > /x\nFROM build")),
    fine(
        "copy-from-a-stage",
        replace(
            STATIC,
            "FROM alpine:3.23\n",
            "FROM alpine:3.23 AS build\nRUN echo hi > /x\nFROM alpine:3.23\nCOPY --from=build /x /x\n",
        ),
    ),
    fine("local-base-image", replace(MARIADB, "debian:bookworm", "wordpress:inception")),
    fine("from-in-a-comment", replace(NGINX, "FROM", "# FROM debian:latest\nFROM")),
    # --- Names ---
    fine("nginx-in-a-comment", append(WORDPRESS, "# RUN apt-get install nginx\n")),
    fine("nginx-in-a-string", in_start("echo 'nginx comes before me'", START_WORDPRESS)),
    fine("nginx-helper-plugin", in_start("wp plugin install nginx-helper", START_WORDPRESS)),
    fine("image-quoted", replace(COMPOSE, "image: nginx:${TAG}", "image: 'nginx:1.0'")),
    fine("image-tag-by-a-default", replace(COMPOSE, "image: nginx:${TAG}", "image: nginx:${NGINX_TAG:-v1}")),
    fine("user-named-admin-mail", replace(ENV, "wil@student.42.fr", "admin@wil.42.fr")),
    fine(
        "adminer-variable",
        append(
            ENV, "ADMINER_PORT=8081\nWP_ADMIN_TITLE=admin\nMYSQL_ADMIN=dbadmin\n".replace("MYSQL_ADMIN=dbadmin\n", "")
        ),
    ),
    fine("admin-in-a-comment", append(ENV, "# WP_ADMIN_USER=admin\n")),
    # --- nginx ---
    fine("listen-80-in-a-comment", append(SITE, "# server { listen 80; }\n")),
    fine("listen-on-a-socket", append(SITE, "server {\n    listen unix:/run/inside.sock;\n}\n")),
    fine("port-8080-for-a-bonus", replace(COMPOSE, '- "8080:8080"', '- "127.0.0.1:8080:80"')),
    fine(
        "tls-1-1-for-all-and-each-server-says-better",
        *tls_for_all("TLSv1 TLSv1.1 TLSv1.2", server="    ssl_protocols TLSv1.2 TLSv1.3;\n"),
    ),
    fine("tls-1-3-only", replace(SITE, "TLSv1.2 TLSv1.3", "TLSv1.3")),
    # --- Volumes ---
    fine("device-by-home", replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "${HOME}/data/mariadb")),
    fine(
        "volume-in-long-form",
        replace(
            COMPOSE,
            "- mariadb:/var/lib/mysql",
            "- type: volume\n        source: mariadb\n        target: /var/lib/mysql",
        ),
    ),
    fine(
        "conf-bind-mounted",
        replace(
            COMPOSE,
            "- mariadb:/var/lib/mysql",
            "- mariadb:/var/lib/mysql\n      - ./requirements/mariadb/conf/server.cnf:/etc/mysql/data.cnf:ro",
        ),
    ),
    # --- Documents ---
    fine(
        "underscores-for-italics",
        replace(
            "README.md",
            "*This project has been created as part of the 42 curriculum by wil.*",
            "_This project has been created as part of the 42 curriculum by wil, marvin._",
        ),
    ),
    fine("underlined-headings", replace("README.md", "## Description", "Description\n-----------")),
    fine("headings-with-a-mark", replace("README.md", "## Resources", "## 📚 Resources")),
    fine(
        "comparisons-in-a-table",
        replace(
            "README.md",
            "### Volumes and bind mounts\n\nDocker manages a volume; a bind mount is a folder of the host.",
            "| Volumes | Bind mounts |\n|---|---|\n| Docker's | the host's |",
        ),
    ),
    # --- The forms in which students write the same thing ---
    # Credentials
    fine("env-file-template", write("srcs/.env.template", "MYSQL_PASSWORD=\nMYSQL_USER=\n")),
    fine("env-dist-with-changeme", write("srcs/.env.dist", "MYSQL_PASSWORD=changeme\n")),
    fine("password-by-a-variable-with-braces", in_start('mariadb -u root -p"${MYSQL_ROOT_PASSWORD}" -e "SELECT 1"')),
    fine("password-by-command-substitution", in_start('mariadb -uroot -p"$(cat /run/secrets/x)" -e "SELECT 1"')),
    fine(
        "password-argument-of-a-variable", in_start('wp user create v v@42.fr --user_pass="$WP_PASS"', START_WORDPRESS)
    ),
    fine("chpasswd-of-a-variable", in_start('echo "$FTP_USER:$FTP_PASS" | chpasswd')),
    fine("chpasswd-of-a-secret", in_start('echo "wil:$(cat /run/secrets/ftp_password)" | chpasswd')),
    fine("sed-writes-a-variable", in_start('sed -i "s/requirepass .*/requirepass $REDIS_PASSWORD/" /etc/redis.conf')),
    fine("envsubst-template", write("srcs/requirements/bonus/redis/redis.conf.template", "requirepass ${REDIS_PW}\n")),
    fine("secret-by-environment", replace(COMPOSE, "file: ../secrets/credentials.txt", "environment: CREDENTIALS")),
    fine("password-unset", in_start("unset MYSQL_PASSWORD; export MYSQL_PWD=")),
    fine("password-generated", in_start('password=$(openssl rand -base64 24)\ntest -n "$password"')),
    fine(
        "password-checked", in_start('[ -n "${MYSQL_PASSWORD:-}" ] || { echo "MYSQL_PASSWORD: not set" >&2; exit 1; }')
    ),
    fine(
        "secrets-in-long-form",
        replace(
            COMPOSE,
            "secrets: [db_password, db_root_password]",
            "secrets:\n      - source: db_password\n        target: db_password\n      - db_root_password",
        ),
    ),
    # Layout
    fine("readme-in-a-language", write("README.fr.md", "# Inception\n")),
    fine("docs-folder", write("docs/notes.md", "docker run --link is forbidden; tail -f too\n")),
    fine("dockerignore", write("srcs/requirements/nginx/.dockerignore", "*.md\n.git\n")),
    fine("gitattributes", write(".gitattributes", "* text=auto\n")),
    fine("license", write("LICENSE", "GPL\n")),
    fine("tools-folder", write("srcs/requirements/tools/.gitkeep", "")),
    # Makefile
    fine("makefile-env-file", replace("Makefile", "docker compose -f", "docker compose --env-file srcs/.env -f")),
    fine("makefile-sudo", replace("Makefile", "docker compose -f", "sudo docker compose -f")),
    fine("makefile-include", replace("Makefile", "COMPOSE :=", "-include srcs/.env\nexport\nCOMPOSE :=")),
    fine(
        "makefile-continued-line",
        replace("Makefile", "@$(COMPOSE) up --build --detach", "@$(COMPOSE) up \\\n\t\t--build \\\n\t\t--detach"),
    ),
    fine(
        "makefile-with-a-condition",
        append("Makefile", "\nifeq ($(shell uname),Linux)\nOS := linux\nelse\nOS := other\nendif\n"),
    ),
    fine("makefile-prune", append("Makefile", "\nfclean: clean\n\t@docker system prune --all --force --volumes\n")),
    fine("makefile-looks-at-networks", append("Makefile", "\nnet:\n\t@docker network ls\n")),
    fine("makefile-follows-docker-logs", append("Makefile", "\nwatch:\n\t@docker logs -f nginx & wait\n")),
    fine("makefile-project-name", replace("Makefile", "docker compose -f", "docker compose -p inception -f")),
    fine(
        "makefile-if-not-there",
        append("Makefile", '\ndirs:\n\t@if [ ! -d $(DATA) ]; then mkdir -p $(DATA); fi && echo "made"\n'),
    ),
    # Compose
    fine("compose-with-a-version", replace(COMPOSE, "x-service:", 'version: "3.8"\n\nx-service:')),
    fine("compose-with-a-name", replace(COMPOSE, "x-service:", "name: inception\n\nx-service:")),
    fine(
        "environment-as-a-list",
        replace(
            COMPOSE,
            "environment:\n      MYSQL_PASSWORD_FILE: /run/secrets/db_password",
            "environment:\n      - MYSQL_PASSWORD_FILE=/run/secrets/db_password\n      - WP_PASSWORD=${WP_PASSWORD}",
        ),
    ),
    fine(
        "build-with-a-dockerfile",
        replace(
            COMPOSE,
            "build: requirements/nginx",
            "build:\n      context: ./requirements/nginx\n      dockerfile: Dockerfile",
        ),
    ),
    fine("build-with-a-slash", replace(COMPOSE, "build: requirements/nginx", "build: ./requirements/nginx/")),
    fine(
        "build-with-arguments",
        replace(
            COMPOSE,
            "context: requirements/wordpress",
            "context: requirements/wordpress\n      args:\n        - PHP_VERSION=8.2\n        - DB_PASSWORD",
        ),
    ),
    fine("env-file-as-a-list", replace(COMPOSE, "env_file: .env", "env_file:\n      - .env")),
    fine("container-names", replace(COMPOSE, "image: nginx:${TAG}", "container_name: nginx\n    image: nginx:${TAG}")),
    fine("exposed-port", replace(COMPOSE, "image: redis:${TAG}", 'expose: ["6379"]\n    image: redis:${TAG}')),
    fine("temporary-file-system", replace(COMPOSE, "image: redis:${TAG}", "tmpfs: [/tmp]\n    image: redis:${TAG}")),
    fine(
        "extra-hosts", replace(COMPOSE, "image: redis:${TAG}", 'extra_hosts: ["h:127.0.0.1"]\n    image: redis:${TAG}')
    ),
    fine("port-in-long-form", replace(COMPOSE, '- "443:443"', "- target: 443\n        published: 443")),
    fine("port-without-quotes", replace(COMPOSE, '- "443:443"', "- 443:443")),
    fine("port-of-one-address", replace(COMPOSE, '- "443:443"', '- "0.0.0.0:443:443/tcp"')),
    fine(
        "network-with-a-driver",
        replace(
            COMPOSE,
            "networks:\n  inception:\n",
            "networks:\n  inception:\n    driver: bridge\n    ipam:\n      config:\n        - subnet: 172.20.0.0/16\n",
        ),
    ),
    fine(
        "two-networks",
        replace(COMPOSE, "networks:\n  inception:\n", "networks:\n  inception:\n  backend:\n    internal: true\n"),
        replace(COMPOSE, "image: redis:${TAG}", "image: redis:${TAG}\n    networks: [inception, backend]"),
    ),
    fine("labels", replace(COMPOSE, "image: redis:${TAG}", 'labels: {links: "none"}\n    image: redis:${TAG}')),
    fine(
        "healthcheck-by-a-shell",
        replace(
            COMPOSE,
            "test: [CMD, mariadb-admin, ping]",
            'test: ["CMD-SHELL", "mariadb-admin ping -p$$(cat /run/secrets/db_root_password) || exit 1"]',
        ),
    ),
    fine("restart-always", replace(COMPOSE, "restart: on-failure", "restart: always")),
    fine("restart-unless-stopped", replace(COMPOSE, "restart: on-failure", "restart: unless-stopped")),
    fine("restart-on-failure-counted", replace(COMPOSE, "restart: on-failure", 'restart: "on-failure:5"')),
    fine("init", replace(COMPOSE, "image: redis:${TAG}", "init: true\n    image: redis:${TAG}")),
    fine("network-alias", replace(COMPOSE, "x-service:", "x-unused: {network: host}\nx-service:")),
    # Scripts
    fine("and-at-the-end-of-a-line", in_start("true &&\n\techo yes")),
    fine("and-after-a-continuation", in_start("true \\\n\t&& echo yes \\\n\t|| echo no")),
    fine("pipe-with-errors", in_start("ls |& cat", START_WORDPRESS)),
    fine("process-substitution", in_start("while read -r x; do echo $x; done < <(ls)", START_WORDPRESS)),
    fine("here-string", in_start('read -r x <<< "a & b"', START_WORDPRESS)),
    fine("file-descriptors", in_start("exec 3>&1; echo hello >&3; exec 3>&-", START_WORDPRESS)),
    fine("both-outputs-to-a-file", in_start("ls &> /dev/null; ls >& /dev/null", START_WORDPRESS)),
    fine(
        "wait-with-a-deadline",
        in_start("i=0\nwhile ! mariadb-admin ping && [ $i -lt 30 ]; do i=$((i + 1)); sleep 1; done", START_WORDPRESS),
    ),
    fine("wait-for-a-port", in_start("until nc -z mariadb 3306; do echo waiting; sleep 2; done", START_WORDPRESS)),
    fine("wait-by-timeout", in_start("timeout 60 sh -c 'until nc -z mariadb 3306; do sleep 1; done'", START_WORDPRESS)),
    fine("tail-from-a-line", in_start("mariadb --version | tail -n +2; tail +2 /etc/group; tail -c 100 /etc/group")),
    fine("tail-of-a-file-named-f", in_start("tail f; tail -n 1 f")),
    fine("cat-of-a-file", in_start("cat /etc/hostname /etc/hosts; echo a | cat; cat < /etc/hosts")),
    fine("a-variable-named-sleep", in_start('sleep=infinity; echo "$sleep" "tail -f"')),
    fine("kill-and-wait", in_start('mariadb-admin shutdown; kill -0 1; wait "$!" || true')),
    fine("exec-through-gosu", replace(START_MARIADB, 'exec "$@"', 'exec gosu mysql "$@"')),
    fine("regular-expression-with-ampersand", in_start("echo 'x' | sed -e 's/x/[&]/g' -e \"s/y/&&/\"")),
    fine("ampersand-in-a-comment", in_start("# mariadbd & wait, as others do\ntrue # and & here")),
    fine("function-with-keyword", in_start("function log { echo \"$1\"; }\nlog 'start & stop'", START_WORDPRESS)),
    fine("loop-over-arguments", in_start('for name in "$@"; do echo "$name"; done')),
    fine("tests-in-brackets", in_start('[[ -f /x && -d /y ]] && echo "both"', START_WORDPRESS)),
    fine("arithmetic-loop", in_start("n=3; while ((n > 0)); do n=$((n - 1)); done", START_WORDPRESS)),
    # Dockerfiles
    fine("syntax-line", replace(NGINX, "FROM", "# syntax=docker/dockerfile:1\nFROM")),
    fine(
        "cache-mount",
        replace(NGINX, "RUN apt-get update", "RUN --mount=type=cache,target=/var/cache/apt apt-get update"),
    ),
    fine("stage-name-in-lower-case", replace(STATIC, "FROM alpine:3.23", "FROM alpine:3.23 as site")),
    fine(
        "shell-instruction", replace(NGINX, "RUN apt-get", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN apt-get')
    ),
    fine("stop-signal", append(NGINX, "STOPSIGNAL SIGQUIT\n")),
    fine("link-of-logs", append(NGINX, "RUN ln -sf /dev/stdout /var/log/nginx/access.log\n")),
    fine("lower-case-instructions", replace(FTP, "RUN apt-get", "run apt-get")),
    fine("windows-line-ends", windows(NGINX)),
    fine("entrypoint-alone", nginx_command('ENTRYPOINT ["nginx", "-g", "daemon off;"]')),
    fine("tini-as-init", nginx_command('ENTRYPOINT ["tini", "--", "nginx", "-g", "daemon off;"]')),
    # nginx
    fine("http2-on", replace(SITE, "listen 443 ssl;", "listen 443 ssl http2 default_server reuseport;")),
    fine("listen-with-an-address", replace(SITE, "listen 443 ssl;", "listen 0.0.0.0:443 ssl;")),
    fine(
        "proxy-to-port-80-of-another",
        append(SITE, "upstream static { server static:80; }\n# proxy_pass http://adminer:80;\n"),
    ),
    fine(
        "old-tls-in-a-comment", replace(SITE, "    ssl_protocols", "    # not TLSv1 TLSv1.1 SSLv3\n    ssl_protocols")
    ),
    fine("protocols-in-another-order", replace(SITE, "TLSv1.2 TLSv1.3", "TLSv1.3 TLSv1.2")),
    # Names
    fine("database-user-administrator", append(ENV, "MYSQL_USER=administrator_of_db\n")),
    fine("admin-name-near-to-it", replace(ENV, "WP_ADMIN_USER=wil", "WP_ADMIN_USER=wil_adm")),
    fine(
        "ftp-in-long-form",
        replace(
            COMPOSE,
            "- wordpress:/var/www/html\n\n  static",
            "- type: volume\n        source: wordpress\n        target: /srv/ftp\n\n  static",
        ),
    ),
    # Documents
    fine("deeper-headings", replace("README.md", "## Instructions", "### Instructions")),
    fine("headings-that-say-more", replace("README.md", "## Resources", "## Resources and AI usage")),
    fine("readme-with-windows-line-ends", windows("README.md")),
    # Static site
    fine("static-site-with-a-script", write("srcs/requirements/bonus/static/site.js", "const php = 'none';\n")),
    # --- Bonus ---
    fine(
        "no-bonus-at-all",
        *(
            replace(
                COMPOSE,
                f"  {name}:\n    <<: *service\n    image: {name}:${{TAG}}\n    build: requirements/bonus/{name}\n",
                "",
            )
            for name in ("redis", "adminer", "cadvisor")
        ),
    ),
    # --- Seen on projects of strangers ---
    fine(
        "makefile-with-a-named-recipe",
        replace("Makefile", "\t@$(COMPOSE) up --build --detach\n", "\t$(call start,the stack)\n"),
        append("Makefile", "\ndefine start\n\t@echo $(1)\n\t@$(COMPOSE) up --build --detach\nendef\n"),
    ),
    fine(
        "network-by-a-variable-that-nobody-knows",
        replace(COMPOSE, "  networks: [inception]\n", '  networks: ["${NETWORK}"]\n'),
    ),
    fine(
        "device-by-an-example-that-is-open",
        rename(ENV, "srcs/.env.example"),
        append("srcs/.env.example", "DATA_PATH=\n"),
        replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "${DATA_PATH}/mariadb"),
    ),
    fine("device-by-tilde", replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "~/data/mariadb")),
    fine(
        "device-by-an-exported-variable",
        replace("Makefile", "all: up", "export DATA_PATH := /home/wil/data\n\nall: up"),
        replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "${DATA_PATH}/mariadb"),
    ),
    fine(
        "device-by-a-variable-that-is-exported-later",
        replace("Makefile", "all: up", "DATA_PATH = /home/wil/data\nexport DATA_PATH\n\nall: up"),
        replace(COMPOSE, "/home/${LOGIN}/data/mariadb", "${DATA_PATH}/mariadb"),
    ),
    fine(
        "environment-file-named-by-make",
        rename(ENV, "srcs/settings/common.env"),
        replace("Makefile", "docker compose -f", "docker compose --env-file srcs/settings/common.env -f"),
        replace_all(COMPOSE, "env_file: .env", "env_file: settings/common.env"),
    ),
    fine(
        "environment-file-included-and-exported",
        rename(ENV, "srcs/settings/common.env"),
        replace("Makefile", "COMPOSE :=", "include srcs/settings/common.env\nexport\n\nCOMPOSE :="),
        replace_all(COMPOSE, "env_file: .env", "env_file: settings/common.env"),
    ),
    fine("website-at-another-path", *website_at("/opt/site")),
    fine(
        "service-in-composes-own-network",
        replace(COMPOSE, "  cadvisor:\n    <<: *service\n", "  cadvisor:\n    restart: always\n"),
    ),
    fine("listens-on-80-and-nothing-publishes-it", replace(SITE, "listen 443 ssl;", "listen 80;\n    listen 443 ssl;")),
    fine(
        "redirects-from-80-and-nothing-publishes-it",
        replace(SITE, "server {", "server { listen 80 default_server; return 301 https://$host; }\nserver {"),
    ),
    fine("listens-on-a-place-for-a-port", replace(SITE, "listen 443 ssl;", "listen __PORT__ ssl;")),
    fine(
        "listens-on-a-place-with-signs",
        replace(SITE, "listen 443 ssl;", "listen @PORT@ ssl;\n    listen [::]:@PORT@ ssl;"),
    ),
    fine("listens-on-a-variable-of-envsubst", replace(SITE, "listen 443 ssl;", "listen ${NGINX_PORT} ssl;")),
    fine("server-name-filled-in", replace(SITE, "server_name wil.42.fr", "server_name ${DOMAIN_NAME}")),
    fine(
        "server-name-replaced-at-the-start",
        replace(SITE, "server_name wil.42.fr", "server_name www.domain domain"),
        in_start('sed -i "s/domain/$DOMAIN_NAME/g" /etc/nginx/conf.d/site.conf', START_NGINX),
    ),
    fine(
        "server-name-replaced-in-the-build",
        replace(SITE, "server_name wil.42.fr", "server_name marvin.example"),
        append(NGINX, "RUN sed -i 's|server_name .*;|server_name wil.42.fr;|' /etc/nginx/conf.d/site.conf\n"),
    ),
    fine("server-name-of-all", replace(SITE, "server_name wil.42.fr", "server_name _")),
    fine("server-name-among-others", replace(SITE, "server_name wil.42.fr", "server_name localhost wil.42.fr")),
    fine(
        "services-without-their-products-names",
        replace_all("USER_DOC.md", "NGINX", "web server"),
        replace_all("USER_DOC.md", "nginx", "web server"),
        replace_all("USER_DOC.md", "WordPress", "website"),
        replace_all("USER_DOC.md", "MariaDB", "database"),
    ),
    *(
        fine(f"root-has-a-password-by-{name}", replace(START_MARIADB, ROOT, f"{told}\n"))
        for name, told in (
            ("set-password", "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('$ROOT_PW');"),
            ("grant", "GRANT ALL ON *.* TO 'root'@'localhost' IDENTIFIED BY '$ROOT_PW' WITH GRANT OPTION;"),
            ("grant-to-all-of-them", "GRANT ALL ON *.* TO root IDENTIFIED BY '$ROOT_PW';"),
            ("update", "UPDATE mysql.user SET authentication_string = PASSWORD('$ROOT_PW') WHERE User = 'root';"),
            ("a-name-in-a-variable", "ALTER USER '$DB_ROOT'@'localhost' IDENTIFIED BY '$ROOT_PW';"),
            ("dropping-root", "DROP USER 'root'@'localhost';"),
        )
    ),
    fine(
        "root-has-a-password-by-mysqladmin",
        replace(START_MARIADB, ROOT, ""),
        in_start('mariadb-admin -u root password "$(cat /run/secrets/db_root_password)"'),
    ),
    fine(
        "root-has-a-password-by-a-file-of-statements",
        replace(START_MARIADB, ROOT, ""),
        write("srcs/requirements/mariadb/conf/root.sql", "ALTER USER root@localhost IDENTIFIED BY '${ROOT_PW}';\n"),
    ),
    fine("comment-in-a-document", append("README.md", "\n<!-- not done yet:\n## Notes\n-->\n")),
    fine(
        "password-shown-as-bad",
        append("DEV_DOC.md", "\n```\n# Bad\nENV DB_PASSWORD=s3cret!23\n\n# Good\nENV DB_HOST=x\n```\n"),
    ),
    fine(
        "second-user-made-twice",
        in_start('wp user create "$WP_ADMIN_USER" x@42.fr || true; wp user create "$WP_USER" y@42.fr', START_WORDPRESS),
    ),
    fine("place-of-docker", replace_all("DEV_DOC.md", "/home/wil/data", "/var/lib/docker/volumes")),
    *(
        fine(f"login-as-{name}", replace("README.md", "by wil.*", f"by {login}.*"))
        for name, login in (
            ("a-link", "[wil](https://profile.intra.42.fr/users/wil)"),
            ("brackets", "[wil]"),
            ("angles", "<wil>"),
            ("with-a-name", "wil (Wil Wheaton)"),
        )
    ),
    fine(
        "first-line-bold-and-italic",
        replace(
            "README.md",
            "*This project has been created as part of the 42 curriculum by wil.*",
            "***This project has been created as part of the 42 curriculum by wil.***",
        ),
    ),
    fine("dockerfile-in-notes", write("theory/example/Dockerfile", "FROM ubuntu:latest\nCMD tail -f /dev/null\n")),
    fine(
        "setting-of-the-build-stays",
        append(MARIADB, "ARG V\nENV DB_VERSION=$V PASSWORD_FILE=$V\n"),
    ),
    fine("configuration-that-nothing-names", write("conf/nginx-before.conf", "server { listen 80; }\n")),
    fine("configuration-in-notes", write("notes/nginx.conf", "server { listen 80; }\n")),
    fine(
        "prompt-of-a-script-for-people",
        write(
            "setup.sh", '#!/bin/bash\nwhile true; do\n\tread -rp "Login: " login\n\t[ -n "$login" ] && break\ndone\n'
        ),
    ),
    fine(
        "spinner-of-a-script-for-people",
        write("tools/wait.sh", "#!/bin/bash\nspin() { while :; do printf .; sleep 1; done; }\nspin &\nmake\nkill $!\n"),
    ),
    fine(
        "shell-that-runs-a-script", nginx_command('ENTRYPOINT ["sh", "-c", "/bin/bash /usr/local/bin/start.sh nginx;"]')
    ),
    fine("shell-that-runs-a-script-directly", nginx_command('ENTRYPOINT ["/bin/sh", "-c", "/usr/local/bin/start.sh"]')),
    fine("find-print0", in_start("find /var/lib/mysql -type s -print0 | xargs -0 rm -f")),
    fine(
        "docker-run-with-a-port",
        append("Makefile", "\ntry:\n\tdocker run --name mysql -p3306:3306 mariadb:inception\n"),
    ),
    fine(
        "client-by-a-name-of-a-host",
        in_start("nc -z mysql -p8080 || true; mariadb --protocol=tcp -proot 2>/dev/null | true".replace(" -proot", "")),
    ),
    fine("password-function-of-a-variable", in_start("mariadb -e \"SET Password=PASSWORD('$ROOT_PW')\"")),
    fine(
        "sed-looks-for-a-password",
        in_start("sed -i \"s/password_here/$DB_PASSWORD/; s/'DB_PASSWORD', '.*'/x/\" /etc/wp.php"),
    ),
    fine("sed-looks-for-a-line", in_start("sed -i 's/^password = .*$/password = '\"$PW\"'/' /etc/x.cnf")),
    fine("heading-of-secrets", append(ENV, "## SECRETS: in their folder\n# PASSWORDS: none here\n")),
    fine(
        "places-for-passwords",
        write(
            "srcs/requirements/mariadb/conf/init.sql",
            "CREATE USER '__DB_USER__'@'%' IDENTIFIED BY '__DB_PASSWORD__';\n"
            "ALTER USER root@localhost IDENTIFIED BY '##db_root_password##';\n",
        ),
        write("srcs/requirements/wordpress/conf/wp-config.php", "<?php define('DB_PASSWORD', '__DB_PASSWORD__');\n"),
    ),
    fine("password-null", write("srcs/requirements/mariadb/conf/app.yml", "password: null\ntoken: id\nsecret: no\n")),
    fine(
        "hashing-is-no-hash",
        append("srcs/requirements/mariadb/conf/server.cnf", "password_hashing_algorithm = sha256\n"),
    ),
    fine(
        "names-of-packages",
        write(
            "srcs/requirements/bonus/static/package.json",
            '{"dependencies": {"jsonwebtoken": "^9.0.2", "token": "1.0.0-rc"}}\n',
        ),
        write("srcs/requirements/bonus/static/yarn.lock", 'passwordless@^1.0.0:\n  secret: "sha512-Tr0ub4dor"\n'),
    ),
    history(
        None,
        "secrets-template",
        (UNIGNORED, remove(ENV), write("secrets.template/db_password.txt", "fill me in, <password>\n")),
    ),
    history(None, "secrets-example", (UNIGNORED, remove(ENV), write("secrets-example/credentials.txt", "changeme\n"))),
    fine(
        "passwd-of-a-variable",
        append(FTP, 'RUN echo "$PASS" | passwd --stdin wil; openssl passwd -1 "$PASS"; useradd -m -p "$HASH" wil\n'),
    ),
    fine(
        "password-in-words",
        append("README.md", "\nThe password: required. Password is stored in `secrets/`.\n"),
        append("README.md", "\n| Setting | What |\n|---|---|\n| DB_PASSWORD | the database's password |\n"),
        append("README.md", "| Password | `secrets/db_password.txt` |\n"),
    ),
    fine("address-of-a-document", append("README.md", "\nDATABASE_URL=mysql://user:pass@mariadb:3306/wordpress\n")),
    fine(
        "addresses-of-an-example",
        write("srcs/.env.example", "# URL=mysql://wp:your-dev-password-here@db/wp\nURL=mysql://user:password@db/wp\n"),
    ),
    *(
        fine(f"user-doc-{name}", replace("USER_DOC.md", "`docker compose ps` shows whether all runs.", told))
        for name, told in (
            ("asks-the-site", "To see whether all runs: curl -k -I https://wil.42.fr"),
            ("in-french", "Controler l'acces via le port 443."),
            ("in-french-with-accents", "Vérifier que tout tourne."),
        )
    ),
    fine("archive-of-pictures", write("docs/pictures.zip", "PK"), write("docs/environment.tar.gz", "x")),
    fine("gist-that-is-no-secret", append("README.md", "\nSee https://gist.github.com/wil/12ab for more.\n")),
    fine(
        "deploy-restart-policy",
        replace(COMPOSE, "  restart: on-failure\n", "  deploy: {restart_policy: {condition: on-failure}}\n"),
    ),
    fine(
        "database-by-another-name",
        replace(COMPOSE, "  mariadb:\n    <<", "  database:\n    <<"),
        replace(COMPOSE, "image: mariadb:", "image: database:"),
        replace(COMPOSE, "      mariadb:\n        condition", "      database:\n        condition"),
    ),
    fine(
        "mongodb-of-choice",
        replace(COMPOSE, "  cadvisor:\n    <<", "  mongodb:\n    <<"),
        replace(COMPOSE, "image: cadvisor", "image: mongodb"),
    ),
)
