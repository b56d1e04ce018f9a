"""Only an edge commits: views, pages, commands, and jobs."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import modules

EDGES = ("open311/api/", "open311/web/", "open311/cli/")


def test_only_edges_begin_and_end_transactions():
    beneath = [
        f"{path}:{line}"
        for path, tree in modules()
        if path != Path("db/driver.py") and not str(path).startswith(EDGES)
        for line in commits(tree)
    ]

    assert beneath == []


def test_a_job_may_and_the_function_beside_it_may_not():
    tree = ast.parse(
        "@queue.task(name='job')\n"
        "def job():\n"
        "    with driver.transaction(): ...\n"
        "def verb():\n"
        "    with driver.transaction(): ...\n"
        "    session.commit()\n"
    )

    assert list(commits(tree)) == [5, 6]


def commits(tree: ast.AST) -> Iterator[int]:
    """The lines that call .commit() or driver.transaction(), but for those of jobs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(is_task, node.decorator_list)):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_driver = isinstance(node.func.value, ast.Name) and node.func.value.id == "driver"
            if node.func.attr == "commit" or (node.func.attr == "transaction" and of_driver):
                yield node.lineno
        yield from commits(node)


def is_task(decorator: ast.expr) -> bool:
    """Whether a decorator is queue.task or queue.task(...)."""
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(named) == "queue.task"
