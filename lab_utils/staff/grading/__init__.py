"""Run submissions in a sandbox and reach verdicts. For instructors; no lab needs it."""
