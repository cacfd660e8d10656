"""What a change of accounts or tokens is refused for."""

from gateway.errors import GatewayError


class AccessError(GatewayError):
    """A change was not made. The text says why and what to do, never a password or a token."""

    exit_code = 78  # EX_CONFIG: an argument's value
