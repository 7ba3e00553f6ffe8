"""The examples run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dcgan
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_notebook_runs(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(EXAMPLES / "faces.ipynb", as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert sum("image/png" in output["data"] for output in shown) == 4
    texts = [output["text"] for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output]
    assert any("8/8" in text for text in texts) or any("widget" in str(output["data"]) for output in shown)


def test_faces_are_served(run: dcgan.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    monkeypatch.setenv("MODEL", str(run.folder / "generator.pt"))
    monkeypatch.syspath_prepend(EXAMPLES)
    import serve

    client = testclient.TestClient(serve.app)
    response = client.get("/face.png?seed=7")
    assert response.status_code == 200 and response.headers["content-type"] == "image/png"
    assert response.content == run.generator.faces(7)[0]._repr_png_()
    assert client.get("/face.png?trunc=99").status_code == 422


def test_the_tutorial_is_ten_lines(tmp_path: Path) -> None:
    lines = (EXAMPLES / "tutorial.py").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith(('"""', "#"))]
    assert len(code) <= 10
    # The same lines with little to do.
    text = "\n".join(lines).replace("demo_faces(4096)", "demo_faces(32)").replace("epochs=5", "epochs=1, batch_size=16")
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Loss_D" in done.stdout and (tmp_path / "faces.png").exists() and (tmp_path / "generator.pt").exists()


def test_a_torch_module_and_back(run: dcgan.Run) -> None:
    pytest.importorskip("torch")
    program = [sys.executable, str(EXAMPLES / "torch_module.py"), str(run.folder)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[0].split()[-1]) < 1e-5
    assert "the same back: True" in done.stdout
