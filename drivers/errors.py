"""Errors of drivers and links. The supervisor acts on the type; the text tells the technician what to do.

DriverError
  LinkUnavailable    cannot be opened now: absent, in use, no permission. Retried.
  LinkLost           was open and broke: unplugged, adapter gone. Reopened.
  DeviceFault        the device answers and says it is unfit (code), or stays mute on an open link
  DeviceMismatch     something answers that is not the configured device
  SettingsError      the configuration cannot be used; known before anything runs
"""


class DriverError(Exception):
    """Base. `code` is stable and fit for metrics and the message catalogue."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LinkUnavailable(DriverError):  # noqa: N818 - named for the condition, as the supervisor reads it
    """The port or address cannot be opened. Codes: absent, in_use, permission, not_a_port, open_failed; of a
    terminal: not_heard; of a port server: no_server; of a line that several share: address_taken, other_speed;
    of a question: away, busy; of Bluetooth: those of links/ble_troubles.py, scan_failed, not_near, no_slot, in_line,
    connect_failed, no_uart."""


class LinkLost(DriverError):  # noqa: N818 - named for the condition
    """An open link broke. Codes: unplugged, read_failed, write_failed, closed (by ourselves), silent; of Bluetooth
    disconnected, not_near, nobody_heard, overrun, gatt_failed, att_error, and those of links/ble_troubles.py."""


class DeviceFault(DriverError):  # noqa: N818 - named for the condition
    """The device is there and unfit.

    Codes: mute (no byte comes), garbled (bytes come, no answer), line_noise (it says our requests arrive
    damaged), and what it says of itself, for a card reader sam_self_test, sam_not_authorised, sam_status,
    command, no_permission, unrecognised, random_number, unknown; for a face module demo_mode, no_serial, busy,
    module_error, not_initialised, and the names in firmware_protocols.efaa_xor16.results; for a fingerprint
    module wrong_password, password_required, wrong_address, flash, sensor_fault, hardware, reset_failed,
    module_refused (any other confirm code), not_stored, not_erased; for a card reader on an OSDP line tampered;
    for a Bluetooth device att_error.
    """


class DeviceMismatch(DriverError):  # noqa: N818 - named for the condition
    """Another device or another dialect answers.

    Codes: dialect, status_word, status_mismatch, reply_length, message_length, page, pid, unexpected; of a
    face module status, unlock_status, incomplete; of a card reader on an OSDP line
    no_secure_channel, wrong_key, nak, mac, clear, padding, data_length; of a
    Bluetooth device no_characteristic.
    """


class SettingsError(DriverError):
    """The configuration of a device cannot be used; raised while it is built, never while it runs.

    Codes: unknown_kind, unknown_setting, missing_setting, wrong_type, out_of_range, unreadable.
    """
