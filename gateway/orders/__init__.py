"""What the center's signed commands do in the rooms of the gateway, beside `ping` and `resend` (contract, Commands).

orders        which names are carried out, and by whom
roster_pull   a roster fetched part by part, sealed for this gateway
"""
