"""Conversations with devices: one kind of device per file, over a link, beside a simulator of its far end.

May import `firmware_protocols`, never `gateway`. What a driver learns it hands to a sink, which
returns only when the events are committed to disk.
"""
