"""What lines of one kind have in common is their template; everything else is a variable."""

import pyarrow as pa
import pytest

from pipelines.aiops.logs.templates import MinerSettings, mine
from pipelines.aiops.logs.templates.variables import RULES, VARIABLE, key_of


def grouping(lines: list[str]) -> list[frozenset[int]]:
    codes = mine(lines).codes.tolist()
    members: dict[int, set[int]] = {}
    for i, code in enumerate(codes):
        members.setdefault(code, set()).add(i)
    return sorted((frozenset(m) for m in members.values()), key=min)


SAME = {
    "numbers": ["took 5 of 7", "took 12 of 30"],
    "addresses and ports": ["from 10.0.0.1:80 closed", "from fe80::1 closed"],
    "identifiers with letters": ["block blk_-12 gone", "block blk_77 gone"],
    "hexadecimal": ["status=0x1f cause=deadbeef", "status=0x2 cause=0012"],
    "uuids": [
        "image 3f2504e0-4f89-11d3-9a0c-0305e82c3301 ok",
        "image 7d444840-9dc0-11d1-b245-5ffdce74fad2 ok",
    ],
    "paths": ["open /var/log/syslog failed", "open /etc/fstab failed"],
    "paths on Windows": [r"load C:\Windows\a.dll now", r"load D:\x now"],
    "addresses of pages": ["GET https://a.example/x?y=z done", "GET http://b.example done"],
    "truth values": ["locked: true", "locked: false"],
    "what is assigned": ["mode=fast, left", "mode=slow, left"],
    "quoted values": ['tag="a b", id=1', 'tag="c", id=2'],
    "lists of any length": ["ports 1, 2, 3 open", "ports 1, 2 open"],
    "units": ["sent 512 bytes today", "sent 2 GB today", "sent 2048 bytes (2 KB) today"],
    "dates": ["at Fri Jun 17 20:55:07 2005 up", "at Sat Jul  9 22:53:19 2005 up"],
    "alignment": ["a   b 1", "a b 22"],
    "names after a noun": [f"session closed for user {n}" for n in ("al", "bo", "cy", "di")],
    "hosts in ranges": ["targets node-[1-5] down", "targets node-[7 9] down"],
    "names between prepositions": [
        f"login for {n} from 10.0.0.1 ok" for n in ("al", "bo", "cy", "di")
    ],
    "lists of words": ["stops: [oslo, rome]", "stops: [oslo, rome, bonn]"],
    "hosts with a port": ["db.local:5432 was lost", "10.0.0.1:80 was lost", "wpad:80 was lost"],
    "a value that may be missing": ["tty= uid=0 ok", "tty=NODEVssh uid=0 ok", "tty=:0 uid=0 ok"],
    "a name that may be missing": ["login opened by (uid=0)", "login opened by root(uid=0)"],
    "brackets that may be empty": ["bad username [al1]", "bad username []", "bad username [;;]"],
    "names that differ in a number": ["eth0 link is up", "eth1 link is up", "eth17 link is up"],
    "classes": ["stage a.b.Reader has ended", "stage a.b.Writer has ended"],
    "a figure that is also told in another unit": [
        "sent 12 bytes off",
        "sent 1190 bytes (1 KB) off",
    ],
    "durations": ["lifetime <1 sec today", "lifetime 00:02 today"],
    "many subjects": [f"{n} startup succeeded" for n in ("klogd", "gpm", "atd", "cron", "cupsd")],
    "packages with a version": ["package Foo-Bar~31bf~6.1 ok", "package kb5~31bf~~6.2 ok"],
    "hardware addresses": ["chip FF:FE:AA:BB:CC:DD up", "chip 00:FE:1A:BB:CC:DD up"],
    "a word where data stood": ["chdir(home) did not work", "chdir(/p/q) did not work"],
}


@pytest.mark.parametrize("lines", SAME.values(), ids=SAME)
def test_lines_that_differ_in_data_only_share_a_template(lines: list[str]) -> None:
    assert len(mine(lines).templates) == 1


APART = {
    "states": ["VM Started (event) 1", "VM Stopped (event) 2", "VM Paused (event) 3"],
    "states behind a number": ["job 5:started", "job 5:stopped"],
    "properties": ["top.width:5 set", "top.height:7 set"],
    "methods": [f'"{m} /x" status: 200 len: 1' for m in ("GET", "PUT", "POST", "HEAD", "PATCH")],
    "few subjects": ["cupsd startup succeeded", "klogd startup succeeded"],
    "functions": ["[<02114537>] do_exit+0x5/0x20", "[<0212ebf3>] ext3_readdir+0x1/0x2 [ext3]"],
    "names before a colon": ["EXT3-fs: mounted", "NFS: mounted"],
    "constants with dots": ["workerEnv.init() ok", "jk2_init.found() ok"],
    "reasons": ["load /a: No such file", "load /b: Permission denied"],
    "an optional tail": ["seen on rank 1", "seen on rank 1 over 3 calls"],
    "keys that are there or not": ["act=x flg=1", "flg=1"],
    "function words": ["Interface eth0 is down now", "Interface eth0 was down now"],
}


@pytest.mark.parametrize("lines", APART.values(), ids=APART)
def test_lines_that_say_different_things_stay_apart(lines: list[str]) -> None:
    assert len(mine(lines).templates) == len(lines)


def test_a_word_with_many_values_in_an_ample_context_is_a_variable() -> None:
    names = ("root", "admin", "oracle", "git", "ftp")
    lines = [f"Failed password for {name} from 10.0.0.9 port 22" for name in names]
    mined = mine(lines)
    assert [t.text for t in mined.templates] == ["Failed password for <*> from <*> port <*>"]
    assert mined.variables(mined.templates[0].id)[0] == list(names)


def test_variables_keep_their_values_and_their_kind() -> None:
    lines = [
        "user=alice from 10.0.0.1 took 12 ms for /a/b (0x1f) at 2024-01-02 03:04:05",
        "user=bob from 10.0.0.2 took 3 ms for /c (0x2e) at 2024-01-03 03:04:05",
    ]
    mined = mine(lines)
    (template,) = mined.templates
    assert template.typed == ("user=<word> from <ip> took <duration> for <path> (<hex>) at <time>")
    values = mined.variables(template.id)
    assert values[2] == ["12 ms", "3 ms"]
    assert template.text == "user=<*> from <*> took <*> ms for <*> (<*>) at <*>"
    assert values[0] == ["alice", "bob"]
    assert template.count == 2


def test_a_line_knows_its_template_in_every_form_of_input() -> None:
    lines = ["a 1", "b", "a 2"]
    expected = mine(lines).ids
    assert expected[0] == expected[2] != expected[1]
    chunked = pa.chunked_array([lines[:1], lines[1:]])
    assert mine(pa.array(lines)).ids == expected
    assert mine(chunked).ids == expected
    assert mine(chunked.dictionary_encode()).ids == expected
    assert mine(pa.array([*lines, None])).ids[:3] == expected


def test_a_stack_trace_belongs_to_its_first_row() -> None:
    lines = ["failed 1\n at a.b(C.java:1)\n at d", "failed 2\n at x", "failed 3"]
    assert grouping(lines) == [frozenset({0, 1, 2})]
    mined = mine(lines)
    assert mined.variables(mined.templates[0].id) == [["1", "2", "3"]]


def test_every_rule_says_why_and_can_be_left_out() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.reason.endswith((".", ")."))
    assert key_of("mode=fast") == f"mode={VARIABLE}"
    assert key_of("mode=fast", frozenset({"assigned"})) == "mode=fast"
    left_out = MinerSettings(left_out=frozenset({"assigned"}))
    assert len(mine(["x mode=fast", "x mode=slow"], settings=left_out).templates) == 2


def test_what_all_lines_say_alike_stands_in_the_template() -> None:
    same = mine(["EXT3-fs: took 5 ms", "EXT3-fs: took 7 ms"]).templates
    assert [t.text for t in same] == ["EXT3-fs: took <*> ms"]
    other = mine(["EXT3-fs: took 5 ms", "EXT3-fs: took 7 s"]).templates
    assert [t.text for t in other] == ["EXT3-fs: took <*>"]


def test_a_word_that_is_a_value_elsewhere_is_a_value_here() -> None:
    daemons = ["klogd", "gpm", "atd", "cron", "cupsd", "httpd"]
    known = [f"{name} startup succeeded" for name in daemons]
    two = ["VM: killing process httpd", "VM: killing process cron"]
    assert len(mine(two).templates) == 2
    assert len(set(mine([*known, *two]).ids)) == 2


def test_angle_brackets_around_data_leave_no_trace() -> None:
    assert mine(["at [<02114537>] now", "at [<0211453f>] now"]).templates[0].text == "at [<*>] now"
