"""Family `gt06`: the tracker protocol of Concox, copied by most Chinese makers, with as many variations.

    78 78 | length BYTE | number | content | serial WORD | CRC WORD | 0D 0A
    79 79 | length WORD | number | content | serial WORD | CRC WORD | 0D 0A

Sources: traccar's decoder and its tests (Apache-2.0), the npm package gt06 (ISC), the makers' documents they quote.
"""
