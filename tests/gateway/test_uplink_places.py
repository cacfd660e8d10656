"""Where brokers are: the next one when nobody is there, and anew after a renewal, with nothing lost."""

from pathlib import Path

from tests.broker import HOST, Mosquitto, free_port
from tests.gateway.uplink_bench import center_on, until, uplink_on


async def test_the_next_broker_is_tried_where_nobody_listens(tmp_path: Path, mosquitto: Mosquitto) -> None:
    dead = free_port()
    places = [(HOST, dead), (HOST, mosquitto.port)]
    async with uplink_on(dead, tmp_path / "s.db", places=places) as bench:
        await until(lambda: bench.uplink.state == "online", "the second broker")
        assert bench.uplink.endpoint.port == mosquitto.port
        assert bench.count("mqtt_connects_total", result="refused") >= 1


async def test_after_a_renewal_it_connects_anew_and_sends_what_waits(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    places = [(HOST, mosquitto.port)]
    async with (
        uplink_on(mosquitto.port, tmp_path / "s.db", places=places) as bench,
        center_on(mosquitto.port) as center,
    ):
        await center.online()
        session = bench.uplink.session
        await bench.append(2)
        bench.uplink.reconnect(places)
        await bench.append(2)
        await until(lambda: bench.uplink.state == "online" and bench.uplink.session != session, "anew")
        await until(lambda: len(set(center.events())) >= 5, "all events")
        assert bench.count("mqtt_connects_total", result="ok") == 2


async def test_brokers_that_moved_are_followed_unless_somebody_chose_another(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with uplink_on(mosquitto.port, tmp_path / "s.db", places=[(HOST, mosquitto.port)]) as bench:
        bench.uplink.reconnect([("moved.example", 8883)])
        assert (bench.uplink.endpoint.host, bench.uplink.endpoint.port) == ("moved.example", 8883)
    async with uplink_on(
        mosquitto.port, tmp_path / "other" / "s.db", places=[("elsewhere.example", 8883)]
    ) as bench:
        bench.uplink.reconnect([("moved.example", 8883)])
        assert bench.uplink.endpoint.host == HOST
