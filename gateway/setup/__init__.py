"""The first run: the center's name, the box's address, and what is still missing until the first check-in counts."""
