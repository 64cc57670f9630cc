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


class Notebook:
    """A lone notebook in an empty folder, and what is installed in its kernel."""

    def __init__(self, tmp_path):
        self.tmp, self.here, self.site = tmp_path, tmp_path / "here", tmp_path / "site"
        self.here.mkdir()

    def begin(self, source, before="", **environment):
        """Start a process for a cell; as in a kernel, the working folder is the first on the path."""
        code = f"import base64; exec(compile(base64.b64decode({base64.b64encode(source.encode())!r}), 'cell', 'exec'))"
        known = {"PATH": os.environ["PATH"], "HOME": str(self.tmp), "PYTHONPATH": str(self.site)}
        line = [sys.executable, "-S", "-B", "-c", f"{before}\n{code}"]
        streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | {"stdin": subprocess.DEVNULL}
        return subprocess.Popen(line, cwd=self.here, env={**known, **environment}, text=True, **streams)

    def run(self, source, before="", **environment):
        """Return what the cell printed, and the paragraph with which it stopped, or "".

        The process ends with an error exactly when there is a paragraph, and nothing unfinished lies in the folder.
        """
        process = self.begin(source, before, **environment)
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
        assert not [path for path in self.here.iterdir() if path.name.startswith(".") and path.name != ".venv"]
        return printed, words

    def starts(self, *words, source=None, place="", **options):
        """The lab begins, with the kit in `place`, and the cell prints these words."""
        printed, stopped = self.run(source or cell(), **options)
        assert not stopped
        assert f"{STARTED} {place}" in printed
        assert [word for word in words if word not in printed] == []
        return printed

    def stops(self, *words, source=None, **options):
        """The cell stops with these words in its paragraph, which is returned after what it printed."""
        printed, stopped = self.run(source or cell(), **options)
        assert [word for word in words if word not in stopped] == []
        assert "STARTED" not in printed
        return printed, stopped

    def empty(self):
        return not any(self.here.iterdir())


@pytest.fixture
def lone(tmp_path):
    """A notebook whose kernel has PyTorch and safetensors as stubs; and a pip that must not be asked."""
    notebook = Notebook(tmp_path)
    write(notebook.site, {"torch.py": "", "torchvision.py": "", "pip/__init__.py": ""})
    write(notebook.site, {"pip/__main__.py": "raise SystemExit('ERROR: pip must not run')"})
    installed = {"torch": "2.8.0+cu126", "torchvision": "0.23.0", "safetensors": "0.5", "numpy": "1.9"}
    for name, version in installed.items():
        add(notebook.site, name, version)
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(packaging.__file__).parent, notebook.site / "packaging", ignore=hidden)
    return notebook


@pytest.fixture
def beside(lone):
    """The same, with the course in its folder."""
    write(lone.here, kit_files())
    return lone


def add(site, name, version):
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    write(site, {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"})


def cell(repository="https://example.org/your-course/labs.git", folder="labs", branch="main"):
    return bootstrap_cell("00_a", Course(str(repository), folder, branch=branch))


def fake(folder, name, script):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable} -S\nimport os, sys, subprocess, time\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


# ---- finding and fetching
def test_a_lone_notebook_fetches_the_course_and_the_second_run_needs_neither_git_nor_network(repository, lone):
    kit = lone.here / "labs/lab_utils/__init__.py"
    lone.starts("Fetching the course from", source=cell(repository), place=kit)
    assert (lone.here / "labs/.git").is_dir()
    assert "Fetching" not in lone.starts(source=cell("https://127.0.0.1:9/x"), PATH="", place=kit)


def test_the_course_around_the_notebook_is_used_and_comes_before_an_installed_one(beside):
    course = beside.here
    beside.here = course / "labs"
    beside.here.mkdir()
    write(beside.site, kit_files())
    beside.starts(place=course / "lab_utils/__init__.py", PATH="")


def test_an_installed_kit_serves_a_lone_notebook(lone):
    write(lone.site, kit_files())
    lone.starts(place=lone.site / "lab_utils/__init__.py", PATH="")


def test_the_branch_of_the_course_is_cloned_and_one_that_is_not_there_is_named(repository, lone):
    lone.stops("branch term3", source=cell(repository, branch="term3"))
    assert lone.empty()
    lone.starts(source=cell(repository, branch="term2"))
    assert (lone.here / "labs/term2.txt").read_text() == "second"


@pytest.mark.parametrize("name", ["Übung 1", "a b/c"])
def test_blanks_and_umlauts_in_paths_do_no_harm(repository, lone, name):
    lone.here = lone.tmp / "Mes Études (2)"
    lone.here.mkdir()
    copy = shutil.copytree(repository, lone.tmp / "Zum Klonen.git")
    lone.starts(source=cell(copy, folder=name), place=lone.here / name / "lab_utils", PYTHONIOENCODING="utf-8")


def test_a_notebook_without_an_address_says_so(lone):
    lone.stops(f"The course is not in {lone.here}, its address is unknown", "ask your teacher")


def test_a_machine_without_git_says_so_and_a_copy_by_hand_works(repository, lone):
    words = f"The course is not in {lone.here}, and there is no git to fetch it: install git"
    lone.stops(words, source=cell(repository), PATH="")
    write(lone.here / "labs", kit_files())
    lone.starts(source=cell(repository), PATH="")


def test_a_misspelt_address_is_named_with_the_words_of_git_and_later_it_works(repository, lone):
    address = lone.tmp / "later.git"
    asked = "Is the address right, and may everybody read it?"
    lone.stops(str(address), "does not exist", asked, source=cell(address))
    shutil.copytree(repository, address)
    lone.starts(source=cell(address))


def test_a_repository_that_holds_another_project_is_not_taken(lone):
    other = lone.tmp / "other"
    write(other, {"lab_utils/__init__.py": '__version__ = "9.0.0"'})
    git(other, "init", "--quiet", "--initial-branch=main")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "-m", "x")
    lone.stops("It holds no kit of a course", source=cell(other))
    assert lone.empty()


class Private(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *words):
        pass


def test_a_private_repository_never_asks_for_a_password(lone):
    asked = lone.tmp / "asked"
    ask = fake(lone.tmp / "bin", "ask", f"open({str(asked)!r}, 'w')")["PATH"].split(os.pathsep)[0] + "/ask"
    with HTTPServer(("127.0.0.1", 0), Private) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = cell(f"http://127.0.0.1:{server.server_port}/labs.git")
        words = ("Username", "may everybody read it")
        lone.stops(*words, source=source, GIT_ASKPASS=ask, SSH_ASKPASS=ask, DISPLAY=":0")
        server.shutdown()
    assert not asked.exists()


def test_a_machine_without_a_network_is_told_what_git_says_and_where_kaggle_switches_it_on(lone):
    words = "Is this machine online (Kaggle: Internet, in the settings)?"
    lone.stops("Failed to connect to 127.0.0.1 port 9", words, source=cell("http://127.0.0.1:9/labs.git"))


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
def test_what_git_says_is_repeated_whatever_it_left_behind_and_then_a_rerun_works(words, repository, lone):
    """Git keeps the files of a checkout that failed, on a full disk for example."""
    write(lone.tmp / "half", kit_files())
    copy = f"import shutil; shutil.copytree({str(lone.tmp / 'half')!r}, sys.argv[-1])"
    failing = fake(lone.tmp / "bin", "git", f"print({words!r}, file=sys.stderr); {copy}; sys.exit(128)")
    asked = "Is this folder still there, may you write in it, and is there room on the disk?"
    lone.stops(" ".join(words.split()), asked, source=cell(repository), **failing)
    assert lone.empty()
    lone.starts(source=cell(repository))


def test_a_git_that_never_ends_is_given_up(repository, lone):
    slow = fake(lone.tmp / "bin", "git", "time.sleep(30)")
    source = cell(repository).replace("timeout=600", "timeout=1")
    lone.stops("timed out", "Is this machine online", source=source, **slow)
    assert lone.empty()


def test_a_folder_in_which_nothing_can_be_made_is_named(repository, lone):
    (lone.here / "a").write_text("a file in the way")
    lone.stops("may you write in it", source=cell(repository, folder="a/b"))
    (lone.here / "a").unlink()
    lone.starts(source=cell(repository, folder="a/b"))


# ---- clones that were cut short, and what else lies in the place
def test_a_kernel_that_is_killed_while_it_fetches_leaves_nothing_in_the_way(repository, lone):
    half = "os.makedirs(sys.argv[-1] + '/.git'); print('made', flush=True); time.sleep(30)"
    process = lone.begin(cell(repository), **fake(lone.tmp / "bin", "git", half))
    while not any(lone.here.glob("*/*/.git")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert not (lone.here / "labs").exists()
    (leftover,) = lone.here.iterdir()
    shutil.move(leftover, lone.tmp)  # hidden, and nobody's business
    lone.starts(source=cell(repository))


@pytest.mark.parametrize("files", [{".git/HEAD": "ref"}, {"notes.txt": "dear"}, {"lab_utils/__init__.py": ""}])
def test_half_a_clone_or_something_else_in_the_place_is_named_and_left_alone(files, repository, lone):
    labs = lone.here / "labs"
    write(labs, files)
    lone.stops(f"{labs} is something else, or was cut short: rename or delete it and run", source=cell(repository))
    kept = [path.relative_to(labs).as_posix() for path in labs.rglob("*.*") if path.is_file()]
    assert kept == [name for name in files if name != ".git/HEAD"]
    shutil.rmtree(labs)
    lone.starts(source=cell(repository))


def test_a_file_in_the_place_is_named_and_an_empty_folder_is_filled(repository, lone):
    (lone.here / "labs").write_text("dear")
    lone.stops("rename or delete it", source=cell(repository))
    assert (lone.here / "labs").read_text() == "dear"
    (lone.here / "labs").unlink()
    (lone.here / "labs").mkdir()
    lone.starts(source=cell(repository))


HALVES = {
    "requirements.txt": "was not copied whole",
    "lab_utils/first_cell.py": "an older one, half a copy, or another",
}


@pytest.mark.parametrize(("missing", "words"), HALVES.items())
def test_half_a_clone_that_has_the_package_is_recognised(missing, words, lone):
    write(lone.here / "labs", {**kit_files(), ".git/HEAD": "ref"})
    (lone.here / "labs" / missing).unlink()
    lone.stops(words, str(lone.here / "labs"))


def test_two_notebooks_that_are_started_at_once_both_work(repository, lone):
    processes = [lone.begin(cell(repository)) for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [STARTED in printed for printed, _ in ends] == [True] * 3, ends
    assert [path.name for path in lone.here.iterdir()] == ["labs"]


def test_a_course_that_another_notebook_fetched_meanwhile_is_used(repository, lone):
    faster = f"for place in (sys.argv[-1], {str(lone.here / 'labs')!r}):\n"
    faster += f"    subprocess.run([{shutil.which('git')!r}, *sys.argv[1:-1], place], check=True)"
    lone.starts(source=cell(repository), **fake(lone.tmp / "bin", "git", faster))
    assert [path.name for path in lone.here.iterdir()] == ["labs"]


def test_a_folder_that_was_deleted_under_the_kernel_is_named(lone):
    folder = str(lone.here / "labs")
    lone.stops(
        "Is this folder still there",
        before=f"import os; os.mkdir({folder!r}); os.chdir({folder!r}); os.rmdir({folder!r})",
    )


# ---- another package of the name, other versions
FOREIGN = {"lab_utils/__init__.py": '"""Tools of our laboratory."""\n__version__ = "3.1.0"\n'}


def loaded(folder):
    """What a kernel runs before, that has loaded the package of that folder."""
    return f"import sys; sys.path.insert(0, {str(folder)!r}); import lab_utils"


def test_another_package_of_the_name_is_not_taken_for_the_kit(repository, lone):
    write(lone.site, FOREIGN)
    named = f"{lone.site / 'lab_utils/__init__.py'} is another package of the name lab_utils"
    lone.starts(named, "pip uninstall lab-utils", source=cell(repository), place=lone.here / "labs")


@pytest.mark.parametrize("file", ["lab_utils/__init__.py", "lab_utils.py", "lab_utils/data.txt"])
def test_another_package_beside_a_notebook_is_not_taken_and_to_be_renamed(file, lone):
    write(lone.here, {file: "x = 1"})
    lone.stops("its address is unknown")
    write(lone.here / "labs", kit_files())
    named = [f"NOTE: {lone.here / file} is another package", "If you do not need the other one: rename it"]
    lone.starts(*(named if file.endswith(".py") else ()), place=lone.here / "labs")


def test_a_kit_on_the_path_is_found_behind_another_package_of_the_name(lone):
    """A notebook host with its internet off: the course was added as a folder of data."""
    write(lone.site, FOREIGN)
    course = lone.tmp / "input/course"
    write(course, kit_files())
    lone.starts(place=course, before=f"import sys; sys.path.append({str(course)!r})", PATH="")


def test_a_course_beside_the_folder_of_the_notebook_is_not_fetched_again(lone):
    labs = lone.here / "labs"
    write(labs, kit_files())
    lone.here = lone.here / "week 2"
    lone.here.mkdir()
    lone.starts(place=labs, PATH="")


def test_another_package_that_the_kernel_has_loaded_is_named_and_after_a_restart_it_works(beside):
    write(beside.site, FOREIGN)
    beside.here = beside.here / "labs"
    beside.here.mkdir()
    words = f"This kernel has {beside.site / 'lab_utils/__init__.py'} of version 3.1.0"
    beside.stops(words, "Restart the kernel", before=loaded(beside.site))
    beside.starts()


def test_another_course_that_the_kernel_has_loaded_is_named_and_after_a_restart_each_has_its_own(lone):
    """Two courses side by side, with kits of two versions."""
    a, b = lone.tmp / "a", lone.tmp / "b"
    write(a, kit_files())
    write(b, kit_files("0.9.0"))
    lone.here = a
    words = f"has loaded {b / 'lab_utils/__init__.py'}, but the course is in {a}. Restart the kernel."
    lone.stops(words, before=loaded(b))
    for lone.here in (a, b):
        lone.starts(place=lone.here)


@pytest.mark.parametrize("distribution", ["lab-utils", "transfer-learning-labs"])
def test_an_older_kit_that_pip_installed_is_not_to_be_pulled_by_git(distribution, lone):
    write(lone.site, {name: text for name, text in kit_files("0.1.9").items() if name.startswith("lab_utils/")})
    add(lone.site, distribution, "0.1.9")
    _, stopped = lone.stops("The kit is older than this notebook", f"pip uninstall {distribution}")
    assert "git pull" not in stopped


def test_a_kernel_with_the_kit_under_its_old_name_goes_on(beside):
    """The name of the distribution was lab-utils in version 0.1.0; the folder was updated, and not installed again."""
    add(beside.site, "lab-utils", "0.1.0")
    write(beside.site, {"course.pth": str(beside.here)})
    before = f"import site; site.addsitedir({str(beside.site)!r})"
    assert "NOTE" not in beside.starts(before=before, place=beside.here)


def test_the_kit_of_the_first_version_is_recognised_as_older(lone):
    first = '"""Transfer learning in medical imaging: the package behind the labs."""\n\n__version__ = "0.1.0"\n'
    write(lone.here, {"lab_utils/__init__.py": first, "lab_utils/doctor.py": "def start(lab): print('STARTED')"})
    named = f"{lone.here / 'lab_utils/__init__.py'} of version 0.1.0: an older one"
    lone.stops(f"needs the kit of version {lab_utils.__version__}", named, "git pull")


@pytest.mark.parametrize("version", ["0.1.9", "0.0.12"])
def test_an_older_kit_is_refused_in_words(version, lone):
    write(lone.here, kit_files(version))
    versions = f"version {version}", f"version {lab_utils.__version__}"
    lone.stops("The kit is older than this notebook", *versions)


NEXT = "0." + str(int(lab_utils.__version__.split(".")[1]) + 1) + ".0"


@pytest.mark.parametrize("version", [NEXT, "0.10.1", "1.0"])
def test_an_older_notebook_is_told_and_goes_on(version, lone):
    write(lone.here, kit_files(version))
    lone.starts("NOTE: This notebook is older than the kit", f"version {version}")


def test_a_kit_that_was_updated_under_a_running_kernel_asks_for_a_restart(beside):
    words = f"is now of version {lab_utils.__version__}, but this kernel has loaded version 0.1.5. Restart"
    beside.stops(words, before="import lab_utils; lab_utils.__version__ = '0.1.5'")


# ---- packages
def test_nothing_is_installed_where_nothing_is_missing_although_no_index_can_be_reached(beside):
    assert "Installing" not in beside.starts(PIP_INDEX_URL="http://127.0.0.1:9/", PIP_NO_INDEX="1")


def test_a_program_that_the_notebook_starts_finds_the_kit_that_only_lies_in_a_folder(lone):
    write(lone.here / "labs", kit_files())
    child = "import subprocess, sys, os\nos.chdir('/')\n"
    child += "subprocess.run([sys.executable, '-S', '-c', 'import lab_utils; print(lab_utils.__file__)'], check=True)"
    printed = lone.starts(source=f"{cell()}\n{child}")
    assert f"\n{lone.here / 'labs/lab_utils/__init__.py'}" in f"\n{printed}"


def test_what_is_missing_while_the_index_is_unreachable_is_named(beside):
    """With the real pip, which a kernel tells to write in colours."""
    shutil.rmtree(beside.site / "pip")
    write(beside.here, {"requirements.txt": "torch\na-package-of-nobody-here>=2\n"})
    words = ("needs a-package-of-nobody-here>=2", "pip could not install it: ERROR", "Is this machine online?")
    assert "\x1b" not in beside.stops(*words, PIP_INDEX_URL="http://127.0.0.1:9/", FORCE_COLOR="1")[1]


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
def test_a_failing_pip_is_one_paragraph_and_a_rerun_works(words, advice, beside):
    shutil.rmtree(beside.site / "safetensors-0.5.dist-info")
    write(beside.site, {"pip/__main__.py": f"import sys; sys.stderr.write({words!r}); sys.exit(1)"})
    assert "Installing safetensors" in beside.stops("needs safetensors", advice)[0]
    add(beside.site, "safetensors", "0.6")
    beside.starts()


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


def test_only_what_is_missing_is_installed_and_the_machine_keeps_its_torch_and_numpy(beside):
    shutil.rmtree(beside.site / "safetensors-0.5.dist-info")
    write(beside.site, {"pip/__main__.py": installing_pip(beside.site, "safetensors", "0.6")})
    beside.starts()
    asked, *kept = (beside.site / "asked.txt").read_text().splitlines()
    assert asked.split()[0] == "install"
    assert asked.split()[-1] == "safetensors"
    assert not {"torch", "numpy", "--upgrade", "--editable", "nbval"} & set(asked.split())
    assert kept == ["torch==2.8.0+cu126", "torchvision==0.23.0", "numpy==1.9"]


def test_a_package_that_was_renewed_while_the_kernel_has_the_old_one_asks_for_a_restart(beside):
    write(beside.site, {"safetensors.py": "", "pip/__main__.py": installing_pip(beside.site, "safetensors", "0.6")})
    write(beside.here, {"requirements.txt": "torch\nsafetensors>=0.6\n"})
    words = "still has the old safetensors, which had to be renewed: restart it"
    beside.stops(words, before="import safetensors")
    beside.starts()


@pytest.mark.parametrize("absent", ["torch", "torchvision"])
def test_a_bare_kernel_gets_no_gigabytes_unasked(absent, beside):
    (beside.site / f"{absent}.py").unlink()
    words = f"has no {absent}. Nothing was installed: it would be up to 2.7 GB"
    assert "Installing" not in beside.stops(words, "README.md")[0]
    write(beside.here, {".venv/bin/python": "", ".venv/Scripts/python.exe": ""})
    beside.stops(f"Choose the kernel of the course, {beside.here / '.venv'}")
    write(beside.site, {f"{absent}.py": ""})
    beside.starts()


@pytest.mark.parametrize(
    "error", ["ImportError('libcudart.so.12: cannot open')", "OSError('\\nWinError 126')", "KeyError()"]
)
def test_a_broken_torch_is_named(error, beside):
    write(beside.site, {"torch.py": f"raise {error}"})
    words = ("PyTorch is installed in this kernel", "cannot be loaded", "Install torch and torchvision anew")
    assert "cannot be loaded: ." not in beside.stops(*words)[1]


def test_an_old_torch_is_left_to_the_doctor(beside):
    shutil.rmtree(beside.site / "torch-2.8.0+cu126.dist-info")
    add(beside.site, "torch", "2.1.0")
    assert "Installing" not in beside.starts()


@pytest.mark.parametrize("error", ["ValueError", "FileNotFoundError"])
def test_a_variable_with_nonsense_stops_in_one_paragraph(error, beside):
    words = "The environment variable LAB_PROFILE should be one of smoke, quick, full, but it is 'fast'."
    write(beside.here, {"lab_utils/doctor.py": f"def start(lab): raise {error}({words!r})"})
    assert beside.stops()[1] == f"{words} Then run this cell again."


# ---- how it looks
@pytest.mark.parametrize("name", ["__init__.py", "first_cell.py", "missing_packages.py", "versions.py"])
def test_an_old_python_can_read_what_tells_it_that_it_is_too_old(name):
    ast.parse((ROOT / "lab_utils" / name).read_text("utf-8"), feature_version=(3, 8))
    ast.parse(cell(), feature_version=(3, 8))


def test_an_old_python_is_named(beside):
    beside.stops("need Python 3.10 or newer", before="import sys; sys.version_info = (3, 9, 1)")


def test_a_kernel_shows_the_paragraph_alone_and_runs_no_further_cell(tmp_path):
    hide = (
        "import sys, pathlib\n"
        "sys.meta_path = [finder for finder in sys.meta_path if 'editable' not in repr(finder).lower()]\n"
        "sys.path = [place for place in sys.path if not (pathlib.Path(place) / 'lab_utils').exists()]"
    )
    notebook = new_notebook(cells=[new_code_cell(text) for text in (hide, cell(), "print('ran on')")])
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError, match="its address is unknown"):
        client.execute()
    (output,) = notebook.cells[1].outputs
    shown = " ".join(output.traceback)
    assert shown.startswith("The course is not in ")
    assert shown.endswith("or ask your teacher.")
    assert not any(word in shown for word in ("Traceback", "File", "raise", "\x1b"))
    assert notebook.cells[2].outputs == []
    assert nbformat.validate(notebook) is None
