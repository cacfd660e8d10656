"""From the outbox to the center and back.

topics        every topic string              uplink           connect, come back, learn from refusals
lanes         which waiting event goes next   serving          one connection: who deals with what
window        how many may be unsettled       sender           outbox -> broker
outstanding   what is sent and not settled    refusals         classes that the broker does not take
drain_cap     how fast a backlog may go       acks, settling   the center's cursors -> settled rows
ages          how old an event is             center           what acks come to: alarms, other chains
documents     info, status, device status     announcer        when they are said
command_message, commands, resend             what the center orders
requests, refused_pages                       what the gateway asks
identity      is there a second one of us?    seldom           rare log lines
"""
