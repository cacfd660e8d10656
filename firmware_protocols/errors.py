"""Errors of the codecs. The type tells whose fault it is, hence what to do next.

    ProtocolError
      LocalProtocolError     our side built something the protocol cannot carry: a bug, let it rise
      RemoteProtocolError    the device said something wrong: retry, or report the device
      ReplyTimeout           the device said nothing in time: check cable and power

A codec raises nothing else, for any bytes.
"""


class ProtocolError(Exception):
    """Base of all codec errors. `code` is stable and fit for metrics; the text is for a technician.

    The text never holds frame contents or a person's data: lengths, offsets and status codes only.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LocalProtocolError(ProtocolError):
    """The caller asked for a message that the protocol cannot express."""


class RemoteProtocolError(ProtocolError):
    """The far end sent something that breaks the protocol."""


class ReplyTimeout(ProtocolError):  # noqa: N818 - the name says what happened, as in the standard library's Timeout
    """No complete reply within the time the procedure allows."""

    def __init__(self, message: str) -> None:
        super().__init__("timeout", message)
