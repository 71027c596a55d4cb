//! Whoever runs code in the mail pod of a space: its files, its certificates, its network.
