"""Back in time: a console over a journal whose clock can be moved."""
