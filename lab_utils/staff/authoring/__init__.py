"""Write a new homework. For instructors; no lab needs it."""
