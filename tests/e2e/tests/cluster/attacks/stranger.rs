//! A stranger: whoever reaches the public ports (MX, IMAPS, submissions, the API server) without
//! an account.
