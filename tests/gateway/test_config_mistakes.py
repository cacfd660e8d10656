"""Mistakes in the configuration: each is told once, in one line, with its place and what to do."""

import traceback
from pathlib import Path

import pytest

from drivers.errors import SettingsError
from gateway.config import ConfigFileError, load, setting_error
from tests.gateway.config_files import IDENTITY, KEYS, ConfigFolder, folder

TWO_TERMINALS = """\
[terminals]
listen = "10.1.2.3:8081"
[[device]]
id = "t"
kind = "terminal.zk_adms"
serial = "A1"
address = "10.1.2.3"
[[device]]
id = "u"
kind = "terminal.zk_adms"
serial = "A1" #!
address = "10.1.2.4"
"""
CANARY = "canary-7f3a91"

# name: (text, code, what the message must say). The line to be named carries the mark "#!".
MISTAKES: dict[str, tuple[str, str, str]] = {
    "unknown key": (
        '[uplink]\nbrokr = "mqtts://a" #!\n',
        "unknown_key",
        '[uplink] brokr: unknown key; did you mean "broker"?',
    ),
    "unknown key with nothing near": (
        "[store]\nzzz = 1 #!\n",
        "unknown_key",
        "[store] zzz: unknown key; known: max_mib, reserve_mib, retention_days, retention_fix_days",
    ),
    "key of another table": (
        "[uplink]\nretention_days = 30 #!\n",
        "unknown_key",
        "[uplink] retention_days: unknown key; it belongs below [store]",
    ),
    "unknown table": ("[uplnk] #!\n", "unknown_key", '[uplnk]: unknown table; did you mean "uplink"?'),
    "unknown list of tables": (
        "[[devices]] #!\n",
        "unknown_key",
        '[devices]: unknown table; did you mean "device"?',
    ),
    "password in the file": (
        f'[uplink]\npassword = "{CANARY}" #!\n',
        "unknown_key",
        "a secret is given as the path of its file",
    ),
    "table written as list": ("[[uplink]] #!\n", "bad_value", "[uplink]: must be a table; write [uplink]"),
    "device written as table": ('[device] #!\nid = "a"\n', "bad_value", "write [[device]] above each device"),
    "text that is a number": (
        "[uplink]\nmqtt_version = 5 #!\n",
        "bad_value",
        "not a number; write it in quotes",
    ),
    "no time zone": (
        '[checkin]\ntimezone = "Asia/Beijing" #!\n',
        "bad_value",
        "[checkin] timezone: is no time zone that this machine knows; write Asia/Shanghai",
    ),
    "a path for a time zone": (
        '[checkin]\ntimezone = "../../etc/passwd" #!\n',
        "bad_value",
        "is no time zone that this machine knows",
    ),
    "time zone as number": ("[checkin]\ntimezone = 8 #!\n", "bad_value", "not a number"),
    "flag in quotes": (
        '[api]\nenabled = "true" #!\n',
        "bad_value",
        "[api] enabled: must be true or false, not text; write it without quotes",
    ),
    "flag as number": ("[api]\nenabled = 1 #!\n", "bad_value", "must be true or false, not a number"),
    "number in quotes": ('[store]\nmax_mib = "64" #!\n', "bad_value", "must be a whole number from 8 to"),
    "decimal number": ("[store]\nmax_mib = 64.5 #!\n", "bad_value", "not a decimal number"),
    "flag for a number": ("[store]\nmax_mib = true #!\n", "bad_value", "not true or false"),
    "number too small": ("[uplink]\nkeepalive_s = 4 #!\n", "bad_value", "a whole number from 5 to 600"),
    "zero where it has no meaning": (
        "[uplink]\nkeepalive_s = 0 #!\n",
        "bad_value",
        "a whole number from 5 to 600",
    ),
    "number too large": ("[store]\nretention_days = 3651 #!\n", "bad_value", "from 1 to 3650"),
    "word out of a choice": (
        '[log]\nlevel = "warn" #!\n',
        "bad_value",
        '[log] level: must be "debug" or "info" or "warning" or "error"; did you mean "warning"?',
    ),
    "date": ("[gateway.x]\n[log]\nlevel = 2026-11-22 #!\n", "config_invalid", "not a date or time"),
    "broker without scheme": (
        '[uplink]\nbroker = "10.1.2.3:1883" #!\n',
        "bad_value",
        "begin with mqtts:// (encrypted)",
    ),
    "broker of the web": ('[uplink]\nbroker = "https://a" #!\n', "bad_value", "begin with mqtts://"),
    "broker with a path": ('[uplink]\nbroker = "mqtts://a/b" #!\n', "bad_value", "a port, nothing else"),
    "broker without host": ('[uplink]\nbroker = "mqtts://:8883" #!\n', "bad_value", "a host name or number"),
    "broker with a bad port": (
        '[uplink]\nbroker = "mqtts://a:99999" #!\n',
        "bad_value",
        "the port is a number",
    ),
    "broker with a password": (
        f'[uplink]\nbroker = "mqtts://gw:{CANARY}@a" #!\n',
        "bad_value",
        "use username and password_file",
    ),
    "broker with a password and a bad port": (
        f'[uplink]\nbroker = "mqtts://gw@a:{CANARY}" #!\n',
        "bad_value",
        "the port is a number from 1 to 65535",
    ),
    "plaintext over the network": (
        '[uplink]\nbroker = "mqtt://10.1.2.3" #!\n',
        "plaintext",
        "is not encrypted; write mqtts://, or allow_plaintext = true",
    ),
    "certificate without TLS": (
        '[uplink]\nca_file = "keys/trust.json" #!\n',
        "bad_value",
        "has no effect with mqtt://",
    ),
    "certificate without its key": (
        '[uplink]\nbroker = "mqtts://a"\ncert_file = "keys/trust.json" #!\n',
        "missing_key",
        "[uplink] cert_file: needs key_file as well",
    ),
    "password without user": (
        '[uplink]\npassword_file = "keys/id-hmac.key" #!\n',
        "missing_key",
        "[uplink] password_file: needs username as well",
    ),
    "pages for everyone": (
        '[api]\nlisten = "0.0.0.0:8080" #!\n',
        "bad_value",
        "nobody on the network may reach it: write 127.0.0.1:8080, and https for the network",
    ),
    "pages by name": ('[api]\nhttps = "gateway.lan:8443" #!\n', "bad_value", "an address in numbers"),
    "https without port": ('[api]\nhttps = "0.0.0.0" #!\n', "bad_value", "like 0.0.0.0:8443"),
    "names with a scheme": ('[api]\nnames = ["https://gateway.lan"] #!\n', "bad_value", "without http://"),
    "names as one text": ('[api]\nnames = "gateway.lan" #!\n', "bad_value", "must be a list of host names"),
    "page certificate without its key": (
        '[api]\nhttps = "0.0.0.0:8443"\ncertificate_file = "a.pem" #!\n',
        "missing_key",
        "[api] certificate_file: needs certificate_key_file as well",
    ),
    "page certificate for nothing": (
        '[api]\ncertificate_file = "a.pem" #!\ncertificate_key_file = "b.pem"\n',
        "missing_key",
        "[api] certificate_file: needs https as well",
    ),
    "listen without port": ('[api]\nlisten = "127.0.0.1" #!\n', "bad_value", "like 127.0.0.1:8080"),
    "terminals for everyone": (
        '[terminals]\nlisten = "0.0.0.0:8081" #!\n',
        "bad_value",
        "name the address on their own, isolated network",
    ),
    "terminals by name": (
        '[terminals]\nlisten = "gateway.local:8081" #!\n',
        "bad_value",
        "a number as address",
    ),
    "terminals without port": ('[terminals]\nlisten = "10.1.2.3" #!\n', "bad_value", "like 10.1.2.3:8081"),
    "terminal without listener": (
        '[[device]]\nid = "t"\nkind = "terminal.zk_adms" #!\nserial = "A1"\naddress = "10.1.2.3"\n',
        "missing_key",
        "needs [terminals] listen",
    ),
    "two terminals with one number": (
        TWO_TERMINALS,
        "duplicate",
        "another device has this serial number",
    ),
    "device without kind": (
        '[[device]] #!\nid = "a"\n',
        "missing_key",
        "[[device]] kind: missing; add it, for example",
    ),
    "device id in capitals": (
        '[[device]]\nid = "Reader" #!\nkind = "idcard.sam"\n',
        "bad_value",
        "small letters",
    ),
    "device id of the gateway": (
        '[[device]]\nid = "gateway" #!\nkind = "idcard.sam"\n',
        "bad_value",
        "is the gateway itself",
    ),
    "device kind": (
        '[[device]]\nid = "a"\nkind = "idcard.sma" #!\n',
        "unknown_kind",
        '[[device]] kind: unknown device kind; did you mean "idcard.sam"?',
    ),
    "device twice": (
        '[[device]]\nid = "a"\nkind = "idcard.sam"\n\n[[device]]\nid = "a" #!\nkind = "idcard.sam"\n',
        "duplicate",
        '"a" is already the device at line 9',
    ),
    "kiosk of an unknown device": (
        '[[device]]\nid = "finger-1"\nkind = "idcard.sam"\n[[kiosk]]\nid = "k"\ndevices = ["finger-l"] #!\n',
        "unknown_device",
        'no device is called "finger-l"; did you mean "finger-1"?',
    ),
    "device at two kiosks": (
        '[[device]]\nid = "a"\nkind = "idcard.sam"\n'
        + "".join(
            f'[[kiosk]]\nid = "{kiosk}"\ndevices = ["a"]{mark}\n' for kiosk, mark in (("k", ""), ("l", " #!"))
        ),
        "duplicate",
        '"a" stands at a kiosk already',
    ),
    "kiosk named as a device": (
        '[[device]]\nid = "a"\nkind = "idcard.sam"\n[[kiosk]]\nid = "a" #!\ndevices = ["a"]\n',
        "duplicate",
        "is a device or kiosk already",
    ),
    "kiosk without devices": ('[[kiosk]]\nid = "k"\ndevices = [] #!\n', "bad_value", "must be a list of"),
    "kiosk with a device twice": (
        '[[device]]\nid = "a"\nkind = "idcard.sam"\n[[kiosk]]\nid = "k"\ndevices = ["a", "a"] #!\n',
        "bad_value",
        "names one twice",
    ),
    "kiosk with a misspelt key": (
        '[[device]]\nid = "a"\nkind = "idcard.sam"\n[[kiosk]]\nid = "k"\ndevices = ["a"]\npurpos = "report" #!\n',
        "unknown_key",
        'did you mean "purpose"?',
    ),
    "kiosk for a purpose that is none": (
        '[[device]]\nid = "a"\nkind = "idcard.sam"\n[[kiosk]]\nid = "k"\ndevices = ["a"]\npurpose = "visit" #!\n',
        "bad_value",
        'must be "any" or "report"',
    ),
    "missing quotes": ("[log]\nlevel = debug #!\n", "syntax", "text must stand in quotes"),
    "missing quote at the end": (f'[log]\nlevel = "{CANARY} #!\nformat = "json"\n', "syntax", "not TOML: "),
    "key twice": ('[log]\nlevel = "info"\nlevel = "debug" #!\n', "syntax", "cannot overwrite a value"),
    "table twice": ("[log]\n[log] #!\n", "syntax", "cannot declare"),
    "key in a path": (
        '[uplink]\nbroker = "mqtts://a"\nca_file = "-----BEGIN CERTIFICATE-----' + CANARY + '" #!\n',
        "bad_value",
        "write the path of that file here",
    ),
    "home folder": (
        '[uplink]\nbroker = "mqtts://a"\nca_file = "~/ca.pem" #!\n',
        "bad_value",
        "the service has no home",
    ),
    "password for its path": (
        f'[uplink]\nusername = "gw"\npassword_file = "{CANARY}" #!\n',
        "file_missing",
        "no file of this name beside the configuration",
    ),
    "password with a slash for its path": (
        f'[uplink]\nusername = "gw"\npassword_file = "/{CANARY}" #!\n',
        "file_missing",
        "no such folder",
    ),
    "file that is missing": (
        '[uplink]\nbroker = "mqtts://a"\nca_file = "keys/ca.pem" #!\n',
        "file_missing",
        "keys/ca.pem does not exist; create it",
    ),
    "folder for a file": (
        '[uplink]\nbroker = "mqtts://a"\nca_file = "./keys" #!\n',
        "file_missing",
        "keys is not a file",
    ),
}


@pytest.fixture
def config_folder(tmp_path: Path) -> ConfigFolder:
    return folder(tmp_path)


def refused(path: Path) -> ConfigFileError:
    with pytest.raises(ConfigFileError) as caught:
        load(path)
    return caught.value


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_names_its_line_and_the_remedy(config_folder: ConfigFolder, name: str) -> None:
    text, code, said = MISTAKES[name]
    path = config_folder.write_complete(text)
    line = next(
        number for number, found in enumerate(path.read_text().splitlines(), 1) if found.endswith("#!")
    )
    error = refused(path)
    (message,) = [found for found in str(error).splitlines() if found.startswith(f"{path}:{line}: ")]
    assert said in message
    assert error.code == code
    assert error.exit_code == 78
    if code != "config_invalid":
        assert str(error) == message, "one mistake is told once"


@pytest.mark.parametrize("name", MISTAKES)
def test_no_mistake_shows_a_value_that_may_be_secret(config_folder: ConfigFolder, name: str) -> None:
    error = refused(config_folder.write_complete(MISTAKES[name][0]))
    assert CANARY not in "".join(traceback.format_exception(error))
    assert CANARY not in repr(error.problems)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[gateway]\nid = "gw-370102-01"\n', 1, '[gateway] org: missing; add it, for example org = "370102"'),
        ('[gateway]\norg = "370102"\n', 1, '[gateway] id: missing; add it, for example id = "gw-370102-01"'),
        (
            '[gateway]\norg = 370102\nid = "gw-370102-01"\n',
            2,
            "must be six digits in quotes, not a number; write it in quotes",
        ),
        ('[gateway]\norg = "3701"\nid = "gw-370102-01"\n', 2, "must be six digits in quotes"),
        (
            '[gateway]\norg = "370102"\nid = "gw-370102-1"\n',
            3,
            "gw-, the six digits of org, a dash and two digits",
        ),
        (
            '[gateway]\norg = "370103"\nid = "gw-370102-07"\n',
            3,
            'does not match org 370103; write "gw-370103-07"',
        ),
        ('[gateway]\norg = "３７０１０２"\nid = "gw-370102-01"\n', 2, "must be six digits"),
    ],
)
def test_mistakes_in_the_identity(config_folder: ConfigFolder, text: str, line: int, said: str) -> None:
    path = config_folder.write(text + KEYS)
    assert str(refused(path)).startswith(f"{path}:{line}: [gateway] ")
    assert said in str(refused(path))
    assert len(refused(path).problems) == 1


def test_a_missing_identity_is_told_without_a_line(config_folder: ConfigFolder) -> None:
    path = config_folder.write(KEYS)
    assert str(refused(path)).splitlines() == [
        f'{path}: [gateway] org: missing; add it, for example org = "370102"',
        f'{path}: [gateway] id: missing; add it, for example id = "gw-370102-01"',
    ]


def test_a_key_above_all_tables_is_sent_to_its_own(config_folder: ConfigFolder) -> None:
    path = config_folder.write('broker = "mqtts://a"\n' + IDENTITY + KEYS)
    assert str(refused(path)) == f"{path}:1: broker: key outside of any table; it belongs below [uplink]"


def test_all_mistakes_of_a_file_are_told_together_in_its_order(config_folder: ConfigFolder) -> None:
    (config_folder.path / "keys/event-key.pem").chmod(0o640)
    path = config_folder.write(
        KEYS
        + '[log]\nlevel = "loud"\n[[device]]\nid = "a"\nkind = "idcard.sma"\n[api]\nlisten = "8080"\n'
        + '[gateway]\norg = "370102"\nid = "gw-370199-01"\nname = "x"\n'
    )
    error = refused(path)
    assert [problem.line for problem in error.problems] == [2, 6, 9, 11, 14, 15]
    assert error.code == "config_invalid"
    assert len(str(error).splitlines()) == 6


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
@pytest.mark.parametrize("name", ["event-key.pem", "id-hmac.key"])
def test_a_secret_that_others_may_use_is_refused_with_the_command(
    config_folder: ConfigFolder, name: str, mode: int
) -> None:
    secret = config_folder.add_secret(name, mode)
    error = refused(config_folder.write_complete())
    assert error.code == "file_mode"
    assert f"(mode {mode:04o}); run: chmod 600 {secret}" in str(error)
    secret.chmod(0o600)
    load(config_folder.file)


def test_a_trust_file_may_be_read_but_not_written_by_others(config_folder: ConfigFolder) -> None:
    trust = config_folder.add_secret("trust.json", 0o644)
    path = config_folder.write_complete()
    load(path)
    trust.chmod(0o664)
    assert f"run: chmod go-w {trust}" in str(refused(path))


@pytest.mark.skipif(Path("/etc/zhijiao/keys").exists(), reason="a gateway is installed here")
def test_missing_default_keys_are_told_without_a_line(config_folder: ConfigFolder) -> None:
    path = config_folder.write(IDENTITY)
    text = str(refused(path))
    assert (
        f"{path}: [keys] event_key_file: /etc/zhijiao/keys/event-key.pem does not exist; enrol this box"
        in text
    )


def test_a_path_with_a_space_is_quoted_for_the_shell(config_folder: ConfigFolder) -> None:
    secret = config_folder.add_secret("my key", 0o644)
    path = config_folder.write_complete('[uplink]\nusername = "gw"\npassword_file = "keys/my key"\n')
    assert f"chmod 600 '{secret}'" in str(refused(path))


# --- the file itself ------------------------------------------------------------------------------


def test_a_missing_file_says_where_to_get_one(tmp_path: Path) -> None:
    error = refused(tmp_path / "zhijiao.toml")
    assert error.code == "file_missing"
    assert "zhijiao.example.toml" in str(error)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "file_unreadable"


def test_text_in_another_encoding_is_told_with_its_line(config_folder: ConfigFolder) -> None:
    config_folder.file.write_bytes(IDENTITY.encode() + "# 社区矫正中心\n".encode("gb18030"))
    error = refused(config_folder.file)
    assert str(error) == f"{config_folder.file}:4: is not UTF-8 text; save it as UTF-8"


def test_something_enormous_is_not_read(config_folder: ConfigFolder) -> None:
    assert refused(config_folder.write("#" * 2_000_000)).code == "syntax"


def test_deep_nesting_is_a_mistake_and_not_a_crash(config_folder: ConfigFolder) -> None:
    assert refused(config_folder.write("a = " + "[" * 50_000)).code == "syntax"


# --- what a driver says of its settings -----------------------------------------------------------


def test_a_drivers_complaint_gets_the_line_of_the_setting(config_folder: ConfigFolder) -> None:
    path = config_folder.write_complete(
        '[[device]]\nid = "a"\nkind = "idcard.sam"\nport = "x"\n'
        '[[device]]\nid = "b"\nkind = "idcard.sam"\nport = "y"\nbuad = 1\n'
    )
    config = load(path)
    said = SettingsError(
        "unknown_setting", "device 'b': unknown setting 'buad', did you mean 'baud'; known: baud, port"
    )
    error = setting_error(config, config.devices[1], said)
    assert error.code == "unknown_setting"
    assert str(error) == f"{path}:16: [[device]] buad: {said}"


def test_a_drivers_complaint_about_a_missing_setting_gets_the_line_of_the_table(
    config_folder: ConfigFolder,
) -> None:
    path = config_folder.write_complete('[[device]]\nid = "a"\nkind = "idcard.sam"\n')
    config = load(path)
    error = setting_error(
        config, config.devices[0], SettingsError("missing_setting", "device 'a': 'port' is missing")
    )
    assert str(error) == f"{path}:8: [[device]]: device 'a': 'port' is missing"
