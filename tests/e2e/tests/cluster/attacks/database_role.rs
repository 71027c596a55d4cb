//! Whoever has the password of a space's database role, which lies in its mail pod.
