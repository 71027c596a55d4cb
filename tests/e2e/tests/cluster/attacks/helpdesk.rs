//! The helpdesk of a space: migrations and passwords, no mailbox.
