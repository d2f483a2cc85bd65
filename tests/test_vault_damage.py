"""Any value of the vault may come back damaged (SQLite's pages carry no check sums): the door starts all the same, and
what is lost is told.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.access.open_file import OPEN_FILE
from agent.access.pending import Pending
from agent.access.rescue import rescued
from agent.sync import samples, stored
from agent.sync.record import Columns
from agent.sync.store import SampleRow
from config.vocabulary import SOC
from drivers.ports import Feedback, LockAction
from tests.door_bench import ALICE, HOUR, DoorBench
from tests.vault_bench import Disk, cast, starts, the_mould  # noqa: F401 (fixture)

DAMAGES = {
    "empty": lambda value: b"",
    "FF": lambda value: b"\xff" * len(value),
    "half": lambda value: value[: len(value) // 2],
    "list": lambda value: b"[]",
    "object": lambda value: b"{}",
    "text": lambda value: b'"x"',
    "null": lambda value: b"null",
    "deep": lambda value: b"[" * 100_000,
    "digits": lambda value: b"9" * 5_000,
    "huge": lambda value: b"1e999",
    "numbers": lambda value: _with(value, 7),
    "texts": lambda value: _with(value, "x"),
    "lists": lambda value: _with(value, [[]]),
    "infinite": lambda value: _with(value, float("inf")),
    "large": lambda value: _with(value, 10**30),
    "names": lambda value: value.replace(b'":', b'r":'),
}
HERE = ("booking/open", "booking/ended/7", "leg/open", "charge/open", "journey/last", "car/last", "store.columns",
        "store.lived", "revision/33", "access/pending", "access/commanded")  # fmt: skip


def _with(value: bytes, wrong: object) -> bytes:
    """The same shape with every value of another type."""
    try:
        found = json.loads(value)
    except ValueError:
        return json.dumps(wrong).encode()
    if isinstance(found, dict):
        found = dict.fromkeys(found, wrong)
    elif isinstance(found, list):
        found = [wrong] * len(found)
    else:
        found = wrong
    return json.dumps(found).encode()


@pytest.mark.parametrize("damage", DAMAGES)
async def test_the_door_starts_whatever_became_of_any_one_value(
    mould: dict[str, object], tmp_path: Path, damage: str
) -> None:
    bench = await cast(mould, tmp_path / "first")
    whole = Disk(bench.folder).vault()
    assert set(HERE) <= set(whole)
    assert {"token", "command", "lock_proof"} <= {key.partition("/")[0] for key in whole}
    for number, (key, value) in enumerate(whole.items()):
        bench = await cast(mould, tmp_path / str(number))
        Disk(bench.folder).put(key, DAMAGES[damage](value))
        try:
            await starts(bench)
        except Exception as error:
            raise AssertionError(f"{key}, {damage}: {error!r}") from error
        finally:
            await bench.off()


@pytest.mark.parametrize("key", ["revision/3s", "revision/²", "booking/ended/²", "token/é", "leg/", "\x00"])
async def test_a_damaged_name_costs_itself(mould: dict[str, object], tmp_path: Path, key: str) -> None:
    bench = await cast(mould, tmp_path)
    Disk(bench.folder).put(key, b"1")
    await starts(bench)
    await bench.off()


# --- the store


def test_columns_that_do_not_read_are_not_there() -> None:
    good = Columns(3, ("a", "b"), (1.0, 0.1), ("km", "%"))
    assert Columns.from_bytes(good.to_bytes()) == good
    for bad in (b"", b"5", b"[]", b"[3]", b'[3,["a"],[0],["x"]]', b'[3,["a"],[1,2],["x"]]', b'[3,["a"],[1],["x"]}'):
        assert Columns.from_bytes(bad) is None


RUN = samples.Run(3, 33, "b", (1, 2), "gnss", ((1000, (1, None, 3)), (2000, (2, 5, 4))))


@given(st.data())
def test_a_damaged_group_is_counted_or_can_be_sealed(data: st.DataObject) -> None:
    whole = samples.group(RUN)
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(
        st.binary(max_size=3) | st.sampled_from([b"null", b"[]", b"{}", b"1e999", b'"x"', b"true", b"9" * 40])
    )
    runs, odd = samples.join([whole[:at] + other + whole[at + data.draw(st.integers(0, 3)) :], whole])
    assert odd + len(runs) in (1, 2)
    for run in runs:
        samples.unseal(samples.seal("v", "s", 1, run))


async def test_an_odd_group_is_left_out_and_counted_and_the_columns_are_said_again(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    await bench.store.use_columns((SOC,), (1.0,), ("%",))
    await bench.off()
    disk = Disk(tmp_path)
    disk.put("store.columns", b'[7,["a"],[1.0],["x"]}')
    for body in (b"{}", samples.group(RUN)):
        disk.run("INSERT INTO groups (body) VALUES (?)", body)
    await bench.boot()
    assert bench.store.counters()["odd_groups"] == 1
    number = await bench.store.use_columns((SOC,), (1.0,), ("%",))
    bench.store.sample(SampleRow(bench.clock.now(), 33, (1.0,)))
    assert len(await bench.facts("columns")) == 2
    assert Columns.from_bytes(disk.vault()["store.columns"]) == Columns(number, (SOC,), (1.0,), ("%",))
    await bench.off()


# --- the intent under way


def left(value: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    for old, new in changes:
        assert old in value
        value = value.replace(old, new)
    return value


@pytest.mark.parametrize(("old", "new"), [(b'"via"', b'"vib"'), (b'"odometer_km"', b'"odometer_kl"'), (b"}}", b"")])
async def test_d19_a_damaged_intent_has_one_outcome_and_it_is_unknown(
    mould: dict[str, object], tmp_path: Path, old: bytes, new: bytes
) -> None:
    bench = await cast(mould, tmp_path)
    disk = Disk(tmp_path)
    pending = disk.vault()["access/pending"]
    if old not in pending:  # this movement ends nothing, so no reading stands beside it
        pending = pending.replace(b'"closes":null', b'"closes":{"odometer_km":1}')
    disk.put("access/pending", left(pending, (old, new)))
    for _ in range(2):
        await starts(bench)
        await bench.off()
        bench.lock.mode = "obeys"
    await bench.boot()
    intents = [body["access"] for body in await bench.facts("access", event="intent")]
    outcomes = [body["access"] for body in await bench.facts("access", event="outcome")]
    assert sorted(intents) == sorted(outcomes)
    [told] = await bench.facts("access", resolved_at_boot=True)
    assert (told["outcome"], told["why"]) == ("unknown", "what was written beside the intent is damaged")
    assert "access/pending" not in await bench.store.read("")
    await bench.off()


async def test_an_intent_that_says_nothing_any_more_is_dropped_with_one_alarm(
    mould: dict[str, object], tmp_path: Path
) -> None:
    bench = await cast(mould, tmp_path)
    Disk(tmp_path).put("access/pending", b'{"accesr":1}')
    for _ in range(2):
        await starts(bench)
        await bench.off()
    await bench.boot()
    assert len(await bench.facts("alarm", name="intent_damaged")) == 1
    await bench.off()


def test_a_whole_intent_reads_back_as_it_was() -> None:
    value = b'{"access":"0011223344556677","action":"lock","asked":{"via":"badge"},"plan":{"opens":null,"closes":null}}'
    found = Pending.from_bytes(value)
    assert found is not None
    assert not found.damaged
    assert found.action is LockAction.LOCK
    assert Pending.from_bytes(found.to_bytes()) == found


# --- the booking under way


async def away(folder: Path) -> DoorBench:
    """Alice has the car, far from home."""
    bench = DoorBench(folder)
    await bench.boot()
    bench.park()
    bench.say(odometer=90.0)
    await bench.book(33, ALICE)
    await bench.tap(ALICE)
    await bench.off()
    (folder / "bookings" / OPEN_FILE).unlink()
    return bench


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [(b'"paid_to_s"', b'"paid_to_r"', []), (b'"odometer_km"', b'"odometer_kl"', ["start"]),
     (b'"legs":', b'"legs"', ["start", "legs", "provisional", "tally"])],
)  # fmt: skip
async def test_r5_a_damaged_booking_lets_its_driver_back_in_and_is_told_once(
    tmp_path: Path, old: bytes, new: bytes, lost: list[str]
) -> None:
    bench = await away(tmp_path)
    disk = Disk(tmp_path)
    disk.put("booking/open", left(disk.vault()["booking/open"], (old, new)))
    bench.clock.move(2 * HOUR)  # long over: only the holder of the open booking is let in
    for _ in range(2):
        await bench.boot()
        bench.park(home=False)
        assert await bench.tap(ALICE) is not Feedback.REFUSED
        assert bench.under.booking is not None
        assert bench.under.booking.booking == 33
        assert bench.under.booking.paid_to_s == 1_800_003_600
        await bench.off()
    await bench.boot()
    [alarm] = await bench.facts("alarm", name="booking_damaged")
    assert (alarm["detail"]["booking"], alarm["detail"]["kept"], alarm["detail"]["lost"]) == (33, True, lost)
    assert len(await bench.facts("booking", event="opened")) == 1
    await bench.off()


async def test_a_booking_of_which_nothing_can_be_told_is_an_alarm_and_no_booking(tmp_path: Path) -> None:
    bench = await away(tmp_path)
    Disk(tmp_path).put("booking/open", b'{"booking":33,"token":"')
    for _ in range(2):
        await bench.boot()
        assert bench.under.booking is None
        await bench.off()
    await bench.boot()
    [alarm] = await bench.facts("alarm", name="booking_damaged")
    assert alarm["detail"] == {"booking": 33, "token": None, "kept": False, "lost": ["all"]}
    await bench.off()


@given(st.binary(max_size=200))
def test_no_bytes_make_a_rescue_raise(data: bytes) -> None:
    assert rescued(data, lambda _: None)[0] is None
    Pending.from_bytes(data)
    Pending.from_bytes(b'{"access":"0011223344556677","action":"lock",' + data)


# --- bookings and commands


async def test_d14_one_unreadable_file_does_not_hide_those_after_it(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    await bench.book(33, ALICE)
    await bench.off()
    for file in tmp_path.glob("boitier.db*"):  # noqa: ASYNC240
        file.unlink()
    (tmp_path / "bookings" / "0.cwt").mkdir()  # reading it is refused, as with a bad sector
    await bench.boot()
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED
    await bench.off()


@pytest.mark.parametrize("wrong", [b'{"code":"done","why":"x","until":"1"}', b'{"code":1,"why":"x","until":1}'])
async def test_an_answer_of_odd_types_is_not_repeated_and_ends_nothing(tmp_path: Path, wrong: bytes) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    await bench.book(33, ALICE)
    await bench.store.commit(put={"command/result/aa": wrong, "command/counter/bb": b"[Infinity,1]"})
    await bench.off()
    await bench.boot()
    bench.park()
    await bench.wait(4)
    assert await bench.tap(ALICE) is Feedback.OPENED
    await bench.off()


@given(st.text())
def test_a_number_is_plain_digits(text: str) -> None:
    found = stored.number(text)
    assert found is None or (text.isascii() and int(text) == found)
