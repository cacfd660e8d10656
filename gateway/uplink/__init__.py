"""From the outbox to the center and back.

topics       every topic string            lanes     which waiting event goes next (pure)
window       how many may be unsettled     sender    outbox -> broker
mqtt_bridge  one connection                acks      the center's cursors -> settled rows
documents    info, status, device status   uplink    connect, serve, come back
"""
