"""With the recovery key any device of the fleet becomes an admin.

Whatever a stolen one has written.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import FieldlineError, Refused
from core.identity import Identity
from core.schema_toml import load_builtin_schema
from core.store.intake import read_refused
from core.workspace import Workspace
from core.workspace.key_recovery import recover_fleet
from core.workspace.members import revoke_device
from tests.support.strategies import KEYS

RECOVERY, WRONG = KEYS[6], KEYS[7]


async def found(folder: Path, recovery: Ed25519PrivateKey | None = RECOVERY) -> Workspace:
    return await Workspace.init(
        folder,
        user="anna",
        fleet_name="Nord",
        schema=load_builtin_schema("service-centre"),
        device_name=folder.name,
        recovery_key=Identity(recovery).public_key if recovery else None,
    )


async def test_a_device_that_a_thief_shut_out_takes_the_fleet_back(tmp_path: Path) -> None:
    stick = tmp_path / "all.fieldline"
    async with await found(tmp_path / "K1") as thief:
        fleet = thief.store.fleet.hex()
        async with await Workspace.join(tmp_path / "K2", user="bob", fleet=fleet, device_name="K2") as device:
            me, founder = device.identity.device, thief.identity.device
            await thief.admit(me.hex(), "admin", "K2", None)
            await thief.export_file(stick, plain=True)
            await device.import_file(stick)
            await device.create("locality", {"code": "241"})
            await revoke_device(thief, me, [])
            await thief.export_file(stick, plain=True)
            await device.import_file(stick)
            assert not (await device.membership()).may_connect(me)
            recovered = await recover_fleet(device, RECOVERY, [founder])
            assert recovered.member.role == "admin" and len(recovered.changes) == 2
            membership = await device.membership()
            assert membership.is_admin(me) and not membership.may_connect(founder)
            await device.create("locality", {"code": "242"})
            assert (await device.verify()).problems == []
            # The thief's own device, and one that got all of it in another order, come to the same.
            await device.export_file(stick, plain=True)
            await thief.import_file(stick)
            assert await thief.membership() == membership
            assert await thief.store.run(read_refused) is None
            with pytest.raises(FieldlineError):
                await revoke_device(thief, me, [])


async def test_the_key_must_be_that_of_the_fleet(tmp_path: Path) -> None:
    async with await found(tmp_path / "K1") as device:
        before = (await device.store.counts()).changes
        with pytest.raises(Refused, match="not the recovery key"):
            await recover_fleet(device, WRONG, [])
        with pytest.raises(Refused, match="cannot revoke itself"):
            await recover_fleet(device, RECOVERY, [device.identity.device])
        assert (await device.store.counts()).changes == before
        assert device.identity.device != Identity(RECOVERY).device
    async with await found(tmp_path / "K2", None) as device:
        with pytest.raises(FieldlineError, match="without a recovery key"):
            await recover_fleet(device, RECOVERY, [])
    async with await Workspace.join(tmp_path / "K3", user="u", fleet="00" * 16, device_name="K3") as device:
        with pytest.raises(FieldlineError, match="holds nothing"):
            await recover_fleet(device, RECOVERY, [])
