"""Family `jt808`: JT/T 808, the national standard of China for terminals that report positions (2011, 2013, 2019).

    7E | escaped( header | body | check ) | 7E          check: exclusive-or of header and body

Sources: three independent implementations that agree (yezhihao/jt808-server, SmallChi/JT808, cuteLittleDevil/go-jt808,
all MIT) and traccar's decoder (Apache-2.0); the standard itself was not at hand. "2013" is the trade name of the 2011
edition with its supplement.
"""
