"""Serial face modules that frame with EF AA, a 16-bit size and an exclusive-or (FM22x, FR1002, FT225, FM888, LK).

envelope.py   the bytes around a message, plain and encrypted, and finding them in a byte stream
frames.py     Frame (plain) and EncryptedFrame (closed), and their decoders
encryption.py the key, and messages sealed into encrypted frames and opened again
msg_ids.py    the message numbers, with the maker's names
results.py    what the result byte of a reply means and what to do about it
states.py     what a FACE_STATE note says of the face, and the five directions
commands.py   typed commands of the host
replies.py    typed replies of the module
notes.py      what a module says on its own
text_field.py names, versions and serial numbers in fields of fixed size
exchanges.py  procedures: probe, look, verify, enrol, delete, list, abort
describe.py   a frame explained for a person or a test

Another protocol has the same first two bytes with a 32-bit size and a sum (HLK-TX510): which one a module speaks
is a matter of configuration, never of the header.
"""
