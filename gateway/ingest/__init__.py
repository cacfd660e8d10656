"""From what a device or the gateway itself says happened, to an event on disk.

facts     device events -> type, subject, data          sealing   what identifies a person, sealed
ingest    identity, clock, commit; never raises over content   alarms    raised once, cleared by name
"""
