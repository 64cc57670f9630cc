"""What people really have: files, folders, labels, weights, checkpoints and scores from public bug reports.

One file for each kind of fault. A test holds the right value, or the refusal: what the kit does not understand it
refuses, with what it saw and what to do; it never guesses a class, a patient, an order or a scale.
"""
