package yuma

import (
	"math"
	"math/bits"
)

// fixed is I32F32 of the crate substrate-fixed 0.6.0: the value times 2^32. Sums are plain: with at most MaxNeurons terms of at most 65535 they stay
// below 2^28, far from where the chain's would saturate; products and quotients stay below 2^30.
type fixed int64

const one fixed = 1 << 32

// mul rounds down, towards minus infinity: i64::mul_overflow in arith.rs shifts right.
func mul(a, b fixed) fixed {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	hi -= uint64(a>>63)&uint64(b) + uint64(b>>63)&uint64(a) // the product of two's complements
	return fixed(hi<<32 | lo>>32)
}

// div is safe_div of two numbers that are not negative: rounded down, and 0 where there is no quotient.
func div(a, b fixed) fixed {
	hi, lo := uint64(a)>>32, uint64(a)<<32
	if hi >= uint64(b) {
		return 0
	}
	q, _ := bits.Div64(hi, lo, uint64(b))
	return fixed(q)
}

// share is v as a share of 65535: u16_proportion_to_fixed in math.rs.
func share(v uint16) fixed { return div(fixed(v)<<32, math.MaxUint16<<32) }

// stored is f as a share of 65535: fixed_proportion_to_u16 in math.rs.
func (f fixed) stored() uint16 { return uint16(min(mul(f, math.MaxUint16<<32)>>32, math.MaxUint16)) }

func shares(x []fixed) []uint16 {
	out := make([]uint16, len(x))
	for i, v := range x {
		out[i] = v.stored()
	}
	return out
}

// of multiplies an amount by shares in [0, 1], rounded down: by way of I96F32 in run_epoch.rs, which holds the whole product.
func of(x []fixed, amount uint64) []uint64 {
	out := make([]uint64, len(x))
	for i, v := range x {
		hi, lo := bits.Mul64(uint64(v), amount)
		out[i] = hi<<32 | lo>>32
	}
	return out
}

func sum(x []fixed) (total fixed) {
	for _, v := range x {
		total += v
	}
	return total
}

// normalize makes the sum 1, unless it is 0: inplace_normalize in math.rs.
func normalize(x []fixed) {
	if total := sum(x); total != 0 {
		for i := range x {
			x[i] = div(x[i], total)
		}
	}
}

// exp is e^x: exp_safe in math.rs, which clamps x to [-20, 20], and exp in the crate's transcendental.rs, a power series of 32 terms. The crate knows e
// itself with 23 bits after the point.
func exp(x fixed) fixed {
	const e = fixed(0x15BF0A8) << (32 - 23)
	x = max(-20*one, min(x, 20*one))
	if x == one {
		return e
	}
	term := max(x, -x)
	result := term + one
	for i, base := fixed(2), term; i < 32; i++ {
		term = div(mul(term, base), i*one)
		result += term
	}
	if x < 0 {
		return div(one, result)
	}
	return result
}
