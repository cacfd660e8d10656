"""Family `h02`: trackers that speak a line of text or, to save bytes, the same in digits.

    *HQ,id,V1,hhmmss,A|V,DDMM.mmmm,N|S,DDDMM.mmmm,E|W,knots,course,ddmmyy,status[,...]#
    24 | id BCD[5] | hhmmss | ddmmyy | DDMMmmmm | battery | DDDMMmmmm, flags in 4 bits | speed, course | status ...

Times are UTC. Bits of the status are active when they are clear. Sources: traccar's decoder, encoder and tests
(Apache-2.0), and the makers' documents that they quote.
"""
