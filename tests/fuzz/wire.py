"""The decoders of what other devices send: over the network, a cable, on a stick."""

from __future__ import annotations

import io
import ipaddress
from asyncio import IncompleteReadError
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from blake3 import blake3

from core import cbor, header
from core.body import Fact
from core.errors import FieldlineError
from core.store.packs import pack_blocks, unpack_blocks
from core.sync import location_hint
from core.sync.batch_codec import BatchDecoder, BatchEncoder
from core.sync.block_stream import split_block
from core.sync.bundle_file import BundleWriter, check_bundle
from core.sync.codec import MalformedMessage, decode_message, encode_message, encode_varint
from core.sync.discovery.announcement import make_txt_record, parse_announcement
from core.sync.holdings import TAG_BYTES, Holding
from core.sync.links.greeting import Purpose, check_greeting, make_greeting, read_greeting
from core.sync.links.serial import framing
from core.sync.links.serial.arq import Arq
from core.sync.messages import Abort, Hello, Holdings, Message, PositionProof, Want
from core.sync.packed_header import LinksUnknown, read_place
from core.sync.pairing import messages as pairing
from core.sync.reconcile import prefix_coding, set_sketch
from core.sync.reconcile.coarse_list import choose_resolution
from core.sync.reconcile.group_code import decode_shape
from core.sync.reconcile.sketch_actions import ScanShortIds
from core.sync.reconcile.sketch_messages import SketchKind
from core.sync.reconcile.sketch_protocol import SketchProtocol
from core.sync.sealed_file import SealBroken, SealedElsewhere, SealedReader, is_sealed
from tests.core import test_block_fuzz as blocks
from tests.core.sync.test_sealed_file import keys, seal
from tests.fuzz.decoder import Decoder, of_file
from tests.support.linked_sessions import ONE, OTHER
from tests.support.memory_replica import now
from tests.support.store_fleet import FLEET, FOUNDING, Pen

BLOCKS = [Pen(1).write(Fact(bytes([n]) * 16, "name", f"Lane {n}"), at=100 + n) for n in range(3)]
SHORTS = sorted({value * 0x9E3779B97F4A & (1 << 48) - 1 for value in range(1, 100)})


def _message(data: bytes) -> None:
    message = decode_message(data)
    assert encode_message(message) == encode_varint(len(data)) + data


def _messages() -> tuple[bytes, ...]:
    position = PositionProof(split_block(BLOCKS[0]).header.data, ((1, b"i" * 32),), b"h" * 64)
    some: list[Message] = [
        Hello(3, FLEET[:4], 7, b"r" * 16, bytes(12 * 8)),
        Want(b"\x03" * 9),
        Abort(12),
        Holdings((Holding(b"c" * TAG_BYTES, b"d" * TAG_BYTES, 7),)),
        position,
    ]
    frames = map(encode_message, some)
    return tuple(frame[len(encode_varint(len(frame) - 1)) :] for frame in frames)


def _batch(data: bytes) -> None:
    batch = BatchDecoder().decode_batch(data)
    assert batch.blocks and all(batch.blocks)


def _packed_batch() -> bytes:
    return BatchEncoder().encode_batch(BLOCKS, {0: [1, 5], 2: [0]})


@dataclass
class _Stream:
    """The bytes of a connection that has ended."""

    left: io.BytesIO

    async def readexactly(self, size: int) -> bytes:
        data = self.left.read(size)
        if len(data) < size:
            raise IncompleteReadError(data, size)
        return data


def _greeting(data: bytes) -> None:
    greeting = now(read_greeting(_Stream(io.BytesIO(data))))  # type: ignore[arg-type]
    if greeting.purpose is not None:
        check_greeting(ONE, greeting.proof)


def _serial_frame(data: bytes) -> None:
    for key in (0, 7):
        body = framing.decode_frame(data, key) or framing.correct_frame(data, key)
        if body is not None:
            assert framing.encode_frame(body, key)


def _serial_line(data: bytes) -> None:
    """Let an end of a cable hear it before and after it heard of another end."""
    one, other = Arq(b"1" * 8, (115200, 9600), dials=True), Arq(b"2" * 8, (115200,), dials=False)
    one.receive_data(data, 0.0)
    for _ in range(3):
        for here, there in ((one, other), (other, one)):
            if frame := here.next_frame(1.0):
                there.receive_data(framing.FRAME_END + frame, 1.0)
    one.receive_data(framing.FRAME_END + data, 2.0)
    one.receive_data(framing.encode_frame(data[:200] or b"\0", one._key), 2.0)
    one.next_frame(3.0)


def _pairing(data: bytes) -> None:
    if len(data) >= pairing.HEAD_BYTES:
        message = pairing.decode_message(data)
        assert pairing.decode_message(pairing.encode_message(message)) == message


def _announcement(data: bytes) -> None:
    fields = [part.partition(b"=") for part in data.split(b"\n")]
    record: dict[bytes, bytes | None] = {name: value if equals else None for name, equals, value in fields}
    parse_announcement("K1", record, ["10.1.1.1", data.decode(errors="replace")], len(data))


def _sketch_message(data: bytes) -> None:
    """Let the side that lists get a message, and the one that gets the list."""
    for peer, is_leader in ((3000, False), (90, True)):
        sketch = SketchProtocol(set_sketch.SetSketch.from_short_ids(SHORTS), peer, is_leader=is_leader)
        step = sketch.start()
        for message in (b"", data):
            while isinstance(step, ScanShortIds):
                step = sketch.resume_scan(SHORTS)
            if message:
                step = sketch.receive_message(message)
        while isinstance(step, ScanShortIds):
            step = sketch.resume_scan(SHORTS)


def _coarse_list() -> bytes:
    resolution = choose_resolution(90, 9)
    return bytes([SketchKind.COARSE_LIST, resolution]) + prefix_coding.encode_short_ids(SHORTS[:90], resolution)


def _rest() -> bytes:
    meter = set_sketch.SetSketch.from_short_ids(SHORTS[:80]).meter
    wants = bytes([20]) + prefix_coding.encode_short_ids(SHORTS[:9], 20)
    return bytes([SketchKind.REST]) + prefix_coding.encode_varint(80) + meter + wants


def _bundle(path: Path) -> None:
    """Check a bundle whose hash fits: otherwise nothing but the hash would be tried."""
    with path.open("ab") as file:
        file.write(blake3(path.read_bytes()).digest())
    contents = check_bundle(path, FLEET)
    contents.check_signatures(contents.offsets)


def _real_bundle() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "real.fieldline"
        writer = BundleWriter(path, FLEET, len(FOUNDING) + len(BLOCKS))
        writer.write_blocks([*FOUNDING, *BLOCKS])
        writer.finish()
        return path.read_bytes()[: -blake3().digest_size]


def _sealed(data: bytes) -> None:
    is_sealed(data)
    SealedReader(io.BytesIO(data), keys(), Path("stick")).read(1 << 20)


HINT = location_hint.encode_location_hint(
    [b"e" * 16], [ipaddress.ip_address("10.1.2.3"), ipaddress.ip_address("fe80::1")]
)
HELLO = pairing.encode_message(pairing.PairHello(True, False, b"f" * 16, "Nord", "K1"))
PAIRING = (HELLO, pairing.encode_message(pairing.PairDone(True)), pairing.encode_message(pairing.Nonce(b"n" * 32)))
RECORD = b"\n".join(
    f"{name}={value}".encode() for name, value in make_txt_record(b"f" * 16, b"r" * 16, b"d" * 16).items()
)
MALFORMED = (FieldlineError, MalformedMessage)

WIRE: dict[str, Decoder] = {
    "message": Decoder(_message, _messages(), MALFORMED),
    "batch": Decoder(_batch, (_packed_batch(),), MALFORMED),
    "block": Decoder(blocks.whole, tuple(block.data for block in blocks.BLOCKS)),
    "header": Decoder(blocks.header, tuple(block.header.data for block in blocks.BLOCKS)),
    "header-size": Decoder(header.header_size, tuple(BLOCKS)),
    "body": Decoder(blocks.body, tuple(block.body.data for block in blocks.BLOCKS)),
    "value": Decoder(blocks.value, tuple(blocks.VALUES)),
    "packed-block": Decoder(blocks.link, tuple(blocks.packed()), (*MALFORMED, LinksUnknown)),
    "packed-place": Decoder(read_place, tuple(blocks.packed()), MALFORMED),
    "cbor": Decoder(lambda data: cbor.loads(data, cbor.decoders({})), (BLOCKS[0], b"\x83\x01\x61a\xf6")),
    "pack": Decoder(unpack_blocks.__wrapped__, (pack_blocks(BLOCKS),)),
    "greeting": Decoder(
        _greeting, tuple(make_greeting(OTHER, purpose) for purpose in Purpose), (FieldlineError, EOFError)
    ),
    "pairing": Decoder(_pairing, PAIRING, (pairing.MalformedPairing,)),
    "serial-frame": Decoder(
        _serial_frame, (framing.encode_frame(b"body of a frame"), framing.encode_frame(b"x" * 300, 7))
    ),
    "serial-line": Decoder(_serial_line, tuple(framing.encode_frame(bytes([n]) + bytes(20)) for n in range(1, 9))),
    "location-hint": Decoder(location_hint.decode_location_hint, (HINT,)),
    "announcement": Decoder(_announcement, (RECORD,)),
    "sketch-message": Decoder(_sketch_message, (_coarse_list(), _rest(), b"\x02" + bytes(96), b"\x06", b"\x09\x05")),
    "sketch-shape": Decoder(decode_shape, (b"\x05\x09rest",), (ValueError,)),
    "short-id-list": Decoder(
        lambda data: prefix_coding.decode_short_ids(data, 30, 400),
        (prefix_coding.encode_short_ids(SHORTS, 30),),
        (ValueError,),
    ),
    "prefix-list": Decoder(
        lambda data: prefix_coding.decode_prefixes(data, 12, 400),
        (prefix_coding.encode_prefixes([prefix_coding.ShortIdPrefix(5, 12), prefix_coding.ShortIdPrefix(37, 14)], 12),),
        (ValueError,),
    ),
    "sums": Decoder(set_sketch.unpack_sums, (set_sketch.pack_sums(range(12)),), (ValueError,)),
    "set-sketch": Decoder(set_sketch.SetSketch.from_bytes, (set_sketch.SetSketch().to_bytes(),), (ValueError,)),
    "bundle": Decoder(of_file(_bundle), (_real_bundle(),)),
    "sealed-file": Decoder(
        _sealed,
        (seal(b"Fieldline", keys()), seal(bytes(70_000), keys())),
        (SealBroken, SealedElsewhere, FieldlineError),
    ),
}
