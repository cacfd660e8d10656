"""What `zhijiao doctor --broker` finds out by trying: what the broker really does, and what follows for the gateway.

Only while the gateway does not run, for it connects under its name, with its certificate and rights. Nothing is left
behind and nothing taken: what is published is the retained status once more, byte for byte, and what waits in the
session for the gateway gets no PUBACK.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from gateway.cli.answer import Line, Mark
from gateway.config import Config
from gateway.mqtt_bridge import ConnectFailed, Endpoint
from gateway.mqtt_bridge.trial import ANSWER_S, Heard, Trial
from gateway.uplink.topics import Topics

NAME = "broker:"
LARGEST = 72 * 1024  # bytes of a packet: the contract's largest payload, topic and properties
WANTED_IN_FLIGHT = 32
NOT_AUTHORISED = 0x87
TAKEN_OVER = 0x8E
WILL_S = 14.0  # a will may be held back for ten seconds
BACK_S = 3.0
SETTLED_S = 0.3


def judge_broker(config: Config, endpoint: Endpoint) -> Iterator[Line]:
    """A line for each thing that the gateway counts on."""
    topics = Topics(config.gateway.org, config.gateway.id)
    try:
        version, ended = _version(endpoint)
    except ConnectFailed as exc:
        yield Line(Mark.ATTENTION, f"{NAME} connection", exc.code, str(exc))
        return
    yield ended
    endpoint = replace(endpoint, version=version)
    try:
        yield from _tried(endpoint, topics)
    except ConnectFailed as exc:
        yield Line(Mark.ATTENTION, f"{NAME} connection", "not a second time", str(exc))


def _version(endpoint: Endpoint) -> tuple[str, Line]:
    """The newest version that it takes."""
    if endpoint.version == "5":
        with contextlib.suppress(ConnectFailed), Trial(endpoint):
            return "5", Line(Mark.OK, f"{NAME} version", "MQTT 5")
    with Trial(replace(endpoint, version="3.1.1")):
        told = "MQTT 3.1.1; reasons of refusals are not told, and nothing tells of its limits"
        return "3.1.1", Line(Mark.NOTE, f"{NAME} version", told)


def _tried(endpoint: Endpoint, topics: Topics) -> Iterator[Line]:
    with Trial(endpoint) as line:
        yield from _limits(line.limits, endpoint)
        yield from _rights(line, topics)
        before = line.take(topics.status, BACK_S)
        yield from _refusal(line, topics)
    if before is None:
        told = "no status of this gateway is kept there; nothing was sent"
        todo = "start the gateway once, stop it, and ask again; if this stays, the broker keeps no retained messages"
        yield Line(Mark.ATTENTION, f"{NAME} retained", told, todo)
        return
    yield Line(
        Mark.OK, f"{NAME} retained", "kept: a center that comes later learns the status, a gateway its ack"
    )
    yield _redelivery(endpoint, topics.status, before)
    yield _will(endpoint, topics.status, before)
    yield _takeover(endpoint)


def _limits(limits: dict[str, int], endpoint: Endpoint) -> Iterator[Line]:
    if endpoint.version != "5":
        return
    window = limits.get("ReceiveMaximum", 65_535)
    slow = window < WANTED_IN_FLIGHT
    todo = (
        f"a backlog drains slower; let it take {WANTED_IN_FLIGHT} (mosquitto: max_inflight_messages)"
        if slow
        else ""
    )
    yield Line(
        Mark.NOTE if slow else Mark.OK, f"{NAME} in flight", f"takes {window} publishes unanswered", todo
    )
    size = limits.get("MaximumPacketSize")
    if size is not None and size < LARGEST:
        todo = f"large events are refused and wait here for ever: let it take {LARGEST} (mosquitto: max_packet_size)"
        yield Line(Mark.ATTENTION, f"{NAME} packet size", f"takes {size} bytes", todo)
    else:
        told = "no limit told" if size is None else f"takes {size} bytes"
        yield Line(Mark.OK, f"{NAME} packet size", told)
    if limits.get("MaximumQoS", 2) < 1 or not limits.get("RetainAvailable", 1):
        todo = (
            "QoS 1 and retained messages are what the contract stands on; ask the center for another broker"
        )
        yield Line(Mark.ATTENTION, f"{NAME} abilities", "no QoS 1, or keeps no retained messages", todo)
    alive = limits.get("ServerKeepAlive")
    if alive is not None:
        yield Line(Mark.NOTE, f"{NAME} keepalive", f"it wants {alive} s in place of {endpoint.keepalive_s} s")


def _rights(line: Trial, topics: Topics) -> Iterator[Line]:
    wanted = (*topics.subscriptions, *topics.own)
    codes = line.subscribe(wanted)
    refused = [topic for topic, code in zip(wanted, codes, strict=False) if code >= 0x80]
    if len(codes) != len(wanted):
        told, todo = (
            "no answer to the subscriptions",
            "its access list may end the connection: see the broker's log",
        )
        yield Line(Mark.ATTENTION, f"{NAME} reading", told, todo)
    elif set(refused) & set(topics.subscriptions):
        todo = "without them nothing is settled and no command comes: look at the broker's access list"
        yield Line(Mark.ATTENTION, f"{NAME} reading", f"refuses {', '.join(refused)}", todo)
    elif refused:
        told = "acks and commands, but not its own status"
        todo = "a second box under this name would not be noticed: let it read its own status"
        yield Line(Mark.NOTE, f"{NAME} reading", told, todo)
    else:
        yield Line(Mark.OK, f"{NAME} reading", "acks, commands, answers, its own status")


def _refusal(line: Trial, topics: Topics) -> Iterator[Line]:
    """A topic that is nobody's, where an access list lets no gateway write."""
    code = line.publish(f"{topics.root}/nobody", b"{}")
    if code == NOT_AUTHORISED:
        told, mark, todo = "a refused publish says so", Mark.OK, ""
    elif code is None:
        told, mark = "a refused publish ends the connection", Mark.NOTE
        todo = "one event of a kind it refuses keeps all others waiting: list every topic of the contract"
    else:
        told, mark = "takes what its access list should not allow, or drops it without a word", Mark.NOTE
        todo = "a receipt of this broker proves nothing (the center's ack does); is there an access list?"
    yield Line(mark, f"{NAME} refusals", told, todo)


def _redelivery(endpoint: Endpoint, topic: str, before: Heard) -> Line:
    name = f"{NAME} QoS 1"
    with Trial(endpoint) as line:
        line.subscribe((topic,))
        line.take(topic, BACK_S)  # what was kept
        if line.publish(topic, before.payload, retain=True) is None:
            return Line(
                Mark.ATTENTION,
                name,
                "no PUBACK for its own status",
                "look at the broker's access list and log",
            )
        if line.take(topic) is None:
            return Line(
                Mark.NOTE, name, "answers; its own status does not come back, so redelivery was not tried"
            )
        line.cut()
    with Trial(endpoint) as line:
        again = line.take(topic)
        resumed = line.resumed
        if again is not None:
            line.settle(again)
            line.until(lambda: False, SETTLED_S)
    if again is not None:
        return Line(Mark.OK, name, "what was not confirmed comes again after a break; the session is kept")
    told = (
        f"the session is kept; what was not confirmed did not come again in {ANSWER_S:.0f} s"
        if resumed
        else "keeps no session"
    )
    todo = (
        "commands come late (NATS: after ack_wait) or not, and the center must repeat them; events are safe"
    )
    return Line(Mark.ATTENTION, name, told, todo)


def _will(endpoint: Endpoint, topic: str, before: Heard) -> Line:
    with Trial(endpoint, (topic, before.payload)) as line:
        line.cut()
    time.sleep(SETTLED_S)
    with Trial(endpoint) as line:
        came = line.take(topic, WILL_S)
        if came is not None:
            line.settle(came)
            line.until(lambda: False, SETTLED_S)
    if came is not None:
        return Line(Mark.OK, f"{NAME} will", "said when the line breaks")
    todo = "the center notices a dead gateway only by its silence (three minutes); is it allowed to write its status?"
    return Line(Mark.NOTE, f"{NAME} will", "not heard after the line was cut", todo)


def _takeover(endpoint: Endpoint) -> Line:
    name = f"{NAME} two of a name"
    with Trial(endpoint) as first, Trial(endpoint):
        first.until(lambda: first.goodbye is not None, BACK_S)
        ended = first.goodbye
    if ended == TAKEN_OVER:
        return Line(Mark.OK, name, "the second ends the first, and says why")
    if ended is not None:
        return Line(
            Mark.NOTE,
            name,
            "the second ends the first without a reason; the gateway sees it by its own status",
        )
    todo = "two boxes under one name would both be served: the center tells it by their sessions"
    return Line(Mark.ATTENTION, name, "both stay connected", todo)
