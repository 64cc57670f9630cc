"""Pages for students and for the instructor, and the gradebook. For instructors; no lab needs it."""
