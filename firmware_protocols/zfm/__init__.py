"""Serial fingerprint modules of the ZFM line (指纹模块): ZFM-20, R30x, R503, AS608, FPM383 and their kin.

packet.py      Packet, and the decoder that finds packets in a byte stream
family.py      the two vendor families that give some opcodes different meanings; configured, never guessed
confirm.py     what a confirm code means and what to do about it
messages.py    how a typed message is laid out in bytes
commands.py    typed commands, both directions, one table for each family; vendor_commands.py its own ones
replies.py     typed replies, both directions
progress.py    the steps that AutoEnroll and AutoIdentify report
exchanges.py   procedures: who are you, whose finger, enrol, erase, which slots, light
describe.py    a packet by name and key, for tests and machines
explain.py     a packet explained for a person
"""
