"""What reaches a terminal is shown and not obeyed."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from switchtune.cli.display import BuildDisplay, Display, print_table
from switchtune.cli.main import main
from switchtune.cli.terminal import TextConsole, standard_streams
from switchtune.events import Event, StandardStream, printable
from switchtune.lexicon.records import BuildStep
from switchtune.switching.preview import coloured, switched_lines, text_switcher
from tests.switching.test_preview import lexicon

HOSTILE = "a\x1b]0;t\x07\x9b31m\x7f\r\b\u202eb\u2066c\u200b\u200dd\u2028e\u00ad\ufeff[bold][/]f\U000e0041\udc80"
OBEYED = set("\x1b\x07\x9b\x7f\r\b\u202e\u2066\u200b\u200d\u2028\u00ad\ufeff\U000e0041\udc80")


def test_what_a_terminal_would_obey_is_escaped_and_the_rest_is_as_it_was() -> None:
    assert printable("\x1b[2J\x9b1m\u202e \U000e0041 \udc80") == (r"\u001b[2J\u009b1m\u202e \udb40\udc41 \udc80")
    assert not OBEYED & set(printable(HOSTILE))
    plain = "Straße\t東京\nنص ملف \\ [b] é 👍🏽"
    assert printable(plain) == plain
    assert printable("می\u200cخواهم 👩\u200d🔬 a\u200cb ü\u200b\u200dü") == (
        "می\u200cخواهم 👩\u200d🔬 a\\u200cb ü\\u200b\\u200dü"
    )


def test_json_that_is_shown_is_the_same_json() -> None:
    value = {"text": HOSTILE.replace("\udc80", "")}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


def test_tables_show_markup_and_controls(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([HOSTILE, "figure"], [[HOSTILE, "[/nothing]"]], title=HOSTILE)
    out = capsys.readouterr().out
    assert not OBEYED & set(out)
    assert out.count("[bold][/]f") == 3
    assert "[/nothing]" in out
    assert len({len(line) for line in out.splitlines()[1:]}) == 1, "the frame stands straight"


def test_progress_and_the_coloured_view_show_controls_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("TERM", "xterm")
    with Display() as display:
        display.show(Event(HOSTILE, HOSTILE))
        display.show(Event(HOSTILE, HOSTILE, 1, 2))
    with BuildDisplay() as build:
        build.tell(HOSTILE)
        build.show(BuildStep(HOSTILE, 1, 2, HOSTILE))
    switcher = text_switcher(
        lexicon("de", "en", {"Hund": HOSTILE}), "de", pieces=None, source="lexicon", rate=1, mean_span=3.5, seed=1
    )
    for line in switched_lines([f"Hund {HOSTILE}"], switcher, seed=1, epoch=0):
        TextConsole().print(coloured(line), soft_wrap=True)
    TextConsole().print(Table(title="x"))
    text = shown.getvalue()
    assert text.count("[bold][/]f") >= 6
    # Its own colours and movements are the console's; of the data nothing is left raw.
    assert not (OBEYED - {"\x1b", "\r"}) & set(text)
    assert "\x1b]0" not in text


def test_whoever_writes_on_a_standard_stream_is_shown() -> None:
    under = io.StringIO()
    stream = StandardStream(under, "standard error", shown=True)
    print(HOSTILE, file=stream)  # type: ignore[call-overload]
    assert not OBEYED & set(under.getvalue())
    stream.write("\r 10% of a download")
    stream.write("\x1b[A\x1b[A")
    assert under.getvalue().endswith("\r 10% of a download\x1b[A\x1b[A")


def test_output_that_is_no_terminal_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    with standard_streams():
        sys.stdout.write(HOSTILE)
    assert raw.getvalue() == HOSTILE.encode(errors="surrogateescape")


def test_data_is_shown_on_a_terminal_and_exact_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lexicon.tsv").write_text("Hund\tdog\n", encoding="utf-8")
    (tmp_path / "text").write_text("Hund \u202e\x1b[31m\x9b ü\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def switched(descriptor: int, *options: str) -> None:
        command = ["switchtune", "switch", "text", "--lexicon", "lexicon.tsv", "--lang", "de", *options]
        monkeypatch.setattr(sys, "argv", command)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            with pytest.raises(SystemExit) as end:
                main()
        assert end.value.code == 0

    switched(os.open("piped", os.O_WRONLY | os.O_CREAT), "--rate", "0")
    assert (tmp_path / "piped").read_bytes() == (tmp_path / "text").read_bytes()
    for options in ([], ["--tsv"], ["--jsonl"]):
        ours, theirs = pty.openpty()
        reader = os.dup(theirs)  # What is written is lost when the last of the other side closes.
        switched(theirs, *options)
        shown = os.read(ours, 65536).decode()
        os.close(reader)
        os.close(ours)
        assert r"\u202e" in shown
        assert r"\u001b[31m" in shown
        assert not set("\u202e\x9b") & set(shown)


VERB = """
import sys
from pathlib import Path
from switchtune.cli.main import app, main

@app.command()
def copy() -> None:
    sys.stdout.write(Path("text").read_text(encoding="utf-8"))
    sys.stderr.write("done\\n")

sys.argv = ["switchtune", "copy"]
main()
"""


@pytest.mark.parametrize(
    ("streams", "environment", "code", "said"),
    [
        ("> out", {}, 0, "done"),
        ("> out", {"PYTHONIOENCODING": "ascii"}, 0, "done"),
        ("> out", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 0, "done"),
        ("> /dev/full", {}, 1, "switchtune: standard output: No space left on device."),
        ("> /dev/full", {"PYTHONUNBUFFERED": "1"}, 1, "switchtune: standard output: No space left on device."),
        (">&-", {}, 0, "done"),
        ("<&- >&- 2>&-", {}, 0, ""),
        ("2> /dev/full", {}, 1, ""),
        ("| true; exit ${PIPESTATUS[0]}", {}, 1, ""),
    ],
)
def test_streams_that_fail(tmp_path: Path, streams: str, environment: dict[str, str], code: int, said: str) -> None:
    (tmp_path / "text").write_text("Hund \u202e\x1b[31m\x9b ü\n" * 9000, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", f'"$@" {streams}', "bash", sys.executable, "-c", VERB],
        cwd=tmp_path,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.startswith(said)
    if said:
        assert done.stderr.count("\n") == 1
    if streams == "> out":
        assert (tmp_path / "out").read_bytes() == (tmp_path / "text").read_bytes()
