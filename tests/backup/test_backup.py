# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to lose a site: each is survived, and what comes back is what was there, by digest and number."""

from __future__ import annotations

import email
import email.policy
import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.bench import Bench, Deployed
from tests.upgrade.before import picture
from tests.upgrade.notes import digests
from tests.verify.changes import Editor, word
from tests.verify.relay import PORT, relay
from tests.verify.support import wait_until

PLACE, KEY, DATA = "/mnt/backup/wil", "/etc/fortytwo.inception/backup.key", "/home/wil/data"
STATE, JOURNAL = "/var/lib/fortytwo.inception/backup", "/var/lib/fortytwo.inception/backup/restore.json"
RESTIC = f"restic --repository-file {STATE}/repository --password-file {KEY} --no-cache"
LARGE = f"{DATA}/wordpress/wp-content/uploads/large"
CUTS, BACKUPS_CUT = 8, 20


def signed_in(bench: Bench) -> Editor:
    secrets, settings = bench.stack.secrets(), bench.stack.settings
    return Editor(bench.site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"]))


def write_post(bench: Bench, title: str) -> int:
    """A post with a picture of its own."""
    editor = signed_in(bench)
    nonce = {"X-WP-Nonce": editor.visitor.get("/wp-admin/admin-ajax.php?action=rest-nonce").text}
    about = {"Content-Type": "image/png", "Content-Disposition": f"attachment; filename={title}.png"}
    made = editor.visitor.request("POST", "/wp-json/wp/v2/media", picture(), nonce | about).json()
    text = f'<img src="{made["source_url"]}"> {title}'
    return int(editor.post("posts", title=title, content=text, status="publish")["id"])


def whole(bench: Bench) -> dict[str, str]:
    """Tables, uploads and secrets, and every other file of the website's but for the notes of its page cache."""
    find = f"cd {DATA}/wordpress && find . -path ./wp-content/.pages -prune -o"
    listed = bench.root(f"{find} -type f -exec sha256sum {{}} +")
    found = {line.split(maxsplit=1)[1]: line.split(maxsplit=1)[0] for line in listed.splitlines()}
    for line in bench.root(f"{find} -printf '%p\\t%m %u:%g %l\\n'").splitlines():
        path, _, mode = line.partition("\t")
        found[f"mode {path}"] = mode
    return found | digests(bench.stack)


def different(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def newest(bench: Bench) -> str:
    return bench.root("inception backups").split()[0]


def refused(bench: Bench, command: str) -> str:
    """What a command says that has to fail."""
    done = bench.host.run(command)
    assert done.rc != 0, done.stdout
    assert len(done.stderr.strip().splitlines()) < 25, done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stderr)


def timers(bench: Bench, do: str) -> None:
    """Starts or stops those that are there."""
    for name in ("inception-backup.timer", "inception-health.timer"):
        if bench.host.file(f"/etc/systemd/system/{name}").exists:
            bench.root(f"systemctl {do} {name}")


def settled(bench: Bench) -> None:
    """All is well, and a deployment has nothing to do, with the timers as they were."""
    timers(bench, "start")
    bench.settled()
    timers(bench, "stop")


def nothing_is_left(bench: Bench) -> None:
    """Of what is made beside, and put aside."""
    left = bench.root(
        f"ls -A {DATA} {STATE}; docker ps --all --format '{{{{.Names}}}}'; docker network ls; docker volume ls"
    )
    assert not [
        word for word in (".restore", ".former", ".trial", "stage", "restore.json", "-trial") if word in left
    ], left


@pytest.fixture(autouse=True)
def quiet(bench: Bench) -> Iterator[None]:
    """No backup by the clock, and no look, comes in between."""
    timers(bench, "stop")
    yield
    timers(bench, "start")


@contextmanager
def changed(bench: Bench, do: str, undo: str) -> Iterator[None]:
    bench.root(do)
    try:
        yield
    finally:
        bench.root(undo)


# ---- It is made by itself, and its key is shown ----


def test_the_first_one_is_there_and_its_key_is_shown(bench: Bench) -> None:
    assert "the_first_one" in bench.root(f"{RESTIC} snapshots --json")
    assert "nobody has seen its key yet" in bench.root("inception status")
    shown = bench.root("inception key --if-there")
    assert bench.root(f"cat {KEY}").strip() in shown
    assert "nobody has seen its key" not in bench.root("inception status")
    assert bench.root(f"stat -c '%a %U' {KEY} {STATE} {STATE}/repository").split() == [
        *("400", "root", "700", "root", "400", "root")
    ]
    assert bench.root("systemctl is-enabled inception-backup.timer").strip() == "enabled"


def test_the_machine_makes_one_by_itself(bench: Bench) -> None:
    before = newest(bench)
    bench.root("systemctl start inception-backup.service")
    assert newest(bench) != before
    assert "scheduled" in bench.root("inception backups").splitlines()[0]


def test_visitors_notice_nothing(bench: Bench) -> None:
    with bench.visitors() as tally:
        for _time in range(3):
            bench.root("inception backup")
    print("\n".join(tally.lines()))
    nothing_is_left(bench)


# ---- What is lost comes back ----


def test_a_site_that_was_ruined_comes_back_whole(bench: Bench) -> None:
    """Tables dropped, files encrypted by an intruder, passwords changed; and what was there last is kept as well."""
    write_post(bench, "before")
    before = whole(bench)
    bench.root("inception backup")
    wanted = newest(bench)
    write_post(bench, "after")
    later = whole(bench)
    bench.stack.sql("DROP TABLE wp_comments")
    bench.stack.sql("UPDATE wp_users SET user_pass = 'x'")
    bench.root(f"find {DATA}/wordpress -name '*.php' -newermt 2000-01-01 -exec sh -c 'echo spoiled >\"$1\"' - {{}} ';'")
    bench.root(f"rm -r {DATA}/wordpress/wp-content/uploads")
    bench.root(f"inception restore {wanted}")
    assert different(before, whole(bench)) == []
    nothing_is_left(bench)
    assert "/before/" in bench.site.own().get("/").text
    assert "/after/" not in bench.site.own().get("/").text
    settled(bench)
    assert "before_a_restore" in bench.root(f"{RESTIC} snapshots --json")
    assert different(before, later) != []


def test_one_table_and_the_files_alone(bench: Bench) -> None:
    post, title = write_post(bench, "kept"), f"Another title {word()}"
    bench.root("inception backup")
    kept = whole(bench)
    wanted = newest(bench)
    bench.stack.sql(f"DELETE FROM wp_posts WHERE ID = {post}")
    bench.stack.sql(f"UPDATE wp_options SET option_value = '{title}' WHERE option_name = 'blogname'")
    bench.root(f"inception restore {wanted} --table wp_posts")
    assert different(kept, whole(bench)) == ["table title"]
    bench.root(f"rm -r {DATA}/wordpress/wp-content/uploads")
    bench.root(f"inception restore {wanted} --only files")
    assert different(kept, whole(bench)) == ["table title"]
    bench.root(f"inception restore {wanted} --only database")
    assert different(kept, whole(bench)) == []
    assert "has no table wp_nothing; those of mariadb: wp_" in refused(
        bench, f"inception restore {wanted} --table wp_nothing"
    )
    settled(bench)


def test_a_view_that_cannot_be_read_stops_nothing(bench: Bench) -> None:
    """As a plugin that is gone leaves one. It is told, with how it was made; a good one comes back with all else."""
    bench.stack.sql("CREATE VIEW wp_good AS SELECT ID FROM wp_posts")
    bench.stack.sql("CREATE TABLE wp_gone (a INT PRIMARY KEY)")
    bench.stack.sql("CREATE VIEW wp_seen AS SELECT a FROM wp_gone")
    bench.stack.sql("DROP TABLE wp_gone")
    try:
        done = bench.host.run("inception backup")
        assert done.rc == 0, done.stderr
        assert "wp_seen cannot be read and is left out" in done.stdout + done.stderr
        wanted = newest(bench)
        begin = bench.root(f"{RESTIC} dump {wanted} $({RESTIC} ls {wanted} | grep 'dumps/mariadb/begin.sql$')")
        assert re.search(r"^-- \| wp_seen\tCREATE .* VIEW `wp_seen`", begin, re.MULTILINE), begin[:2000]
        bench.stack.sql("DROP VIEW wp_good, wp_seen")
        bench.root(f"inception restore {wanted}")
        views = "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()"
        assert bench.stack.sql(views) == [["wp_good"]]
    finally:
        bench.stack.sql("DROP VIEW IF EXISTS wp_good, wp_seen")
    settled(bench)


def test_a_moment_and_a_rotation_of_before(bench: Bench) -> None:
    """Passwords that were rotated since come back with their database, and the next deployment has nothing to do."""
    before = whole(bench)
    bench.root("inception backup")
    moment = bench.root("date -u '+%Y-%m-%d %H:%M:%S'").strip()
    time.sleep(2)
    done = bench.finish(bench.start({"rotate_secrets": ["db_password"]}, playbook="playbooks/rotate.yml"))
    assert done.status == 0, done.output[-3000:]
    bench.root("inception backup --why later")
    assert different(before, whole(bench)) == ["secret db_password.txt"]
    done = playbook(bench, "restore", restore_to=moment)
    assert done.status == 0, done.output[-3000:]
    assert different(before, whole(bench)) == []
    settled(bench)


def playbook(bench: Bench, name: str, **variables: str) -> Deployed:
    return bench.finish(bench.start(variables, playbook=f"playbooks/{name}.yml"))


# ---- Cut off ----


def kill_all(bench: Bench, unit: str) -> None:
    bench.root(f"systemctl kill --signal=KILL {unit}; while systemctl is-active --quiet {unit}; do sleep 0.1; done")


def run_apart(bench: Bench, unit: str, command: str) -> None:
    bench.root(f"systemctl reset-failed {unit} 2>/dev/null; systemd-run --quiet --unit={unit} inception {command}")


def test_backups_that_are_cut_off_spoil_nothing(bench: Bench) -> None:
    bench.root("inception backup")
    for _time in range(BACKUPS_CUT):
        bench.root(f"head -c 8M /dev/urandom >{LARGE}; chown wil: {LARGE}")
        run_apart(bench, "cut-backup", "backup")
        time.sleep(random.uniform(0.2, 5.0))
        kill_all(bench, "cut-backup")
    bench.root("inception backup")
    nothing_is_left(bench)
    bench.root(f"{RESTIC} check --read-data")
    bench.root(f"rm {LARGE}")


def test_a_restore_that_is_cut_off_is_taken_back_by_the_machine(bench: Bench) -> None:
    """At any moment; and one that is begun again ends well."""
    write_post(bench, "cut")
    bench.root("inception backup")
    kept, wanted = whole(bench), newest(bench)
    write_post(bench, "since")
    now = whole(bench)
    taken_back = 0
    for cut in range(CUTS):
        run_apart(bench, "cut-restore", f"restore {wanted} --without-backup")
        if cut > 0:
            # The stack stops now; before, it was fetched.
            wait_until("it changes the stack", lambda: bench.host.file(JOURNAL).exists, 120)
        seconds = random.uniform(0.0, 8.0)
        time.sleep(seconds)
        kill_all(bench, "cut-restore")
        if not bench.host.file(JOURNAL).exists and cut > 0:
            # It was over.
            write_post(bench, f"since{cut}")
            now = whole(bench)
            continue
        if cut == 1:
            refusal = bench.deploy()
            assert refusal.status != 0
            assert "a backup is being restored, or that was cut off" in refusal.output, refusal.output[-3000:]
        bench.root("inception tend" if cut % 2 else "inception resume")
        taken_back += cut > 0
        wait_until("all is well", lambda: not bench.unwell(), 120)
        assert different(now, whole(bench)) == [], f"cut {cut}, after {seconds} s"
    assert taken_back > 0
    bench.root(f"inception restore {wanted}")
    assert different(kept, whole(bench)) == []
    nothing_is_left(bench)
    settled(bench)


# ---- The place, the key ----


def test_a_disk_that_is_not_mounted_is_not_written_beside(bench: Bench) -> None:
    with changed(bench, f"mv {PLACE} {PLACE}.away; mkdir {PLACE}", f"rmdir {PLACE}; mv {PLACE}.away {PLACE}"):
        assert "there are no backups in /mnt/backup/wil where there were some" in refused(bench, "inception backup")
        assert "there are no backups in /mnt/backup/wil where there were some" in bench.root(
            "inception tend; inception status"
        )
        assert bench.root(f"ls -A {PLACE}") == ""
    bench.root("inception backup")


def test_a_place_that_leads_into_what_a_removal_takes_is_refused(bench: Bench) -> None:
    """By a link, which the control node does not see; and a removal that wants a backup before goes no further."""
    kept = f"{DATA}/kept"
    with changed(
        bench,
        f"mv {PLACE} {PLACE}.away; mkdir {kept}; ln -s {kept} {PLACE}",
        f"rm -r {PLACE} {kept}; mv {PLACE}.away {PLACE}",
    ):
        assert f"{PLACE} leads to {kept}, in {DATA}, which goes when the stack does" in refused(
            bench, "inception backup"
        )
        gone = playbook(bench, "remove", inception_yes="true")
        assert gone.status != 0
        assert "nothing was removed: what there is could not be backed up first" in gone.screen(), gone.output[-3000:]
        assert bench.root(f"ls -A {kept}") == ""
    assert not bench.unwell()
    bench.root("inception backup")


def test_a_full_place_spoils_nothing(bench: Bench) -> None:
    bench.root(f"head -c 30M /dev/urandom >{LARGE}")
    with changed(
        bench, "fallocate -l $(($(stat -f -c '%a * %S' /mnt/backup) - 4000000)) /mnt/backup/full", "rm /mnt/backup/full"
    ):
        assert "the storage of /mnt/backup/wil is full" in refused(bench, "inception backup")
    bench.root(f"rm {LARGE}")
    bench.root("inception backup")
    bench.root(f"{RESTIC} check --read-data")


def test_a_wrong_key_is_said_and_a_lost_one_is_not_made_anew(bench: Bench) -> None:
    with changed(bench, f"mv {KEY} {KEY}.away; echo wrong >{KEY}", f"mv -f {KEY}.away {KEY}"):
        for command in ("backup", "restore", "backups", "trial"):
            assert "are of another key than /etc/fortytwo.inception/backup.key" in refused(
                bench, f"inception {command}"
            )
    with changed(bench, f"mv {KEY} {KEY}.away", f"mv {KEY}.away {KEY}"):
        assert "is gone: put back what `make credentials` has shown" in refused(bench, "inception backup")
    bench.root("inception backup")


# ---- A trial ----


def test_a_trial_finds_a_spoiled_backup_and_a_person_is_told(bench: Bench) -> None:
    bench.root("inception backup")
    assert "shows the same front page" in bench.root("inception trial")
    nothing_is_left(bench)
    assert not bench.unwell()
    largest = bench.root(f"find {PLACE}/data -type f -printf '%s %p\\n' | sort -n | tail -n 1").split()[1]
    spoil = (
        f"cp -p {largest} /root/pack; chmod u+w {largest}; printf spoiled | dd of={largest} bs=1 seek=1000 conv=notrunc"
    )
    with changed(bench, spoil, f"cat /root/pack >{largest}; rm /root/pack"):
        # The share that is read is another one each time.
        wait_until("a trial finds it", lambda: bench.host.run("inception trial").rc != 0, 900)
        bench.root("inception tend; inception tend")
        told = bench.root("inception status")
        assert re.search(r"a trial restore of .* failed: backups in /mnt/backup/wil are damaged", told), told
    nothing_is_left(bench)
    bench.root("inception trial")
    # What was told is over when it was not there for some looks.
    assert "a trial restore" not in bench.root("for look in 1 2 3 4 5 6; do inception tend; done; inception status")


def test_the_monthly_trial_finds_a_spoiled_backup_and_a_mail_says_so(bench: Bench) -> None:
    """By the timer's own command, a month after the last trial; what is spoiled is of an older backup that the new one
    builds on, so that making it went well."""
    stack, settings = bench.stack, {"stack_health_mail": "wil@example.org", "inception_mail_host": "127.0.0.1"}
    done = bench.deploy(settings | {"inception_mail_port": PORT})
    assert done.status == 0, done.output[-3000:]
    timers(bench, "stop")
    bench.root(f"head -c 3M /dev/urandom >{LARGE}; chown wil: {LARGE}; touch /root/before; inception backup")
    pack = bench.root(f"find {PLACE}/data -type f -newer /root/before -size +2M").strip()
    month = f"""
import json, pathlib, time
file = pathlib.Path("{STATE}/state.json")
state = json.loads(file.read_text())
ago = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() - 31 * 86400))
# One that failed is a trial, too.
state |= {{name: ago for name in ("since", "tried", "trial_failed") if state.get(name)}}
file.write_text(json.dumps(state))
"""
    # What the machine has to tell besides, such as a disk that is full.
    bench.root("inception tend; inception tend; inception tend")
    spoil = f"cp -p {pack} /root/pack; chmod u+w {pack}; printf spoiled | dd of={pack} bs=1 seek=1000000 conv=notrunc"
    with changed(bench, spoil, f"cat /root/pack >{pack}; rm /root/pack {LARGE}"):
        stack.root("python3 -c %s", month)
        assert bench.host.run("systemctl start inception-backup.service").rc != 0
        assert "scheduled" in bench.root("inception backups").splitlines()[0]
        nothing_is_left(bench)
        with relay(stack, "127.0.0.1") as work:
            bench.root("inception tend; inception tend")
            mail = json.loads(stack.root("cat %s/mail.json", work))
    assert (mail["tls"], mail["to"]) == ("TLSv1.3", ["wil@example.org"])
    text = email.message_from_string(mail["data"], policy=email.policy.default).get_content()
    print(text)
    told = " ".join(text.split())
    assert re.search(r"a trial restore of .* failed: backups in /mnt/backup/wil are damaged", told), text
    assert "make a new backup, and do not remove older ones" in told
    # One that is whole: it is over, which a mail says too.
    bench.root("inception backup; inception trial")
    with relay(stack, "127.0.0.1") as work:
        bench.root("for look in 1 2 3 4 5 6; do inception tend; done")
        over = json.loads(stack.root("cat %s/mail.json", work))["data"]
    assert "a trial restore" in over
    assert "a trial restore" not in bench.root("inception status")
    assert bench.deploy().status == 0


# ---- The machine is gone ----


def test_a_machine_that_is_gone_comes_back_with_the_key_on_paper(bench: Bench, tmp_path: Path) -> None:
    """By a removal, which makes a backup before; then the folders that a new machine has not go as well."""
    write_post(bench, "paper")
    kept = whole(bench)
    paper = tmp_path / "key"
    paper.write_text(bench.root("inception key"))
    before = len(bench.root("inception backups").splitlines())
    gone = playbook(bench, "remove", inception_yes="true")
    assert gone.status == 0, gone.output[-3000:]
    left = bench.root(
        "ls /var/lib/fortytwo.inception /home/wil /etc/systemd/system 2>&1; ls /root/.cache/restic 2>&1 || true"
    )
    assert "inception-backup" not in left, left
    assert len(bench.root(f"ls {PLACE}/snapshots").split()) == before + 1
    bench.root("rm -r /etc/fortytwo.inception")

    new = bench.deploy()
    assert new.status == 0, new.output[-3000:]
    assert "are of another key" in new.output
    assert different(kept, whole(bench)) != []
    back = playbook(bench, "restore", restore_key=str(paper), restore_without_backup="yes")
    assert back.status == 0, back.output[-3000:]
    assert different(kept, whole(bench)) == []
    assert "/paper/" in bench.site.own().get("/").text
    bench.root("inception backup")
    assert len(json.loads(bench.root(f"{RESTIC} snapshots --json"))) == before + 2
    # The authority is the old one again, which the control node learns.
    assert bench.deploy().changed == 1
    settled(bench)


def test_without_a_place_nothing_is_left_that_runs(bench: Bench) -> None:
    done = bench.deploy({"inception_backup_place": ""})
    assert done.status == 0, done.output[-3000:]
    assert not bench.host.file(STATE).exists
    assert bench.host.run("systemctl cat inception-backup.timer").rc != 0
    assert bench.host.file(KEY).exists
    again = bench.deploy({"inception_backup_place": ""})
    assert (again.status, again.changed) == (0, 0), again.output[-3000:]
    assert bench.deploy().status == 0
