"""Citizen identification numbers (GB 11643) and the code tables printed beside them on a card.

Not a wire protocol but a value that several of them carry; other families may import it.

number.py    the 18 characters: check digit, birth, sex
codes.py     sex (GB/T 2261.1) and ethnicity (GB/T 3304)
describe.py  a number explained for a person or a test
"""
