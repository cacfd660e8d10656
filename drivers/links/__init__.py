"""Ways to reach a device: serial port, memory (tests). pyserial and bleak are imported here and nowhere else."""
