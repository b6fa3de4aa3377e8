"""perf/compare: what counts as worse, and what it says of files that it cannot compare."""
import json
import subprocess
from pathlib import Path

import pytest

COMPARE = Path(__file__).resolve().parents[3] / "perf" / "compare"


def result(ratio, spread=0.01, flows=1024, **more):
    return {"name": "established", "mode": "nat", "proto": "udp", "family": "ipv4", "flows": flows, "frame_bytes": 64,
            "workers": 1, "ns_per_packet": 7 * ratio, "spread": spread, "ratio_to_macswap": ratio, **more}


@pytest.fixture
def run(tmp_path):
    """run(now, before, *options): exit code, output. A list of results stands for a file of them, text for itself."""
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps({"cpu": "one", "results": content}))
        return path

    def call(now, before, *options):
        done = subprocess.run([COMPARE, *options, write("now.json", now), write("before.json", before)],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    return call


def test_equal_runs_pass(run):
    code, text = run([result(6.0)], [result(6.0)])
    assert code == 0 and "1 same" in text


def test_slower_fails_and_is_named(run):
    code, text = run([result(6.7), result(6.0, flows=1)], [result(6.0), result(6.0, flows=1)])
    assert code == 1 and "1 slower, 1 same" in text
    assert "slower  established/nat/udp/ipv4/flows:1024/bytes:64" in text


def test_faster_passes(run):
    code, text = run([result(5.0)], [result(6.0)])
    assert code == 0 and "1 faster" in text


def test_threshold_and_spread_both_excuse(run):
    assert run([result(6.7)], [result(6.0)], "--threshold", "12")[0] == 0
    assert run([result(6.7, spread=0.1)], [result(6.0, spread=0.1)])[0] == 0
    assert run([result(6.7, spread=0.1)], [result(6.0, spread=0.01)], "--threshold", "5")[0] == 1


def test_more_bytes_fail_whatever_the_spread(run):
    code, text = run([result(6.0, spread=0.5, bytes_per_connection=400)],
                     [result(6.0, spread=0.5, bytes_per_connection=300)])
    assert code == 1 and "1 larger" in text


def test_what_one_side_lacks_is_named(run):
    code, text = run([result(6.0)], [result(6.0, flows=1)])
    assert code == 0
    assert "new: 1 (established/nat/udp/ipv4/flows:1024/bytes:64)" in text
    assert "missing: 1 (established/nat/udp/ipv4/flows:1/bytes:64)" in text


def test_tcp_options_are_part_of_the_name(run):
    code, text = run([result(6.0), result(9.0, options="timestamps")], [result(6.0)])
    assert code == 0 and "1 same, 1 new" in text
    assert "new: 1 (established/nat/udp/ipv4/timestamps/flows:1024/bytes:64)" in text


def test_parts_without_ratio_are_left_out(run):
    part = {"name": "parse", "spread": 0, "ratio_to_macswap": None}
    code, text = run([part, result(6.0)], [part, result(6.0)])
    assert code == 0 and "parse" not in text


def test_json(run):
    code, text = run([result(7.0)], [result(6.0)], "--json")
    row = json.loads(text)["rows"][0]
    assert code == 1 and row["verdict"] == "slower" and row["change"] == pytest.approx(1 / 6)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"results": [{"name": "x"}]}', '{"results": 1}'])
def test_no_result_file(run, content):
    code, text = run([result(6.0)], content)
    assert code == 2 and "before.json is no result" in text


def test_saved_compares_as_the_run_itself(tmp_path):
    run_file, saved = tmp_path / "run.json", tmp_path / "saved.json"
    run_file.write_text(json.dumps({"cpu": "one", "results": [result(6.0, bytes_per_connection=300, extra=1)]}))
    assert subprocess.run([COMPARE, "--save", saved, run_file]).returncode == 0
    assert json.loads(saved.read_text())["cpu"] == "one"
    done = subprocess.run([COMPARE, run_file, saved], capture_output=True, text=True)
    assert done.returncode == 0 and "2 same" in done.stdout
