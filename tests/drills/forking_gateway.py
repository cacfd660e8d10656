"""The negative control of the put-back drill: a gateway that goes on in its last epoch, whatever happened to the card.

Not part of the product. Everything else is the real command with `drill.source`.
"""

from gateway.cli.main import main
from gateway.store import epochs
from gateway.store.models import Epoch
from tests.drills.rated_gateway import add_source


def never_but_once(*_: object, **__: object) -> epochs.Opening | None:
    """An epoch is opened in an empty store and never again."""
    return epochs.Opening("new_store") if Epoch.select().first() is None else None


epochs.reason_for_new = never_but_once

if __name__ == "__main__":
    add_source()
    main()
