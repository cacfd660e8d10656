"""The devices of this gateway while it runs: where they stand, what a technician changes, finds and tests."""
