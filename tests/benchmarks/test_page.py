"""The page on speed holds what the kept results say, and nothing that somebody typed."""

import json

from benchmarks.page import PAGE, TABLE, filled, table

MACHINE = {"device": "A", "instructions": "AVX2", "n_threads": 1, "bfloat16_units": False}


def write(folder, name, *rows):
    keys = ("part", "what", "precision", "value", "unit", "of_ceiling", "times_reference", "note")
    result = {"machine": {**MACHINE, "device": name}, "rows": [dict(zip(keys, row, strict=True)) for row in rows]}
    (folder / f"{name}.json").write_text(json.dumps(result))


def test_the_page_is_what_the_results_say():
    page = PAGE.read_text()
    assert len(TABLE.findall(page)) >= 2
    assert filled(page) == page, "run python -m benchmarks.page"


def test_results_stand_side_by_side_and_gaps_are_seen(tmp_path):
    step = ("training step", "one session", "float32", 1234.5, "ms", 0.876, 1.234, "")
    write(tmp_path, "a", step, ("ceiling", "memory", "float32", 14.22, "GB/s", None, None, "read"))
    write(tmp_path, "b", step, ("data", "binning", "", 106.4, "million spikes/s", None, None, ""))
    both = table("a b", tmp_path).splitlines()
    assert both[0].count("of the ceiling") == 2
    assert both[2] == "| training step, one session | float32 | 1,234 ms | 88% | 1.23 | 1,234 ms | 88% | 1.23 |"
    assert both[3] == "| memory | float32 | 14.2 GB/s |  |  | - |  |  |"
    assert both[4] == "| binning |  | - |  |  | 106 million spikes/s |  |  |"
    alone = table("a", tmp_path).splitlines()
    assert alone[3] == "| memory | float32 | 14.2 GB/s |  |  | read |"
    assert table("a: ceiling", tmp_path).splitlines()[2] == "| memory | float32 | 14.2 GB/s | read |"
    assert len({line.count("|") for line in alone}) == 1
    assert "memory" not in table("a b: training step, data", tmp_path)


def test_only_tables_are_written(tmp_path):
    write(tmp_path, "a", ("ceiling", "memory", "float32", 14.22, "GB/s", None, None, ""))
    page = "before\n<!-- table of a -->\nold\n<!-- end of table -->\nafter\n"
    new = filled(page, tmp_path)
    assert new.startswith("before\n<!-- table of a -->\n| what |")
    assert new.endswith("<!-- end of table -->\nafter\n")
    assert "old" not in new
    assert filled(new, tmp_path) == new
