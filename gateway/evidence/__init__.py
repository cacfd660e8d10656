"""What makes an event provable: canonical bytes, hash chain, signatures, sealed fields, trusted keys.

Used by the gateway, which signs, and by the receiver, which verifies. No I/O but reading key files.
"""
