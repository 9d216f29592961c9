"""Pollers in processes of their own: programs in any language, spoken to over stdio or a broker."""
