"""What a cycle costs, beside what others would take for it: `just bench`."""
