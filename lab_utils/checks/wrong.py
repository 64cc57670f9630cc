"""How a case says that an answer is wrong; without torch, so that graders start at once."""

import re


def named(value: object) -> str:
    """Return the name of a type that was reported, or other words: from a sandbox any text may come as one.

    Args:
        value: such as "torch.float32".
    """
    text = value if isinstance(value, str) else ""
    return text if re.fullmatch(r"[A-Za-z_][\w.]{0,39}", text, re.ASCII) else "value of another kind"


class Wrong(Exception):
    """The student's answer is wrong; `hint` says what to look at and does not give the answer away."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint
