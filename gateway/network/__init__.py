"""The box's own address: what NetworkManager says of it, and a change that undoes itself unless it is kept."""
