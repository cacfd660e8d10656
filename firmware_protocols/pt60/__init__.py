"""Family `pt60`: watches of the PT60 kind, in two forms of one protocol.

    @G#@,V01,<type>,<IMEI>,<IMSI>,[<yyyyMMddHHmmss>,data,]@R#@
    @B#@|01|<type>|<IMEI>|<IMSI>|[[firmware|]state|battery|]<yyyyMMddHHmmss>|data|@E#@

Times are by the watch's own clock. Source: traccar's decoder and its tests (Apache-2.0).
"""
