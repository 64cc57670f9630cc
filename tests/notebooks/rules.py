"""How notebooks are tested: a pytest plugin on top of nbval, ``-p tests.notebooks.rules``.

Notebooks in a folder named solutions run in the quick profile and are held to their bands, all others in the
smoke profile. The first error stops a notebook; what nbval lets pass and should not, fails (see below).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, NbCellError

ROOT = Path(__file__).resolve().parent.parent.parent
OFFLINE = Path(__file__).resolve().parent / "offline"
DEAD_END = "http://127.0.0.1:9"  # the discard port: programs that are not Python get no further than this


def environment(folder: str, ipython: Path) -> dict[str, str]:
    """Return the variables that the kernel of a notebook in `folder` is started with."""
    solved = folder == "solutions"
    before = os.environ.get("PYTHONPATH", "")
    return {
        "LAB_PROFILE": "quick" if solved else "smoke",
        "LAB_STRICT": "1" if solved else "0",
        "PYTHONPATH": os.pathsep.join([str(OFFLINE), str(ROOT), *([before] if before else [])]),
        "IPYTHONDIR": str(ipython),  # nobody's own startup files
        "LAB_RESULTS": str(ipython.parent / "results"),  # what a notebook writes does not stay beside it
        "http_proxy": DEAD_END,
        "https_proxy": DEAD_END,
        "HTTP_PROXY": DEAD_END,
        "HTTPS_PROXY": DEAD_END,
        "no_proxy": "localhost,127.0.0.1",
        "OMP_NUM_THREADS": "1",  # several notebooks and their worker processes share the cores
    }


def scope(nodeid: str) -> str:
    """Name what must stay together on one worker: a file; and all solutions, which run one after another.

    Each solved lab spreads its seeds over two worker processes itself. Whole labs that are tests go to whoever is free.
    """
    file = nodeid.split("::")[0]
    if Path(file).name in ("test_imagenet.py", "test_real.py"):
        return nodeid
    return "solutions" if Path(file).parent.name == "solutions" else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out the tests to workers by `scope`."""
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return ByScope(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cells, so that ``-m "not notebook"`` leaves them out."""
    for item in items:
        if isinstance(item, IPyNbCell):
            item.add_marker(pytest.mark.notebook)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Start the kernel (nbval does, before the first cell) in the environment of its folder."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    if broken := getattr(item.parent, "broken", None):
        pytest.skip(f"{broken} of this notebook failed")
    ipython = Path(item.config._tmp_path_factory.getbasetemp()) / "ipython"  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(item.path.parent.name, ipython).items():
            patch.setenv(name, value)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run a cell; fail it also where the kernel reports an error that nbval does not look at."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    try:
        _require_stored_output(item)
        replies = _listen(item)
        result = yield
        _require_success(item, replies)
    except pytest.skip.Exception:
        raise
    except BaseException:
        item.parent.broken = item.name
        raise
    return result


def _require_stored_output(item: IPyNbCell) -> None:
    if item.options["check"] and not (item.cell.outputs and item.cell.execution_count):
        message = "The cell is marked NBVAL_CHECK_OUTPUT, but no output is stored to compare with"
        raise NbCellError(item.cell_num, message, item.cell.source)


def _listen(item: IPyNbCell) -> list[dict[str, str]]:
    """Collect the replies on the kernel's shell channel while the cell runs."""
    kernel, replies = item.parent.kernel, []
    get_message = type(kernel).get_message

    def listen(stream: str, timeout: float | None = None) -> dict[str, dict[str, str]]:
        message = get_message(kernel, stream, timeout)
        if message["msg_type"] == "execute_reply":
            replies.append(message["content"])
        return message

    kernel.get_message = listen
    return replies


def _require_success(item: IPyNbCell, replies: list[dict[str, str]]) -> None:
    """Catch what IPython prints instead of raising: an unknown magic, for example."""
    failed = [reply for reply in replies if reply.get("status") == "error"]
    if failed and not item.options["check_exception"]:
        message = f"The kernel reports {failed[-1].get('ename')}: {failed[-1].get('evalue')}"
        raise NbCellError(item.cell_num, message, item.cell.source)
