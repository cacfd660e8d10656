"""Family `laipac`: the S911 bracelet for supervised persons, and its relatives, in lines like those of NMEA 0183.

    $WORD,field,field,...*hh CR LF        hh: exclusive-or of what stands between $ and *, in hex

Times are UTC, speeds knots. Sources: traccar's decoder, encoder and tests (Apache-2.0).
"""
