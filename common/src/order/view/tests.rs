//! Reads against a real database.
