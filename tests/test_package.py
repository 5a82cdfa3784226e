import subprocess
import sys

import lightprobe


def test_everything_in_all_can_be_imported() -> None:
    for name in lightprobe.__all__:
        assert getattr(lightprobe, name) is not None
    assert sorted(lightprobe.__all__) == dir(lightprobe)


def test_importing_the_package_and_asking_for_help_load_no_heavy_library() -> None:
    heavy = "{'torch', 'torchvision', 'matplotlib', 'sklearn', 'scipy'}"
    for code in ("import lightprobe, lightprobe.cli", "from lightprobe.cli import _parser; _parser()"):
        script = f"import sys; {code}; print(sorted({heavy} & set(sys.modules)))"
        assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_parameters_in_messages_become_options_of_the_command_line() -> None:
    from lightprobe.errors import as_flags

    assert as_flags("give `image_size`, or `precision='fp32'`.") == "give --image-size, or --precision fp32."
    assert as_flags("`class_map='a b=c,d=*'` or `top=3`") == "--class-map 'a b=c,d=*' or --top 3"
    assert as_flags("a `file.jpg` stays") == "a `file.jpg` stays"
