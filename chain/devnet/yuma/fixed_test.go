package yuma

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestFixed_multiplies_and_divides_as_whole_numbers_do(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b := fixed(rng.Int64N(1<<48)-1<<47), fixed(rng.Int64N(1<<46)-1<<45)
		a, b = a>>rng.IntN(48), b>>rng.IntN(46)
		x, y := big.NewInt(int64(a)), big.NewInt(int64(b))
		if want := new(big.Int).Rsh(new(big.Int).Mul(x, y), 32).Int64(); int64(mul(a, b)) != want {
			t.Fatalf("%d * %d is %d, want %d", a, b, mul(a, b), want)
		}
		x.Abs(x).Lsh(x, 32)
		if y.Abs(y); y.Sign() == 0 || new(big.Int).Quo(x, y).BitLen() > 63 {
			continue
		}
		if want := new(big.Int).Quo(x, y).Int64(); int64(div(max(a, -a), max(b, -b))) != want {
			t.Fatalf("%d / %d, want %d", a, b, want)
		}
	}
	if div(one, 0) != 0 || div(0, 0) != 0 || div(math.MaxInt64, 1) != 0 {
		t.Error("where there is no quotient")
	}
}

func TestFixed_rounds_a_stored_share_down(t *testing.T) {
	for v := range 1 << 16 {
		back := share(uint16(v)).stored()
		if d := v - int(back); d < 0 || d > 1 {
			t.Fatalf("%d comes back as %d", v, back)
		}
	}
	if share(65535) != one || one.stored() != 65535 || (one-1).stored() != 65534 || (2*one).stored() != 65535 {
		t.Error("at the end")
	}
}

func TestExp_is_near_where_the_series_reaches(t *testing.T) {
	for x := -5.0; x <= 5; x += 1.0 / 64 {
		got, want := exp(fixed(x*float64(one))).float(), math.Exp(x)
		if math.Abs(got-want) > 1e-7*max(want, 1) {
			t.Errorf("e^%v is %v, want %v", x, got, want)
		}
	}
	if exp(0) != one || exp(30*one) != exp(20*one) || exp(-30*one) != exp(-20*one) || exp(one) != 0x2B7E15000 {
		t.Error("at 0, at 1, and at the ends")
	}
}
