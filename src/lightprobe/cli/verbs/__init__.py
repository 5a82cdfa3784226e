"""One file a verb: its options, what it calls, what it prints; a verb may bear the name of a builtin."""
