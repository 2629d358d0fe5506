# mypy: disable-error-code="no-untyped-def"
"""Compiled sweeps; loaded only when something is sampled.

Random numbers are counter-based, SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014, doi 10.1145/2660193.2660195):
number n of a key is mix(key + n * gamma), so that a run is resumed from a count and replicas differ by their keys.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_A = np.uint64(0xBF58476D1CE4E5B9)
_B = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 2.0**-53


@njit(cache=True, inline="always", nogil=True)
def word(key, count):
    """64 random bits, number `count` of a key."""
    z = key + np.uint64(count) * _GAMMA
    z = (z ^ (z >> _S30)) * _A
    z = (z ^ (z >> _S27)) * _B
    return z ^ (z >> _S31)


@njit(cache=True, inline="always", nogil=True)
def uniform(key, count):
    """A number in [0, 1) with 53 bits."""
    return np.float64(word(key, count) >> _S11) * _UNIT


@njit(cache=True, inline="always", nogil=True)
def _place(key, count, size):
    return np.int64(uniform(key, count) * size)


@njit(cache=True, nogil=True)
def sweep(spins, sites, pairs, pair_stride, triples, triple_stride, base, odds, down, keys, first, sweeps, metropolis):
    """Sweeps of heat bath or Metropolis of spins [N + 2, R], replicas side by side.

    Metropolis takes a flip that changes nothing in energy with probability one half only: always taking it leaves
    small lattices in closed cycles, whole sublattices flipping for ever. `odds` is exp(-2 h) by the summed products
    of every term, `down` [n, R] or [n, 1] the odds of the site itself.
    """
    count, replicas = np.uint64(len(sites)), spins.shape[1]
    index = np.empty(replicas, np.int32)
    alone = down.shape[1] == 1
    for sweep in range(sweeps):
        start = np.uint64(first + sweep) * count
        for k in range(len(sites)):
            index[:] = base
            for m in range(pairs.shape[1]):
                _gather(index, pair_stride[m], spins[pairs[k, m]])
            for m in range(triples.shape[1]):
                _gather_two(index, triple_stride[m], spins[triples[k, m, 0]], spins[triples[k, m, 1]])
            row, step = spins[sites[k]], (start + np.uint64(k)) * _GAMMA
            for r in range(replicas):
                odd = odds[index[r]] * down[k, 0 if alone else r]
                row[r] = _drawn(row[r], odd, keys[r] + step, metropolis)


@njit(cache=True, nogil=True)
def sweep_one(row, sites, pairs, pair_stride, triples, triple_stride, base, odds, down, key, first, sweeps, metropolis):
    """The same of a single replica, spins [N + 2]: the same numbers, without rows to slice."""
    count = np.uint64(len(sites))
    for sweep in range(sweeps):
        start = np.uint64(first + sweep) * count
        for k in range(len(sites)):
            index = base
            for m in range(pairs.shape[1]):
                index += pair_stride[m] * np.int32(row[pairs[k, m]])
            for m in range(triples.shape[1]):
                index += triple_stride[m] * np.int32(row[triples[k, m, 0]] * row[triples[k, m, 1]])
            at = key + (start + np.uint64(k)) * _GAMMA
            row[sites[k]] = _drawn(row[sites[k]], odds[index] * down[k], at, metropolis)


@njit(cache=True, inline="always", nogil=True)
def _drawn(spin, odd, z, metropolis):
    """The new spin, by the odds of its being down (heat bath) or of its flip up (Metropolis)."""
    z = (z ^ (z >> _S30)) * _A
    z = (z ^ (z >> _S27)) * _B
    u = np.float64((z ^ (z >> _S31)) >> _S11) * _UNIT
    if metropolis:
        up = spin > 0
        level = odd == 1.0
        taken = (level & (u < 0.5)) | (~level & ((up & (u < odd)) | (~up & (u * odd < 1.0))))
        return spin * (np.int8(1) - np.int8(2) * np.int8(taken))
    return np.int8(1) if u * (1.0 + odd) < 1.0 else np.int8(-1)


@njit(cache=True, inline="always", nogil=True)
def _gather(index, stride, row):
    for r in range(len(index)):
        index[r] += stride * np.int32(row[r])


@njit(cache=True, inline="always", nogil=True)
def _gather_two(index, stride, row, other):
    for r in range(len(index)):
        index[r] += stride * np.int32(row[r] * other[r])


@njit(cache=True, inline="always", nogil=True)
def _field(row, i, partners, weight):
    """Half the log odds of spin i being up, without its own field."""
    h = 0.0
    for m in range(partners.shape[1]):
        h += weight[m] * row[partners[i, m, 0]] * row[partners[i, m, 1]]
    return h


@njit(cache=True, inline="always", nogil=True)
def _exchange(row, i, j, partners, weight):
    """Exchange two spins; the gain of log probability."""
    gain = -2.0 * row[i] * _field(row, i, partners, weight)
    row[i] = -row[i]
    gain -= 2.0 * row[j] * _field(row, j, partners, weight)
    row[j] = -row[j]
    return gain


@njit(cache=True, nogil=True)
def kawasaki_anywhere(spins, partners, weight, keys, first, tries):
    """Metropolis exchanges of any two unlike spins, `tries` per replica; how many were accepted."""
    taken, sites = 0, partners.shape[0]
    for r in range(spins.shape[0]):
        row, key = spins[r], keys[r]
        for t in range(tries):
            count = (first + t) * 3
            i, j = _place(key, count, sites), _place(key, count + 1, sites)
            if row[i] == row[j]:
                continue
            gain = _exchange(row, i, j, partners, weight)
            if gain < 0.0 and uniform(key, count + 2) >= np.exp(gain):
                row[i], row[j] = -row[i], -row[j]
            else:
                taken += 1
    return taken


@njit(cache=True, nogil=True)
def kawasaki_bonds(spins, bonds, partners, weight, fastest, keys, first, tries):
    """Exchanges along bonds at rates exp(gain / 2) relative to the `fastest`; accepted ones per replica."""
    taken = np.zeros(spins.shape[0], np.int64)
    for r in range(spins.shape[0]):
        row, key = spins[r], keys[r]
        for t in range(tries):
            count = (first + t) * 2
            b = _place(key, count, len(bonds))
            i, j = bonds[b, 0], bonds[b, 1]
            if row[i] == row[j]:
                continue
            gain = _exchange(row, i, j, partners, weight)
            if uniform(key, count + 1) >= np.exp(0.5 * gain) / fastest:
                row[i], row[j] = -row[i], -row[j]
            else:
                taken[r] += 1
    return taken


@njit(cache=True, nogil=True)
def wolff(spins, partners, add, keys, counts, clusters, sizes):
    """`clusters` Wolff clusters per replica; `counts` [R] are numbers drawn so far, `sizes` [R, clusters] is
    filled."""
    sites = partners.shape[0]
    stack = np.empty(sites, np.int64)
    for r in range(spins.shape[0]):
        row, key, count = spins[r], keys[r], counts[r]
        for c in range(clusters):
            i = _place(key, count, sites)
            count += 1
            old, size, todo = row[i], 1, 1
            row[i], stack[0] = -old, i
            while todo:
                todo -= 1
                i = stack[todo]
                for m in range(partners.shape[1]):
                    j = partners[i, m]
                    if row[j] == old:
                        if uniform(key, count) < add:
                            row[j], stack[todo] = -old, j
                            todo += 1
                            size += 1
                        count += 1
            sizes[r, c] = size
        counts[r] = count


@njit(cache=True, nogil=True)
def swendsen_wang(spins, bonds, add, sign, keys, first, sweeps):
    """Sweeps of Swendsen-Wang: bonds of spins with s s' = sign are kept with probability `add`, clusters drawn
    anew."""
    sites = spins.shape[1] - 2
    root = np.empty(sites, np.int64)
    draws = len(bonds) + sites
    for r in range(spins.shape[0]):
        row, key = spins[r], keys[r]
        for sweep in range(sweeps):
            start = (first + sweep) * draws
            for i in range(sites):
                root[i] = i
            for b in range(len(bonds)):
                i, j = bonds[b, 0], bonds[b, 1]
                if row[i] * row[j] == sign and uniform(key, start + b) < add:
                    i, j = _root(root, i), _root(root, j)
                    if i != j:
                        root[max(i, j)] = min(i, j)
            for i in range(sites):
                if word(key, start + len(bonds) + _root(root, i)) >> np.uint64(63):
                    row[i] = -row[i]


@njit(cache=True, inline="always", nogil=True)
def _root(root, i):
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


@njit(cache=True, nogil=True)
def statistics(spins, clusters, order, term, out):
    """phi [K, R] into `out` of spins [N + 2, R]: clusters [n, 3] padded with anything, their order and term [n]."""
    out[:] = 0.0
    for n in range(len(clusters)):
        total, first = out[term[n]], spins[clusters[n, 0]]
        if order[n] == 1:
            for r in range(len(first)):
                total[r] += first[r]
        else:
            second = spins[clusters[n, 1]]
            third = spins[clusters[n, 2]]
            if order[n] == 2:
                for r in range(len(first)):
                    total[r] += np.int32(first[r] * second[r])
            else:
                for r in range(len(first)):
                    total[r] += np.int32(first[r] * second[r] * third[r])
