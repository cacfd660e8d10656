"""Test code: a first run over a network in memory. Nothing is stored but in `records`."""

from dataclasses import replace
from pathlib import Path

from gateway.config.values import Address
from gateway.setup.center_name import CENTER_NAME, CenterName
from gateway.setup.checklist import Known
from gateway.setup.first_run import FirstRun
from tests.gateway.network_bench import MemoryDaemon, MemoryRecords, network_of
from tests.ui.scripted import ScriptedGateway, healthy

NOTHING_YET = Known(
    staff=False, kiosks=1, paired=0, readers=frozenset({"idcard-1"}), trust=False, roster=False
)


class SetupBench:
    """What the page stands on, and the gateway that it is shown of."""

    def __init__(self, folder: Path, *, trial_s: float = 30.0, known: Known = NOTHING_YET) -> None:
        self.daemon, self.records, self.known = MemoryDaemon(), MemoryRecords(), known
        self.gateway = ScriptedGateway(healthy())
        self.network = network_of(self.daemon, self.records, trial_s=trial_s)
        self.network.changed = self.touch
        self.name = CenterName(
            records=self.records, noted=lambda: self.records.noted(CENTER_NAME), gateway="gw-370102-01"
        )
        self.name.changed = self.touch
        self.first_run = FirstRun(
            self.name,
            self.network,
            known=lambda: self.known,
            store=folder / "events.db",
            https=Address("0.0.0.0", 8443),
            provable=True,
        )

    def touch(self) -> None:
        """Who looks sees it."""
        self.gateway.show(replace(self.gateway.snapshot(), center=self.name.now))
