"""A box on which nobody has an account: everybody is refused."""

from gateway.access.model import AccessRefused, Principal, SignedIn


class ClosedAccess:
    """Implements `Access`."""

    async def sign_in(self, name: str, password: str, source: str) -> SignedIn:  # noqa: ARG002 - nobody is asked
        """Refuse."""
        raise AccessRefused("no_accounts", "nobody has an account here yet")

    def session(self, cookie: str, *, used: bool = True) -> Principal | None:  # noqa: ARG002
        """None."""
        return None

    async def sign_out(self, cookie: str) -> None:
        """Nothing to end."""

    def kiosk(self, token: str, source: str = "") -> Principal | None:  # noqa: ARG002
        """None."""
        return None

    async def change_password(self, by: Principal, old: str, new: str, source: str) -> None:  # noqa: ARG002
        """Refuse."""
        raise AccessRefused("no_accounts", "nobody has an account here yet")
