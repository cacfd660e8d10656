"""Family `minifinder2`: personal trackers and pendants of Eview (EV-07B and its kin), little-endian throughout.

    AB | properties BYTE | length of body WORD | CRC WORD | serial WORD | body: command BYTE, {length, key, data}

Sources: traccar's decoder, encoder and their tests (Apache-2.0), and the maker's document that they follow.
"""
