"""Rings and bands of the Colmi R02 kind: frames of 16 bytes over BLE. Sources: README.md beside the package."""
