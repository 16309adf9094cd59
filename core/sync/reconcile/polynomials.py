"""Polynomials over a prime field: from power sums to what was summed.

A polynomial is the list of its coefficients, the constant first; the last one is not zero, and the empty list is the
zero polynomial. The prime is 3 modulo 4 and below 2**28, and degrees are at most `MAX_DEGREE`, so that a sum of that
many products fits in a lane of 64 bits: polynomials are squared as single large integers (Kronecker substitution),
which is several times quicker in Python than coefficient by coefficient.

Read: Minsky, Trachtenberg, Zippel, "Set Reconciliation with Nearly Optimal Communication Complexity", IEEE Trans. Inf.
Theory 49 (2003); von zur Gathen, Gerhard, "Modern Computer Algebra", 5.7 (rational reconstruction), 14.3 (equal-degree
factorisation).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from operator import mul

Polynomial = list[int]

MAX_DEGREE = 64
MAX_SPLITS = 64
"""How many tries a polynomial gets to fall apart: each of them fails with a chance of a half at most."""


@cache
def inverse(value: int, prime: int) -> int:
    """Compute the multiplicative inverse of a small number (results are cached)."""
    return pow(value, -1, prime)


def exponential_series(sums: Sequence[int], prime: int) -> Polynomial:
    """Compute exp(-sum of `sums[k-1]` z^k / k), one term longer than `sums`.

    By Newton's identities; for the power sums of a set it is the product of (1 - x z) over the set.
    """
    terms = [1]
    for k in range(1, len(sums) + 1):
        terms.append(-sum(map(mul, sums[:k], reversed(terms))) * inverse(k, prime) % prime)
    return terms


def _divide(a: Polynomial, b: Polynomial, prime: int) -> tuple[Polynomial, Polynomial]:
    """Divide: quotient and remainder."""
    rest, size = a[:], len(b)
    quotient = [0] * max(len(a) - size + 1, 0)
    scale = pow(b[-1], -1, prime)
    while len(rest) >= size:
        factor = rest[-1] * scale % prime
        shift = len(rest) - size
        quotient[shift] = factor
        rest[shift:] = [(x - factor * y) % prime for x, y in zip(rest[shift:], b, strict=True)]
        while rest and not rest[-1]:
            rest.pop()
    return quotient, rest


def _gcd(a: Polynomial, b: Polynomial, prime: int) -> Polynomial:
    """Compute the greatest common divisor, monic."""
    while b:
        a, b = b, _divide(a, b, prime)[1]
    return make_monic(a, prime)


def make_monic(a: Polynomial, prime: int) -> Polynomial:
    """Divide a polynomial by its leading coefficient."""
    if not a or a[-1] == 1:
        return a
    scale = pow(a[-1], -1, prime)
    return [x * scale % prime for x in a]


def reconstruct_fraction(sums: Sequence[int], excess: int, prime: int) -> tuple[Polynomial, Polynomial] | None:
    """Find the two monic polynomials whose roots have these signed power sums.

    `sums[k-1]` is the sum of x^k over one set less the same over another, the first of which has `excess` elements more
    (a negative number: fewer). Together they may have at most `len(sums)` elements. None where no such sets
    exist; the result for sums of larger sets is arbitrary, and seldom has all its roots in the field.
    """
    count = len(sums)
    if not -count <= excess <= count:
        return None
    top = (count + excess) // 2
    last, rest = [0] * (count + 1) + [1], exponential_series(sums, prime)
    while not rest[-1]:
        rest.pop()
    old: Polynomial = []
    new: Polynomial = [1]
    while len(rest) - 1 > top:
        quotient, remainder = _divide(last, rest, prime)
        last, rest = rest, remainder
        old, new = new, _subtract_product(old, quotient, new, prime)
    if not rest or not new[0] or len(rest) - len(new) != excess:
        return None
    scale = pow(new[0], -1, prime)
    return [x * scale % prime for x in reversed(rest)], [x * scale % prime for x in reversed(new)]


def _subtract_product(a: Polynomial, b: Polynomial, c: Polynomial, prime: int) -> Polynomial:
    """Compute a - b c, where the product has the greater degree."""
    out = a + [0] * (len(b) + len(c) - 1 - len(a))
    for shift, factor in enumerate(b):
        if factor:
            end = shift + len(c)
            out[shift:end] = [(x - factor * y) % prime for x, y in zip(out[shift:end], c, strict=True)]
    return out


class _Ring:
    """Polynomials modulo a monic one of degree 2 or more."""

    def __init__(self, modulus: Polynomial, prime: int) -> None:
        self._prime = prime
        self._degree = degree = len(modulus) - 1
        self._lanes = struct.Struct(f"<{degree}Q")
        self._mask = (1 << 64 * degree) - 1
        self._minus = minus = [-x % prime for x in modulus[:-1]]
        power = minus
        self._high: list[int] = []  # z^degree, z^(degree + 1) ... reduced, each as one integer
        for _ in range(degree - 1):
            self._high.append(self._pack(power))
            power = [(x + power[-1] * y) % prime for x, y in zip([0, *power[:-1]], minus, strict=True)]

    def _pack(self, a: Polynomial) -> int:
        return int.from_bytes(self._lanes.pack(*a), "little")

    def square(self, value: Polynomial) -> Polynomial:
        """Compute value**2.

        Ring elements have as many coefficients as the modulus has roots.
        """
        prime, size = self._prime, 8 * self._degree
        packed = self._pack(value)
        square = packed * packed
        total = square & self._mask
        upper = self._lanes.unpack((square >> 8 * size).to_bytes(size, "little"))
        for coefficient, reduced in zip(upper, self._high, strict=False):
            total += coefficient % prime * reduced
        return [x % prime for x in self._lanes.unpack(total.to_bytes(size, "little"))]

    def _times_linear(self, value: Polynomial, shift: int) -> Polynomial:
        """Compute value (z + shift)."""
        prime, top = self._prime, value[-1]
        terms = zip([0, *value[:-1]], value, self._minus, strict=True)
        return [(lower + shift * x + top * m) % prime for lower, x, m in terms]

    def half_powers(self, shift: int) -> tuple[Polynomial, Polynomial]:
        """Compute (z + shift)**(2**n) and (z + shift)**c.

        The exponents differ by (p - 1) / 2, so the two agree in the roots whose sum with `shift` is a square, and
        nowhere else where that sum is not 0. The prime is little below a power
        of 2: this takes hardly more than n squarings.
        """
        bits = (self._prime >> 1).bit_length()
        one = [1] + [0] * (self._degree - 1)
        high = low = self._times_linear(one, shift)
        for bit in bin((1 << bits) - (self._prime >> 1))[3:]:
            low = self.square(low)
            if bit == "1":
                low = self._times_linear(low, shift)
        for _ in range(bits):
            high = self.square(high)
        return high, low


def find_roots(polynomial: Polynomial, prime: int) -> list[int] | None:
    """Find all roots of a monic polynomial.

    None unless it has different linear factors other than z.

    Bounded: at most `MAX_SPLITS` powers a factor.
    """
    degree = len(polynomial) - 1
    if degree == 0:
        return []
    if degree > MAX_DEGREE or not polynomial[0]:
        return None
    if degree == 1:
        return [prime - polynomial[0]]
    if degree == 2:
        return _square_roots(polynomial, prime)
    ring = _Ring(polynomial, prime)
    high, low = ring.half_powers(0)
    if ring.square(high) != ring.square(low):  # z^(p-1) - 1 has each element but 0 as a root, once
        return None
    return _split_roots(polynomial, _subtract(high, low, prime), prime)


def _subtract(a: Polynomial, b: Polynomial, prime: int) -> Polynomial:
    out = [(x - y) % prime for x, y in zip(a, b, strict=True)]
    while out and not out[-1]:
        out.pop()
    return out


def _square_roots(polynomial: Polynomial, prime: int) -> list[int] | None:
    constant, linear, _ = polynomial
    square = (linear * linear - 4 * constant) % prime
    root = pow(square, (prime + 1) >> 2, prime)
    if not root or root * root % prime != square:
        return None
    half = (prime + 1) >> 1
    return [(root - linear) * half % prime, (-root - linear) * half % prime]


def _split_roots(polynomial: Polynomial, shared: Polynomial | None, prime: int) -> list[int] | None:
    """Find the roots of a product of different linear factors.

    Another polynomial may be known to share some of them.
    """
    if len(polynomial) <= 3:
        return find_roots(polynomial, prime)
    for shift in range(1, MAX_SPLITS):
        other = shared
        if other is None:
            other = _subtract(*_Ring(polynomial, prime).half_powers(shift), prime)
        shared = None
        part = _gcd(polynomial, other, prime)
        if 1 < len(part) < len(polynomial):
            some = _split_roots(part, None, prime)
            rest = _split_roots(_divide(polynomial, part, prime)[0], None, prime)
            return None if some is None or rest is None else some + rest
    return None
