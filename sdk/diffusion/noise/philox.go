package noise

import "math"

// Philox is the stream of torch.manual_seed(seed) on CUDA for small tensors, for which each thread makes one number (the
// recipe of AUTOMATIC1111/stable-diffusion-webui, modules/rng_philox.py, commit ef1698f). PyTorch starts no more threads than
// the GPU holds at once, 1024 to 2048 per multiprocessor: a longer tensor has other numbers there than here.
type Philox struct {
	key    [2]uint32
	offset uint32 // calls so far
}

// NewPhilox is the generator after torch.manual_seed(seed); all 64 bits count.
func NewPhilox(seed uint64) *Philox { return &Philox{key: [2]uint32{uint32(seed), uint32(seed >> 32)}} }

// Normal is torch.randn(len(dst), device="cuda"): mean 0, standard deviation 1. Each call takes the next offset of the
// counter, so that the first numbers don't depend on the length. It agrees with PyTorch to 1e-6 where that was published.
func (p *Philox) Normal(dst []float32) {
	// 2^-32, and 2*pi of it, as cuRAND holds them in float32 (curand_normal.h, curand_uniform.h).
	const unit, turn = float32(2.3283064e-10), float32(2.3283064e-10 * 6.2831855)
	for i := range dst {
		r := philox4x32([4]uint32{p.offset, 0, uint32(i), 0}, p.key)
		u := float32(float32(r[0])*unit) + unit/2
		v := float32(float32(r[1])*turn) + turn/2
		dst[i] = float32(math.Sqrt(-2*math.Log(float64(u))) * math.Sin(float64(v)))
	}
	p.offset++
}

// philox4x32 is Philox4x32-10: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011), section 4.
func philox4x32(c [4]uint32, k [2]uint32) [4]uint32 {
	for range 10 {
		p0, p1 := uint64(c[0])*0xd2511f53, uint64(c[2])*0xcd9e8d57
		c = [4]uint32{uint32(p1>>32) ^ c[1] ^ k[0], uint32(p1), uint32(p0>>32) ^ c[3] ^ k[1], uint32(p0)}
		k[0] += 0x9e3779b9
		k[1] += 0xbb67ae85
	}
	return c
}
