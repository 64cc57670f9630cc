"""What student code can do to its sandbox, its grader and the machine: all of it for real, in bubblewrap."""

import contextlib
import json
import os
import textwrap
import time

import numpy as np
import psutil
import pytest

from lab_utils.staff.grading import memory_watch
from lab_utils.staff.grading.isolation import FULL, KIT, NONE, Limits, command, isolation
from lab_utils.staff.grading.remote import (
    Crashed,
    Missing,
    NotAttempted,
    Remote,
    Sandbox,
    TimedOut,
    Undecided,
    Unusable,
)

pytestmark = pytest.mark.skipif(isolation().level != FULL, reason=f"no isolation here: {isolation().reason}")


@pytest.fixture
def ask(tmp_path):
    """Return a function (source, *args) -> what `answer(*args)` of that source gives in a sandbox."""
    folder = tmp_path / "submission"
    folder.mkdir()
    open_ones = []

    def run(source, *args, seconds=60.0, limits=None, script=None, files=()):
        for name, content in dict(files).items():
            (folder / name).write_bytes(content)
        sandbox = Sandbox(folder, limits=limits)
        open_ones.append(sandbox)
        student = Remote(sandbox, [source], "answer", "", seconds=seconds)
        return student.through(script)(*args) if script else student(*args)

    yield run
    for sandbox in open_ones:
        sandbox.end()


# ---- honest work


def test_values_and_arrays_go_in_and_come_back(ask):
    source = "import numpy as np\ndef answer(x, y):\n    return {'sum': x.sum(), 'both': (x * y, [y, None, 'é'])}"
    back = ask(source, np.arange(4.0), 2)
    assert back["sum"] == 6.0
    np.testing.assert_array_equal(back["both"][0], [0, 2, 4, 6])
    assert back["both"][1] == [2, None, "é"]


def test_files_beside_the_notebook_can_be_read_and_new_ones_written(ask):
    source = textwrap.dedent(
        """\
        import helper
        def answer():
            open("new.txt", "w").write("x")
            return helper.two() + open("n.txt").read()
        """
    )
    assert ask(source, files={"helper.py": b"def two(): return '2'", "n.txt": b"3"}) == "23"


def test_a_script_travels_in_and_reports_plain_values(ask):
    script = "def probe(student, x):\n    return [student(x), student(x + 1)]"
    assert ask("def answer(x):\n    return x * 10", 1, script=script) == [10, 20]


# ---- failures have names


def test_the_stub_is_not_attempted(ask):
    with pytest.raises(NotAttempted, match="replace its `raise`"):
        ask("def answer():\n    raise NotImplementedError('your code goes here')")


def test_an_error_comes_back_with_the_students_own_line(ask):
    with pytest.raises(Crashed, match="ValueError: too small") as caught:
        ask("def helper(x):\n    raise ValueError('too small')\ndef answer(x):\n    return helper(x)", 1)
    assert caught.value.line == "cell 1, line 2: raise ValueError('too small')"


def test_an_error_in_a_library_names_the_line_that_called_it(ask):
    with pytest.raises(Crashed) as caught:
        ask("import json\ndef answer():\n    return json.loads('{')")
    assert caught.value.line == "cell 1, line 3: return json.loads('{')"


def test_a_name_that_is_not_there_is_missing(ask):
    with pytest.raises(Missing, match="no function `answer`"):
        ask("def anwser():\n    return 1")


@pytest.mark.parametrize("value", ["object()", "{1, 2}", "lambda: 1", "open"])
def test_what_is_no_plain_value_is_unusable(ask, value):
    with pytest.raises(Unusable, match="returned something else"):
        ask(f"def answer():\n    return {value}")


def test_an_endless_loop_is_timed_out_and_the_next_call_is_answered(tmp_path):
    source = textwrap.dedent(
        """\
        def answer(x):
            while x:
                try:
                    pass
                except BaseException:
                    pass
            return "out"
        """
    )
    with Sandbox(tmp_path) as sandbox:
        with pytest.raises(TimedOut, match="did not finish within 2 s"):
            Remote(sandbox, [source], "answer", "", seconds=2)(True)
        assert Remote(sandbox, [source], "answer", "", seconds=60)(False) == "out"


def test_who_only_waits_is_not_decided_and_the_next_call_is_answered(tmp_path):
    """No processor time was used: on a busy machine honest work looks like this, too."""
    source = "import time\ndef answer(x):\n    time.sleep(x)\n    return x"
    with Sandbox(tmp_path) as sandbox:
        sandbox.preload([])
        assert Remote(sandbox, [source], "answer", "", seconds=60)(0) == 0
        with pytest.raises(Undecided, match="Not decided: `answer` was waited for 10 s"):
            Remote(sandbox, [source], "answer", "", seconds=0.5)(10**6)
        assert Remote(sandbox, [source], "answer", "", seconds=60)(0) == 0


def test_who_asks_the_system_to_look_away_is_ended_all_the_same(ask):
    source = (
        "import signal\ndef answer():\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True:\n        pass"
    )
    with pytest.raises(Crashed, match="signal 9"):
        ask(source, seconds=1)


def test_an_endless_recursion_ends_by_time_or_by_memory(ask):
    with pytest.raises((Crashed, TimedOut)):
        ask("import sys\ndef answer(x):\n    sys.setrecursionlimit(10**9)\n    return answer(x)", 1, seconds=2)


def test_an_endless_loop_where_the_function_is_defined_is_timed_out(ask):
    with pytest.raises(TimedOut):
        ask("x = 0\nwhile True:\n    x = x + 1\ndef answer():\n    return x", seconds=1)


@pytest.mark.parametrize(
    "body",
    [
        "import sys; sys.exit(0)",
        "import os; os._exit(0)",
        "import os; os._exit(7)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.kill(-1, 9)",
        "raise KeyboardInterrupt",
        "raise BaseException",
        "return answer(x)",
        "return [0] * 10**11",
        "import os; os.close(3); os.closerange(0, 200)",
    ],
)
def test_a_function_that_kills_its_process_has_crashed_and_the_next_one_is_graded(tmp_path, body):
    source = f"def answer(x):\n    {body}\ndef other(x):\n    return x"
    with Sandbox(tmp_path) as sandbox:
        with pytest.raises(Crashed):
            Remote(sandbox, [source], "answer", "", seconds=60)(5)
        assert Remote(sandbox, [source], "other", "", seconds=60)(5) == 5


# ---- attacks


def test_there_is_no_network(ask):
    source = (
        "import socket\ndef answer(port):\n    try:\n        socket.create_connection(('127.0.0.1', port), 2)\n"
        "    except OSError as error:\n        return str(error)\n    return 'connected'"
    )
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "refused" in ask(source, server.getsockname()[1])
    devices = "def answer():\n    return sorted(open('/proc/net/dev').read().count(name) for name in ('eth', 'lo:'))"
    assert ask(devices) == [0, 1]


def test_nothing_of_the_instructor_can_be_seen(ask, tmp_path):
    secret = tmp_path / "gradebook.csv"
    secret.write_text("ada,100")
    source = (
        "import os, pathlib\ndef answer(paths):\n"
        "    return [os.path.exists(p) for p in paths], dict(os.environ), sorted(os.listdir('/')), os.getuid()"
    )
    os.environ["LAB_TEST_TOKEN"] = "secret"
    try:
        staff = ("course", "collecting", "feedback", "homework4", "commands.py")
        paths = [str(secret), f"{KIT}/solutions", f"{KIT}/tests", f"{KIT}/lab_utils", "/etc/shadow", "/kit/solutions"]
        seen, variables, top, uid = ask(source, [*paths, *(f"/kit/lab_utils/staff/{name}" for name in staff)])
    finally:
        del os.environ["LAB_TEST_TOKEN"]
    assert seen == [False] * 11
    assert "LAB_TEST_TOKEN" not in variables
    assert set(variables) >= {"HOME", "PATH"}
    assert "submission" in top
    assert uid != 0


OF_OTHERS = ("/submission/x", "/kit/lab_utils/x", "/kit/lab_utils/staff/x", "/usr/x", "/x", "/etc/x")


@pytest.mark.parametrize("path", [*OF_OTHERS, "/proc/sys/kernel/hostname"])
def test_what_does_not_belong_to_the_student_cannot_be_written(ask, path):
    with pytest.raises(Crashed, match=r"PermissionError|OSError|FileNotFoundError"):
        ask(f"def answer():\n    open({path!r}, 'w').write('x')\n    return 'written'")


def test_a_torch_beside_the_notebook_is_not_torch(ask):
    files = {
        name: b"raise SystemExit('shadowed')"
        for name in ("numpy.py", "json.py", "sitecustomize.py", "usercustomize.py")
    }
    assert ask("import numpy, json\ndef answer():\n    return int(numpy.int64(3))", files=files) == 3


def test_objects_that_equal_everything_come_back_as_what_they_are(ask):
    source = textwrap.dedent(
        """\
        class Yes(float):
            def __eq__(self, other):
                return True
            __hash__ = None
        def answer():
            return Yes(3)
        """
    )
    value = ask(source)
    assert type(value) is float
    assert value != 4


def test_patched_builtins_stay_in_the_sandbox(ask):
    source = textwrap.dedent(
        """\
        import builtins, numpy, json
        def answer(x):
            builtins.abs = lambda x: 0
            numpy.allclose = lambda *a: True
            json.dumps = lambda *a, **k: '{"value": 1}'
            return x
        """
    )
    assert ask(source, 3) in (1, 3)  # its own reply is all that it can spoil
    assert abs(-3) == 3
    assert not np.allclose(1, 2)
    assert json.dumps(2) == "2"


@pytest.mark.parametrize(
    "forged",
    [
        '{"value": 42}\\n',
        '{"defined": true}\\n{"value": 42}\\n',
        "[1]\\n",
        "garbage\\n",
        "{}\\n",
        '{"died": [1, 2]}\\n',
    ],
)
def test_messages_written_into_every_open_pipe_are_the_students_own_answer_at_most(ask, forged):
    source = textwrap.dedent(
        f"""\
        import os
        def answer():
            for pipe in range(3, 60):
                try:
                    os.write(pipe, b'{forged}')
                except OSError:
                    pass
            return 1
        """
    )
    with contextlib.suppress(Crashed):
        assert ask(source) in (1, 42)


def test_the_process_that_talks_to_the_grader_cannot_be_reached(ask):
    source = textwrap.dedent(
        """\
        import os
        def answer():
            found = []
            for pid in os.listdir("/proc"):
                if pid.isdigit() and int(pid) != os.getpid():
                    try:
                        pipes = os.listdir(f"/proc/{pid}/fd")
                        found += [os.readlink(f"/proc/{pid}/fd/{pipe}") for pipe in pipes]
                    except OSError:
                        pass
            return found
        """
    )
    # Where the grader runs as an ordinary user, the first process of bubblewrap can be seen; it holds no pipe.
    assert [held for held in ask(source) if held.startswith(("pipe:", "socket:"))] == []


def test_a_fork_bomb_meets_a_limit(ask):
    source = textwrap.dedent(
        """\
        import os, time
        def answer():
            made = 0
            try:
                while True:
                    if not os.fork():
                        time.sleep(30)
                        os._exit(0)
                    made += 1
            except OSError:
                return made
        """
    )
    assert ask(source, seconds=60) < 64


def test_a_fork_bomb_takes_no_processes_from_another_sandbox(tmp_path):
    bomb = """
        import os, time
        def answer():
            try:
                while os.fork():
                    pass
            except OSError:
                return "full"
            time.sleep(30)
    """
    with Sandbox(tmp_path, slot=0) as first, Sandbox(tmp_path, slot=1) as second:
        assert Remote(first, [textwrap.dedent(bomb)], "answer", "", seconds=60)() == "full"
        assert Remote(second, ["def answer():\n    return 1"], "answer", "", seconds=60)() == 1


def test_background_processes_end_with_the_sandbox(tmp_path):
    mark = f"sleep-{os.getpid()}-{time.time_ns()}"
    source = textwrap.dedent(
        """\
        import subprocess
        def answer(mark):
            stubborn = f'trap "" TERM HUP; sleep 300 # {mark}'
            subprocess.Popen(["/bin/sh", "-c", stubborn], start_new_session=True)
            return 1
        """
    )

    def alive():
        return [p.pid for p in psutil.process_iter() if mark in " ".join(_command(p))]

    with Sandbox(tmp_path) as sandbox:
        assert Remote(sandbox, [source], "answer", "", seconds=60)(mark) == 1
        assert alive()
    deadline = time.monotonic() + 60
    while alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive()


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_memory_that_fills_is_a_crash_with_its_reason(ask):
    with pytest.raises(Crashed, match="MemoryError"):
        ask("def answer():\n    return len(bytearray(2 * 2**30))", limits=Limits(memory=2**30))


def test_memory_filled_by_many_processes_ends_the_sandbox(ask):
    source = textwrap.dedent(
        """\
        import os, time
        def answer():
            for i in range(8):
                if not os.fork():
                    x = bytearray(b"1") * (300 * 2**20)
                    time.sleep(30)
            time.sleep(30)
        """
    )
    with pytest.raises(Crashed, match="too much memory"):
        ask(source, limits=Limits(memory=2**30), seconds=60)


def test_disk_that_fills_is_an_error_of_the_student(ask):
    source = textwrap.dedent(
        """\
        def answer():
            for i in range(100):
                with open(f"{i}.bin", "wb") as file:
                    file.write(bytes(10 * 2**20))
        """
    )
    with pytest.raises(Crashed, match=r"No space left|File too large"):
        ask(source, limits=Limits(disk=64 * 2**20), seconds=60)


def test_a_reply_that_is_too_long_is_refused(ask):
    with pytest.raises(Crashed, match="returned more than"):
        ask("def answer():\n    return ['x' * 2**20] * 80", seconds=60)
    with pytest.raises(Unusable, match="at most 32 MiB"):
        ask("import numpy as np\ndef answer():\n    return np.zeros(2**24)", seconds=60)
    with pytest.raises(Unusable, match="more than 1048576 numbers"):
        ask(
            "import numpy as np\ndef answer():\n    return {'a': [np.zeros((2**20, 1), 'uint8'), np.zeros(1)]}",
            seconds=60,
        )


SHARED = """\
import ctypes, mmap, os
c = ctypes.CDLL(None, use_errno=True)
c.shmat.restype = ctypes.c_void_p
def fill(bytes_):
    m = mmap.mmap(-1, bytes_)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(m)), 1, bytes_)
"""


def test_memory_that_processes_share_counts_too(ask):
    source = SHARED + "def answer():\n    import time\n    fill(3 * 2**30)\n    time.sleep(50)"
    with pytest.raises(Crashed, match="too much memory"):
        ask(source, limits=Limits(memory=2**30), seconds=60)


@pytest.mark.parametrize(
    "call",
    [
        "c.memfd_create(b'x', 0)",
        "c.shmget(0, 2**20, 0o1600)",
        "c.semget(0, 32000, 0o1600)",
        "c.unshare(0x10000000)",
        "c.syscall(*({'x86_64': (56,), 'aarch64': (220,)}[os.uname().machine]), 0x10000000 | 17, 0, 0, 0, 0)",
        "c.ptrace(0, 0, 0, 0)",
        "c.socket(40, 1, 0)",
        "c.socket(17, 3, 0)",
    ],
)
def test_calls_that_lead_around_limits_and_namespaces_are_refused(ask, call):
    assert ask(f"{SHARED}def answer():\n    return [{call}, ctypes.get_errno()]") == [-1, 1]


def test_clone3_and_x32_do_not_exist(ask):
    source = SHARED + "def answer(number):\n    return [c.syscall(number, 0, 0), ctypes.get_errno()]"
    assert ask(source, 435) == [-1, 38]
    assert ask(source, 0x40000000 + 39) == [-1, 38]


@pytest.mark.parametrize("whom", ["os.getpid()", "os.getppid()", "-1"])
def test_who_stops_a_process_crashes_at_once_and_is_not_waited_for(ask, whom):
    with pytest.raises(Crashed, match="it stopped a process"):
        ask(f"import os, signal\ndef answer():\n    os.kill({whom}, signal.SIGSTOP)", seconds=60)


@pytest.mark.parametrize("place", ["/tmp", "/home/student", "/dev/shm"])
def test_files_without_number_count_as_memory_though_they_are_empty(ask, monkeypatch, place):
    """The kernel keeps about a kilobyte for each, which belongs to no process: a hundred million end the machine."""
    monkeypatch.setattr(memory_watch, "INODE", 2**20)  # so that a thousand do
    source = textwrap.dedent(
        f"""\
        import os
        def answer():
            for number in range(2000):
                os.symlink("x", f"{place}/{{number}}")
            while True:
                pass
        """
    )
    with pytest.raises(Crashed, match="too much memory"):
        ask(source, limits=Limits(memory=3 * 2**29), seconds=60)


def test_what_waits_in_sockets_counts_as_memory(ask, monkeypatch):
    monkeypatch.setattr(memory_watch, "SOCKET", 2**24)  # so that one process does what sixty-four would have to
    source = textwrap.dedent(
        """\
        import socket
        def answer():
            pairs = [socket.socketpair() for _ in range(100)]
            while True:
                pass
        """
    )
    with pytest.raises(Crashed, match="too much memory"):
        ask(source, limits=Limits(memory=3 * 2**29), seconds=60)


def test_threads_and_processes_and_shared_memory_of_honest_work_still_start(ask):
    source = textwrap.dedent(
        """\
        import multiprocessing, threading, subprocess, socket
        from multiprocessing import shared_memory
        def work(x):
            return x * 2
        def answer():
            thread = threading.Thread(target=work, args=(1,))
            thread.start()
            thread.join()
            shared = shared_memory.SharedMemory(create=True, size=100)
            shared.unlink()
            socket.socketpair()
            with multiprocessing.Pool(2) as pool:
                return pool.map(work, [1, 2]), subprocess.run(["/bin/echo", "3"], capture_output=True, text=True).stdout
        """
    )
    assert ask(source, seconds=60) == [[2, 4], "3\n"]


@pytest.mark.parametrize("path", ["/x", "/kit/data/cache/x", "/kit/lab_utils/staff/x", "/home/x", "/dev/x", "/sys/x"])
def test_what_an_ordinary_user_runs_cannot_be_written_either(ask, monkeypatch, path):
    if os.getuid() == 0:  # the sandbox of an instructor who is not root: the student owns what bubblewrap makes
        monkeypatch.setattr("lab_utils.staff.grading.isolation.os.getuid", lambda: 1000)
    with pytest.raises(Crashed, match=r"PermissionError|OSError|FileNotFoundError"):
        ask(f"import os\ndef answer():\n    open({path!r}, 'w').write('x')\n    return 'written'")


def test_a_sandbox_that_is_ended_again_and_again_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("lab_utils.staff.grading.remote.STARTS", 2)
    source = "def answer(x):\n    import os\n    os.kill(-1, 9)"
    with Sandbox(tmp_path) as sandbox:
        student = Remote(sandbox, [source], "answer", "", seconds=60)
        for _ in range(2):
            with pytest.raises(Crashed):
                student(1)
        with pytest.raises(Crashed, match="too often"):
            student(1)


# ---- what the tool says of itself


def test_without_bubblewrap_there_is_no_isolation_and_there_is_advice(monkeypatch):
    monkeypatch.setattr("lab_utils.staff.grading.isolation.shutil.which", lambda name: None)
    isolation.cache_clear()
    try:
        found = isolation()
    finally:
        isolation.cache_clear()
    assert found.level == NONE
    assert "bubblewrap is not installed" in found.reason
    for word in ("WSL2", "container", "AppArmor", "--trust-submissions"):
        assert word in found.advice


def test_trusted_work_runs_without_isolation_too(tmp_path):
    with Sandbox(tmp_path, level=NONE) as sandbox:
        assert Remote(sandbox, ["def answer(x):\n    return x + 1"], "answer", "", seconds=60)(1) == 2


def test_a_course_below_usr_is_hidden(monkeypatch, tmp_path):
    from pathlib import Path

    monkeypatch.setattr("lab_utils.staff.grading.isolation.KIT", Path("/usr/local/course"))
    line, _ = command(tmp_path, 0, Limits(), FULL)
    assert line[line.index("/usr/local/course") - 1] == "--tmpfs"


def test_an_environment_below_tmp_can_be_used(monkeypatch, tmp_path):
    import sys

    (tmp_path / "venv").symlink_to(sys.prefix)
    (tmp_path / "submission").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    with Sandbox(tmp_path / "submission") as sandbox:
        source = f"import numpy, os\ndef answer():\n    return numpy.__file__, os.listdir({str(tmp_path)!r})"
        file, seen = Remote(sandbox, [source], "answer", "", seconds=60)()
    assert file.startswith(str(tmp_path / "venv"))
    assert seen == ["venv"]
