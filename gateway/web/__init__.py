"""What people see: the message catalogue, the page rendered from a snapshot, and its static files.

No web framework here: `gateway.api` serves what this package makes.
"""
