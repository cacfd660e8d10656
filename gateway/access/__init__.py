"""Who may do what on this box: accounts, sign-in, server-side sessions, tokens of kiosks."""
