"""The link: members prove their keys, and nobody else learns or inserts."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from core.header import device_id
from core.identity import Identity
from core.succession import MAX_VOUCHERS, make_voucher
from core.sync.links import greeting, tcp, tls
from core.sync.links.causes import LinkError
from core.sync.links.greeting import (
    GREETING_REFUSED,
    LINK_MAGIC,
    LINK_VERSION,
    OtherLinkVersion,
    OwnKeyError,
    Purpose,
)
from core.sync.links.tls import NotAdmitted, UnknownPeer
from core.sync.links.tls_context import pinned
from tests.support.linked_sessions import ONE, OTHER, THIRD, Stream, line, linked, members
from tests.support.strategies import KEYS

GREETING = 6 + 32 + 64


async def anybody(device: bytes) -> bool:
    return True


async def test_members_connect_and_know_each_other_by_their_keys() -> None:
    async with linked() as (dialed, accepted):
        assert (dialed.peer, accepted.peer) == (OTHER.device, ONE.device)
        dialed.writer.write(b"question")
        assert await accepted.reader.readexactly(8) == b"question"
        accepted.writer.write(b"answer")
        assert await dialed.reader.readexactly(6) == b"answer"
        for link in (dialed, accepted):
            inside = link.writer.get_extra_info("ssl_object")
            assert inside.version() == "TLSv1.3"
            assert not inside.session_reused


@asynccontextmanager
async def overheard(
    change: Callable[[bytes, int], bytes] = lambda data, sent: data,
) -> AsyncIterator[tuple[Stream, Stream, list[int]]]:
    """A line with somebody in the middle who counts the bytes and may change them.

    `change` gets the data that the accepting side sent, and how much that was before.
    """
    counts = [0, 0]

    async def pump(reader: StreamReader, writer: StreamWriter, way: int) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(change(data, counts[way]) if way else data)
                counts[way] += len(data)
            writer.close()

    async with line() as (here, near), line() as (far, there):
        pumps = [asyncio.create_task(pump(near[0], far[1], 0)), asyncio.create_task(pump(far[0], near[1], 1))]
        yield here, there, counts
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def test_getting_to_know_each_other_stays_small() -> None:
    """A second of a cable at 9600 baud is 960 bytes.

    Tickets, or a key share of the newer kind, would show here.
    """
    async with overheard() as (here, there, counts):
        dialed, accepted = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER)), tls.secure_accepted(*there, OTHER, members(ONE))
        )
        dialed.writer.write(b"x")
        await accepted.reader.readexactly(1)
        assert min(counts) > GREETING
        assert max(counts) < 900
        dialed.abort()
        accepted.abort()


async def test_what_is_slipped_in_behind_a_greeting_is_never_read_as_the_other_side_s() -> None:
    def slip_in(data: bytes, sent: int) -> bytes:
        return data + b"slipped in" if sent == 0 else data

    async with overheard(slip_in) as (here, there, _):
        accepting = asyncio.create_task(tls.secure_accepted(*there, OTHER, members(ONE)))
        dialed = await tls.secure_dialed(*here, ONE, members(OTHER))
        accepted = await accepting
        accepted.writer.write(b"said")
        assert await dialed.reader.readexactly(4) == b"said"
        dialed.abort()
        accepted.abort()


async def test_what_a_dialing_side_sends_behind_its_greeting_in_the_clear_is_not_read() -> None:
    async with line() as ((reader, writer), there):
        writer.write(greeting.make_greeting(ONE) + b"slipped in")
        accepting = asyncio.create_task(tls.secure_accepted(*there, OTHER, members(ONE)))
        _, certificate = greeting.check_greeting(ONE, await greeting_of(reader))
        context = pinned(ONE, certificate, server=False)
        dialed = await tls._start_tls(writer, context, OTHER.public_key, certificate, 20)
        accepted = await accepting
        dialed.writer.write(b"said")
        assert await accepted.reader.readexactly(4) == b"said"
        dialed.abort()
        accepted.abort()


async def greeting_of(reader: StreamReader) -> bytes:
    read = await greeting.read_greeting(reader)
    assert read.purpose is not None
    return read.proof


async def test_an_unknown_peer_that_dials_is_noticed_and_sees_nothing() -> None:
    async with line() as ((reader, writer), there):
        writer.write(greeting.make_greeting(THIRD))
        with pytest.raises(UnknownPeer) as noticed:
            await tls.secure_accepted(*there, OTHER, members(ONE))
        assert noticed.value.device == THIRD.device
        assert THIRD.device.hex() in str(noticed.value)
        assert await reader.read() == LINK_MAGIC + bytes([LINK_VERSION, GREETING_REFUSED])


async def test_a_device_that_is_not_admitted_learns_what_to_do() -> None:
    async with line() as (here, there):
        refused, noticed = await asyncio.gather(
            tls.secure_dialed(*here, THIRD, members(OTHER)),
            tls.secure_accepted(*there, OTHER, members(ONE)),
            return_exceptions=True,
        )
    assert isinstance(refused, NotAdmitted)
    assert f"fieldline admit {THIRD.device.hex()}" in str(refused)
    assert isinstance(noticed, UnknownPeer)


async def test_an_unknown_peer_that_accepts_is_not_synced_with() -> None:
    async with line() as (here, there):
        noticed, left = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER)),
            tls.secure_accepted(*there, THIRD, members(ONE)),
            return_exceptions=True,
        )
    assert isinstance(noticed, UnknownPeer)
    assert noticed.device == THIRD.device
    assert isinstance(left, LinkError)


@pytest.mark.parametrize(("dials", "accepts"), [(Purpose.SYNC, Purpose.PAIR), (Purpose.PAIR, Purpose.SYNC)])
async def test_a_link_for_one_purpose_is_none_for_another(dials: Purpose, accepts: Purpose) -> None:
    async with line() as (here, there):
        refused, noticed = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER), purpose=dials),
            tls.secure_accepted(*there, OTHER, members(ONE), purpose=accepts),
            return_exceptions=True,
        )
    assert isinstance(refused, NotAdmitted)
    # Who wants to pair is noticed, so that people can open pairing or admit it.
    assert isinstance(noticed, UnknownPeer) == (dials is Purpose.PAIR)
    assert isinstance(noticed, LinkError)


async def test_a_greeting_that_was_changed_to_another_purpose_makes_no_link() -> None:
    """Both sides greet for what they are there for.

    What is between them says otherwise to the one that dials.
    """
    async with line() as ((reader, writer), there):
        dialing = asyncio.create_task(tls.secure_dialed(*there, ONE, members(OTHER)))
        assert (await reader.readexactly(GREETING))[5] == Purpose.SYNC.value
        writer.write(greeting.make_greeting(OTHER, Purpose.PAIR))
        with pytest.raises(LinkError, match="something else"):
            await dialing


@pytest.mark.parametrize("purpose", Purpose)
async def test_both_sides_know_the_key_that_the_other_has_proven(purpose: Purpose) -> None:
    async with line() as (here, there):
        one, other = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER), purpose=purpose),
            tls.secure_accepted(*there, OTHER, members(ONE), purpose=purpose),
        )
        assert (one.peer_key, other.peer_key) == (OTHER.public_key, ONE.public_key)
        one.abort()
        other.abort()


def lying_certificate() -> bytes:
    """THIRD's key under the name of ONE."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ONE.device.hex())])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(THIRD.private_key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
        .sign(THIRD.private_key, None)
        .public_bytes(Encoding.DER)
    )


class Impostor(Identity):
    """THIRD, which shows the name of ONE in TLS."""

    certificate_der = lying_certificate()  # type: ignore[assignment]


IMPOSTOR = Impostor(THIRD.private_key)


async def secured_anyway(writer: StreamWriter, context: ssl.SSLContext, certificate: bytes) -> None:
    """Get as far as TLS lets one get, and leave."""
    with suppress(OSError):
        link = await tls._start_tls(writer, context, OTHER.public_key, certificate, 20)
        await link.reader.read()
        link.abort()


@pytest.mark.parametrize("shows", [THIRD, IMPOSTOR])
async def test_greeting_with_a_member_s_key_without_having_it_is_not_enough_to_dial(shows: Identity) -> None:
    async with line() as ((reader, writer), there):
        writer.write(greeting.make_greeting(ONE))
        accepting = asyncio.create_task(tls.secure_accepted(*there, OTHER, members(ONE)))
        _, certificate = greeting.check_greeting(THIRD, await greeting_of(reader))
        # A caller in TLS 1.3 is done before the other side has looked at its certificate.
        await secured_anyway(writer, pinned(shows, certificate, server=False), certificate)
        with pytest.raises(LinkError, match="prove"):
            await accepting


@pytest.mark.parametrize("shows", [THIRD, IMPOSTOR])
async def test_greeting_with_a_member_s_key_without_having_it_is_not_enough_to_accept(shows: Identity) -> None:
    async with line() as (here, (reader, writer)):
        calling = asyncio.create_task(tls.secure_dialed(*here, OTHER, members(ONE)))
        _, certificate = greeting.check_greeting(THIRD, await greeting_of(reader))
        context = pinned(shows, certificate, server=True)
        writer.write(greeting.make_greeting(ONE))
        await secured_anyway(writer, context, certificate)
        with pytest.raises(LinkError, match="prove"):
            await calling


async def test_a_key_whose_certificate_names_another_device_is_none() -> None:
    async with line() as ((_, writer), there):
        writer.write(greeting.make_head(Purpose.SYNC.value) + THIRD.public_key + lying_certificate()[-64:])
        with pytest.raises(LinkError, match="not one"):
            await tls.secure_accepted(*there, OTHER, anybody)


async def test_both_ends_notice_that_they_have_the_same_key() -> None:
    async with line() as (here, there):
        found = await asyncio.gather(
            tls.secure_dialed(*here, ONE, anybody), tls.secure_accepted(*there, ONE, anybody), return_exceptions=True
        )
    assert [type(error) for error in found] == [OwnKeyError, OwnKeyError]


async def test_a_greeting_that_is_played_back_is_the_own_key() -> None:
    async with line() as (here, (reader, writer)):
        calling = asyncio.create_task(tls.secure_dialed(*here, ONE, anybody))
        writer.write(await reader.readexactly(GREETING))
        with pytest.raises(LinkError, match="this device itself"):
            await calling


def flipped(bit: int) -> bytes:
    proof = bytearray(greeting.make_greeting(ONE)[6:])
    proof[bit // 8] ^= 1 << bit % 8
    return bytes(proof)


@given(st.binary(min_size=96, max_size=96) | st.integers(0, 96 * 8 - 1).map(flipped))
def test_a_key_with_another_s_signature_is_none(proof: bytes) -> None:
    with pytest.raises(LinkError):
        greeting.check_greeting(OTHER, proof)


def test_a_certificate_put_together_is_the_one_that_the_device_made() -> None:
    peer, certificate = greeting.check_greeting(ONE, greeting.make_greeting(OTHER)[6:])
    assert peer == OTHER.device == device_id(OTHER.public_key)
    assert certificate == OTHER.certificate_der


def test_the_document_shows_the_greeting_and_the_limits() -> None:
    document = (Path(__file__).parents[4] / "docs" / "security.md").read_text()
    shown = re.search(r"```hex greeting\n(.*?)```", document, re.DOTALL)
    assert shown
    assert bytes.fromhex(shown[1]) == greeting.make_greeting(ONE)
    words = " ".join(document.split())
    assert f"A caller has {tls.HANDSHAKE_TIMEOUT_S:g} seconds to prove who it is" in words
    assert f"At most {tcp.MAX_HANDSHAKES} may be doing so" in words
    assert f"At most {tcp.MAX_LINKS} links are open at once, and {tcp.MAX_LINKS_PER_DEVICE} of one member" in words


@pytest.mark.parametrize(
    ("junk", "error"),
    [
        (b"", "broke"),
        (b"GET / HTTP/1.1\r\n\r\n", "not Fieldline"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "not Fieldline"),
        (LINK_MAGIC, "broke"),
        (LINK_MAGIC + bytes([LINK_VERSION, Purpose.SYNC.value]), "broke"),
        (LINK_MAGIC + bytes([LINK_VERSION, GREETING_REFUSED]), "not a Fieldline"),
        (LINK_MAGIC + bytes([LINK_VERSION, Purpose.SYNC.value]) + bytes(95), "broke"),
        (LINK_MAGIC + bytes([LINK_VERSION, Purpose.SYNC.value]) + b"\xff" * 96, "not one"),
    ],
)
async def test_junk_gets_no_answer(junk: bytes, error: str) -> None:
    async with line() as ((reader, writer), there):
        writer.write(junk)
        writer.write_eof()
        with pytest.raises(LinkError, match=error):
            await tls.secure_accepted(*there, OTHER, anybody)
        assert await reader.read() == b""


async def test_a_dialing_side_of_another_version_learns_which_one_this_is() -> None:
    async with line() as ((reader, writer), there):
        writer.write(LINK_MAGIC + bytes([LINK_VERSION + 1, Purpose.SYNC.value]) + b"whatever comes then")
        with pytest.raises(OtherLinkVersion, match="update"):
            await tls.secure_accepted(*there, OTHER, anybody)
        assert await reader.read() == LINK_MAGIC + bytes([LINK_VERSION, GREETING_REFUSED])


async def test_a_reply_of_another_version_is_reported_as_that() -> None:
    async with line() as (here, (_, writer)):
        writer.write(LINK_MAGIC + bytes([LINK_VERSION + 1, GREETING_REFUSED]))
        with pytest.raises(OtherLinkVersion, match="update"):
            await tls.secure_dialed(*here, ONE, anybody)


async def test_older_tls_is_refused() -> None:
    async with line() as ((reader, writer), there):
        writer.write(greeting.make_greeting(ONE))
        accepting = asyncio.create_task(tls.secure_accepted(*there, OTHER, members(ONE)))
        _, certificate = greeting.check_greeting(ONE, await greeting_of(reader))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            await tls._start_tls(writer, context, OTHER.public_key, certificate, 20)
        with pytest.raises(LinkError):
            await accepting


@pytest.mark.parametrize("says", [b"", LINK_MAGIC, greeting.make_greeting(ONE)])
async def test_a_dialing_side_that_stops_talking_is_hung_up_on(says: bytes) -> None:
    async with line() as ((reader, writer), there):
        writer.write(says)
        with pytest.raises(LinkError, match="in time"):
            await tls.secure_accepted(*there, OTHER, members(ONE), timeout_s=0.05)
        assert len(await reader.read()) <= GREETING


async def test_a_dialing_side_that_sends_for_ever_is_hung_up_on() -> None:
    async with line() as ((_, writer), there):

        async def trickle() -> None:
            for byte in greeting.make_greeting(ONE):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        with pytest.raises(LinkError, match="in time"):
            await tls.secure_accepted(*there, OTHER, members(ONE), timeout_s=0.1)
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)


@pytest.mark.parametrize("silent", [b"", greeting.make_greeting(OTHER)])
async def test_an_accepting_side_that_stops_sending_is_left(silent: bytes) -> None:
    async with line() as (here, (_, writer)):
        writer.write(silent)
        with pytest.raises(LinkError, match="in time"):
            await tls.secure_dialed(*here, ONE, members(OTHER), timeout_s=0.05)


@pytest.mark.parametrize("after", [0, GREETING, GREETING + 50])
async def test_a_line_that_breaks_on_the_way_is_an_error(after: int) -> None:
    async with line() as (here, (reader, writer)):
        calling = asyncio.create_task(tls.secure_dialed(*here, ONE, members(OTHER)))
        await reader.readexactly(min(after, GREETING))
        if after:
            writer.write(greeting.make_greeting(OTHER))
            await reader.readexactly(after - GREETING)
        writer.transport.abort()
        with pytest.raises(LinkError, match=r"broke|prove"):
            await calling


async def test_what_was_said_before_closing_arrives_in_full() -> None:
    async with linked() as (dialed, accepted):
        data = bytes(range(256)) * 8000
        dialed.writer.write(data)
        closing = asyncio.create_task(dialed.close(20))
        assert await accepted.reader.read(-1) == data
        await accepted.close(20)
        await closing


async def test_closing_does_not_wait_for_a_peer_that_does_not_read() -> None:
    async with linked() as (dialed, _):
        dialed.writer.write(bytes(10_000_000))
        await dialed.close(0.05)
        assert dialed.writer.is_closing()


async def test_what_the_allowing_side_cannot_find_out_ends_the_attempt() -> None:
    async def broken(device: bytes) -> bool:
        raise LinkError("the store is locked")

    async with line() as ((reader, writer), there):
        writer.write(greeting.make_greeting(ONE))
        with pytest.raises(LinkError, match="locked"):
            await tls.secure_accepted(*there, OTHER, broken)
        assert await reader.read() == b""


# --- new keys --------------------------------------------------------------------------------------------------------


def renewed(old: Identity, key: Identity) -> Identity:
    """Another key that an old one vouches for."""
    return Identity(key.private_key, (make_voucher(old.private_key, key.device), *old.vouchers))


@pytest.mark.parametrize("dials", [True, False])
async def test_who_knows_the_old_key_only_takes_the_new_one_for_it(dials: bool) -> None:
    new = renewed(renewed(ONE, Identity(KEYS[4])), Identity(KEYS[5]))
    async with line() as (here, there):
        sides = [(new, members(OTHER)), (OTHER, members(ONE))]
        (dialer, dialer_allows), (accepter, accepter_allows) = sides if dials else sides[::-1]
        dialed, accepted = await asyncio.gather(
            tls.secure_dialed(*here, dialer, dialer_allows), tls.secure_accepted(*there, accepter, accepter_allows)
        )
        assert new.device in (dialed.peer, accepted.peer), "but calls it by what it is now"
        dialed.abort()
        accepted.abort()


@pytest.mark.parametrize(
    "vouchers",
    [
        (make_voucher(ONE.private_key, OTHER.device),),
        (make_voucher(KEYS[4], THIRD.device),),
        (make_voucher(KEYS[4], THIRD.device), make_voucher(ONE.private_key, THIRD.device)),
        (bytes(96),) * MAX_VOUCHERS,
    ],
)
async def test_nobody_passes_for_another_by_a_voucher_that_is_not_for_it(vouchers: tuple[bytes, ...]) -> None:
    async with line() as ((_, writer), there):
        writer.write(greeting.make_greeting(Identity(THIRD.private_key, vouchers)))
        with pytest.raises(UnknownPeer):
            await tls.secure_accepted(*there, OTHER, members(ONE))


@pytest.mark.parametrize("count", [0, MAX_VOUCHERS + 1, 255])
async def test_so_many_vouchers_are_not_read(count: int) -> None:
    async with line() as ((_, writer), there):
        head = greeting.make_head(greeting.GREETING_VOUCHED) + greeting.make_greeting(ONE)[6:]
        writer.write(head + bytes([count]) + bytes(96 * count))
        with pytest.raises(OtherLinkVersion):
            await tls.secure_accepted(*there, OTHER, members(ONE))
