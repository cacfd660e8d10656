"""Serial face modules that frame with EF AA, a 32-bit size and a sum (HLK-TX510).

frames.py    Frame and the decoders; the envelope is that of efaa_xor16 with another layout
commands.py  typed commands of the host
replies.py   typed replies of the module, and what its results mean
describe.py  a frame by name and key; explain.py the same for a person

It says nothing by itself and knows no names. Another protocol has the same first two bytes (efaa_xor16): which one
a module speaks is a matter of configuration, never of the header.
"""
