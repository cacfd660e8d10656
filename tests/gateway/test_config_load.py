"""A good configuration: what it becomes."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import Address, Broker, UplinkConfig, load, load_without_files
from tests.gateway.config_files import IDENTITY, KEYS, ConfigFolder, folder


@pytest.fixture
def config_folder(tmp_path: Path) -> ConfigFolder:
    return folder(tmp_path)


def test_an_identity_and_keys_are_enough_on_a_desk(config_folder: ConfigFolder) -> None:
    config = load(config_folder.write_complete())
    assert (config.gateway.org, config.gateway.id, config.gateway.demo) == ("370102", "gw-370102-01", False)
    assert config.gateway.state_dir == Path("/var/lib/zhijiao")
    assert config.keys.event_kid == "gw-370102-01#1"
    assert config.uplink == UplinkConfig(broker=Broker("127.0.0.1", 1883, tls=False))
    assert (config.store.retention_days, config.store.retention_fix_days, config.store.max_mib) == (
        180,
        30,
        0,
    )
    assert (config.api.enabled, config.api.listen) == (True, Address("127.0.0.1", 8080))
    assert (config.log.level, config.log.format) == ("info", "auto")
    assert config.devices == ()


def test_without_keys_named_the_defaults_lie_in_etc(config_folder: ConfigFolder) -> None:
    keys = load_without_files(config_folder.write(IDENTITY)).keys
    assert {path.parent for path in (keys.event_key_file, keys.trust_file, keys.id_hmac_key_file)} == {
        Path("/etc/zhijiao/keys")
    }


def test_every_given_value_arrives(config_folder: ConfigFolder) -> None:
    for name in ("client-key.pem", "password", "ca.pem", "client.pem"):
        config_folder.add_secret(name)
    config = load(
        config_folder.write(
            IDENTITY
            + 'state_dir = "/srv/store"\ndemo = true\n'
            + KEYS
            + 'event_kid = "gw-370102-01#7"\n'
            + """
            [uplink]
            broker = "mqtts://broker.example.cn"
            allow_plaintext = true
            mqtt_version = "3.1.1"
            ack_mode = "broker"
            ca_file = "keys/ca.pem"
            cert_file = "keys/client.pem"
            key_file = "keys/client-key.pem"
            username = "gw"
            password_file = "keys/password"
            drain_cap_per_s = 0
            keepalive_s = 60
            [store]
            retention_days = 365
            retention_fix_days = 7
            max_mib = 2048
            [api]
            enabled = false
            listen = "[::1]:0"
            https = "[::]:8443"
            names = ["Gateway.LAN", "192.168.1.20", "FD00:0::1"]
            certificate_file = "https.pem"
            certificate_key_file = "/etc/https-key.pem"
            [log]
            level = "debug"
            format = "json"
            """
        )
    )
    here = config_folder.path
    assert (config.gateway.state_dir, config.gateway.demo) == (Path("/srv/store"), True)
    assert config.keys.event_kid == "gw-370102-01#7"
    assert config.uplink == UplinkConfig(
        broker=Broker("broker.example.cn", 8883, tls=True),
        allow_plaintext=True,
        mqtt_version="3.1.1",
        ack_mode="broker",
        ca_file=here / "keys/ca.pem",
        cert_file=here / "keys/client.pem",
        key_file=here / "keys/client-key.pem",
        username="gw",
        password_file=here / "keys/password",
        drain_cap_per_s=0,
        keepalive_s=60,
    )
    assert (config.store.retention_days, config.store.retention_fix_days, config.store.max_mib) == (
        365,
        7,
        2048,
    )
    assert (config.api.enabled, config.api.listen) == (False, Address("::1", 0))
    assert config.api.https == Address("::", 8443)
    assert config.api.names == ("gateway.lan", "192.168.1.20", "fd00::1")
    # Neither need be there: events are taken also where the pages' certificate is missing.
    assert config.api.certificate_file == here / "https.pem"
    assert config.api.certificate_key_file == Path("/etc/https-key.pem")
    assert (config.log.level, config.log.format) == ("debug", "json")


@pytest.mark.parametrize(
    ("written", "broker"),
    [
        ("mqtt://localhost", Broker("localhost", 1883, tls=False)),
        ("mqtt://127.0.0.5:2883", Broker("127.0.0.5", 2883, tls=False)),
        ("mqtt://[::1]", Broker("::1", 1883, tls=False)),
        ("mqtts://10.1.2.3", Broker("10.1.2.3", 8883, tls=True)),
        ("mqtts://mq.sd.gov.cn:443/", Broker("mq.sd.gov.cn", 443, tls=True)),
    ],
)
def test_broker_addresses(config_folder: ConfigFolder, written: str, broker: Broker) -> None:
    config = load(config_folder.write_complete(f'[uplink]\nbroker = "{written}"\n'))
    assert config.uplink.broker == broker


def test_addresses_are_written_as_they_are_read() -> None:
    assert str(Broker("::1", 8883, tls=True)) == "mqtts://[::1]:8883"
    assert str(Address("127.0.0.1", 8080)) == "127.0.0.1:8080"


def test_plaintext_to_another_machine_can_be_allowed(config_folder: ConfigFolder) -> None:
    text = '[uplink]\nbroker = "mqtt://10.8.0.1"\nallow_plaintext = true\n'
    assert load(config_folder.write_complete(text)).uplink.broker.host == "10.8.0.1"


def test_the_rest_of_a_device_table_is_its_drivers(config_folder: ConfigFolder) -> None:
    text = """
        [[device]]
        id = "a-1"
        kind = "idcard.sam"
        port = "/dev/ttyUSB0"
        baud = 9600
        [[device]]
        id = "b"
        kind = "idcard.sam"
    """
    first, second = load(config_folder.write_complete(text)).devices
    assert (first.id, first.kind, first.table_index) == ("a-1", "idcard.sam", 0)
    assert first.settings == {"port": "/dev/ttyUSB0", "baud": 9600}
    assert (second.id, second.settings, second.table_index) == ("b", {}, 1)


def test_nothing_of_it_can_be_changed_afterwards(config_folder: ConfigFolder) -> None:
    config = load(config_folder.write_complete('[[device]]\nid = "a"\nkind = "idcard.sam"\nport = "x"\n'))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.uplink.keepalive_s = 5  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        config.devices[0].settings["port"] = "y"  # type: ignore[index]  # that is the point


def test_device_settings_stay_out_of_repr(config_folder: ConfigFolder) -> None:
    text = '[[device]]\nid = "a"\nkind = "idcard.sam"\nscbk = "canary-7f3a91"\n'
    assert "canary" not in repr(load(config_folder.write_complete(text)))


def test_a_file_saved_on_windows_is_read(config_folder: ConfigFolder) -> None:
    text = (IDENTITY + KEYS + "[store]\nmax_mib = 64\n").replace("\n", "\r\n")
    config_folder.file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(config_folder.file).store.max_mib == 64


def test_reading_it_needs_no_heavy_library() -> None:
    heavy = (
        "pydantic",
        "fastapi",
        "paho",
        "peewee",
        "serial",
        "cryptography",
        "prometheus_client",
        "asyncio",
    )
    script = f"import sys, gateway.config; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_terminal_needs_no_device_of_ours(config_folder: ConfigFolder) -> None:
    text = '[[kiosk]]\nid = "terminal-1"\ndevices = []\nterminal = true\n'
    (kiosk,) = load(config_folder.write_complete(text)).kiosks
    assert (kiosk.devices, kiosk.terminal, kiosk.printer) == ((), True, False)
