"""Access card readers behind a converter from Wiegand to a serial line.

card.py      the 26 bits of a card: parity and number
lines.py     text between two marks, found in a byte stream; bounded
content.py   what stands in a line: a card's bits, or characters
describe.py  one card by name and key
describe_lines.py  lines of one converter, as it is configured

Converters have no format in common, so the marks are configured, never guessed.
"""
