"""The negative control of the outage drill: a gateway in which nothing overtakes anything.

Not part of the product. Check-ins and alarms wait in their place behind the backlog; everything else is
the real command with `drill.source`.
"""

from gateway.cli.main import main
from gateway.store import outbox
from tests.drills.rated_gateway import add_source

# Every class is like every other.
outbox._CLASS_AND_LANE = {name: (cls, outbox.REST_LANE) for name, (cls, _) in outbox._CLASS_AND_LANE.items()}

if __name__ == "__main__":
    add_source()
    main()
