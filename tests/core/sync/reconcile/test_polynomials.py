from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from core.sync.reconcile.polynomials import find_roots, reconstruct_fraction
from core.sync.reconcile.set_sketch import VALUE_PRIME, WHOLE_PRIME

primes = st.sampled_from([VALUE_PRIME, WHOLE_PRIME])


def signed_sums(ours: Sequence[int], theirs: Sequence[int], count: int, prime: int) -> list[int]:
    return [
        (sum(pow(x, k, prime) for x in ours) - sum(pow(x, k, prime) for x in theirs)) % prime
        for k in range(1, count + 1)
    ]


def value(polynomial: Sequence[int], at: int, prime: int) -> int:
    return sum(c * pow(at, k, prime) for k, c in enumerate(polynomial)) % prime


@given(
    st.lists(st.integers(1, VALUE_PRIME - 1), unique=True, max_size=24), st.integers(0, 24), st.integers(0, 4), primes
)
def test_signed_power_sums_give_their_elements(elements: list[int], split: int, spare: int, prime: int) -> None:
    ours, theirs = elements[:split], elements[split:]
    found = reconstruct_fraction(
        signed_sums(ours, theirs, len(elements) + spare, prime), len(ours) - len(theirs), prime
    )
    assert found is not None
    assert [sorted(find_roots(polynomial, prime) or []) for polynomial in found] == [sorted(ours), sorted(theirs)]


@given(st.lists(st.integers(0, VALUE_PRIME - 1), max_size=24), st.integers(-30, 30), primes)
def test_sums_of_nothing_sensible_give_polynomials_or_none(sums: list[int], excess: int, prime: int) -> None:
    found = reconstruct_fraction(sums, excess, prime)
    if found is not None:
        ours, theirs = found
        assert len(ours) - len(theirs) == excess
        assert len(ours) + len(theirs) - 2 <= len(sums)
        assert ours[-1] == theirs[-1] == 1


@given(st.lists(st.integers(0, VALUE_PRIME - 1), max_size=12), primes)
def test_roots_are_all_different_and_as_many_as_the_degree_or_none(coefficients: list[int], prime: int) -> None:
    polynomial = [*coefficients, 1]
    found = find_roots(polynomial, prime)
    if found is not None:
        assert len(set(found)) == len(coefficients)
        assert all(value(polynomial, root, prime) == 0 for root in found)


@given(st.lists(st.integers(1, VALUE_PRIME - 1), min_size=1, max_size=12), primes)
def test_a_root_that_is_there_twice_or_zero_is_refused(elements: list[int], prime: int) -> None:
    polynomial = [1]
    for x in [*elements, elements[0]]:
        polynomial = [(a - x * b) % prime for a, b in zip([0, *polynomial], [*polynomial, 0], strict=True)]
    assert find_roots(polynomial, prime) is None
    assert find_roots([0, *polynomial], prime) is None
