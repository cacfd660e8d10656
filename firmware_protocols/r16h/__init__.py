"""Family `r16h`: an ankle bracelet for supervised persons that says whether its strap is locked.

    @TYPE,IMEI[,data]$          ASCII; the platform does not answer, a line that took it counts as delivered

Source: "R16H Ankle Bracelet Protocol Document", attached to the traccar project in public. The strap's state comes
with every position; what was not sent is stored and comes later, marked S.
"""
