"""Bluetooth LE: what advertisements and characteristics say. Nothing here listens; bytes are handed in.

Advertisements are unsigned: a beacon can be replayed by anybody, so it is a hint of presence and no proof.
Sources: README.md beside the package, section BLE.
"""
