"""Family `wristband-yx`: a wristband for the wrist of one wearer, whose text stands between marks.

    00 01 02 | length WORD | YX<imei>|V1.0|<model>|{Fnn#data}\\r\\n | FF FE FC

The length is that of the text. Times are by the wristband's own clock. Source: traccar's decoder and its tests
(Apache-2.0).
"""
