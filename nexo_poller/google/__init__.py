"""Google accounts: their tokens, one client an account for all who use it, and the login that makes a token."""
