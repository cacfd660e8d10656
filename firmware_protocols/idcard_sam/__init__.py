"""Resident ID card readers (居民身份证阅读机具) that pass the frames of the SAM module through a serial line.

envelope.py     the bytes around a message: preamble, length, checksum
frames.py       Request and Reply, and the decoders that find them in a byte stream
status.py       what a status byte means and what to do about it
messages.py     typed commands and replies, both directions
text_block.py   the 256 bytes of text on a card, in four layouts
fingerprint.py  where a fingerprint feature says which finger it is; the feature itself stays opaque
exchanges.py    procedures: probe the reader, find a card, read a card
describe.py     a frame explained for a person or a test
"""
