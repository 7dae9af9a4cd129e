"""The page as a reader uses it, in a real browser; skipped where no Chromium is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

import report_fixtures as fixtures
from edit_benchmark.judging.pixels.scales import scale_of
from edit_benchmark.report import write
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.write import write_report
from test_report import HOSTILE, hostile

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
OFFLINE = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three models and two judges over 30 samples."""
    folder = tmp_path_factory.mktemp("report")
    write_report(fixtures.synthesise(folder / "results"), folder / "report", [], "en")
    return folder / "report"


class Opened:
    """A page from the file system, and what it asked for and complained of."""

    def __init__(self, browser: Browser, report: Path, anchor: str = "", **context: object) -> None:
        self.page: Page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(10_000)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text))
        self.page.goto((report / "index.html").as_uri() + anchor)

    def close(self) -> None:
        assert self.errors == []
        assert all(url.startswith(("file:", "data:")) for url in self.asked)
        self.page.context.close()


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report)
    yield found
    found.close()


@pytest.fixture
def page(opened: Opened) -> Page:
    return opened.page


def shown(page: Page) -> list[str]:
    """Ids of the samples in the gallery, as far as it is built."""
    return page.locator("article.card h3").all_inner_texts()


def choose(page: Page, name: str) -> Locator:
    """One of the filters."""
    return page.locator(f"#filters select[name={name}]")


def test_filters_leave_what_fits(page: Page) -> None:
    expect(page.locator("#count")).to_have_text("30 of 30 samples")
    choose(page, "category").select_option("social")
    expect(page.locator("#count")).to_have_text("6 of 30 samples")
    assert all(name.endswith("社会") for name in shown(page))
    choose(page, "difficulty").select_option("hard")
    assert 0 < len(shown(page)) < 6
    page.get_by_role("button", name="Reset").click()
    choose(page, "status").select_option("edit_failed")
    expect(page.locator("#count")).to_have_text("3 of 30 samples")
    assert page.locator("article.card .no-image").count() == 3
    page.get_by_role("button", name="Reset").click()
    choose(page, "tag").select_option("gravity")
    expect(page.locator("#count")).to_have_text("10 of 30 samples")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("searchbox").fill("积木")
    expect(page.locator("#count")).to_have_text("6 of 30 samples")
    page.get_by_role("button", name="Reset").click()
    for model in ("qwen-image-edit-2511", "identity"):
        page.get_by_label(model, exact=True).first.uncheck()
    assert page.locator("article.card").first.locator("figure").count() == 2


def test_a_later_turn_is_shown_with_what_each_model_edited(
    browser: Browser, tmp_path: Path
) -> None:
    inputs = fixtures.only(fixtures.synthesise(tmp_path / "results", each=2), "physical")
    first, second = inputs.samples
    chained = [
        replace(first, chain=first.id, turn=1),
        replace(second, chain=first.id, turn=2, after=first.id, source="", source_sha256=""),
    ]
    write_report(replace(inputs, samples=chained), tmp_path / "report", [], "en")
    found = Opened(browser, tmp_path / "report", f"#{quote(second.id)}")
    card = found.page.locator(f'article.card[data-id="{second.id}"]')
    expect(card.get_by_text("turn 2")).to_be_visible()
    assert card.locator("figure").count() == 3  # the models' edits, and no source of all
    before = found.page.locator(f'article.card[data-id="{first.id}"] figure img:not(.over)')
    edits = [image.get_attribute("src") for image in before.all()][1:]
    over = [image.get_attribute("src") for image in card.locator("img.over").all()]
    assert over == edits
    card.locator("button.image").nth(1).click()
    shown = found.page.locator("#stage img").first.get_attribute("src")
    assert shown == str(edits[1]).replace("-small", "")
    found.close()


def test_the_gallery_is_sorted_worst_first(page: Page) -> None:
    choose(page, "sort").select_option("worst")
    cards = page.locator("article.card")
    lowest = []
    for position in range(8):
        scores = cards.nth(position).locator(".score b").all_inner_texts()
        lowest.append(min(map(float, scores)))
    assert lowest == sorted(lowest)
    choose(page, "sort").select_option("best")
    assert min(map(float, cards.first.locator(".score b").all_inner_texts())) > lowest[0]


def test_tables_are_sorted_by_a_click_on_their_heads(page: Page) -> None:
    table = page.locator("section[aria-labelledby=h-summary] table")
    head = table.locator("thead").get_by_text("mean", exact=True)
    column = head.evaluate("node => node.closest('th').cellIndex")
    cells = table.locator(f"tbody tr > :nth-child({column + 1})")

    def means() -> list[float]:
        return [float(text.rstrip("†‡")) for text in cells.all_inner_texts() if text != "n/a"]

    head.click()
    assert means() == sorted(means(), reverse=True)
    head.click()
    assert means() == sorted(means())
    assert head.locator("..").get_attribute("aria-sort") == "ascending"


def test_two_models_are_compared_on_one_sample(page: Page) -> None:
    page.locator("article.card").nth(3).get_by_role("button", name="Compare: 0").first.click()
    viewer = page.locator("#viewer")
    expect(viewer).to_be_visible()
    images = viewer.locator("#stage img")
    alts = [images.nth(position).get_attribute("alt") or "" for position in range(2)]
    assert alts[0].endswith("by qwen-image-edit")
    assert alts[1].endswith("by qwen-image-edit-2511")
    assert viewer.locator("#viewer-scores .score").count() == 4  # two models, two judges
    viewer.locator("#viewer-left").select_option(label="source")
    viewer.get_by_role("button", name="Slider").click()
    handle = viewer.get_by_label("Where the two images meet")
    handle.fill("20")
    assert page.locator("#stage").evaluate("node => node.style.getPropertyValue('--at')") == "20%"
    viewer.get_by_role("button", name="Difference").click()
    blend = images.nth(1).evaluate("node => getComputedStyle(node).mixBlendMode")
    assert blend == "difference"
    viewer.get_by_role("button", name="Close").click()
    expect(viewer).to_be_hidden()


def test_each_sample_has_a_link(browser: Browser, report: Path) -> None:
    anchor = "#" + quote("00027_指代")
    linked = Opened(browser, report, anchor)
    card = linked.page.locator("article.card.here")
    expect(card.locator("h3")).to_have_text("00027_指代")
    expect(card).to_be_in_viewport()
    linked.close()


def test_the_page_is_used_by_keyboard(page: Page) -> None:
    page.get_by_text("Keys", exact=True).click()
    expect(page.locator("details.keys p")).to_contain_text("Esc to close")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("article.card").nth(1)
    expect(second).to_have_class("card here")
    page.keyboard.press("Enter")
    viewer = page.locator("#viewer")
    expect(viewer).to_be_visible()
    title = viewer.locator("#viewer-title")
    before = title.inner_text()
    page.keyboard.press("ArrowRight")
    assert title.inner_text() != before
    page.keyboard.press("3")
    expect(viewer.get_by_role("button", name="Difference")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_serious(browser: Browser, tmp_path: Path, language: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    inputs = fixtures.synthesise(tmp_path / "results", each=3)
    write_report(inputs, tmp_path / "report", ["Random weights."], language)
    for scheme in ("light", "dark"):
        opened = Opened(browser, tmp_path / "report", color_scheme=scheme)
        opened.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = axe.Axe().run(opened.page).response["violations"]
        opened.page.locator("article.card header button").first.click()
        found += axe.Axe().run(opened.page).response["violations"]
        serious = [
            (entry["id"], [node["html"][:200] for node in entry["nodes"][:3]])
            for entry in found
            if entry["impact"] in ("serious", "critical")
        ]
        assert serious == []
        opened.close()


def test_a_phone_scrolls_down_only(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 390, "height": 844})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.close()


@pytest.mark.parametrize("mode", ["Slider", "Difference"])
def test_images_laid_over_one_another_fit_on_a_phone(
    browser: Browser, report: Path, mode: str
) -> None:
    opened = Opened(browser, report, viewport={"width": 390, "height": 844})
    opened.page.locator("article.card header button").nth(1).click()
    opened.page.get_by_role("button", name=mode).click()
    images = opened.page.locator("#stage img")
    expect(images).to_have_count(2)
    assert [images.nth(one).get_attribute("width") for one in range(2)] == ["480", "480"]
    below, above = (images.nth(one).bounding_box() for one in range(2))
    assert below == above
    assert below is not None
    # Neither with bars beside it nor stretched: the other one is drawn over the whole of the box.
    assert below["width"] / below["height"] == pytest.approx(480 / 360, rel=0.02)
    opened.close()


@pytest.mark.parametrize("width", [390, 1180])
def test_what_stands_above_a_wide_table_is_read_whole(
    browser: Browser, report: Path, width: int
) -> None:
    opened = Opened(browser, report, viewport={"width": width, "height": 844})
    seen = opened.page.eval_on_selector_all(
        ".scroll:has(caption)",
        """tables => tables.filter(one => one.checkVisibility()).map(one =>
        [one.querySelector('caption').offsetWidth, one.clientWidth, one.scrollWidth])""",
    )
    assert any(whole > shown for _, shown, whole in seen)  # a table is wider than the page
    assert all(caption <= shown for caption, shown, _ in seen)
    opened.close()


def test_hostile_texts_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    write_report(hostile(tmp_path / "results"), tmp_path / "report", HOSTILE, "en")
    opened = Opened(browser, tmp_path / "report")
    texts = opened.page.locator("article.card > p[lang=en]").all_text_contents()
    assert texts == HOSTILE
    notes = opened.page.locator("p.note").all_text_contents()
    assert [text for text in notes if "JavaScript" not in text] == HOSTILE
    assert opened.page.locator("img[src=x]").count() == 0
    opened.close()


def thousand(results: Path) -> Inputs:
    """1,000 samples of three models and one judge; 50 different images of each."""
    inputs = fixtures.synthesise(results, judges=("judge",), each=200, distinct=50)
    return replace(inputs, run={})


def test_a_thousand_samples_are_there_within_two_seconds(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Half of the time that the report takes, and no part of the page.
    monkeypatch.setattr(write, "write_contact_sheets", lambda *arguments: None)
    write_report(thousand(tmp_path / "results"), tmp_path / "report", [], "en")
    opened = Opened(browser, tmp_path / "report")
    expect(opened.page.locator("#count")).to_have_text("1000 of 1000 samples")
    timing = opened.page.evaluate(
        "(() => { const t = performance.getEntriesByType('navigation')[0];"
        " return [t.domContentLoadedEventEnd, t.loadEventEnd]; })()"
    )
    print(f"1,000 samples: usable after {timing[0]:.0f} ms, loaded after {timing[1]:.0f} ms")
    # Only what is in view is built and loaded; the rest comes when it is scrolled to.
    assert opened.page.locator("article.card").count() < 200
    assert len([url for url in opened.asked if url.endswith(".jpg")]) < 400
    opened.page.evaluate("document.querySelector('#end').scrollIntoView()")
    opened.page.wait_for_function("document.querySelectorAll('article.card').length > 20")
    opened.close()


@pytest.fixture(scope="module")
def with_target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samples measured against targets, of which only the first has one that is there."""
    folder = tmp_path_factory.mktemp("target")
    inputs = fixtures.only(
        fixtures.synthesise(folder / "results", judges=("near-psnr", "near-l1"), each=2), "physical"
    )
    fixtures.draw(folder / "results" / "benchmark/sources/t.png", 0, "target")
    first = replace(inputs.samples[0], fields={"target_image": "benchmark/sources/t.png"})
    values = {"near-psnr": 100.0, "near-l1": 0.01234}
    scores = [
        replace(row, score=values[row.judge], criteria={row.judge[5:]: values[row.judge]})
        for row in inputs.scores
    ]
    scales = {judge: scale_of(judge[5:], "target") for judge in values}
    inputs = replace(
        inputs, samples=[first, inputs.samples[1]], scores=scores, scales=scales, run={}
    )
    write_report(inputs, folder / "report", [], "en")
    return folder / "report"


def test_a_target_is_shown_below_its_source_and_compared(
    browser: Browser, with_target: Path
) -> None:
    found = Opened(browser, with_target)
    cards = found.page.locator("article.card")
    source, target = (cards.first.locator("figure").nth(one) for one in range(2))
    expect(target.locator("strong")).to_have_text("target")
    above, below = source.bounding_box(), target.bounding_box()
    assert above is not None
    assert below is not None
    assert above["x"] == below["x"]
    assert above["y"] + above["height"] <= below["y"]
    copy = target.locator("img").get_attribute("src") or ""
    full = target.get_by_role("link").get_attribute("href") or ""
    assert (with_target / copy).exists()
    assert (with_target / full).resolve() == with_target.parent / "results/benchmark/sources/t.png"
    assert [cards.nth(one).locator("figure").count() for one in range(2)] == [1 + 3 + 1, 1 + 3]
    target.get_by_role("button").click()
    images = found.page.locator("#stage.slider img")
    expect(images).to_have_count(2)
    assert (images.first.get_attribute("alt") or "").endswith("by qwen-image-edit")
    assert images.nth(1).get_attribute("src") == copy.replace("-small", "")
    # The next sample has none.
    found.page.keyboard.press("ArrowRight")
    expect(found.page.locator("#stage .no-image")).to_have_text("target: no image")
    found.close()


def test_no_page_without_targets_speaks_of_one(page: Page) -> None:
    names = page.locator("#viewer-left option").all_text_contents()
    assert names == ["source", "qwen-image-edit", "qwen-image-edit-2511", "identity"]


@pytest.mark.parametrize("width", [390, 1200])
def test_a_number_of_a_criterion_stands_on_one_line(
    browser: Browser, with_target: Path, width: int
) -> None:
    found = Opened(browser, with_target, viewport={"width": width, "height": 900})
    for judge, text in (("near-psnr", "100.00"), ("near-l1", "0.0123")):
        choose(found.page, "judge").select_option(label=judge)
        value = found.page.locator("article.card .value").first
        expect(value).to_have_text(text)
        # A range has a box for each line of its text.
        lines = value.evaluate(
            "node => { const r = document.createRange(); r.selectNodeContents(node);"
            " return new Set([...r.getClientRects()].map(box => box.top)).size; }"
        )
        inside = value.evaluate("node => node.scrollWidth <= node.clientWidth")
        assert (lines, inside) == (1, True), judge
    found.close()


def test_a_sample_without_a_source_image_has_a_card(browser: Browser, tmp_path: Path) -> None:
    inputs = fixtures.synthesise(tmp_path / "results", each=1)
    lost = replace(inputs.samples[0], source="", source_sha256="", problem="it is gone")
    scores = [
        fixtures.failed(row, "skipped", row.model, row.judge, image="")
        if row.id == lost.id
        else row
        for row in inputs.scores
    ]
    broken = replace(inputs, samples=[lost, *inputs.samples[1:]], scores=scores)
    write_report(broken, tmp_path / "report", [], "en")
    found = Opened(browser, tmp_path / "report")
    expect(found.page.locator("#count")).to_have_text("5 of 5 samples")
    card = found.page.locator("article.card").first
    assert card.locator("img").count() == 0
    assert card.locator(".no-image").count() == 1 + 3
    card.get_by_role("button").first.click()
    expect(found.page.locator("#stage .no-image").first).to_be_visible()
    found.close()
