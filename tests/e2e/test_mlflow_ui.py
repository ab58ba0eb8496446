"""What a person sees of builds in the MLflow UI: a real server, a real browser, no training.

Every page is opened at 1440 × 900, and what is asserted is what is drawn there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgebuild.track import promote as module
from edgebuild.track import store
from edgebuild.track.promote import promote
from tests.e2e.browser import Browser, open_browser, serve
from tests.e2e.recorded import LOADABLE, PROJECT, Published, publish

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def browser(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One that has been started fails the tests where there is none: see `tests.e2e.browser.INSTALL`."""
    with serve(published.root) as url, open_browser(url, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_the_table_of_builds_says_what_changed_and_which_variant_is_best(
    browser: Browser, published: Published
) -> None:
    text = browser.open(store.page(published.experiment), "2 matching runs", "prune.keep=0.35")
    rows = browser.rows()
    assert rows[0][:2] == ["prune.keep 0.5 → 0.35", "pruned-onnx-w4"]
    assert rows[1][:2] == ["first build", "pruned-onnx-w4"]
    assert rows[0][2:5] == ["3249", "pruned-litert-fp32", "2.301"]
    assert rows[1][2:5] == ["3753", "pruned-litert-fp32", "2.384"]
    assert "first build" in text


def test_a_build_opens_on_what_changed_and_what_is_best(browser: Browser, published: Published) -> None:
    text = browser.open(store.page(published.experiment, published.later), "Since first build", "Show more")
    assert "prune.keep 0.5 → 0.35" in text
    assert "Smallest as accurate as teacher-keras-fp32: pruned-onnx-w4, 3.2 KiB, 6.4 µs, 99.00%" in text
    assert "Fastest as accurate as teacher-keras-fp32: pruned-litert-fp32, 9.6 KiB, 2.3 µs, 99.25%" in text
    assert browser.in_sight("//*[text()[contains(., 'Fastest as accurate')]]")
    browser.click("//button[contains(., 'Show more')]")
    browser.shows("points", "-13.4")  # the table: pruned-onnx-w4 has lost 13.4% of its bytes


def test_the_table_in_a_builds_description_leads_to_the_model(browser: Browser, published: Published) -> None:
    browser.open(store.page(published.experiment, published.later), "Show more")
    browser.click("//button[contains(., 'Show more')]")
    browser.follow(f"//table//a[text()='{LOADABLE}']")
    browser.shows(LOADABLE, published.model, "Source run")


def test_a_builds_description_leads_to_the_table_of_all(browser: Browser, published: Published) -> None:
    browser.open(store.page(published.experiment, published.later), "Since first build")
    browser.follow("//a[.='all builds']")
    browser.shows("2 matching runs", "smallest/size_bytes", "fastest/latency_p50_us")


def test_a_builds_plots_are_drawn(browser: Browser, published: Published) -> None:
    page = f"#/experiments/{published.experiment}/runs/{published.later}/artifacts/plots/accuracy-size.png"
    browser.open(page, "accuracy-size.png")
    assert browser.found(
        "//img[contains(@src, 'accuracy') or contains(@src, 'blob:')]", "return element.naturalWidth"
    )


def test_comparing_two_builds_shows_the_knob_and_the_figures_that_differ(
    browser: Browser, published: Published
) -> None:
    browser.open(store.page(published.experiment), "2 matching runs")
    browser.click("//input[@aria-label='Select all runs']")
    browser.click("//button[contains(., 'Compare')]")
    browser.shows("Comparing 2 Runs", "Show diff only", "teacher.width")
    for table in (1, 2, 3):  # params, metrics, tags
        browser.click(f"(//*[text()='Show diff only']/preceding::button[@role='switch'][1])[{table}]")
    text = browser.shows("prune.keep\t0.35\t0.5", "changed\tprune.keep 0.5 → 0.35\tfirst build")
    assert "teacher.width" not in text
    assert "pruned-litert-fp32/size_bytes" in text
    assert "9801" in text
    assert "12281" in text


def test_a_variant_is_a_model_with_its_figures_its_data_and_the_stage_that_made_it(
    browser: Browser, published: Published
) -> None:
    page = store.model_page(published.experiment, published.model)
    browser.open(page, LOADABLE, "Parameters", "digits", f"export_{LOADABLE}", "0.9925", "6809")
    browser.click("//a[.='Artifacts']")
    browser.shows("MLmodel", "requirements.txt")


def test_a_forced_promotion_is_seen_in_the_registry(
    browser: Browser, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "up_to_date", lambda root, environ: []
    )  # DVC wants git, which this store is not in
    uri = store.tracking_uri(published.root, {})
    done = promote(published.root, uri, PROJECT, LOADABLE, {}, force="field test until Friday")
    assert done.version == "1", done.lines()
    browser.open("#/models?workflowType=machine_learning", PROJECT, "champion")
    version = f"#/models/{PROJECT}/versions/1?workflowType=machine_learning"
    text = browser.open(version, "champion", "edgebuild.lock", LOADABLE)
    assert "field test until Friday" in text
