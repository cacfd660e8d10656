"""Family `trv`: trackers and watches whose messages begin with the maker's letters, TRV or IW.

    TRVAP01…#    IWAP00…#        answers: the next letter of the alphabet, BP for AP, DP for CP, ZP for YP

Times are UTC. Sources: traccar's decoder and its tests (Apache-2.0).
"""
