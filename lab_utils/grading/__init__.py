"""The instructor's side of a homework: collect, grade, feedback. Nothing in the labs needs it."""
