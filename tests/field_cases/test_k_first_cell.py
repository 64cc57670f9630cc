"""K: the first cell of a notebook, run as a kernel runs it, in an empty folder, against a bare local repository.

The interpreter sees no installed packages. PyTorch and the other packages are stubs: only their presence matters.
"""

import ast
import base64
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import packaging
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

import lab_utils
from lab_utils.staff.course.bootstrap import bootstrap_cell
from lab_utils.staff.course.settings import Course

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("first_cell.py", "missing_packages.py", "versions.py")  # of the kit, all that the first cell needs of it
NEEDED = "torch>=2.6\ntorchvision>=0.21\nsafetensors\nnbval  # of the command line\n"
DOCTOR = "import lab_utils\ndef start(lab):\n    print('STARTED', lab, lab_utils.__file__)\n"
STARTED = "STARTED 00_a"


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def kit_files(version=lab_utils.__version__):
    """The course in small: what the first cell sees of it is the real one."""
    real = {name: (ROOT / "lab_utils" / name).read_text("utf-8") for name in PARTS}
    init = (ROOT / "lab_utils/__init__.py").read_text("utf-8").replace(lab_utils.__version__, version)
    files = {f"lab_utils/{name}": text for name, text in {**real, "__init__.py": init, "doctor.py": DOCTOR}.items()}
    return {**files, "requirements.txt": NEEDED, "README.md": "how to set up"}


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A bare repository with the branches main and term2, whose kit is newer."""
    work = tmp_path_factory.mktemp("work")
    bare = tmp_path_factory.mktemp("served") / "labs.git"
    write(work, kit_files())
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "first")
    git(work, "checkout", "--quiet", "-b", "term2")
    write(work, {"term2.txt": "second"})
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "second")
    git(work, "checkout", "--quiet", "main")
    git(work, "clone", "--quiet", "--bare", str(work), str(bare))
    return bare


@pytest.fixture
def here(tmp_path):
    """An empty folder: the notebook's."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def packages(tmp_path):
    """What is installed: PyTorch and safetensors as stubs; and a pip that must not be asked."""
    site = tmp_path / "site"
    write(site, {"torch.py": "", "torchvision.py": "", "pip/__init__.py": ""})
    write(site, {"pip/__main__.py": "raise SystemExit('ERROR: pip must not run')"})
    for name, version in {
        "torch": "2.8.0+cu126",
        "torchvision": "0.23.0",
        "safetensors": "0.5",
        "numpy": "1.9",
    }.items():
        add(site, name, version)
    shutil.copytree(Path(packaging.__file__).parent, site / "packaging", ignore=shutil.ignore_patterns("__pycache__"))
    return site


def add(site, name, version):
    folder = name.replace("-", "_")
    write(
        site, {f"{folder}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    )


def cell(repository="https://example.org/your-course/labs.git", folder="labs", branch="main"):
    return bootstrap_cell("00_a", Course(str(repository), folder, branch=branch))


def begin(source, here, packages, before="", **environment):
    """Start a process for a cell; as in a kernel, the working folder is the first on the path."""
    code = f"import base64; exec(compile(base64.b64decode({base64.b64encode(source.encode())!r}), 'cell', 'exec'))"
    known = {"PATH": os.environ["PATH"], "HOME": str(here.parent), "PYTHONPATH": str(packages)}
    return subprocess.Popen(
        [sys.executable, "-S", "-B", "-c", f"{before}\n{code}"],
        cwd=here,
        env={**known, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(source, here, packages, before="", **environment):
    """Return what the cell printed, and the paragraph with which it stopped, or "".

    The process ends with an error exactly when there is a paragraph, and nothing unfinished lies in the folder.
    """
    process = begin(source, here, packages, before, **environment)
    printed, errors = process.communicate(timeout=60)
    last = errors.strip().splitlines()[-1] if errors.strip() else ""
    kind, _, words = last.partition("Stop: ")
    assert (process.returncode != 0) == bool(words), errors
    assert kind in ("", "__main__.", "lab_utils.first_cell."), errors  # Python 3.10 names __main__ too
    assert errors.count("Traceback") <= 1, errors  # not "during handling of the above"
    if words:
        assert words[0].isupper()
        assert words.endswith((".", "cell.")), words
        assert len(words) < 900
    assert not [path for path in here.iterdir() if path.name.startswith(".") and path.name != ".venv"]
    return printed, words


def fake(folder, name, script):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable} -S\nimport os, sys, subprocess, time\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


# ---- finding and fetching


def test_a_lone_notebook_fetches_the_course_and_the_second_run_needs_neither_git_nor_network(
    repository, here, packages
):
    printed, stopped = run(cell(repository), here, packages)
    assert not stopped
    assert "Fetching the course from" in printed
    assert f"{STARTED} {here / 'labs/lab_utils/__init__.py'}" in printed
    assert (here / "labs/.git").is_dir()
    printed, stopped = run(cell("https://127.0.0.1:9/x"), here, packages, PATH="")
    assert not stopped
    assert "Fetching" not in printed
    assert STARTED in printed


def test_the_course_around_the_notebook_is_used_and_comes_before_an_installed_one(here, packages):
    write(packages, kit_files())
    write(here, kit_files())
    (here / "labs").mkdir()
    printed, _ = run(cell(), here / "labs", packages, PATH="")
    assert f"{STARTED} {here / 'lab_utils/__init__.py'}" in printed


def test_an_installed_kit_serves_a_lone_notebook(here, packages):
    write(packages, kit_files())
    printed, _ = run(cell(), here, packages, PATH="")
    assert f"{STARTED} {packages / 'lab_utils/__init__.py'}" in printed


def test_the_branch_of_the_course_is_cloned(repository, here, packages):
    run(cell(repository, branch="term2"), here, packages)
    assert (here / "labs/term2.txt").read_text() == "second"


def test_a_branch_that_is_not_there_is_named(repository, here, packages):
    _, stopped = run(cell(repository, branch="term3"), here, packages)
    assert "branch term3" in stopped
    assert not any(here.iterdir())
    assert not run(cell(repository), here, packages)[1]


@pytest.mark.parametrize("name", ["Übung 1", "a b/c"])
def test_blanks_and_umlauts_in_paths_do_no_harm(repository, tmp_path, packages, name):
    here = tmp_path / "Mes Études (2)"
    here.mkdir()
    copy = tmp_path / "Zum Klonen.git"
    shutil.copytree(repository, copy)
    printed, stopped = run(cell(copy, folder=name), here, packages, PYTHONIOENCODING="utf-8")
    assert not stopped
    assert str(here / name / "lab_utils") in printed


def test_a_notebook_without_an_address_says_so(here, packages):
    _, stopped = run(cell(), here, packages)
    assert stopped.startswith(f"The course is not in {here}, its address is unknown")
    assert "ask your teacher" in stopped


def test_a_machine_without_git_says_so_and_a_copy_by_hand_works(repository, here, packages):
    _, stopped = run(cell(repository), here, packages, PATH="")
    assert stopped.startswith(f"The course is not in {here}, and there is no git to fetch it: install git")
    write(here / "labs", kit_files())
    assert STARTED in run(cell(repository), here, packages, PATH="")[0]


def test_a_misspelt_address_is_named_with_the_words_of_git_and_later_it_works(repository, here, packages, tmp_path):
    address = tmp_path / "later.git"
    _, stopped = run(cell(address), here, packages)
    assert str(address) in stopped
    assert "does not exist" in stopped
    assert "Is the address right, and may everybody read it?" in stopped
    shutil.copytree(repository, address)
    assert STARTED in run(cell(address), here, packages)[0]


def test_a_repository_that_holds_another_project_is_not_taken(here, packages, tmp_path):
    other = tmp_path / "other"
    write(other, {"lab_utils/__init__.py": '__version__ = "9.0.0"'})
    git(other, "init", "--quiet", "--initial-branch=main")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "-m", "x")
    _, stopped = run(cell(other), here, packages)
    assert "It holds no kit of a course" in stopped
    assert not any(here.iterdir())


class Private(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *words):
        pass


def test_a_private_repository_never_asks_for_a_password(here, packages, tmp_path):
    asked = tmp_path / "asked"
    ask = fake(tmp_path / "bin", "ask", f"open({str(asked)!r}, 'w')")["PATH"].split(os.pathsep)[0] + "/ask"
    with HTTPServer(("127.0.0.1", 0), Private) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/labs.git"
        _, stopped = run(cell(address), here, packages, GIT_ASKPASS=ask, SSH_ASKPASS=ask, DISPLAY=":0")
        server.shutdown()
    assert "Username" in stopped
    assert "may everybody read it" in stopped
    assert not asked.exists()


def test_a_machine_without_a_network_is_told_what_git_says_and_where_kaggle_switches_it_on(here, packages):
    _, stopped = run(cell("http://127.0.0.1:9/labs.git"), here, packages)
    assert "Failed to connect to 127.0.0.1 port 9" in stopped
    assert "Is this machine online (Kaggle: Internet, in the settings)?" in stopped


@pytest.mark.parametrize(
    "words",
    [
        "fatal: could not create work tree dir 'x': Read-only file system",
        "error: unable to write file x.npz\nfatal: No space left on device",
        "error: RPC failed; curl 56 Recv failure\nfatal: early EOF",
        "remote: Repository not found.\nfatal: repository 'https://a/' not found",
        "git@a: Permission denied (publickey).\nfatal: Could not read from remote",
        "xcrun: error: invalid active developer path, missing xcrun",
    ],
)
def test_what_git_says_is_repeated_whatever_it_left_behind_and_then_a_rerun_works(
    words, repository, here, packages, tmp_path
):
    """Git keeps the files of a checkout that failed, on a full disk for example."""
    write(tmp_path / "half", kit_files())
    copy = f"import shutil; shutil.copytree({str(tmp_path / 'half')!r}, sys.argv[-1])"
    script = f"print({words!r}, file=sys.stderr); {copy}; sys.exit(128)"
    _, stopped = run(cell(repository), here, packages, **fake(tmp_path / "bin", "git", script))
    assert " ".join(words.split()) in stopped
    assert "Is this folder still there, may you write in it, and is there room on the disk?" in stopped
    assert not any(here.iterdir())
    assert STARTED in run(cell(repository), here, packages)[0]


def test_a_git_that_never_ends_is_given_up(repository, here, packages, tmp_path):
    slow = fake(tmp_path / "bin", "git", "time.sleep(30)")
    source = cell(repository).replace("timeout=600", "timeout=1")
    _, stopped = run(source, here, packages, **slow)
    assert "timed out" in stopped
    assert "Is this machine online" in stopped
    assert not any(here.iterdir())


def test_a_folder_in_which_nothing_can_be_made_is_named(repository, here, packages):
    (here / "a").write_text("a file in the way")
    _, stopped = run(cell(repository, folder="a/b"), here, packages)
    assert "may you write in it" in stopped
    (here / "a").unlink()
    assert STARTED in run(cell(repository, folder="a/b"), here, packages)[0]


# ---- clones that were cut short, and what else lies in the place


def test_a_kernel_that_is_killed_while_it_fetches_leaves_nothing_in_the_way(repository, here, packages, tmp_path):
    half = "os.makedirs(sys.argv[-1] + '/.git'); print('made', flush=True); time.sleep(30)"
    process = begin(cell(repository), here, packages, **fake(tmp_path / "bin", "git", half))
    while not any(here.glob("*/*/.git")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert not (here / "labs").exists()
    (leftover,) = here.iterdir()
    shutil.move(leftover, tmp_path)  # hidden, and nobody's business
    assert STARTED in run(cell(repository), here, packages)[0]


@pytest.mark.parametrize("files", [{".git/HEAD": "ref"}, {"notes.txt": "dear"}, {"lab_utils/__init__.py": ""}])
def test_half_a_clone_or_something_else_in_the_place_is_named_and_left_alone(files, repository, here, packages):
    write(here / "labs", files)
    _, stopped = run(cell(repository), here, packages)
    assert f"{here / 'labs'} is something else, or was cut short: rename or delete it and run" in stopped
    assert [path.relative_to(here / "labs").as_posix() for path in (here / "labs").rglob("*.*") if path.is_file()] == [
        name for name in files if name != ".git/HEAD"
    ]
    shutil.rmtree(here / "labs")
    assert STARTED in run(cell(repository), here, packages)[0]


def test_a_file_in_the_place_is_named_and_an_empty_folder_is_filled(repository, here, packages):
    (here / "labs").write_text("dear")
    assert "rename or delete it" in run(cell(repository), here, packages)[1]
    assert (here / "labs").read_text() == "dear"
    (here / "labs").unlink()
    (here / "labs").mkdir()
    assert STARTED in run(cell(repository), here, packages)[0]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("requirements.txt", "was not copied whole"),
        ("lab_utils/first_cell.py", "an older one, half a copy, or another"),
    ],
)
def test_half_a_clone_that_has_the_package_is_recognised(missing, words, here, packages):
    write(here / "labs", {**kit_files(), ".git/HEAD": "ref"})
    (here / "labs" / missing).unlink()
    _, stopped = run(cell(), here, packages)
    assert words in stopped
    assert str(here / "labs") in stopped


def test_two_notebooks_that_are_started_at_once_both_work(repository, here, packages):
    processes = [begin(cell(repository), here, packages) for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [STARTED in printed for printed, _ in ends] == [True] * 3, ends
    assert [path.name for path in here.iterdir()] == ["labs"]


def test_a_course_that_another_notebook_fetched_meanwhile_is_used(repository, here, packages, tmp_path):
    real = shutil.which("git")
    faster = f"for place in (sys.argv[-1], {str(here / 'labs')!r}):\n"
    faster += f"    subprocess.run([{real!r}, *sys.argv[1:-1], place], check=True)"
    printed, _ = run(cell(repository), here, packages, **fake(tmp_path / "bin", "git", faster))
    assert STARTED in printed
    assert [path.name for path in here.iterdir()] == ["labs"]


def test_a_folder_that_was_deleted_under_the_kernel_is_named(here, packages):
    (here / "labs").mkdir()
    before = f"import os; os.chdir({str(here / 'labs')!r}); os.rmdir({str(here / 'labs')!r})"
    assert "Is this folder still there" in run(cell(), here, packages, before=before)[1]


# ---- another package of the name, other versions


FOREIGN = {"lab_utils/__init__.py": '"""Tools of our laboratory."""\n__version__ = "3.1.0"\n'}


def test_another_package_of_the_name_is_not_taken_for_the_kit(repository, here, packages):
    write(packages, FOREIGN)
    printed, stopped = run(cell(repository), here, packages)
    assert not stopped
    assert f"{STARTED} {here / 'labs'}" in printed
    assert f"{packages / 'lab_utils/__init__.py'} is another package of the name lab_utils" in printed
    assert "pip uninstall lab-utils" in printed


@pytest.mark.parametrize("file", ["lab_utils/__init__.py", "lab_utils.py", "lab_utils/data.txt"])
def test_another_package_beside_a_notebook_is_not_taken_and_to_be_renamed(file, here, packages):
    write(here, {file: "x = 1"})
    assert "its address is unknown" in run(cell(), here, packages)[1]
    write(here / "labs", kit_files())
    printed, _ = run(cell(), here, packages)
    assert f"{STARTED} {here / 'labs'}" in printed
    if file.endswith(".py"):
        assert f"NOTE: {here / file} is another package" in printed
        assert "If you do not need the other one: rename it" in printed


def test_a_kit_on_the_path_is_found_behind_another_package_of_the_name(here, packages, tmp_path):
    """A notebook host with its internet off: the course was added as a folder of data."""
    write(packages, FOREIGN)
    write(tmp_path / "input/course", kit_files())
    before = f"import sys; sys.path.append({str(tmp_path / 'input/course')!r})"
    printed, stopped = run(cell(), here, packages, before=before, PATH="")
    assert not stopped
    assert f"{STARTED} {tmp_path / 'input/course'}" in printed


def test_a_course_beside_the_folder_of_the_notebook_is_not_fetched_again(here, packages):
    write(here / "labs", kit_files())
    (here / "week 2").mkdir()
    printed, _ = run(cell(), here / "week 2", packages, PATH="")
    assert f"{STARTED} {here / 'labs'}" in printed


def test_another_package_that_the_kernel_has_loaded_is_named_and_after_a_restart_it_works(here, packages):
    write(packages, FOREIGN)
    write(here, kit_files())
    (here / "labs").mkdir()
    before = f"import sys; sys.path.insert(0, {str(packages)!r}); import lab_utils"
    _, stopped = run(cell(), here / "labs", packages, before=before)
    assert f"This kernel has {packages / 'lab_utils/__init__.py'} of version 3.1.0" in stopped
    assert "Restart the kernel" in stopped
    assert STARTED in run(cell(), here / "labs", packages)[0]


def test_another_course_that_the_kernel_has_loaded_is_named_and_after_a_restart_each_has_its_own(tmp_path, packages):
    """Two courses side by side, with kits of two versions."""
    write(tmp_path / "a", kit_files())
    write(tmp_path / "b", kit_files("0.9.0"))
    before = f"import sys; sys.path.insert(0, {str(tmp_path / 'b')!r}); import lab_utils"
    _, stopped = run(cell(), tmp_path / "a", packages, before=before)
    loaded = tmp_path / "b/lab_utils/__init__.py"
    assert f"has loaded {loaded}, but the course is in {tmp_path / 'a'}. Restart the kernel." in stopped
    for name in ("a", "b"):
        assert f"{STARTED} {tmp_path / name}" in run(cell(), tmp_path / name, packages)[0]


@pytest.mark.parametrize("distribution", ["lab-utils", "transfer-learning-labs"])
def test_an_older_kit_that_pip_installed_is_not_to_be_pulled_by_git(distribution, here, packages):
    write(packages, {name: text for name, text in kit_files("0.1.9").items() if name.startswith("lab_utils/")})
    add(packages, distribution, "0.1.9")
    _, stopped = run(cell(), here, packages)
    assert "The kit is older than this notebook" in stopped
    assert f"pip uninstall {distribution}" in stopped
    assert "git pull" not in stopped


def test_a_kernel_with_the_kit_under_its_old_name_goes_on(here, packages):
    """The name of the distribution was lab-utils in version 0.1.0; the folder was updated, and not installed again."""
    add(packages, "lab-utils", "0.1.0")
    write(here, kit_files())
    write(packages, {"course.pth": str(here)})
    printed, stopped = run(cell(), here, packages, before=f"import site; site.addsitedir({str(packages)!r})")
    assert not stopped
    assert f"{STARTED} {here}" in printed
    assert "NOTE" not in printed


def test_the_kit_of_the_first_version_is_recognised_as_older(here, packages):
    first = '"""Transfer learning in medical imaging: the package behind the labs."""\n\n__version__ = "0.1.0"\n'
    write(here, {"lab_utils/__init__.py": first, "lab_utils/doctor.py": "def start(lab): print('STARTED')"})
    printed, stopped = run(cell(), here, packages)
    assert f"needs the kit of version {lab_utils.__version__}" in stopped
    assert f"{here / 'lab_utils/__init__.py'} of version 0.1.0: an older one" in stopped
    assert "git pull" in stopped
    assert "STARTED" not in printed


@pytest.mark.parametrize("version", ["0.1.9", "0.0.12"])
def test_an_older_kit_is_refused_in_words(version, here, packages):
    write(here, kit_files(version))
    printed, stopped = run(cell(), here, packages)
    assert "The kit is older than this notebook" in stopped
    assert f"version {version}" in stopped
    assert f"version {lab_utils.__version__}" in stopped
    assert "STARTED" not in printed


@pytest.mark.parametrize("version", ["0.3.0", "0.10.1", "1.0"])
def test_an_older_notebook_is_told_and_goes_on(version, here, packages):
    write(here, kit_files(version))
    printed, stopped = run(cell(), here, packages)
    assert not stopped
    assert "NOTE: This notebook is older than the kit" in printed
    assert f"version {version}" in printed
    assert STARTED in printed


def test_a_kit_that_was_updated_under_a_running_kernel_asks_for_a_restart(here, packages):
    write(here, kit_files())
    before = "import lab_utils; lab_utils.__version__ = '0.1.5'"
    _, stopped = run(cell(), here, packages, before=before)
    assert f"is now of version {lab_utils.__version__}, but this kernel has loaded version 0.1.5. Restart" in stopped


# ---- packages


def test_nothing_is_installed_where_nothing_is_missing_although_no_index_can_be_reached(here, packages):
    write(here, kit_files())
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1"}
    printed, stopped = run(cell(), here, packages, **unreachable)
    assert not stopped
    assert "Installing" not in printed


def test_a_program_that_the_notebook_starts_finds_the_kit_that_only_lies_in_a_folder(here, packages):
    write(here / "labs", kit_files())
    child = "import subprocess, sys, os\nos.chdir('/')\n"
    child += "subprocess.run([sys.executable, '-S', '-c', 'import lab_utils; print(lab_utils.__file__)'], check=True)"
    printed, _ = run(f"{cell()}\n{child}", here, packages)
    assert f"\n{here / 'labs/lab_utils/__init__.py'}" in f"\n{printed}"


def test_what_is_missing_while_the_index_is_unreachable_is_named(here, packages):
    """With the real pip, which a kernel tells to write in colours."""
    shutil.rmtree(packages / "pip")
    write(here, {**kit_files(), "requirements.txt": "torch\na-package-of-nobody-here>=2\n"})
    _, stopped = run(cell(), here, packages, PIP_INDEX_URL="http://127.0.0.1:9/", FORCE_COLOR="1")
    assert "needs a-package-of-nobody-here>=2" in stopped
    assert "pip could not install it: ERROR" in stopped
    assert "\x1b" not in stopped
    assert "Is this machine online?" in stopped


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("error: externally-managed-environment\n\nx This environment is externally managed", "operating system"),
        ("/usr/bin/python: No module named pip", "has no pip"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "Make room"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'", "may not write"),
        ("ERROR: Could not find a version\nERROR: No matching distribution found for safetensors", "online"),
        ("ERROR: ResolutionImpossible: something new", "ResolutionImpossible: something new."),
        ("", "it ended with 1."),
    ],
)
def test_a_failing_pip_is_one_paragraph_and_a_rerun_works(words, advice, here, packages):
    shutil.rmtree(packages / "safetensors-0.5.dist-info")
    write(packages, {"pip/__main__.py": f"import sys; sys.stderr.write({words!r}); sys.exit(1)"})
    write(here, kit_files())
    printed, stopped = run(cell(), here, packages)
    assert "Installing safetensors" in printed
    assert "needs safetensors" in stopped
    assert advice in stopped
    add(packages, "safetensors", "0.6")
    assert STARTED in run(cell(), here, packages)[0]


def installing_pip(packages, name, version):
    """A pip that notes its command and installs one package."""
    folder = packages / f"{name}-{version}.dist-info"
    text = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    return f"""
import sys, os, glob, shutil
words = sys.argv[1:]
kept = open(words[words.index('--constraint') + 1]).read()
open({str(packages / "asked.txt")!r}, 'w').write(' '.join(words) + '\\n' + kept)
for old in glob.glob({str(packages / name)!r} + '-*'): shutil.rmtree(old)
os.mkdir({str(folder)!r})
open({str(folder / "METADATA")!r}, 'w').write("{text}")
"""


def test_only_what_is_missing_is_installed_and_the_machine_keeps_its_torch_and_numpy(here, packages):
    shutil.rmtree(packages / "safetensors-0.5.dist-info")
    write(packages, {"pip/__main__.py": installing_pip(packages, "safetensors", "0.6")})
    write(here, kit_files())
    printed, stopped = run(cell(), here, packages)
    assert not stopped
    assert STARTED in printed
    asked, *kept = (packages / "asked.txt").read_text().splitlines()
    assert asked.split()[0] == "install"
    assert asked.split()[-1] == "safetensors"
    assert not {"torch", "numpy", "--upgrade", "--editable", "nbval"} & set(asked.split())
    assert kept == ["torch==2.8.0+cu126", "torchvision==0.23.0", "numpy==1.9"]


def test_a_package_that_was_renewed_while_the_kernel_has_the_old_one_asks_for_a_restart(here, packages):
    write(packages, {"safetensors.py": "", "pip/__main__.py": installing_pip(packages, "safetensors", "0.6")})
    write(here, {**kit_files(), "requirements.txt": "torch\nsafetensors>=0.6\n"})
    _, stopped = run(cell(), here, packages, before="import safetensors")
    assert "still has the old safetensors, which had to be renewed: restart it" in stopped
    assert STARTED in run(cell(), here, packages)[0]


@pytest.mark.parametrize("absent", ["torch", "torchvision"])
def test_a_bare_kernel_gets_no_gigabytes_unasked(absent, here, packages):
    (packages / f"{absent}.py").unlink()
    write(here, kit_files())
    printed, stopped = run(cell(), here, packages)
    assert f"has no {absent}. Nothing was installed: it would be up to 2.7 GB" in stopped
    assert "README.md" in stopped
    assert "Installing" not in printed
    write(here, {".venv/bin/python": "", ".venv/Scripts/python.exe": ""})
    assert f"Choose the kernel of the course, {here / '.venv'}" in run(cell(), here, packages)[1]
    write(packages, {f"{absent}.py": ""})
    assert STARTED in run(cell(), here, packages)[0]


@pytest.mark.parametrize(
    "error", ["ImportError('libcudart.so.12: cannot open')", "OSError('\\nWinError 126')", "KeyError()"]
)
def test_a_broken_torch_is_named(error, here, packages):
    write(packages, {"torch.py": f"raise {error}"})
    write(here, kit_files())
    _, stopped = run(cell(), here, packages)
    assert "PyTorch is installed in this kernel" in stopped
    assert "cannot be loaded" in stopped
    assert "Install torch and torchvision anew" in stopped
    assert "cannot be loaded: ." not in stopped


def test_an_old_torch_is_left_to_the_doctor(here, packages):
    shutil.rmtree(packages / "torch-2.8.0+cu126.dist-info")
    add(packages, "torch", "2.1.0")
    write(here, kit_files())
    printed, _ = run(cell(), here, packages)
    assert "Installing" not in printed
    assert STARTED in printed


@pytest.mark.parametrize("error", ["ValueError", "FileNotFoundError"])
def test_a_variable_with_nonsense_stops_in_one_paragraph(error, here, packages):
    words = "The environment variable LAB_PROFILE should be one of smoke, quick, full, but it is 'fast'."
    write(here, {**kit_files(), "lab_utils/doctor.py": f"def start(lab): raise {error}({words!r})"})
    assert run(cell(), here, packages)[1] == f"{words} Then run this cell again."


# ---- how it looks


@pytest.mark.parametrize("name", ["__init__.py", "first_cell.py", "missing_packages.py", "versions.py"])
def test_an_old_python_can_read_what_tells_it_that_it_is_too_old(name):
    ast.parse((ROOT / "lab_utils" / name).read_text("utf-8"), feature_version=(3, 8))
    ast.parse(cell(), feature_version=(3, 8))


def test_an_old_python_is_named(here, packages):
    write(here, kit_files())
    before = "import sys; sys.version_info = (3, 9, 1)"
    assert "need Python 3.10 or newer" in run(cell(), here, packages, before=before)[1]


def test_a_kernel_shows_the_paragraph_alone_and_runs_no_further_cell(here):
    hide = (
        "import sys, pathlib\n"
        "sys.meta_path = [finder for finder in sys.meta_path if 'editable' not in repr(finder).lower()]\n"
        "sys.path = [place for place in sys.path if not (pathlib.Path(place) / 'lab_utils').exists()]"
    )
    notebook = new_notebook(cells=[new_code_cell(text) for text in (hide, cell(), "print('ran on')")])
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(here)}})
    with pytest.raises(CellExecutionError, match="its address is unknown"):
        client.execute()
    (output,) = notebook.cells[1].outputs
    shown = " ".join(output.traceback)
    assert shown.startswith("The course is not in ")
    assert shown.endswith("or ask your teacher.")
    assert not any(word in shown for word in ("Traceback", "File", "raise", "\x1b"))
    assert notebook.cells[2].outputs == []
    assert nbformat.validate(notebook) is None
