"""How a case says that an answer is wrong; without torch, so that graders start at once."""


class Wrong(Exception):
    """The student's answer is wrong; `hint` says what to look at and does not give the answer away."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint
