"""What stands in a configuration is what is run, or it is refused by one sentence with its line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT, Project, five_each
from edit_benchmark.config.resolve import config_from_json, editor_settings, resolve
from edit_benchmark.config.written import check_file, typed
from edit_benchmark.errors import UserError
from edit_benchmark.records import dumps
from edit_benchmark.results.store import key_of

PAINTER = {"editor": "class_path", "class_path": "toys.Painter"}
RULER = {"judge": "class_path", "class_path": "toys.Ruler"}
LEAST = {"models": {"m": PAINTER}, "judges": {"j": RULER}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a benchmark file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.jsonl").touch()
    return tmp_path


def config(**changes: Any) -> dict[str, Any]:
    return {"benchmark": {"path": "b.jsonl"}} | LEAST | changes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' stands in line 1 already; remove one of the two."),
        ("m:\n  x: {a: 1, a: 1}\n", "line 2: key 'a' stands in line 2 already"),
        ("models:\n  2511: x\n", "line 2: the key 2511 is no text to YAML; write '2511' in quotes"),
        ("models: {on: x}\n", "line 1: the key on is no text to YAML; write 'on' in quotes."),
        ("a: 1\n2024-01-02: x\n", "line 2: the key 2024-01-02 is no text"),
        ("p: {1.5: x, b: y}\n", "line 1: the key 1.5 is no text"),
        ("p: {~: x}\n", "line 1: the key ~ is no text"),
        ("p: {[a, b]: x}\n", "line 1: a key has to be a text."),
        ("p:\n- d: 2024-01-02\n", "line 2: 2024-01-02 is a date to YAML; write it in quotes"),
        ("p: !!binary aGk=\n", "line 1: aGk= is of the type tag:yaml.org,2002:binary"),
        ("p: 1e3\n", "line 1: 1e3 looks like a number but is a text to YAML 1.1"),
        ("p: [1.5, -2E-4]\n", "line 1: -2E-4 looks like a number"),
        ("p: 010\n", "line 1: 010 is the number 8 to YAML 1.1; write that, or '010' in quotes"),
        ("p: 12:30\n", "line 1: 12:30 is the number 750 to YAML 1.1"),
        ("p: &x [1, *x]\n", "line 1: an alias stands within what it stands for; write it out."),
        ('{"a": 1, "a": 2}', "key 'a' stands there twice; remove one of the two."),
    ],
)
def test_what_yaml_would_make_something_else_of(here: Path, text: str, sentence: str) -> None:
    (here / "c.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check_file(here / "c.yaml")
    assert str(caught.value).startswith("c.yaml"), str(caught.value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {k: 1}\nb: {<<: *x, k: 2}\nc: *x\n",
        "a: {'2511': 1, \"on\": 2, '1e3': 3}\nb: ['1e3', '010', '12:30', \"2024-01-02\"]\n",
        "a: [1.0e+3, 0.5, -1, 0, 0x10, yes, null, .inf, 1_000, 2 e3, 1e, v1e3, 08]\n",
        '{"a": 1e3, "b": {"a": 1}}',
        "",
    ],
)
def test_what_is_what_it_seems_is_taken(here: Path, text: str) -> None:
    (here / "c.yaml").write_text(text, encoding="utf-8")
    check_file(here / "c.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_configs_are_what_they_seem(path: Path) -> None:
    check_file(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": {2511: PAINTER}}, "config: models: the key 2511 is no text; write it in quote"),
        ({"models": {True: PAINTER}}, "config: models: the key True is no text"),
        (
            {"models": {"m": PAINTER | {"params": {"a": 1, 2: 3}}}},
            "config: models.m.params: the key 2 is no text",
        ),
        ({"note": "\ud83d"}, r"config: note: '\ud83d' holds half a character"),
        ({"note": "a\0b"}, r"config: note: 'a\x00b' holds the character NUL"),
        ({"note": "x" * 200_000}, "bytes as one text, and a command line takes"),
        ({"models": {"m": PAINTER | {"seed": 2**64}}}, "models.m.seed: a number of 65 bits is too"),
        (
            {"models": {"m": PAINTER | {"seed": float("nan")}}},
            "config: models.m.seed: nan is not o",
        ),
        ({"models": {"m": PAINTER | {"seed": True}}}, "config: models.m.seed: True is not of type"),
        ({"results": "a\nb"}, r"config: results: 'a\nb' holds a control character; rename it."),
        ({"results": "-x"}, "config: results: '-x' begins with '-'"),
        ({"results": "<logs>"}, "config: results: '<logs>' holds < or >"),
        (
            {"results": "~nobody-here/x"},
            "config: results: '~nobody-here/x' names a home that is no",
        ),
        ({"results": "b.jsonl/x"}, "config: results: b.jsonl is a file; give a folder"),
        ({"benchmark": {"path": "x" * 300}}, "xx does not exist or is not a file"),
        (
            {"models": {"m": PAINTER | {"checkpoint": "~nobody-here/x"}}},
            "config: models.m.checkpoint: '~nobody-here/x' names a home that is not there",
        ),
        (
            {"models": {"m": PAINTER | {"checkpoint": "./" + "x" * 300}}},
            "does not exist; give a folder in the layout",
        ),
        ({"judges": {"j": RULER | {"rubric": "x" * 300}}}, "is neither a file nor one of"),
        ({"models": {"M": PAINTER, "m": PAINTER}}, "config: models: 'M' and 'm' differ in upper a"),
        (
            {"benchmark": {"path": "b.jsonl", "categories": ["Cat", "cat"]}},
            "config: benchmark.categories: 'Cat' and 'cat' differ in upper and lower case alone",
        ),
        ({"models": {"m" * 65: PAINTER}}, "cannot be a name; use letters, digits"),
        ({"models": {"m\n": PAINTER}}, "cannot be a name; use letters, digits"),
        (
            {"models": {"m": PAINTER | {"params": {"hf_token": "abc"}}}},
            "hf_token looks like a secr",
        ),
        (
            {"models": {"m": PAINTER | {"params": {"password": 1234}}}},
            "password looks like a secre",
        ),
        ({"models": {"m": PAINTER | {"params": {"token": ["x"]}}}}, "token looks like a secret"),
    ],
)
def test_what_no_job_can_be_told(here: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(config(**changes))
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", ["api_key", "HF_TOKEN", "password", "client_secret"])
def test_a_secret_in_the_config_is_refused(here: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(config(models={"m": PAINTER | {"params": {name: "hunter2"}}}))
    assert "hunter2" not in str(caught.value)
    assert "environment variable" in str(caught.value)


def test_an_access_token_in_the_config_is_refused(here: Path) -> None:
    token = "hf_" + "a1" * 17
    with pytest.raises(UserError, match="looks like an access token") as caught:
        resolve(config(models={"m": PAINTER | {"params": {"server": token}}}))
    assert "a1a1" not in str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        {"image_token": "<image>", "eos_token": "</s>", "pad_token": "[PAD]", "bos-token": 151643},
        {"token": None, "use_token": False, "max_new_tokens": 5, "tokenizer": "a/b", "secrets": 1},
    ],
)
def test_a_tokenizers_token_is_no_secret(here: Path, params: dict[str, Any]) -> None:
    assert resolve(config(models={"m": PAINTER | {"params": params}}))


def test_a_path_of_the_users_home_is_written_out(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    resolved = resolve(config(results="~/out", benchmark={"path": "~/b.jsonl"}))
    assert (resolved.results, resolved.benchmark.path) == (f"{here}/out", f"{here}/b.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.dictionaries(st.text(), json_values),
)
def test_any_text_reaches_the_job_as_it_is(note: str, params: dict[str, Any]) -> None:
    content = config(note=note, models={"m": PAINTER | {"params": params}})
    content["benchmark"]["path"] = str(ROOT / "README.md")
    try:
        resolved = resolve(content)
    except UserError as error:
        if "looks like a secret" not in str(error):
            raise
        return
    text = dumps(resolved.model_dump(mode="json"))
    assert shlex.split(shlex.quote(text)) == [text]
    again = config_from_json(text)
    assert again == resolved
    assert again.note == note
    assert again.models["m"].params == params  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", [42, 42.0])
@pytest.mark.parametrize("strength", [1000, 1000.0])
def test_numbers_of_equal_value_are_one(here: Path, seed: float, strength: float) -> None:
    params = {"strength": strength, "list": [strength]}
    content = config(
        models={"m": PAINTER | {"seed": seed, "params": params}},
        benchmark={"path": "b.jsonl", "limit": seed},
        shards=seed,
        equal_share=seed / 42,
    )
    resolved = resolve(content)
    model = editor_settings(dumps(resolved.model_dump(mode="json")["models"]["m"]), "m")
    assert (resolved.shards, resolved.benchmark.limit, str(model.seed)) == (42, 42, "42")
    plain = {"strength": 1000, "list": [1000]}
    assert key_of(model.model_dump(include={"params"})) == key_of({"params": plain})


def test_what_the_command_line_nests_has_its_types() -> None:
    given = {"limit": "5", "path": "b", "on": "true", "null": "~", "list": ["0", "cpu"]}
    assert typed(given) == {"limit": 5, "path": "b", "on": True, "null": None, "list": [0, "cpu"]}
    with pytest.raises(UserError, match="--config: params: it is not known any more whether 5 was"):
        typed({"m": {"params": {"label": "5"}}})
    assert typed({"params": {"label": "five"}}) == {"params": {"label": "five"}}


def dry_run(project: Project, *arguments: str, code: int = 0) -> str:
    result = project.snakemake("-n", "--configfile", "config/test.yaml", *arguments, code=code)
    assert "Traceback" not in result.stdout
    return result.stdout


def test_a_key_that_stands_twice_stops_the_run(project: Project) -> None:
    project.benchmark(five_each())
    path = project.configure()
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, "device_ids: [cpu]"]), encoding="utf-8")
    place = f"config/test.yaml, line {len(lines) + 1}: key 'device_ids' stands in line"
    assert place in dry_run(project, code=1)


def test_the_command_line_changes_nested_settings(project: Project) -> None:
    project.benchmark(five_each(3))
    project.configure(device_ids=["cpu", "cpu"])
    output = dry_run(
        project, "--config", "benchmark={limit: 1, categories: [causal]}", "device_ids=[cpu]"
    )
    assert "edits/painter/causal/1-of-1.jsonl" in output
    assert "edits/painter/physical" not in output


def test_a_category_that_is_called_as_a_rule(project: Project) -> None:
    project.benchmark([{"id": "a", "category": "edit", "instruction": "x"}])
    project.configure(benchmark={"path": "data/benchmark.jsonl", "categories": ["edit"]})
    sentence = "config: benchmark.categories: 'edit' is the name of a rule"
    assert sentence in dry_run(project, code=1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("a: 1\na: 2\n", "c.yaml, line 2: key 'a' stands in"), (None, "c.yaml: cannot be read")],
)
def test_a_command_reads_a_configuration_as_a_run_does(
    here: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (here / "c.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, ROOT / "scripts" / "accept_versions.py", "--configfile", "c.yaml"]
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {sentence}"), result.stderr


def test_the_catalogs_snakefile_is_the_workflow(project: Project) -> None:
    project.benchmark(five_each())
    project.configure()
    ours, catalogs = (
        [
            line
            for line in dry_run(project, *snakefile).splitlines()
            if line.startswith("    output:")
        ]
        for snakefile in ([], ["--snakefile", "workflow/Snakefile"])
    )
    assert sorted(catalogs) == sorted(ours)
    assert any("edits/painter/causal" in line for line in ours)
