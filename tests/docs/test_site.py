"""The pages are built into a site that asks nothing of anybody."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ZENSICAL = shutil.which("zensical", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.mark.slow
@pytest.mark.skipif(ZENSICAL is None, reason="no zensical: `make docs`, or pip install 'switchtune[docs]'")
def test_the_site_is_built_whole(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    done = subprocess.run([str(ZENSICAL), "build", "--strict"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    pages = {path.stem: path.read_text(encoding="utf-8") for path in site.glob("*.html")}
    assert pages.keys() >= {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert not [*site.rglob("*.py")]
    for name, page in pages.items():
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=.?(https?://[^ \"'>]+)", page)
        assert not fetched, (name, fetched)
