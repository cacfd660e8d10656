"""The center's side of the contract: verify, store, dedupe, find gaps, ack. The reference for every other consumer.

topics, data_rules, verify, documents                from bytes to a verified event or a typed verdict; by the rules of
                                                     `gateway.contract`
intervals, cursor, acks                              how far an epoch is settled, and how the gateway is told
models, migrations, ledger, waiting_room             what is kept
database, sql, sqlite_file, postgres                 in which database
leases, tenure, overheard                            several workers: who has which gateway
memory, turns                                        what is remembered between transactions, one after the other
lost_places                                          what turns up where a loss was declared
lives                                                two machines under one name
receiver                                             the library: `await receiver.accept(topic, payload)`
service                                              the same as a service on a broker
consuming                                            what a consumer acts upon, in which order
report                                               complete? unchanged?

The library needs no MQTT: `receiver.Receiver` takes (topic, payload) from any transport and names the
acks that are due.
"""
