//! An agent of a space, with its password and nothing else.
