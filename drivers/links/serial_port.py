"""The blocking half of a serial port: open, configure, lock, close, and say in a technician's words why not.

Every function here may hang as long as a driver or an adapter likes; `serial_link` calls them in a thread.
The only file that imports pyserial.
"""

import errno
import os
import termios
from contextlib import suppress
from dataclasses import dataclass

import serial

from drivers.errors import LinkUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings:
    """How the line is set. The defaults are those of most identity readers: 115200 8N1, no flow control."""

    baud: int = 115200
    data_bits: int = 8
    parity: str = "N"  # N, E, O
    stop_bits: int = 1
    open_timeout_s: float = 5.0
    close_timeout_s: float = 2.0
    write_timeout_s: float = 10.0  # a line that takes no byte for so long is broken


def open_port(path: str, settings: SerialSettings) -> serial.Serial:
    """Open, lock (flock, so advisory: every tool must ask for it) and configure; raises `LinkUnavailable`.

    pyserial drops what waits in the input buffer here: whoever had sent it must repeat it.
    """
    try:
        return serial.Serial(
            path,
            settings.baud,
            bytesize=settings.data_bits,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as exc:  # SerialException is an OSError
        raise _unavailable(path, exc) from exc


def close_port(port: serial.Serial) -> None:
    """Close; never raises. What is still to be sent is dropped: draining into a dead line takes up to 30 s."""
    with suppress(OSError, termios.error):
        termios.tcflush(port.fileno(), termios.TCOFLUSH)
    with suppress(OSError, termios.error):
        port.close()


def _unavailable(path: str, exc: Exception) -> LinkUnavailable:
    number = _errno_of(exc)
    match number:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO | errno.ENOTDIR:
            code, text = "absent", "no such port; plug the adapter in, or take a name from /dev/serial/by-id"
        case errno.EWOULDBLOCK | errno.EBUSY:
            code, text = "in_use", "in use by another program; stop it or choose another port"
        case errno.EACCES | errno.EPERM:
            code = "permission"
            text = "permission denied; add the gateway's user to group dialout: usermod -aG dialout zhijiao, restart"
        case errno.ENOTTY | errno.EINVAL | errno.EISDIR:
            code, text = "not_a_port", "not a serial port; take a name from /dev/serial/by-id"
        case None:  # a setting that pyserial refuses; its text names the value
            code, text = "open_failed", f"the port cannot be set like this ({exc}); correct its settings"
        case _:
            code, text = "open_failed", f"{os.strerror(number)}; unplug the adapter and plug it in again"
    return LinkUnavailable(code, f"{path}: {text}")


def _errno_of(exc: BaseException | None) -> int | None:
    """The system's error number; pyserial hides that of tcgetattr in the exception it was handling."""
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno is not None:
            return exc.errno
        if isinstance(exc, termios.error) and exc.args and isinstance(exc.args[0], int):
            return exc.args[0]
        exc = exc.__cause__ or exc.__context__
    return None
