"""What happened: the lines of the journal, how they are written, read and retold."""
