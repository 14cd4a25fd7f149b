"""What vsync knows: pure values and rules. No I/O, no clock, no threads in here."""
