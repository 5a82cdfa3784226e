import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.toy_network import LAYERS, toy_network
from tests.toys import draw_toys

from lightprobe.backbones import PACKAGED
from lightprobe.cli import VERBS, main

BOTH = ",".join(PACKAGED)
TOY = ("--precision", "fp32", "--device", "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, toy_networks: Path) -> str:
    """A model that tests ask and do not change."""
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        patch.setenv("LIGHTPROBE_CACHE", str(folder / "cache"))
        assert main(["train", str(draw_toys(folder)), "--out", str(folder / "run"), "-q", *TOY]) == 0
    return str(folder / "run" / "model")


def test_help_fits_a_screen_and_shows_an_example(
    capsys: pytest.CaptureFixture[str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    for command in ([], *([verb] for verb in VERBS)):
        with pytest.raises(SystemExit) as stop:
            main([*command, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert len(text.splitlines()) <= 54
        assert max(len(line) for line in text.splitlines() if str(own_cache) not in line) <= 110
        assert "lightprobe " + (command[0] + " " if command else "train") in text


def test_help_says_where_the_cache_is_and_how_to_empty_it(
    capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert str(own_cache) in text
    assert "delete the folder" in text


def test_train_prints_one_json_object_and_nothing_else(
    toy_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["train", str(toy_folder), "--out", str(tmp_path / "run"), "--json", "--seed", "5", *TOY]) == 0
    )
    out, err = capfd.readouterr()
    row = json.loads(out)
    assert row["seed"] == 5
    assert Path(row["model"]).is_dir()
    assert "image" in err, "progress goes to stderr"


def test_train_says_what_won_how_sure_it_is_and_what_to_do_next(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(toy_folder), "--out", str(tmp_path / "run"), "-q", *TOY]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in (
        "3 classes: disc, noise, stripes\n36 photos to learn from, 12 for test\n",
        "To expect on new photos like these: ",
        "On 12 test photos: ",
    ):
        assert words in out
    for jargon in ("trunk", "encode", "alpha", "optical", "→"):
        assert jargon not in out
    assert max(map(len, out.splitlines())) <= 80 or str(tmp_path) in out
    assert f"lightprobe predict {tmp_path / 'run'} new.jpg" in out
    assert "--quality balanced" in out, "what sees more is named"
    assert main(["train", str(toy_folder), "--out", str(tmp_path / "run"), "-q", "-v", *TOY]) == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("Compared by leaving one out", "→", "optical", "encode", "seconds"))


@pytest.mark.real_network
def test_the_network_inside_the_package_trains_and_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, run = draw_toys(tmp_path, 4, 2), tmp_path / "run"
    assert main(["train", str(photos), "--out", str(run), "--json", "-q"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["backbone"], row["image_size"], row["engine"]) == ("efficientnet_lite0", 224, "openvino")
    assert row["loo_accuracy"] >= 11 / 12
    assert main(["predict", str(run / "model"), str(photos / "test"), "--json", "-q"]) == 0
    answers = json.loads(capsys.readouterr().out)["predictions"]
    assert [one["label"] for one in answers] == [Path(one["path"]).parent.name for one in answers]
    assert len(answers) == 6


def test_flags_reach_the_model(toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [
        "--pool",
        "flatten",
        "--encode",
        "sign",
        "--kernel",
        "optical",
        "--components",
        "96",
        "--projection",
        "dense",
        "--alpha",
        "0.01",
    ]
    arguments = ["train", str(toy_folder), "--out", str(tmp_path / "run"), "--json", "-q", *TOY, *flags]
    assert main([*arguments, "--class-map", "noise=noise,other=*", "--cut", "block2"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["pool"], row["encode"], row["kernel"], row["components"]) == (
        "flatten",
        "sign",
        "optical",
        96,
    )
    assert row["alpha_relative"] == pytest.approx(0.01)
    assert row["cut"] == "block2"
    assert row["n_classes"] == 2
    assert row["seconds"]["generate"] > 0
    config = json.loads((Path(row["model"]) / "config.json").read_text(encoding="utf-8"))
    assert config["parameters"]["projection"] == "dense"


def test_groups_stay_together_in_the_split_and_the_figures_say_so(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "train",
        str(toy_folder / "train"),
        "--out",
        str(tmp_path / "run"),
        "-q",
        *TOY,
        "--pool",
        "avg",
    ]
    arguments += ["--group", r"(\w+ \d)\d*\.png", "--test-fraction", "0.3", "--class-weight", "balanced"]
    assert main([*arguments, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    trained = json.loads((Path(row["model"]) / "config.json").read_text(encoding="utf-8"))["paths"]
    groups = {path.rpartition("/")[2].removesuffix(".png") for path in trained}
    assert all((f"{kind} 1" in groups) == (f"{kind} 10" in groups) for kind in ("disc", "noise", "stripes"))
    assert row["n_groups"] == len({name[:-1] if name[-2:] in ("10", "11") else name for name in groups})
    assert 0 <= row["loo_balanced_accuracy"] <= 1
    assert 0 <= row["test_balanced_accuracy"] <= 1
    assert main(arguments) == 0
    assert "groups" in capsys.readouterr().out


def test_evaluate_reports_every_figure_and_applies_the_models_class_map(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    mapped = ["--class-map", "noise=noise,other=*"]
    assert main(["train", str(toy_folder), "--out", run, "-q", "--json", *TOY, *mapped]) == 0
    row = json.loads(capsys.readouterr().out)
    assert main(["evaluate", row["model"], str(toy_folder), "--json", "-q"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["accuracy"] == row["test_accuracy"]
    assert summary["n"] == 12
    assert [c["class"] for c in summary["per_class"]] == ["noise", "other"]
    assert sum(map(sum, summary["confusion"])) == 12
    assert 0 <= summary["expected_calibration_error"] <= 1
    assert main(["evaluate", row["model"], str(toy_folder), "-q"]) == 0
    assert "95 % interval" in capsys.readouterr().out


def test_predict_writes_the_contracts_csv_and_a_bad_file_keeps_its_row(
    model: str, toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy_folder / "test" / "disc" / "zz.jpg").write_bytes(b"broken")
    assert main(["predict", model, str(toy_folder / "test"), "--top", "2", "-q"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["path", "label", "probability", "label_2", "probability_2", "unknown", "error"]
    assert len(rows) == 14
    (bad,) = [row for row in rows if row[0].endswith("zz.jpg")]
    assert bad[1:5] == [""] * 4
    assert bad[-1]
    answers = tmp_path / "answers.csv"
    assert main(["predict", model, str(toy_folder / "test"), "--csv", str(answers), "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert answers.read_text(encoding="utf-8").startswith("path,label,probability,unknown,error\n")
    assert main(["predict", model, str(toy_folder / "test" / "noise"), "--json", "-q"]) == 0
    ((first, *_),) = json.loads(capsys.readouterr().out).values()
    assert first["label"] in ("disc", "noise", "stripes")


def test_the_folder_of_a_run_stands_for_its_model(
    model: str, toy_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for named in (model, str(Path(model).parent)):
        assert main(["predict", named, str(toy_folder / "test"), "-q", "--device", "cpu"]) == 0
        assert main(["evaluate", named, str(toy_folder), "-q", "--device", "cpu"]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]


def test_predict_takes_a_list_on_stdin_and_patterns_and_writes_json_lines(
    model: str,
    toy_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = sorted((toy_folder / "test").rglob("*.png"))
    listed = "".join(f"{path}\n" for path in (*photos[:2], "gone.jpg"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed.encode())))
    answers = tmp_path / "answers.jsonl"
    pattern = f"{toy_folder}/test/noise/*"
    assert main(["predict", model, "-", pattern, "--jsonl", str(answers), "-q"]) == 0
    assert capsys.readouterr().out == ""
    rows = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    assert [Path(row["path"]).name for row in rows[:3]] == [photos[0].name, photos[1].name, "gone.jpg"]
    assert [bool(row["error"]) for row in rows] == [False, False, True, False, False, False, False]
    assert {row["label"] for row in rows[3:]} == {"noise"}


def test_predict_reads_a_table_of_photos_and_fails_where_it_answers_nothing(
    model: str, toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, answers = toy_folder / "photos.csv", tmp_path / "answers.csv"
    table.write_text("Image\ntest/disc/disc 100.png\ngone.png\n", encoding="utf-8")
    assert main(["predict", model, str(table), "--csv", str(answers), "-q"]) == 0
    with answers.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["label"]) for row in rows] == [True, False]
    table.write_text("Image\ngone.png\n", encoding="utf-8")
    for target in (["--csv", str(answers)], [], ["--json"]):
        assert main(["predict", model, str(table), *target, "-q"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("lightprobe predict: none of the 1 photo(s) could be answered; the first, ")
        assert said.endswith("gone.png, no such file: give other files.\n")
    assert answers.read_text(encoding="utf-8").count("\n") == 2, "the table is written all the same"


def test_predict_says_unknown_and_why_where_it_is_asked(
    model: str, toy_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(toy_folder / "test" / "disc" / "disc 100.png")
    assert main(["predict", model, photo, "--json", "-q", "--unknown", "0.05"]) == 0
    ((answer,),) = json.loads(capsys.readouterr().out).values()
    assert answer["unknown"] in (True, False)
    assert 0 <= answer["novelty"] <= 1
    assert "why" not in answer
    assert main(["predict", model, photo, "--json", "-q", "--why", "2"]) == 0
    ((answer,),) = json.loads(capsys.readouterr().out).values()
    assert len(answer["why"]["arguments_for"]) == 2
    with pytest.raises(SystemExit):
        main(["predict", model, photo, "-q", "--unknown", "2"])


def test_predict_answers_with_sets_of_labels_where_a_coverage_is_asked(
    model: str, toy_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(toy_folder / "test" / "disc" / "disc 100.png")
    assert main(["predict", model, photo, "--json", "-q", "--coverage", "0.9"]) == 0
    ((answer,),) = json.loads(capsys.readouterr().out).values()
    assert answer["n_labels"] == len(answer["labels"])
    assert set(answer["labels"]) <= {"disc", "noise", "stripes"}
    assert main(["predict", model, photo, "-q", "--coverage", "0.9"]) == 0
    names, row = csv.reader(capsys.readouterr().out.splitlines())
    assert names == ["path", "label", "probability", "unknown", "error", "labels", "n_labels"]
    assert row[-2:] == ["; ".join(answer["labels"]), str(answer["n_labels"])]
    with pytest.raises(SystemExit):
        main(["predict", model, photo, "-q", "--coverage", "1"])


@pytest.mark.parametrize("flag", ["--csv", "--jsonl"])
def test_json_beside_a_table_says_where_the_table_is(
    model: str, flag: str, toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, photos = tmp_path / "answers", str(toy_folder / "test" / "disc")
    assert main(["predict", model, photos, flag, str(table), "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == {"table": str(table), "n": 4, "n_resumed": 0}
    lines = table.read_text(encoding="utf-8").splitlines()
    assert len(lines) == (5 if flag == "--csv" else 4)


def test_backbones_and_datasets_list_what_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backbones"]) == 0
    assert set(PACKAGED) <= set(capsys.readouterr().out.split())
    assert main(["backbones", PACKAGED[0], "--json"]) == 0
    cuts = json.loads(capsys.readouterr().out)["cuts"]
    assert [cut["name"] for cut in cuts] == list(LAYERS)
    assert (cuts[-1]["avg"], cuts[-1]["flatten"]) == (24, 24 * 4 * 4)
    assert main(["datasets", "--json"]) == 0
    assert {"cifar10", "stl10", "flowers102"} <= {
        d["name"] for d in json.loads(capsys.readouterr().out)["datasets"]
    }


@pytest.mark.torch
def test_networks_of_torchvision_are_listed_and_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backbones"]) == 0
    assert {"resnet18", "densenet169"} <= set(capsys.readouterr().out.split())
    assert main(["backbones", "densenet169", "--json"]) == 0
    cuts = json.loads(capsys.readouterr().out)["cuts"]
    assert (cuts[-1]["name"], cuts[-1]["flatten"]) == ("features", 81_536)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train NOWHERE --out RUN", "NOWHERE"),
        pytest.param("train TOYS --out RUN --backbone resnet19", "resnet18", marks=pytest.mark.torch),
        pytest.param(
            "train TOYS --out RUN --backbone efficientnet_lite0,resnet19", "resnet18", marks=pytest.mark.torch
        ),
        (f"train TOYS --out RUN --backbone {BOTH} --weights a,b,c", "3 for 2 networks"),
        (f"train TOYS --out RUN --backbone {BOTH} --method linear-probe", "several at once"),
        (f"compare TOYS --out RUN --backbone {BOTH}", "several at once"),
        (f"extract TOYS --out a.npz --backbone {BOTH} --weights a,b,c", "3 for 2 networks"),
        (f"study layers TOYS --out RUN --backbone {BOTH}", "several networks"),
        ("study layers TOYS --out RUN --looks crop", "--looks is no option of studies"),
        ("train TOYS --out RUN --looks wide", "--looks is 'wide'"),
        ("train TOYS --out RUN --quality best --weights a.pth", "NAME=FILE"),
        (f"backbones {BOTH}", "several networks"),
        ("train TOYS --out RUN --backbone gone.onnx", "gone.onnx"),
        ("train TOYS --out RUN --cut nowhere", "nowhere"),
        ("train TOYS --out RUN --weights none.safetensors", "holds its weights"),
        pytest.param(
            "train TOYS --out RUN --backbone resnet18 --weights none.safetensors",
            "none.safetensors",
            marks=pytest.mark.torch,
        ),
        ("train TOYS --out RUN --pool max", "flatten"),
        ("train TOYS --out RUN --alpha -1", "positive"),
        ("train TOYS --out RUN --group thing(", "regular expression"),
        ("train TOYS --out RUN --class-weight even", "balanced"),
        ("train TOYS --out RUN --test-fraction 0.2", "test split"),
        ("train TOYS --out RUN --test-fraction 2", "between 0 and 1"),
        ("train TOYS --out RUN --class-map plastic=plastic", "plastic"),
        ("train TOYS --out RUN --device tpu", "auto, cpu"),
        ("train TOYS --out RUN --kernel linear --components 10", "components"),
        ("train", "lightprobe train: the following arguments are required: DATA"),
        ("train TOYS TOYS", "lightprobe train: there is no place for"),
        (
            "train TOYS --bakbone a.onnx",
            "lightprobe train: --bakbone is no option of this verb; did you mean --backbone?",
        ),
        ("study size TOYS --epochs none", "lightprobe study: argument --epochs: got 'none'"),
        ("trian TOYS", "did you mean train?"),
        ("help trian", "did you mean train?"),
        ("TOYS", "lightprobe train "),
        ("evaluate TOYS TOYS", "model"),
        ("predict TOYS a.jpg", "model"),
        ("train TOYS --out RUN --keep nothing", "--kernel linear"),
        ("update TOYS --reselect", "model"),
        ("update TOYS", "--add"),
        ("update MODEL --remove a.png --classes leaf", "--classes says how to read the photos of --add"),
        ("look MODEL", "--out"),
        ("look MODEL --out a.png", "needs a photo"),
        ("look MODEL a.png --out a.png --classes leaf", "--classes is for photos of a data set"),
        ("look MODEL a.png --out a.png --root DIR", "--root is for photos of a data set"),
        ("look TOYS a.png --out a.png", "is no model"),
        ("runs RUNS --descending", "give --sort KEY"),
        ("backbones --image-size 64", "--image-size is for the layers of one network"),
        ("backbones --mean 0.5", "--mean is for the layers of one network"),
        ("predict MODEL a.png --csv a.csv --jsonl a.jsonl", "not allowed with argument --csv"),
        ("study colours TOYS --out RUN", "layers"),
        ("study size TOYS --out RUN --within 0.1", "--within is an option of study layers"),
        ("study backbones TOYS --out RUN --cut block2", "--cut is what the study backbones itself sets"),
        ("study size NOWHERE --out RUN --pool avg --image-size 64 --alpha 0.1", "NOWHERE"),
        ("study precision TOYS --out RUN --precision bf16", "--precision is what the study precision"),
        ("study size TOYS --out RUN --cut auto", "ask for study layers"),
        ("study size TOYS --out RUN --epochs 2", "--epochs is no option of --method optical"),
        ("frobnicate", "train"),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(
    arguments: str,
    words: str,
    model: str,
    toy_folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = {"TOYS": str(toy_folder), "MODEL": model, "RUNS": str(Path(model).parent)}
    places |= {name: str(tmp_path / name) for name in ("RUN", "NOWHERE")}
    try:
        status: object = main([places.get(word, word) for word in [*arguments.split(), "-q"]])
    except SystemExit as stop:
        status = stop.code
    out, err = capfd.readouterr()
    assert status == 2
    assert out == ""
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def _heed_ctrl_c() -> None:
    """Undo what a shell does to programs that it starts in the background, these tests perhaps among them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
def test_ctrl_c_ends_with_status_130_and_a_sentence(
    toy_folder: Path, tmp_path: Path, own_cache: Path
) -> None:
    command = [sys.executable, "-m", "lightprobe", "train", str(toy_folder), "--out", str(tmp_path / "run")]
    network = toy_network(tmp_path / "toy.onnx")
    slow = ("--backbone", network, "--batch-size", "1", "--image-size", "2048", "--precision", "fp32")
    environment = {**os.environ, "LIGHTPROBE_CACHE": str(own_cache)}
    with subprocess.Popen(
        [*command, *slow], stderr=subprocess.PIPE, env=environment, text=True, preexec_fn=_heed_ctrl_c
    ) as process:
        assert process.stderr is not None
        begun = ""
        while "Looking" not in begun:  # the bar is drawn before the first photo
            character = process.stderr.read(1)
            assert character, begun
            begun += character
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped." in err
    assert "Traceback" not in err


def test_predict_sorts_and_copies_and_says_unknown_only_where_it_is_asked(
    model: str, toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = toy_folder / "test"
    assert (
        main(
            ["predict", model, str(photos), "-q", "--sort", "confidence", "--copy-into", str(tmp_path / "by")]
        )
        == 0
    )
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    sure = [float(row["probability"]) for row in rows]
    assert sure == sorted(sure)
    assert {row["unknown"] for row in rows} == {""}
    copied = sorted((tmp_path / "by").rglob("*.png"))
    assert [path.name for path in copied] == sorted(path.name for path in photos.rglob("*.png"))
    assert (
        main(["predict", model, str(photos), "-q", "--sort", "path", "--csv", str(tmp_path / "a.csv")]) == 0
    )
    assert (
        main(["predict", model, str(photos), "-q", "--csv", str(tmp_path / "b.csv"), "--unknown", "0.05"])
        == 0
    )
    by_path, plain = (
        list(csv.DictReader(io.StringIO((tmp_path / name).read_text(encoding="utf-8"))))
        for name in ("a.csv", "b.csv")
    )
    assert [row["path"] for row in by_path] == [row["path"] for row in plain]
    assert {row["unknown"] for row in plain} <= {"true", "false"}
    assert main(["predict", model, str(photos), "--link"]) == 2
    assert "--link says how --copy-into" in capsys.readouterr().err


def test_no_header_comes_before_an_error(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", model, "gone.jpg", "-q"]) == 2
    assert capsys.readouterr().out == ""
