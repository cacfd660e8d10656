"""Signs of a second machine with our identity, and what is none."""

import json

from gateway.uplink.identity import IdentityWatch


def status(session: str, state: str = "online") -> bytes:
    return json.dumps({"v": 1, "state": state, "session": session}).encode()


def test_two_foreign_sessions_within_ten_minutes_are_another_machine() -> None:
    watch = IdentityWatch()
    watch.ours("mine")
    assert watch.saw_status(status("theirs-1"), 0.0, retained=True)
    assert not watch.doubled(1.0), "one may be left from the box before"
    assert watch.saw_status(status("theirs-2", "lost"), 500.0, retained=True)
    assert watch.doubled(501.0)
    assert not watch.doubled(601.0)


def test_what_we_said_ourselves_is_no_sign_in_this_run_or_an_earlier_one() -> None:
    watch = IdentityWatch()
    watch.ours("before-the-restart", "now")
    for session in ("before-the-restart", "now"):
        assert not watch.saw_status(status(session), 0.0, retained=False)
    assert not watch.saw_status(status("theirs", "offline"), 0.0, retained=True), "it left in order"


def test_a_kept_message_counts_once_and_a_living_one_each_time() -> None:
    watch = IdentityWatch()
    assert watch.saw_status(status("theirs"), 0.0, retained=True)
    assert not watch.saw_status(status("theirs"), 1.0, retained=True)
    assert watch.saw_status(status("theirs"), 2.0, retained=False)
    assert watch.doubled(3.0)


def test_a_broker_that_says_so_is_believed_the_second_time() -> None:
    watch = IdentityWatch()
    watch.taken_over(0.0)
    assert not watch.doubled(0.0)
    watch.taken_over(60.0)
    assert watch.doubled(60.0)
    assert not watch.calm(659.0, since_s=61.0)
    assert watch.calm(661.0, since_s=61.0)


def test_nonsense_on_the_topic_is_passed_over() -> None:
    watch = IdentityWatch()
    for payload in (
        b"",
        b"\xff",
        b"[]",
        b"1",
        b'{"state":"online"}',
        b'{"state":"online","session":7}',
        b"[" * 9999,
    ):
        assert not watch.saw_status(payload, 0.0, retained=False)
