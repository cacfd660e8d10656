"""A clock for tests and simulations."""

from gateway.clock.stamp import ClockQuality, ClockSource, Stamp


class ManualClock:
    """A clock that moves only when told: the one to inject in tests and simulations."""

    def __init__(
        self,
        wall_ms: int = 1_795_309_322_000,  # 2026-11-22T01:02:02Z
        mono_ms: int = 123_455_331,
        *,
        boot_id: str = "87389cf03c0f4376b8caa195260ea502",
        quality: ClockQuality = ClockQuality.SYNCED,
        error_ms: int | None = 12,
        source: ClockSource = ClockSource.NTP,
    ) -> None:
        self.wall_ms = wall_ms
        self.mono_ms = mono_ms
        self.boot_id = boot_id
        self.quality = quality
        self.error_ms = error_ms
        self.source = source

    def now(self) -> Stamp:
        """The moment it was set to."""
        return Stamp(self.wall_ms, self.mono_ms, self.boot_id, self.quality, self.error_ms)

    def note_synced_in_boot(self) -> None:
        """Unsynced becomes holdover, as with the real one."""
        if self.quality is ClockQuality.UNSYNCED:
            self.set_quality(ClockQuality.HOLDOVER, source=ClockSource.NTP)

    def advance(self, ms: int) -> None:
        """Time passes on both clocks."""
        self.wall_ms += ms
        self.mono_ms += ms

    def step(self, ms: int) -> None:
        """Somebody sets the wall clock."""
        self.wall_ms += ms

    def set_quality(
        self, quality: ClockQuality, *, error_ms: int | None = None, source: ClockSource = ClockSource.NONE
    ) -> None:
        """What the kernel says changes."""
        self.quality = quality
        self.error_ms = error_ms
        self.source = source
