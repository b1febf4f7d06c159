"""The analysis recipe's project run on files and APIs, against pandas and sums made by hand."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from tests.models.embedded.analysis_project import (
    SALES,
    SEED,
    brief,
    build,
    execute,
    groups,
    log_of,
    results,
)


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sales")
    build(folder, brief(SALES))
    return folder


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed")
    build(folder, brief(SEED))
    return folder


def _soiled_sales(file: Path) -> pd.DataFrame:
    """Write a CSV with one or two of each fault; return what it says once they are mended."""
    rows = []
    for index in range(60):
        date = f"2024-{index % 6 + 1:02d}-{index % 28 + 1:02d}"
        region = ("North", "South", "East")[index % 3]
        rows.append([date, region, f"{100 + index * 7.25:.2f}", index % 9 + 1])
    truth = pd.DataFrame(rows, columns=["Date", "Region", "Amount", "Quantity"])
    truth = truth.astype({"Amount": float, "Quantity": float})
    dirty = [list(map(str, row)) for row in rows]
    dirty[3][1], dirty[4][1] = "  north ", "SOUTH"
    for index in (5, 20):  # the second is the 21st: it settles that days come first
        dirty[index][0] = "/".join(reversed(dirty[index][0].split("-")))
    dirty[7][2], truth.loc[7, "Amount"] = "n/a", None
    dirty[8][2], truth.loc[8, "Amount"] = "$ 1,158.00", 1158.0
    dirty[9][3], truth.loc[9, "Quantity"] = "-4", None
    dirty += [list(dirty[0]), list(dirty[11]), ["", "", "", ""]]
    with file.open("w", encoding="cp1252", newline="") as out:
        csv.writer(out, delimiter=";").writerows([list(truth.columns), *dirty])
    return truth


@pytest.fixture(scope="module")
def soiled(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Return a project that has been run on soiled rows, and the rows as they should be."""
    file = tmp_path_factory.mktemp("data") / "mine.csv"
    truth = _soiled_sales(file)
    folder = tmp_path_factory.mktemp("soiled")
    shutil.copytree(sales, folder, dirs_exist_ok=True)
    done = execute(folder, "--file", str(file))
    assert done.returncode == 0, done.stderr
    return folder, truth


def test_soiled_rows_give_the_sums_that_pandas_gives(soiled: tuple[Path, pd.DataFrame]) -> None:
    folder, truth = soiled
    found = results(folder)
    assert found["rows"] == 60
    by_region = truth.groupby("Region")["Amount"].sum()
    assert groups(found, "amount", "region") == pytest.approx(by_region.to_dict())
    by_month = truth.groupby(truth["Date"].str[:7])["Amount"].sum()
    trend = {point["label"]: point["value"] for point in found["trends"][0]["points"]}
    assert trend == pytest.approx(by_month.to_dict())
    cross = next(one for one in found["crosses"] if one["columns"]["name"] == "date")
    pivot = truth.pivot_table(index="Region", columns=truth["Date"].str[:7], values="Amount", aggfunc="sum")
    assert [list(row) for row in cross["values"]] == [
        [None if pd.isna(value) else pytest.approx(value) for value in row] for row in pivot.to_numpy().tolist()
    ]
    report = (folder / "output" / "report.md").read_text(encoding="utf-8")
    assert f"| {by_region.idxmax()} | 20 | ${by_region.max():,.2f} |" in report
    assert "made-up" not in report


def test_soiled_rows_give_the_statistics_that_pandas_gives(soiled: tuple[Path, pd.DataFrame]) -> None:
    folder, truth = soiled
    found = results(folder)
    summary, described = found["summaries"][0], truth["Amount"].describe()
    numbers = (summary["mean"], summary["deviation"], summary["lower_quartile"], summary["median"], summary["maximum"])
    assert numbers == pytest.approx(tuple(described[["mean", "std", "25%", "50%", "max"]]))
    assert found["correlations"][0]["coefficient"] == pytest.approx(truth["Amount"].corr(truth["Quantity"]))


def test_every_change_to_soiled_rows_is_logged(soiled: tuple[Path, pd.DataFrame]) -> None:
    assert log_of(soiled[0]) == {
        ("spelling", "Region"): 2,
        ("impossible", "Quantity"): 1,
        ("empty", ""): 1,
        ("duplicates", ""): 2,
        ("missing", "Sales amount"): 1,
        ("missing", "Quantity"): 1,
        ("outliers", "Sales amount"): 1,  # the 1,158.00, which is kept
    }


def test_outliers_are_named_and_dropped_only_when_asked(sales: Path, tmp_path: Path) -> None:
    file = tmp_path / "far.csv"
    lines = [f"2024-01-{day:02d},North,{100 + day},1" for day in range(1, 29)] + ["2024-01-30,North,9999,1"]
    file.write_text("date,region,amount,quantity\n" + "\n".join(lines), encoding="utf-8")
    assert execute(sales, "--file", str(file)).returncode == 0
    assert log_of(sales)["outliers", "Sales amount"] == 1
    assert results(sales)["summaries"][0]["maximum"] == 9999
    assert execute(sales, "--file", str(file), "--drop-outliers").returncode == 0
    assert log_of(sales)["outliers_dropped", "Sales amount"] == 1
    assert results(sales)["summaries"][0]["maximum"] == 128


def test_data_with_other_columns_are_understood_by_themselves(sales: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    records = [
        {"started at": f"2023-0{month}-10T08:00:00Z", "runner": {"name": name}, "distance km": 5.5 * month}
        for month in range(1, 7)
        for name in ("Ana", "Bo")
    ]
    file.write_text(json.dumps({"meta": {"count": 12}, "results": records}), encoding="utf-8")
    assert execute(sales, "--file", str(file)).returncode == 0
    found = results(sales)
    assert groups(found, "distance_km", "runner_name") == pytest.approx({"Ana": 115.5, "Bo": 115.5})
    assert [point["label"] for point in found["trends"][0]["points"]] == [f"2023-0{month}" for month in range(1, 7)]


class _Api(BaseHTTPRequestHandler):
    """Thirty records in pages of ten, in the style the test asks for; the second request fails once."""

    style = "next"
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if len(self.requests) == 2:
            self.send_response(500)
            self.end_headers()
            return
        page = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
        records = [
            {"date": f"2024-{n % 3 + 1:02d}-05", "region": "North" if n % 2 else "South", "amount": n, "quantity": 1}
            for n in range((page - 1) * 10, min(page * 10, 30))
        ]
        body: Any = {"items": records, "page": page, "total_pages": 3} if self.style == "pages" else records
        if self.style == "next":
            body = {"data": {"records": records}, "links": {"next": f"/sales?page={page + 1}" if page < 3 else None}}
        self.send_response(200)
        if self.style == "link" and page < 3:
            self.send_header("Link", f'</sales?page={page + 1}>; rel="next", </sales?page=1>; rel="first"')
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def api(style: str) -> Iterator[tuple[str, list[str]]]:
    requests: list[str] = []
    handler = type("Api", (_Api,), {"style": style, "requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/sales", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("style", "arguments"), [("next", []), ("pages", []), ("link", []), ("bare", ["--page-parameter", "page"])]
)
def test_an_api_is_read_to_its_last_page_through_a_fault(seed: Path, style: str, arguments: list[str]) -> None:
    with api(style) as (url, requests):
        done = execute(seed, "--url", url, *arguments)
    assert done.returncode == 0, done.stderr
    assert results(seed)["rows"] == 30
    assert groups(results(seed), "amount", "region") == {"North": 225, "South": 210}
    # Three pages and the one that failed; counting pages has to meet an empty one as well.
    assert len(requests) == (5 if style == "bare" else 4)
    assert url in (seed / "output" / "report.md").read_text(encoding="utf-8")


def test_a_named_api_that_is_down_is_said_openly(tmp_path: Path) -> None:
    build(tmp_path, brief("Report on prices by asset from http://127.0.0.1:9/v1/prices?limit=5."))
    rest = tmp_path / "source" / "rest.py"
    rest.write_text(rest.read_text(encoding="utf-8").replace("WAIT_SECONDS = 0.5", "WAIT_SECONDS = 0.01"))
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "output" / "report.md").read_text(encoding="utf-8")
    assert "made-up sample data (http://127.0.0.1:9/v1/prices?limit=5 cannot be read" in report
    asked = execute(tmp_path, "--url", "http://127.0.0.1:9/")
    assert asked.returncode == 1
    assert "Extraction failed: http://127.0.0.1:9/ cannot be read" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_a_file_that_is_missing_or_empty_is_an_error_in_words(sales: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    for name in ("empty.csv", "none.csv"):
        done = execute(sales, "--file", str(tmp_path / name))
        assert done.returncode == 1
        assert name in done.stderr
        assert "Traceback" not in done.stderr
