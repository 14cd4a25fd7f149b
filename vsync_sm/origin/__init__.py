"""What vsync does: the inbox, the loop that decides, and the effects of a cycle."""
