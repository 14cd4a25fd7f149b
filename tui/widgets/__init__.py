"""The console's panels, one a file."""
