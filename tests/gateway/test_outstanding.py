"""What is sent again and when: an overtaken event alone, everything when nothing moves, a refused class later."""

from gateway.clock import ManualClock
from gateway.envelope import Draft, Place, seal
from gateway.spans import Spans
from gateway.uplink.ages import age_ms, mono_ms
from gateway.uplink.outstanding import MOST_SENT, Out, Outstanding
from gateway.uplink.refusals import Refusals
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER


def out(at_s: float, tries: int = 1) -> Out:
    return Out(at_s, 1, 0, None, tries)


def test_an_event_that_later_ones_overtook_is_due_again_after_its_patience() -> None:
    outstanding = Outstanding()
    for n in range(1, 6):
        outstanding.put(n, out(float(n)))
    outstanding.settle(Spans([(4, 4)]))
    assert outstanding.overtaken(30.9) == []
    assert [n for n, _ in outstanding.overtaken(31.0)] == [1]
    assert [n for n, _ in outstanding.overtaken(99.0)] == [1, 2, 3], "5 was sent after the settled one"


def test_nothing_is_overtaken_where_nothing_was_settled_or_all_goes_in_order() -> None:
    outstanding = Outstanding()
    for n in range(1, 400):
        outstanding.put(n, out(float(n)))
        if n > 300:
            outstanding.settle(Spans([(1, n - 300)]))  # a slow center, 300 s behind
        assert outstanding.overtaken(float(n)) == []


def test_an_event_that_the_center_never_takes_is_tried_ever_more_rarely() -> None:
    assert [out(0, tries).patience_s for tries in range(1, 8)] == [30, 60, 120, 240, 480, 900, 900]
    outstanding = Outstanding()
    outstanding.put(1, out(0.0, tries=2))
    outstanding.put(2, out(1.0))
    outstanding.settle(Spans([(2, 2)]))
    assert outstanding.overtaken(59.0) == []
    assert [n for n, _ in outstanding.overtaken(60.0)] == [1]


def test_a_replay_is_what_was_sent_itself_not_what_a_later_one_was() -> None:
    outstanding = Outstanding()
    outstanding.put(900, out(0.0))
    assert not outstanding.was_sent(5), "900 overtook it"
    outstanding.clear()
    assert outstanding.was_sent(900), "another connection does not unsend"
    outstanding.settle(Spans([(900, 900)]))
    assert not outstanding.was_sent(900)


def test_what_was_sent_is_remembered_within_bounds() -> None:
    outstanding = Outstanding()
    for n in range(MOST_SENT + 50):
        outstanding.put(n, out(0.0))
        outstanding.take(n)
    assert len(outstanding.sent) == MOST_SENT
    assert outstanding.was_sent(MOST_SENT + 49)
    assert not outstanding.was_sent(0)


def test_a_refused_class_is_paused_probed_and_forgotten_when_it_is_accepted_again() -> None:
    refusals = Refusals()
    assert not refusals.note("identity", 0, 0.0)
    assert refusals.note("identity", 0x87, 0.0)
    assert refusals.note("identity", 0x87, 0.1), "the rest of the same flight"
    assert refusals.paused("identity", 29.9)
    assert not refusals.paused("alarm", 1.0), "other classes flow"
    assert not refusals.look(29.9)
    assert refusals.look(30.0), "read again what was passed over"
    assert not refusals.look(30.1), "once"
    assert not refusals.paused("identity", 30.1)
    refusals.note("identity", 0x87, 30.2)
    assert refusals.paused("identity", 90.1)
    assert refusals.look(90.3)
    refusals.note("identity", 0, 90.4)
    assert refusals.standing == {"identity": 0x87}, "one may be luck"
    refusals.look(30.2 + 60)
    assert refusals.standing == {}


def test_a_broker_that_refuses_now_and_then_keeps_one_refusal_standing() -> None:
    refusals, now = Refusals(), 0.0
    for _ in range(100):
        refusals.note("identity", 0x97, now)
        refusals.look(now)
        refusals.note("identity", 0, now + 31)
        now += 40
        refusals.look(now)
        assert refusals.standing == {"identity": 0x97}


def test_ages_do_not_follow_a_step_of_the_wall_clock() -> None:
    clock = ManualClock()
    stamp = clock.now()
    draft = Draft(
        id="0", type="clock.stepped", subject="", device="gateway", at=stamp, data={"monoms": "7", "x": "\\"}
    )
    wire = seal(draft, Place(ORG, GATEWAY, "5f0c2a91", 1, bytes(32)), stamp, SIGNER).wire
    clock.step(365 * 24 * 3600 * 1000)
    clock.advance(4_000)
    mono = mono_ms(wire, stamp.boot_id)
    assert mono == stamp.mono_ms
    assert age_ms(mono, stamp.wall_ms, clock.now()) == 4_000
    other_boot = mono_ms(wire, "c" * 32)
    assert other_boot is None
    assert age_ms(other_boot, stamp.wall_ms, clock.now()) > 364 * 24 * 3600 * 1000
    clock.step(-800 * 24 * 3600 * 1000)
    assert age_ms(None, stamp.wall_ms, clock.now()) == 0
