"""What each product was made from, by what and when: the sidecars, and what can be asked of them."""
