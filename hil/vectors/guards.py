"""A believed token, a wish and the state of the car: `role_action` and `state_guard`, at the car and from afar."""

from __future__ import annotations

from typing import Any, Final

from ..tokens import ACTIONS
from .command_shapes import USUAL as USUAL_COMMAND
from .command_shapes import case as of_command
from .command_shapes import for_phone, obeyed, pair
from .token_rules import EVERY_ACTION
from .world import NOW, Case, claims, different, refused, signed, window
from .world import USUAL as USUAL_TOKEN

HALF_HOUR: Final = 1_800
# remote: asked from afar. car: moving is "no", "maybe" or "yes"; ignition is true, false or null (unknown).
USUAL: Final[Case] = {**USUAL_TOKEN, "remote": False, "car": USUAL_COMMAND["car"]}
MOVES, MAY_MOVE = {"moving": "yes", "ignition": True}, {"moving": "maybe", "ignition": None}
IGNITION, UNKNOWN = {"moving": "no", "ignition": True}, {"moving": "no", "ignition": None}
HARMLESS = ("find", "read_state", "read_logs", "garage_off", "locate_theft", "release_immobiliser")


def _case(name: str, role: str, action: str, code: str | None = None, **situation: Any) -> Case:
    actions = situation.pop("actions", EVERY_ACTION)
    said = claims(window(NOW - 60, NOW - 60 + HALF_HOUR, role=role, actions=actions))
    expect = refused(code) if code else {"accept": True, "code": None}
    wish = {"token": signed(said).hex(), "action": ACTIONS[action]}
    return {"name": f"{role}, {action}: {name}", **wish, "state": different(USUAL, situation), "expect": expect}


def cases() -> list[Case]:
    code = "state_guard"
    use = ("unlock", "lock", "start", "end")
    moving = [_case("the car moves", "driver", action, code, car=MOVES) for action in use]
    harmless = [_case("the car moves", "technician", action, car=MOVES) for action in HARMLESS]
    return [
        _case("not in the token", "driver", "lock", "role_action", actions=1),
        _case("beyond the role", "driver", "firmware", "role_action"),
        _case("beyond the role", "emergency", "lock", "role_action"),
        _case("order: and the car moves", "agent", "garage_on", "role_action", car=MOVES),
        *moving,
        _case("the car moves", "technician", "clear_fault", code, car=MOVES),
        _case("may be moving, from afar", "driver", "unlock", code, car=MAY_MOVE, remote=True),
        _case("may be moving", "technician", "unlock", code, car=MAY_MOVE),
        _case("ignition on", "technician", "write_config", code, car=IGNITION),
        _case("the car moves", "technician", "garage_on", code, car={"moving": "yes", "ignition": None}),
        _case("ignition on", "technician", "garage_on", code, car=IGNITION),
        *harmless,
        _case("the car moves", "technician", "locate_assistance", car=MOVES),
        _case("the car moves", "backend", "immobilise_theft", code, car=MOVES, remote=True),
        _case("may be moving", "backend", "immobilise_theft", code, car=MAY_MOVE, remote=True),
        _case("ignition on", "backend", "immobilise_theft", code, car=IGNITION, remote=True),
        _case("the car stands", "backend", "immobilise_theft", car=UNKNOWN, remote=True),
        _case("beyond the role", "agent", "immobilise_theft", "role_action", remote=True),
        _case("the car stands", "driver", "unlock"),
        _case("may be moving, at the car", "driver", "unlock", car=MAY_MOVE),
        _case("ignition on", "driver", "end", car=IGNITION),
        _case("ignition on, from afar", "backend", "lock", car=IGNITION, remote=True),
        _case("ignition unknown", "technician", "firmware", car=UNKNOWN),
        _case("may be moving, ignition unknown", "technician", "garage_on", car=MAY_MOVE),
    ]


def commands() -> list[Case]:
    """The same guards behind a command, which is always from afar."""
    said, code = for_phone(), refused("state_guard")
    good, find = signed(said), ACTIONS["find"]
    technician = for_phone(role="technician", booking=42, actions=EVERY_ACTION)
    garage = pair(signed(technician), action=ACTIONS["garage_on"])
    return [
        of_command("the car moves", pair(good), code, car=MOVES),
        of_command("may be moving", pair(good, action=2), code, car=MAY_MOVE),
        of_command("technician, garage on while the ignition is on", garage, code, car=IGNITION),
        of_command("technician, unlock while the ignition is on", pair(signed(technician)), code, car=IGNITION),
        of_command("find the car that moves", pair(good, action=find), obeyed(action=find), car=MOVES),
        of_command("lock while the ignition is on", pair(good, action=2), obeyed(action=2), car=IGNITION),
    ]
