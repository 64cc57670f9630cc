"""Fetch the repositories of a class, and decide which commit counts. For instructors; no lab needs it."""
