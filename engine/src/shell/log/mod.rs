//! Logs: JSON lines that carry the contact, or text on a terminal. What was said never appears in them.
