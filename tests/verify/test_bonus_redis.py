# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: really WordPress's object cache, guarded, bounded, and not missed when it is away."""

from __future__ import annotations

import os
import re
import secrets as secrets_of_python
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verify.support import Secret, Site, Stack, wait_until

CONTRACT = Path(__file__).with_name("object_cache.php").read_text(encoding="utf-8").removeprefix("<?php\n")
POINTS = re.findall(r"^    '(.+)' => static function", CONTRACT, re.MULTILINE)

# A client as WordPress's container has it, with the password of the argument's file, or none.
CLIENT = """
    $redis = new Redis();
    $redis->connect("redis", (int) getenv("REDIS_PORT"), 5);
    try {
        $argv[1] === "" || $redis->auth(rtrim(file_get_contents($argv[1])));
        $answer = $redis->rawCommand(...array_slice($argv, 2));
        echo $answer === false ? $redis->getLastError() : json_encode($answer);
    } catch (RedisException $error) {
        echo $error->getMessage();
    }
"""
PASSWORD = "/run/secrets/redis_password"


def php(stack: Stack, code: str, *arguments: str) -> str:
    result = stack.execute("wordpress", "php", "-r", code, "--", *arguments)
    assert result.rc == 0, result.stdout + result.stderr
    return str(result.stdout)


def ask(stack: Stack, *command: str, password: str = PASSWORD) -> str:
    """What Redis answers to a command from WordPress's container."""
    return php(stack, CLIENT, password, *command)


def info(stack: Stack, section: str) -> dict[str, str]:
    """What Redis says of itself, to its keeper."""
    lines = stack.execute("redis", "ask", f"INFO {section}").stdout.splitlines()
    return dict(line.strip().split(":", 1) for line in lines if ":" in line)


def test_the_points_are_those_of_the_script(stack: Stack) -> None:
    """Each point of the contract is one of the tests below."""
    assert len(POINTS) >= 19
    assert php(stack, CONTRACT).splitlines() == POINTS


@pytest.mark.rule("BON-1")
@pytest.mark.parametrize("point", POINTS)
def test_the_object_cache_keeps_its_contract(stack: Stack, point: str) -> None:
    """What WordPress and its plugins expect of the cache, with Redis behind it and while it is away."""
    assert php(stack, CONTRACT, point) == ""


@pytest.mark.rule("BON-1")
def test_pages_are_made_with_it(stack: Stack, site: Site) -> None:
    """A page is made of what Redis has, hits are counted, and a value of WordPress's is read back from there."""
    site.wait_answers()
    before = info(stack, "stats")
    for _ in range(3):
        assert site.own().get("/").status == 200
    after = info(stack, "stats")
    hits, misses = (int(after[f"keyspace_{what}"]) - int(before[f"keyspace_{what}"]) for what in ("hits", "misses"))
    assert hits > 30
    assert hits > 4 * misses, f"{hits} hits, {misses} misses"

    code = "require '/var/www/html/wp-load.php';"
    php(stack, code + "update_option('verify_redis', $argv[1]);", "a value")
    assert php(stack, code + "echo get_option('verify_redis');") == "a value"
    names = [f"{stack.settings.domain}:options:0:{key}" for key in ("alloptions", "verify_redis")]
    assert any("a value" in ask(stack, "GET", name) for name in names)
    # What WordPress reads comes from there: the database is changed behind its back.
    stack.sql("UPDATE wp_options SET option_value = 'behind' WHERE option_name = 'verify_redis'")
    assert php(stack, code + "echo get_option('verify_redis');") == "a value"
    php(stack, code + "delete_option('verify_redis');")
    assert php(stack, code + "var_export(get_option('verify_redis'));") == "false"


# Six write forty times each, at the same moment; $argv[1] is who, $argv[2] how many rounds. One that stays, one that is
# not loaded with all others, one that comes and goes, and one that all write. After each round the first one says
# what has another value than in the database.
WRITERS = 6
RACE = """
    require "/var/www/html/wp-load.php";
    [, $who, $rounds, $together, $writers] = $argv;
    $all_at = static function (string $place) use ($who, $together, $writers): void {
        touch("/tmp/verify-$together.$place.$who");
        $until = microtime(true) + 60;
        while (count(glob("/tmp/verify-$together.$place.*")) < $writers && microtime(true) < $until) {
            usleep(500);
        }
    };
    for ($round = 0; $round < $rounds; ++$round) {
        $all_at("begin-$round");
        for ($number = 0; $number < 10; ++$number) {
            update_option("verify_race_{$who}_all", "$round $number");
            update_option("verify_race_{$who}_alone", "$round $number", "no");
            $comes = "verify_race_{$who}_comes";
            $number % 2 ? delete_option($comes) : add_option($comes, "$round $number");
            update_option("verify_race_shared", "$round $number $who");
            get_option("verify_race_none_$number");
        }
        $all_at("end-$round");
        wp_cache_flush_runtime();
        if ($who !== "0") {
            continue;
        }
        for ($writer = 0; $writer < $writers; ++$writer) {
            foreach (["{$writer}_all", "{$writer}_alone", "{$writer}_comes", "shared"] as $name) {
                $where = "option_name = 'verify_race_$name'";
                $kept = $wpdb->get_var("SELECT option_value FROM $wpdb->options WHERE $where");
                $read = get_option("verify_race_$name", null);
                $kept === $read || print("$name: " . var_export([$round, $read, $kept], true) . "\\n");
            }
        }
        wp_cache_flush_runtime();
    }
"""


@pytest.mark.rule("BON-1")
def test_of_options_written_at_once_none_is_stale(stack: Stack) -> None:
    """Six times forty writes at the same moment: what the next request reads is what the database has."""
    rounds = os.environ.get("INCEPTION_VERIFY_RACES", "4")
    together = secrets_of_python.token_hex(4)
    run = f"php -r {shlex.quote(RACE)} --"
    crowd = " & ".join(f"{run} {who} {rounds} {together} {WRITERS}" for who in range(WRITERS))
    try:
        result = stack.execute("wordpress", "sh", "-c", f"{crowd} & wait")
        assert (result.rc, result.stdout) == (0, ""), result.stdout[:3000] + result.stderr[:3000]
    finally:
        clean = """
            require "/var/www/html/wp-load.php";
            $where = "option_name LIKE 'verify\\_race\\_%'";
            array_map("delete_option", $wpdb->get_col("SELECT option_name FROM $wpdb->options WHERE $where"));
            array_map("unlink", glob("/tmp/verify-$argv[1].*"));
        """
        php(stack, clean, together)


@pytest.mark.rule("BON-1")
def test_redis_wants_its_password(stack: Stack, secrets: dict[str, Secret]) -> None:
    """Nobody without it, nobody with another one; it is in no configuration of Redis's."""
    assert "NOAUTH" in ask(stack, "PING", password="")
    assert "WRONGPASS" in ask(stack, "PING", password="/run/secrets/db_password")
    assert ask(stack, "SET", "verify", "1") == "true"
    assert ask(stack, "DEL", "verify") == "1"
    written = stack.execute("redis", "sh", "-c", "cat /run/redis/* /etc/redis.conf").stdout
    assert "user default on #" in written
    assert secrets["redis_password.txt"] not in written


@pytest.mark.rule("BON-1")
@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "CONFIG GET *",
        "CONFIG SET dir /tmp",
        "EVAL return(1) 0",
        "FUNCTION LIST",
        "SHUTDOWN",
        "DEBUG SLEEP 0",
        "MONITOR",
        "SAVE",
        "BGREWRITEAOF",
        "REPLICAOF 127.0.0.1 1",
        "MODULE LIST",
        "ACL LIST",
        "CLIENT LIST",
        "MIGRATE 127.0.0.1 1 key 0 1",
        "SUBSCRIBE all",
    ],
)
def test_dangerous_commands_are_off(stack: Stack, command: str) -> None:
    """WordPress's password does not open them."""
    assert re.match("NOPERM|ERR .* command not allowed", ask(stack, *command.split()))


@pytest.mark.rule("BON-1")
def test_redis_is_for_wordpress_only(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """In a network with WordPress alone, published nowhere, and unknown to nginx."""
    container = containers["redis"]
    assert set(container["NetworkSettings"]["Networks"]) == {"inception_wordpress-to-redis"}
    assert not container["HostConfig"]["PortBindings"]
    assert stack.execute("nginx", "getent", "hosts", "redis").rc != 0
    assert stack.execute("wordpress", "getent", "hosts", "redis").rc == 0


@pytest.mark.rule("BON-1")
def test_it_is_a_cache_and_no_store(
    stack: Stack, containers: dict[str, dict[str, Any]], compose_config: dict[str, Any]
) -> None:
    """Nothing on disk; at the limit of its memory, what was not used for long goes, and the newest is there."""
    assert [mount for mount in containers["redis"]["Mounts"] if mount["Type"] != "bind"] == []
    memory, persistence = info(stack, "memory"), info(stack, "persistence")
    limit = int(memory["maxmemory"])
    assert 0 < limit < int(compose_config["services"]["redis"]["deploy"]["resources"]["limits"]["memory"])
    assert memory["maxmemory_policy"] == "allkeys-lru"
    assert persistence["aof_enabled"] == "0"
    assert persistence["rdb_saves"] == "0"

    before = int(info(stack, "stats")["evicted_keys"])
    fill = """
        require "/var/www/html/wp-load.php";
        for ($i = 0; $i < (int) $argv[1]; ++$i) { wp_cache_set("$i", random_bytes(100000), "verify-fill"); }
        wp_cache_flush_runtime();
        echo strlen((string) wp_cache_get((string) ($i - 1), "verify-fill")), " ", wp_cache_flush_group("verify-fill");
    """
    assert php(stack, fill, str(limit // 100000 + 100)) == "100000 1"
    assert int(info(stack, "stats")["evicted_keys"]) > before
    assert int(info(stack, "memory")["used_memory"]) <= limit


@pytest.mark.rule("BON-1")
def test_it_says_how_much_it_is_of_use(stack: Stack) -> None:
    """Its own line in make status."""
    line = next(line for line in stack.login("make status").splitlines() if line.startswith("redis: "))
    assert re.fullmatch(r"redis: \d+ % of \d+ lookups were hits; \d+ keys, \S+ of 64.00M", line), line


class Visitors:
    """Some who ask for pages without a pause, each on a connection of its own."""

    def __init__(self, site: Site, number: int = 3) -> None:
        self.site = site
        self.seconds: list[float] = []
        self.failed: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(number)]

    def _visit(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                page = self.site.own().get("/")
                if page.status != 200:
                    self.failed.append(str(page.status))
            except OSError as error:
                self.failed.append(type(error).__name__)
            self.seconds.append(time.monotonic() - begun)

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def restored(stack: Stack, site: Site) -> Iterator[None]:
    """Redis is there again afterwards, whatever happened."""
    yield
    stack.compose("start redis")
    stack.wait_healthy()
    site.wait_answers()


@pytest.mark.rule("BON-1")
@pytest.mark.usefixtures("restored")
def test_nobody_notices_when_it_is_stopped(stack: Stack, site: Site, figure: Callable[[str], None]) -> None:
    """Stopped under load, away, and started again: every page is answered, and of each change one line is logged."""
    stack.wait_healthy()
    since = stack.root("date +%s").strip()
    with Visitors(site) as visitors:
        time.sleep(3)
        with_redis = list(visitors.seconds)
        begun = time.monotonic()
        stack.compose("stop redis")
        stopped = time.monotonic() - begun
        time.sleep(12)
        without = visitors.seconds[len(with_redis) :]
        assert stack.containers()["redis"]["State"]["ExitCode"] == 0
        stack.compose("start redis")
        wait_until("Redis is used again", lambda: int(info(stack, "stats").get("keyspace_hits", 0)) > 100)
    figure(
        f"Redis stopped in {stopped:.1f} s under load: {len(visitors.failed)} of {len(visitors.seconds)} pages failed; "
        f"the slowest took {max(with_redis):.2f} s with Redis, {max(without):.2f} s without"
    )
    assert visitors.failed == []
    assert len(without) > 10
    container = stack.containers()["wordpress"]["Id"]
    log = stack.root("docker logs --since %s %s 2>&1", since, container)
    lines = [line for line in log.splitlines() if "object cache" in line or "PHP " in line]
    assert [line.split("The object cache: ")[-1].split(" (")[0] for line in lines] == [
        "Redis is away, and the site goes on without",
        "Redis is back.",
    ]


@pytest.mark.rule("BON-1")
@pytest.mark.usefixtures("restored")
def test_what_changed_meanwhile_is_seen(stack: Stack, site: Site) -> None:
    """A value that was cached, and then changed while Redis did not answer, is not read again when it answers."""
    code = "require '/var/www/html/wp-load.php';"
    php(stack, code + "update_option('verify_redis', 'old'); wp_load_alloptions(true);")
    redis = stack.containers()["redis"]["Id"]
    stack.root("docker pause %s", redis)
    try:
        php(stack, code + "update_option('verify_redis', 'new');")
    finally:
        stack.root("docker unpause %s", redis)
    time.sleep(6)
    assert php(stack, code + "echo get_option('verify_redis'), wp_using_ext_object_cache() ? '!' : '?';") == "new!"
    php(stack, code + "delete_option('verify_redis');")
    assert site.own().get("/").status == 200


@pytest.mark.rule("BON-1")
def test_a_drop_in_of_somebody_else_stays(stack: Stack, site: Site) -> None:
    """What the site's owner has put there is not written over, and ours comes back when that one is gone."""
    content = f"{stack.settings.data}/wordpress/wp-content"
    try:
        stack.login(f"mv {content}/object-cache.php {content}/ours && rm {content}/.object-cache")
        stack.login(f"printf '<?php // mine\\n' >{content}/object-cache.php")
        stack.compose("restart wordpress")
        stack.wait_healthy()
        assert stack.root("cat %s/object-cache.php", content) == "<?php // mine\n"
        site.wait_answers()
    finally:
        stack.login(f"rm -f {content}/object-cache.php {content}/ours")
        stack.compose("restart wordpress")
        stack.wait_healthy()
    assert "Inception object cache" in stack.root("cat %s/object-cache.php", content)
    site.wait_answers()
