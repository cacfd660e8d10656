"""Family `watch`: the bracket protocol of SOS, elderly and children's watches ("SeTracker": 3G, SG, CS, ZJ, XY …).

    [MF*ID*LEN*CMD,args]        MF two letters, ID 10 or 15 digits, LEN four hex digits: bytes of the content
    [MF*ID*SER*LEN*CMD,args]    a variant with a serial number, which is echoed

Sources: traccar's decoder, encoder and tests (Apache-2.0), and the makers' documents that they quote.
"""
