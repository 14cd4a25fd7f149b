"""A long run of the origin in bad weather: `just soak`. Not part of the tests; it takes minutes."""
