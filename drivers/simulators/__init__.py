"""The far end of each wire: devices that are not there, for tests, `zhijiao simulate` and the demo.

Needs nothing but the standard library and our own codecs.
"""
