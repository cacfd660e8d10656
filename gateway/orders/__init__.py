"""What the center's signed commands do in the rooms of the gateway, beside `ping` and `resend` (contract, Commands).

orders        which names are carried out, and by whom
settings      `config-get` and `config-set`: live, on trial until the center answers
identity      `cert-renew` and `key-rotate`
roster_pull   a roster fetched part by part, sealed for this gateway
"""
