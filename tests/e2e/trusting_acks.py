"""The negative control of the restored backup: a gateway that settles whatever an ack covers.

Not part of the product. It runs the real command with three rules missing: a store that was put back
goes on in its epoch, an ack beyond our end is taken as it stands, and `head` is not compared. A drill
that passes with this proves nothing.
"""

from gateway.cli.main import main
from gateway.store import epochs
from gateway.store.epochs import EpochView, Opening
from gateway.store.outbox import Outbox
from gateway.uplink import settling
from gateway.uplink.acks import EpochAck


def no_end(_ack: EpochAck) -> int:
    return 0


def same_chain(_box: Outbox, _view: EpochView, _ack: EpochAck) -> bool:
    return True


def goes_on(
    boot_id: str, views: list[EpochView], witness: object, file: object, left: object
) -> Opening | None:
    return None if views else Opening("new_store")


epochs.reason_for_new = goes_on
EpochAck.last = property(no_end)  # type: ignore[assignment,method-assign]
settling._same_chain = same_chain  # type: ignore[assignment]  # other parameter names

if __name__ == "__main__":
    main()
