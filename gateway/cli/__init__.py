"""The command `zhijiao`: one module per subcommand."""
