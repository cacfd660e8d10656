"""OSDP (IEC 60839-11-5): card readers and keypads on a bus, and the control panel that polls them.

codes.py           the numbers of commands and replies, and what a NAK says
crc16.py           the check of a frame
security_block.py  the few bytes that say how a frame is secured
frames.py          a frame and its bytes, clear or secured
decoder.py         frames found in a byte stream
layout.py          data of fixed size to values and back
commands.py        typed commands of the control panel; files.py and biometrics.py hold the rarer ones
replies.py         typed replies of the reader
catalogue.py       which type stands behind which code
secure_keys.py     session keys and cryptograms out of the key that both ends share
secure_channel.py  frames sealed and opened, MAC after MAC
handshake.py       the four messages that begin a secure channel, both ends
session.py         one reader as the panel talks to it: numbers, channel, which reply answers what
exchanges.py       the panel's questions as generators
telling.py         what a message says, by key; recognise.py: which way a frame goes
describe.py        a frame for a person or a test; describe_channel.py and describe_session.py for secured ones
"""
