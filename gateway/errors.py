"""Errors that reach a person: each has a stable code, says what was wrong, where, and what to do."""


class GatewayError(Exception):
    """Base of everything the gateway reports to a person or an API client.

    `code` is stable (metrics, API, message catalogue); `exit_code` is what the CLI ends with
    (sysexits.h where one fits). The text carries cause and remedy, never a person's data.
    """

    exit_code = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConfigError(GatewayError):
    """The configuration cannot be used. Text: file, line, key, what is wrong, nearest valid key."""

    exit_code = 78  # EX_CONFIG


class StartError(GatewayError):
    """The machine does not let the gateway start: port taken, permission denied, folder missing."""

    exit_code = 69  # EX_UNAVAILABLE


class StoreTrouble(GatewayError):  # noqa: N818 - named for the condition
    """Nothing was stored, and nothing may be confirmed. For who only tells a person so."""

    exit_code = 74  # EX_IOERR


class StoreRefused(StoreTrouble):
    """The store cannot take the event now. Codes: store_full, store_readonly, store_io."""


class ContractError(GatewayError):
    """A message from the other side breaks the contract. Codes name the rule: not_jcs, signature, ..."""

    exit_code = 65  # EX_DATAERR
