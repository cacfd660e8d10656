"""A gateway that waits seconds, not minutes, before it asks the center for the time.

`floorless`: the control, which judges certificates by the machine's clock alone.
"""

import sys

from gateway.cli.main import main
from gateway.clock import center
from gateway.clock.keeper import CertificateTime, Timekeeper

center.PATIENCE_MS = 2_000
center.LOOK_EVERY_S = 0.5
center.BETWEEN_S = 0.05


def no_floor(_self: Timekeeper) -> CertificateTime | None:
    return None


if "floorless" in sys.argv:
    sys.argv.remove("floorless")
    Timekeeper.certificate_time = no_floor  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    main()
