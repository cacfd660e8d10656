"""`zhijiao doctor`: what is fine, what is wrong, and what to do about it. Changes nothing."""

import datetime as dt
import errno
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from gateway.cli import doctor_machine
from gateway.cli.answer import Line, Mark
from gateway.cli.doctor_devices import judge_devices
from gateway.cli.doctor_line import certificate, judge_line
from gateway.cli.doctor_machine import judge_machine
from gateway.clock import KernelTime
from gateway.config import load_without_files
from gateway.store.lock import holding
from tests.gateway.technicians_box import Box, box

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


def line_of(lines: Sequence[Line], name: str) -> Line:
    return next(one for one in lines if one.name == name)


def machine(desk: Box, said: dict[str, str | None] | None = None) -> list[Line]:
    answers = said or {}
    return list(
        judge_machine(load_without_files(desk.config), ask=lambda words: answers.get(" ".join(words)))
    )


def test_it_tells_every_part_and_ends_with_one_where_something_is_wrong(desk: Box) -> None:
    told = desk.run("doctor", "--json")
    assert told.code == 1
    names = [one["name"] for one in told.json["lines"]]
    assert names[:4] == ["configuration", "clock", "disk", "gateway"]
    assert {"devices", "keys", "broker"} <= set(names)
    for one in told.json["lines"]:
        assert one["state"] != "attention" or one["todo"], one
    assert desk.run("doctor").out.startswith("ok  configuration")
    assert sorted(one.name for one in desk.folder.iterdir() if one.is_dir()) == ["state"]
    assert list(desk.store.parent.iterdir()) == [], "it left nothing behind"


# -- machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "mark", "said"),
    [
        (KernelTime(synchronised=True, error_ms=12), Mark.OK, "12 ms"),
        (KernelTime(synchronised=True, error_ms=60_000), Mark.ATTENTION, "60000 ms"),
        (KernelTime(synchronised=True, error_ms=None), Mark.ATTENTION, "unknown"),
        (KernelTime(synchronised=False, error_ms=None), Mark.ATTENTION, "not synchronised"),
        (None, Mark.NOTE, "may not be asked"),
    ],
)
def test_the_clock(
    desk: Box, monkeypatch: pytest.MonkeyPatch, kernel: KernelTime | None, mark: Mark, said: str
) -> None:
    monkeypatch.setattr(doctor_machine, "read_adjtimex", lambda: kernel)
    line = line_of(machine(desk), "clock")
    assert (line.mark, said in line.value) == (mark, True)


def test_a_disk_that_is_nearly_full(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line_of(machine(desk), "disk").mark is Mark.OK
    monkeypatch.setattr(doctor_machine, "DISK_LOW", 1 << 60)
    assert line_of(machine(desk), "disk").mark is Mark.ATTENTION


def test_a_state_folder_that_is_not_there(desk: Box) -> None:
    desk.store.parent.rmdir()
    line = line_of(machine(desk), "disk")
    assert (line.mark, "install -d" in line.todo) == (Mark.ATTENTION, True)


@pytest.mark.parametrize(
    ("state", "todo"), [(None, "zhijiao run"), ("failed", "journalctl"), ("inactive", "systemctl enable")]
)
def test_a_gateway_that_does_not_run(desk: Box, state: str | None, todo: str) -> None:
    line = line_of(machine(desk, {"systemctl is-active zhijiao.service": state}), "gateway")
    assert (line.mark, todo in line.todo) == (Mark.ATTENTION, True)


def test_a_gateway_that_runs(desk: Box) -> None:
    with holding(desk.store):
        assert line_of(machine(desk), "gateway") == Line(Mark.OK, "gateway", "running")


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        ('kind = "beacon.ble"', True),
        ('kind = "tracker.r16h"\nport = "ble:F0:F1:F2:F3:F4:01"', True),
        ('kind = "idcard.sam"\nport = "/dev/null"', False),
    ],
)
def test_bluetooth_is_looked_at_where_something_needs_it(desk: Box, table: str, asked: bool) -> None:  # noqa: FBT001
    desk.config.write_text(f'{desk.config.read_text()}[[device]]\nid = "one"\n{table}\n')
    assert any(line.name == "bluetooth" for line in machine(desk)) == asked


# -- devices ------------------------------------------------------------------------------------------


def devices(desk: Box, port: str) -> list[Line]:
    table = f'[[device]]\nid = "idcard-1"\nkind = "idcard.sam"\nport = "{port}"\n'
    desk.config.write_text(desk.config.read_text() + table)
    return list(judge_devices(load_without_files(desk.config), running=False))


def test_a_port_that_is_not_there(desk: Box) -> None:
    line = devices(desk, "/dev/serial/by-id/usb-Absent-if00-port0")[0]
    assert (line.mark, "is not there" in line.value, "probe" in line.todo) == (Mark.ATTENTION, True, True)


def test_a_port_that_is_none(desk: Box) -> None:
    assert "no serial port" in devices(desk, str(desk.config))[0].value


def test_a_name_that_does_not_stay(desk: Box) -> None:
    line = devices(desk, "/dev/null")[0]
    assert (line.mark, "by-id" in line.todo) == (Mark.NOTE, True)


def test_a_reader_that_stands_at_no_kiosk(desk: Box) -> None:
    assert "no kiosk" in devices(desk, "/dev/null")[1].value


# -- the line -----------------------------------------------------------------------------------------


def lines_to(desk: Box, uplink: str) -> list[Line]:
    desk.config.write_text(desk.config.read_text() + f"[uplink]\n{uplink}\n")
    return list(judge_line(load_without_files(desk.config)))


@contextmanager
def server(authority: trustme.CA, name: str = "localhost") -> Iterator[int]:
    """TLS on a port of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(line, server_side=True).close()
            except (OSError, ssl.SSLError):
                line.close()

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    serving.join(5)


def test_a_broker_that_can_be_verified(desk: Box) -> None:
    authority = trustme.CA()
    (desk.folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    with server(authority) as port:
        told = lines_to(desk, f'broker = "mqtts://localhost:{port}"\nca_file = "{desk.folder}/ca.pem"')
    assert line_of(told, "broker").mark is Mark.OK
    assert line_of(told, "tls").mark is Mark.OK
    assert "TLSv1.3" in line_of(told, "tls").value


def test_a_broker_of_another_authority(desk: Box) -> None:
    (desk.folder / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    with server(trustme.CA()) as port:
        told = lines_to(desk, f'broker = "mqtts://localhost:{port}"\nca_file = "{desk.folder}/ca.pem"')
    assert (line_of(told, "tls").mark, "ca_file" in line_of(told, "tls").todo) == (Mark.ATTENTION, True)


def test_a_broker_with_another_name(desk: Box) -> None:
    authority = trustme.CA()
    (desk.folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    with server(authority, "broker.example") as port:
        told = lines_to(desk, f'broker = "mqtts://localhost:{port}"\nca_file = "{desk.folder}/ca.pem"')
    assert "mismatch" in line_of(told, "tls").value.lower()


def test_a_port_where_nobody_listens(desk: Box) -> None:
    told = lines_to(desk, 'broker = "mqtts://127.0.0.1:1"')
    assert (line_of(told, "broker").mark, "firewall" in line_of(told, "broker").todo) == (
        Mark.ATTENTION,
        True,
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [(socket.gaierror(), "no such name"), (TimeoutError(), "does not answer"),
     (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable")],
)  # fmt: skip
def test_a_broker_that_cannot_be_reached(
    desk: Box, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def refuse(*_args: object) -> socket.socket:
        raise error

    monkeypatch.setattr("socket.create_connection", refuse)
    assert said in line_of(lines_to(desk, 'broker = "mqtts://broker.example"'), "broker").value


def test_certificates_near_their_end(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    end = NOW + dt.timedelta(days=20)
    file.write_bytes(trustme.CA().issue_cert("x", not_after=end).cert_chain_pems[0].bytes())
    assert certificate("own", file, NOW - dt.timedelta(days=60)).mark is Mark.OK
    soon = certificate("own", file, NOW)
    assert (soon.mark, "days left" in soon.value) == (Mark.ATTENTION, True)
    assert "refused" in certificate("own", file, NOW + dt.timedelta(days=21)).todo
    assert certificate("own", tmp_path / "absent", NOW).mark is Mark.ATTENTION
    (tmp_path / "junk").write_text("junk")
    assert "holds no certificate" in certificate("own", tmp_path / "junk", NOW).value


def test_keys_that_are_missing_are_told_and_never_shown(desk: Box) -> None:
    told = lines_to(desk, 'broker = "mqtt://127.0.0.1:1"')
    assert line_of(told, "keys").mark is Mark.ATTENTION  # no sealing key in this trust file
    assert "ab" * 32 not in str(told)
    desk.key_file.unlink()
    assert line_of(list(judge_line(load_without_files(desk.config))), "keys").mark is Mark.ATTENTION
