package imagehash

import (
	"math"
	"slices"

	"github.com/vision19/vision/sdk/imaging"
)

// Wavelet hashes 8 x 8 blocks of gray pixels, 64 bits: set where the low band of the Haar transform is above its median. The picture is scaled
// to the power of two below its shorter side, at least 8, and its mean is removed first (whash with mode haar and remove_max_haar_ll).
//
// The low band is the sum of a block but for a factor and a constant, so the blocks' sums decide, unless two of them are their median: then
// PyWavelets' rounding decides.
func Wavelet(p imaging.Pixels) Hash {
	side := 8
	for side*2 <= min(p.Width, p.Height) {
		side *= 2
	}
	pix := small(p, side, side)
	if len(pix) == 0 {
		return Hash{}
	}
	var sums [64]int
	block := side / 8
	for y := range side {
		for x := range 8 {
			sum := 0
			for _, v := range pix[y*side+x*block:][:block] {
				sum += int(v)
			}
			sums[y/block*8+x] += sum
		}
	}
	sorted := sums
	slices.Sort(sorted[:])
	if sorted[31] == sorted[32] {
		return stepwise(pix, side)
	}
	var h Hash
	for _, sum := range sums {
		h.push(sum > sorted[31])
	}
	return h
}

// stepwise repeats PyWavelets' arithmetic: down to one value, that set to 0, up again, and down to 8 x 8.
func stepwise(pix []byte, side int) Hash {
	b := bands{side: side, values: make([]float64, side*side), spare: make([]float64, side*side)}
	for i, v := range pix {
		b.values[i] = float64(v) / 255
	}
	for n := side; n > 1; n /= 2 {
		b.split(n)
	}
	b.values[0] = 0
	for n := 2; n <= side; n *= 2 {
		b.join(n)
	}
	for n := side; n > 8; n /= 2 {
		b.split(n)
	}
	low := make([]float64, 0, 64)
	for y := range 8 {
		low = append(low, b.values[y*side:][:8]...)
	}
	return aboveMedian(low)
}

// bands is a square picture, or the bands of its transform: the low band in the upper left quarter, split further in turn.
type bands struct {
	side          int
	values, spare []float64
}

// haar is each coefficient of the transform. Products are converted to float64 where they are added, so that no compiler fuses the two
// and rounds once less.
const haar = math.Sqrt2 / 2

// split transforms the upper left n x n values: down the columns, then along the rows, as pywt.dwt2 does.
func (b bands) split(n int) {
	for y := 0; y < n; y += 2 {
		even, odd := b.values[y*b.side:][:n], b.values[(y+1)*b.side:][:n]
		low, high := b.spare[y/2*b.side:][:n], b.spare[(y+n)/2*b.side:][:n]
		for x := range n {
			low[x] = float64(haar*odd[x]) + float64(haar*even[x])
			high[x] = float64(haar*even[x]) - float64(haar*odd[x])
		}
	}
	for y := range n {
		from, to := b.spare[y*b.side:][:n], b.values[y*b.side:][:n]
		for x := 0; x < n; x += 2 {
			to[x/2] = float64(haar*from[x+1]) + float64(haar*from[x])
			to[(x+n)/2] = float64(haar*from[x]) - float64(haar*from[x+1])
		}
	}
}

// join undoes split: along the rows, then down the columns, as pywt.idwt2 does.
func (b bands) join(n int) {
	for y := range n {
		from, to := b.values[y*b.side:][:n], b.spare[y*b.side:][:n]
		for x := 0; x < n; x += 2 {
			low, high := float64(haar*from[x/2]), float64(haar*from[(x+n)/2])
			to[x], to[x+1] = low+high, low-high
		}
	}
	for y := 0; y < n; y += 2 {
		low, high := b.spare[y/2*b.side:][:n], b.spare[(y+n)/2*b.side:][:n]
		even, odd := b.values[y*b.side:][:n], b.values[(y+1)*b.side:][:n]
		for x := range n {
			l, h := float64(haar*low[x]), float64(haar*high[x])
			even[x], odd[x] = l+h, l-h
		}
	}
}
