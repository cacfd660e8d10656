"""Every topic of the contract, below `cc/v1/{org}/{gw}`. No level holds a dot, a space, `*` or `>`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway."""

    org: str
    gateway: str

    @property
    def root(self) -> str:
        """Everything of this gateway lies below."""
        return f"cc/v1/{self.org}/{self.gateway}"

    @property
    def info(self) -> str:
        """Birth document, retained, signed."""
        return f"{self.root}/info"

    @property
    def status(self) -> str:
        """State and high-water mark, retained; the will."""
        return f"{self.root}/status"

    @property
    def ack(self) -> str:
        """The center's cursors, retained, signed."""
        return f"{self.root}/ack"

    def device_status(self, device: str) -> str:
        """State of one device, retained."""
        return f"{self.root}/dev/{device}/status"

    def event(self, cls: str) -> str:
        """Events of one class."""
        return f"{self.root}/evt/{cls}"

    def request(self, name: str) -> str:
        """The gateway asks."""
        return f"{self.root}/req/{name}"

    def result(self, name: str) -> str:
        """The center answers a request, signed."""
        return f"{self.root}/res/{name}"

    def command(self, name: str) -> str:
        """The center commands, signed."""
        return f"{self.root}/cmd/{name}"

    def response(self, name: str) -> str:
        """The gateway answers a command."""
        return f"{self.root}/rsp/{name}"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What the gateway listens to."""
        return (self.ack, self.command("#"), self.result("#"))

    @property
    def own(self) -> tuple[str, ...]:
        """What the gateway listens to where the broker lets it: itself, to notice that it is there twice."""
        return (self.status,)
