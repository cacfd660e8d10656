"""What is wrong with a face module, in words for the technician: cause and remedy, and no person."""

from drivers.errors import DeviceFault, DeviceMismatch, DriverError
from firmware_protocols.efaa_xor16.replies import BUSY, ERROR, INVALID
from firmware_protocols.efaa_xor16.results import Result
from firmware_protocols.errors import RemoteProtocolError

_NOT_READY = {
    BUSY: ("busy", "goes on with something that RESET does not stop; is another program at its line?"),
    ERROR: ("module_error", "says that it is in error"),
    INVALID: ("not_initialised", "does not get ready"),
}


def fault_of(name: str, result: Result) -> DeviceFault:
    """The module refused for a reason of its own. The code is the result's name."""
    return DeviceFault(result.name, f"{name}: {result.meaning} (result {result.code}); {result.advice}")


def not_ready(name: str, status: int) -> DeviceFault:
    """The module does not come to standby."""
    code, text = _NOT_READY.get(status, ("module_error", f"says status {status}"))
    return DeviceFault(code, f"{name}: the module {text}; switch it off and on, then replace it")


def no_answer(name: str, baud: int, garbage: int) -> DeviceFault:
    """Nothing usable came. `garbage`: bytes that came all the same."""
    if garbage:
        return DeviceFault(
            "garbled",
            f"{name}: bytes come at {baud} baud, but no answer of a face module; check the baud rate, the model "
            "(the HLK-TX510 begins its frames alike and speaks otherwise), encryption mode, and the cable",
        )
    return DeviceFault("mute", f"{name}: no answer at {baud} baud; check cable and power, then the baud rate")


def sealed_and_silent(name: str) -> DeviceFault:
    """It answered in clear, began encryption mode, and does not understand what is sealed."""
    return DeviceFault(
        "encryption",
        f"{name}: the module began encryption mode and then answers nothing that opens; check that 'key_file' holds "
        "the key indexes that this module was given, then switch it off and on",
    )


def unfit(name: str, cause: RemoteProtocolError) -> DriverError:
    """It answers, and not like the module that was configured."""
    if cause.code == "encryption_required":
        return DeviceMismatch(cause.code, f"{name}: {cause}; set 'encryption' and 'key_file' of this device")
    return DeviceMismatch(
        cause.code,
        f"{name}: answers, but not like a face module of this kind ({cause}); check model, variant and port",
    )
