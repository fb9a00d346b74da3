package noise

import "math"

// Torch is the stream of torch.manual_seed(seed) on the CPU: ATen's CPUGeneratorImpl and its distributions, compared with
// PyTorch 1.13. Each method is one call of torch, and calls go on where the last one ended.
type Torch struct {
	twister mt19937
	cached  float64 // the second normal number of the last pair that the scalar path made
	full    bool    // whether there is one
}

// NewTorch is the generator after torch.manual_seed(seed). Only the seed's low 32 bits count, as in PyTorch.
func NewTorch(seed uint64) *Torch {
	t := new(Torch)
	t.twister.seed(uint32(seed))
	return t
}

// Uint32 is the generator's next number, uniform over all 32 bits.
func (t *Torch) Uint32() uint32 { return t.twister.uint32() }

// Uint64 is two of Uint32, the first one in the high half.
func (t *Torch) Uint64() uint64 {
	high := t.twister.uint32()
	return uint64(high)<<32 | uint64(t.twister.uint32())
}

// Uniform is torch.rand(len(dst)): multiples of 2^-24, from 0 to below 1.
func (t *Torch) Uniform(dst []float32) {
	for i := range dst {
		dst[i] = t.uniform()
	}
}

func (t *Torch) uniform() float32 { return float32(t.twister.uint32()&(1<<24-1)) * (1. / (1 << 24)) }

// Integers is torch.randint(low, high, (len(dst),)): from low to below high, with the bias of a remainder. It panics unless
// low is below high.
func (t *Torch) Integers(dst []int64, low, high int64) {
	if low >= high {
		panic("noise: low must be below high")
	}
	// The difference wraps to the right number where it doesn't fit int64.
	span := uint64(high) - uint64(low)
	for i := range dst {
		if span >= 1<<32 {
			dst[i] = int64(t.Uint64()%span + uint64(low))
		} else {
			dst[i] = int64(uint64(t.Uint32())%span + uint64(low))
		}
	}
}

// block is how many normal numbers ATen makes at once.
const block = 16

// Normal is torch.randn(len(dst)): mean 0, standard deviation 1. It agrees with PyTorch to 2e-6, since PyTorch's own last
// digits depend on the processor's instructions. The numbers depend on the length: below 16 PyTorch makes pairs in float64 and
// keeps the second for the next such call, from 16 on it works in blocks in float32.
func (t *Torch) Normal(dst []float32) {
	if len(dst) < block {
		for i := range dst {
			dst[i] = float32(t.normal())
		}
		return
	}
	t.Uniform(dst)
	whole := len(dst) / block * block
	for i := 0; i < whole; i += block {
		boxMuller(dst[i : i+block])
	}
	if whole != len(dst) {
		// The rest is no block: the last 16 are drawn anew, over some that are done.
		last := dst[len(dst)-block:]
		t.Uniform(last)
		boxMuller(last)
	}
}

// boxMuller turns 16 uniform numbers into normal ones: number i and i+8 make a pair (Box and Muller, Annals of Mathematical
// Statistics 29, 1958).
func boxMuller(b []float32) {
	const half = block / 2
	for i := range half {
		radius := math.Sqrt(-2 * math.Log(float64(1-b[i])))
		sin, cos := math.Sincos(2 * math.Pi * float64(b[i+half]))
		b[i], b[i+half] = float32(radius*cos), float32(radius*sin)
	}
}

// normal is ATen's normal_distribution<double>.
func (t *Torch) normal() float64 {
	if t.full {
		t.full = false
		return t.cached
	}
	const mask, unit = 1<<53 - 1, 1. / (1 << 53)
	turn := float64(t.Uint64()&mask) * unit
	radius := math.Sqrt(-2 * math.Log1p(-float64(t.Uint64()&mask)*unit))
	sin, cos := math.Sincos(2 * math.Pi * turn)
	t.cached, t.full = radius*sin, true
	return radius * cos
}
