"""Family `xexun2`: the second protocol of Xexun, of personal trackers that tell their removal, big-endian.

    FA AF | type WORD | serial WORD | IMEI BCD[8] | attributes WORD | checksum WORD | payload | FA AF

Sources: traccar's decoder, encoder and their tests (Apache-2.0). The maker's document was not at hand.
"""
