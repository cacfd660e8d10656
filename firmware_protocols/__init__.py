"""Wire protocols of the devices: bytes to typed messages and back.

Pure by rule: no I/O, no clock, no loop, no log, nothing imported from the
other two packages. Byte layouts and their sources: README.md beside this file.
"""
