"""The grader's side of a process that may say anything at any time."""

import socket
import threading

from lab_utils.staff.grading.forks import Question, _receive


def test_what_was_said_before_the_question_is_not_its_answer():
    here, there = socket.socketpair()
    with here, there:
        question = Question.__new__(Question)  # of no process
        question._socket = here
        there.sendall(b"said by a process that was left behind\n")
        echo = threading.Thread(target=lambda: there.sendall(there.recv(100)))
        echo.start()
        assert question.ask(b"asked\n", 10.0) == b"asked\n"
        echo.join()


def test_of_an_answer_the_first_line_counts_and_silence_and_an_end_have_names():
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"one\ntwo\n")
        assert _receive(here, 10.0) == (b"one\n", {})
        assert _receive(here, 0.01) == (b"", {"undecided": 0.01})
        there.sendall(b"half a line")
        there.close()
        assert _receive(here, 10.0) == (b"", {"died": "its process ended"})
