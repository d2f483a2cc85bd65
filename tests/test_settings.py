"""Settings: every mistake at once, each with file, key, what is wrong and what would be right (D31)."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import rules
from config.errors import ConfigError, Problem
from config.reading import Reading
from config.settings import Settings, examine, load

ROOT = Path(__file__).resolve().parents[1]
KEYS = [sha256(bytes([number])).hexdigest() for number in range(1, 4)]
NAMES = sorted({key.rpartition(".")[2] for key in rules.RULES})


@pytest.fixture
def car(tmp_path: Path) -> Path:
    folder = tmp_path / "my-car"
    folder.mkdir()
    (folder / "car.toml").write_text("")
    return folder


def text(car: Path, extra: str = "", lock: str = 'device = "/dev/ttyUSB0"') -> str:
    return (
        f'{extra}\n[vehicle]\nid = "8f3a52c0d1e4b796"\ncar = "{car}"\n'
        f'[keyless]\noperator = "example"\nroots = ["{KEYS[0]}", "{KEYS[1]}"]\n[lock]\n{lock}\n'
    )


def write(folder: Path, content: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(content)
    return path


def problems(folder: Path, content: str) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, content))
    return {problem.key: problem for problem in caught.value.problems}


def test_a_good_file_gives_settings_with_defaults(tmp_path: Path, car: Path) -> None:
    settings = load(write(tmp_path, text(car)))
    assert settings.vehicle.id == "8f3a52c0d1e4b796"
    assert settings.lock.unlock_pulse_ms == 400
    assert settings.booking.auto_close_min == 10.0
    assert settings.station == []


def test_d31_all_mistakes_come_at_once_each_with_file_key_and_what_would_be_right(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        'stat = "/x"\nsocket = 5\nstate = "here"\n[vehicle]\nid = "XYZ"\ncar = "no-such"\n[keyless]\nroots = ["aa"]\n'
        'threshold = "two"\n[lock]\ndriver = "magnet"\n[gnss]\nbaud = 9601\n[cloud]\nbrokers = ["h:99999"]\n'
        '[[station]]\nname = "a"\nlat = 91\nlon = "x"\n',
    )
    assert set(found) == {
        "stat", "socket", "state", "vehicle.id", "vehicle.car", "keyless.operator", "keyless.roots",
        "keyless.threshold", "lock.driver", "gnss.baud", "cloud.brokers", "station[0].lat", "station[0].lon",
    }  # fmt: skip
    for problem in found.values():
        assert problem.file == str(tmp_path / "agent.toml")
        assert problem.problem
        assert problem.hint
    assert found["stat"].hint == 'did you mean "state"?'
    assert "16 lower-case hex digits" in found["vehicle.id"].hint
    assert found["keyless.operator"].problem == "is missing"


def test_an_empty_file_names_every_required_key(tmp_path: Path) -> None:
    required = {"vehicle.id", "vehicle.car", "keyless.operator", "keyless.roots", "lock.device"}
    assert set(problems(tmp_path, "")) == required


@pytest.mark.parametrize(
    ("extra", "lock", "key"),
    [
        ("", "", "lock.device"),
        ("", 'device = "/dev/a"\nunlock_channel = 2', "lock.lock_channel"),
        ('gnss.device = "/dev/a"', 'device = "/dev/a"', "gnss.device"),
        ('cloud.brokers = ["broker:8883"]', 'device = "/dev/a"', "cloud.certificate"),
        ("", 'device = "ttyUSB0"', "lock.device"),
        ("", 'device = "/dev/a"\nunlock_pulse_ms = 1', "lock.unlock_pulse_ms"),
        ('can = "can0"', 'device = "/dev/a"', "can"),
        ('station = "Mortagne"', 'device = "/dev/a"', "station"),
        ("booking.key_holder = 1", 'device = "/dev/a"', "booking.key_holder"),
        ('socket = "/' + "x" * 107 + '"', 'device = "/dev/a"', "socket"),
    ],
)
def test_what_only_shows_in_meaning_is_found(tmp_path: Path, car: Path, extra: str, lock: str, key: str) -> None:
    assert key in problems(tmp_path, text(car, extra, lock))


def test_a_receiver_is_a_device_or_gpsd_and_never_both(tmp_path: Path, car: Path) -> None:
    settings = load(write(tmp_path, text(car, 'gnss.gpsd = "127.0.0.1:2947"')))
    assert (settings.gnss.fitted, settings.gnss.device) == (True, "")
    assert not load(write(tmp_path, text(car))).gnss.fitted
    found = problems(tmp_path, text(car, 'gnss.gpsd = "[::1]:2947"\ngnss.device = "/dev/a"'))
    assert list(found) == ["gnss.gpsd"]
    assert "only one program can read a receiver" in found["gnss.gpsd"].problem


@pytest.mark.parametrize(
    "address", ["localhost:2947", "192.168.0.1:2947", "127.0.0.1", "127.0.0.999:2947", "127.0.0.1:0", ":2947", "2947"]
)
def test_gpsd_is_asked_on_this_board_alone(tmp_path: Path, car: Path, address: str) -> None:
    found = problems(tmp_path, text(car, f'gnss.gpsd = "{address}"'))
    assert list(found) == ["gnss.gpsd"]
    assert "on this board" in found["gnss.gpsd"].hint


def test_a_table_of_the_release_before_is_told_where_it_went(tmp_path: Path, car: Path) -> None:
    found = problems(tmp_path, text(car, "tracking.staff = true"))
    assert "privacy.toml" in found["tracking"].hint


def test_a_key_holder_of_earlier_releases_is_sent_to_its_line(tmp_path: Path, car: Path) -> None:
    found = problems(tmp_path, text(car, "booking.key_holder = true"))
    assert list(found) == ["booking.key_holder"]
    assert "[inputs.key_holder]" in found["booking.key_holder"].hint


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('[card_supply]\ndevice = "/dev/ttyUSB0"\nchannel = 2\n', "card_supply.channel"),
        ('[card_supply]\ndevice = "/dev/a"\nchannel = 7\n[cable]\ndevice = "/dev/a"\nchannel = 7\n', "cable.channel"),
        ('[reader]\ndevice = "/dev/a"\n[card_supply]\ndevice = "/dev/a"\n', "card_supply.device"),
        ('[card_supply]\norder = "both"\n', "card_supply.order"),
        ("[immobiliser]\nallowed = true\n", "immobiliser.allowed"),
    ],
)
def test_r15_no_relay_does_two_things(tmp_path: Path, car: Path, more: str, key: str) -> None:
    assert list(problems(tmp_path, text(car) + more)) == [key]


def test_r15_the_supply_may_hang_on_the_locks_board(tmp_path: Path, car: Path) -> None:
    more = '[card_supply]\ndevice = "/dev/ttyUSB0"\n[immobiliser]\nallowed = true\n'
    assert load(write(tmp_path, text(car) + more)).card_supply.channel == 3


def test_r30_inputs_are_named_by_chip_and_line(tmp_path: Path, car: Path) -> None:
    given = '[inputs.key_holder]\nchip = "/dev/gpiochip0"\nline = 17\n'
    given += '[inputs.door]\nchip = "/dev/gpiochip0"\nline = {}\n'
    inputs = load(write(tmp_path, text(car) + given.format(18))).inputs
    assert (inputs.key_holder.fitted, inputs.key_holder.line, inputs.key_holder.active_low) == (True, 17, True)
    assert not inputs.box_lid.fitted
    found = problems(tmp_path, text(car) + given.format(17) + 'pull = "sideways"\n')
    assert set(found) == {"inputs.door.line", "inputs.door.pull"}
    assert "is inputs.key_holder already" in found["inputs.door.line"].problem


def test_what_was_copied_from_the_example_must_be_replaced(tmp_path: Path, car: Path) -> None:
    example = (ROOT / "config" / "agent.toml").read_text()
    found = problems(tmp_path, example)
    assert set(found) == {"vehicle.id", "keyless.roots"}
    assert all("must be replaced by" in problem.hint for problem in found.values())
    one_left = text(car).replace(KEYS[1], f"{2:064x}")
    assert list(problems(tmp_path, one_left)) == ["keyless.roots"]


def test_more_signatures_than_roots_can_never_come_together(tmp_path: Path, car: Path) -> None:
    assert "keyless.threshold" in problems(tmp_path, text(car).replace("[lock]", "threshold = 3\n[lock]"))


@pytest.mark.parametrize("key", ["9F" * 32, "9f" * 31, "x"])
def test_the_key_for_parcels_has_64_hex_digits_or_is_none(tmp_path: Path, car: Path, key: str) -> None:
    def given(key: str) -> str:
        return text(car).replace("[lock]", f'parcel_key = "{key}"\n[lock]')

    assert list(problems(tmp_path, given(key))) == ["keyless.parcel_key"]
    assert load(write(tmp_path, given("9f" * 32))).keyless.parcel_key == "9f" * 32
    assert load(write(tmp_path, given(""))).keyless.parcel_key == ""


def test_two_stations_of_one_name_are_told(tmp_path: Path, car: Path) -> None:
    station = '[[station]]\nname = "a"\nlat = 48.5\nlon = 0.5\n'
    assert list(problems(tmp_path, text(car) + station * 2)) == ["station[1].name"]


@pytest.mark.parametrize("content", ["=", "a = 1\na = 2", '"'])
def test_a_file_that_is_no_toml_is_a_problem_of_the_file(tmp_path: Path, content: str) -> None:
    assert list(problems(tmp_path, content)) == [""]


def test_a_missing_or_binary_file_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    assert examine(tmp_path / "none.toml")[0] is None
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert examine(binary)[1][0].problem.startswith("byte 0")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(Settings.__struct_fields__),
)
def test_no_value_of_any_shape_crashes_the_reading(value: object, table: str) -> None:
    reading = Reading("f", rules.RULES, rules.judge)
    reading.struct(Settings, {table: value}, "", "")
    list(rules.judge_together(reading.values))


def test_the_commented_defaults_are_the_defaults_in_code() -> None:
    """config/agent.toml shows every key once, with the value that holds without it."""
    settings, found = examine(ROOT / "config" / "agent.toml")
    assert settings is not None
    assert {problem.key for problem in found} == {"vehicle.id", "keyless.roots"}, "what everybody must replace"
    shown = (ROOT / "config" / "agent.toml").read_text()
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        if isinstance(value, msgspec.Struct):
            for inner in msgspec.structs.fields(type(value)):
                table = isinstance(getattr(value, inner.name), msgspec.Struct)
                begin = rf"\[{field.name}\.{inner.name}\]$" if table else rf"{inner.name} = "
                assert re.search(f"^{begin}", shown, re.MULTILINE), f"{field.name}.{inner.name} is not shown"
                if not inner.required and (field.name, inner.name) != ("lock", "device"):
                    default = inner.default if inner.default is not msgspec.NODEFAULT else inner.default_factory()
                    assert getattr(value, inner.name) == default, f"{field.name}.{inner.name}"
        elif field.name != "station":
            assert value == field.default, field.name


def test_every_rule_belongs_to_a_key() -> None:
    keys = set()
    for field in msgspec.structs.fields(Settings):
        keys.add(field.name)
        kind = rules_kind(field.type)
        if kind is not None:
            for inner in msgspec.structs.fields(kind):
                keys.add(f"{field.name}.{inner.name}")
                if (table := rules_kind(inner.type)) is not None:
                    keys |= {f"{field.name}.{inner.name}.{it.name}" for it in msgspec.structs.fields(table)}
    assert set(rules.RULES) <= keys


def rules_kind(kind: object) -> type[msgspec.Struct] | None:
    candidates = [kind, *getattr(kind, "__args__", ())]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "a = " + "9" * 5_000, "a = 1979-02-30"])
def test_what_no_reader_takes_is_a_problem_and_no_exception(tmp_path: Path, text: str) -> None:
    """Nested without end, a number of thousands of digits, a day that is none; and a path that is none."""
    file = tmp_path / "agent.toml"
    file.write_text(text)
    for path in (file, Path("a\0b")):
        settings, problems = examine(path)
        assert settings is None
        assert len(problems) == 1


SECRET = {
    "keyless.code_key": ('code_key = ""', ['"5ec7e75ec7e75ec7e75ec7e7"', "573573573573573573", '"' + "g" * 64 + '"']),
    "reader.sun_keys": ("sun_keys = []", ['["5ec7e75ec7e7", "5ec7e75ec7e8"]', '["' + "7" * 32 + '"]', '"5ec7e75ec7"']),
}


@pytest.mark.parametrize(("key", "wrong"), [(key, wrong) for key, (_, given) in SECRET.items() for wrong in given])
def test_a_wrong_secret_is_told_without_telling_it(tmp_path: Path, key: str, wrong: str) -> None:
    path, usual = tmp_path / "agent.toml", SECRET[key][0]
    text = (ROOT / "config" / "agent.toml").read_text(encoding="utf-8")
    path.write_text(text.replace(usual, f"{usual.partition(' = ')[0]} = {wrong}"), encoding="utf-8")
    problems = examine(path)[1]
    [said] = [str(problem) for problem in problems if problem.key == key]
    assert wrong.strip('[]"')[:9] not in said
    assert "lower-case hex digits" in said


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ('adapter = "hci0"', {"bluetooth.secret"}),
        ('adapter = "hci"\nsecret = "ABCD"', {"bluetooth.adapter", "bluetooth.secret"}),
        ('adapter = "hci0"\nsecret = "' + "a" * 33 + '"', {"bluetooth.secret"}),
        ('secret = "' + "a" * 30 + '"', {"bluetooth.secret"}),
    ],
)
def test_phones_need_an_adapter_and_a_secret_that_nobody_guesses(
    tmp_path: Path, car: Path, table: str, wrong: set[str]
) -> None:
    assert set(problems(tmp_path, text(car) + f"[bluetooth]\n{table}\n")) == wrong


def test_phones_are_answered_where_an_adapter_is_named(tmp_path: Path, car: Path) -> None:
    assert not load(write(tmp_path, text(car))).bluetooth.fitted
    good = text(car) + '[bluetooth]\nadapter = "hci1"\nsecret = "' + "a1" * 16 + '"\n'
    assert load(write(tmp_path, good)).bluetooth.fitted
