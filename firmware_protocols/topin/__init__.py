"""Family `topin`: trackers and watches of Topin and ZhongXun, which look like GT06 and are not.

    78 78 | length BYTE | number | content | 0D 0A

No serial number, no check; the length is that of the content, of number and content, a count of access points, or
nothing at all. Times are UTC. Sources: traccar's decoder and its tests (Apache-2.0).
"""
