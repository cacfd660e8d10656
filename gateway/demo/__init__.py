"""A whole center on one machine, with no hardware and no configuration: `zhijiao demo`, `make run`.

keys      demo keys and configuration in the state folder      broker    mosquitto, or one in a wheel
children  processes and their lines                            show      what people see       demo   all of it
"""
