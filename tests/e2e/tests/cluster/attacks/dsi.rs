//! The DSI of a space: its agents, its journal.
