package imagehash

import (
	"math"
	"slices"

	"github.com/vision19/vision/sdk/imaging"
)

// small is the gray picture at another size, as all hashes of brightness begin: Pillow's convert("L"), then resize with LANCZOS.
func small(p imaging.Pixels, w, h int) []byte {
	return p.Gray().Resize(w, h, imaging.Lanczos).Pix
}

// Average hashes 8 x 8 gray pixels, 64 bits: set where a pixel is above their mean.
func Average(p imaging.Pixels) Hash {
	pix := small(p, 8, 8)
	sum := 0
	for _, v := range pix {
		sum += int(v)
	}
	var h Hash
	for _, v := range pix {
		h.push(int(v)*len(pix) > sum)
	}
	return h
}

// Difference hashes 9 x 8 gray pixels, 64 bits: set where a pixel is above the one to its left.
func Difference(p imaging.Pixels) Hash {
	var h Hash
	for i, pix := 0, small(p, 9, 8); i < len(pix); i++ {
		if i%9 != 0 {
			h.push(pix[i] > pix[i-1])
		}
	}
	return h
}

// Perceptual hashes the 8 x 8 lowest frequencies of 32 x 32 gray pixels, 64 bits: set where a coefficient of the cosine transform (DCT-II) is
// above their median. Only where coefficients are zero but for rounding, and the median with them (exact gradients along the axes),
// does SciPy's rounding decide bits that are 0 here.
func Perceptual(p imaging.Pixels) Hash { return perceptual(p, 8) }

// Perceptual256 is Perceptual with the 16 x 16 lowest frequencies of 64 x 64 pixels: hash_size 16, 256 bits.
func Perceptual256(p imaging.Pixels) Hash { return perceptual(p, 16) }

func perceptual(p imaging.Pixels, size int) Hash {
	side := 4 * size
	pix := small(p, side, side)
	if len(pix) == 0 {
		return Hash{}
	}
	basis := make([]float64, size*side) // 2 cos(pi k (2n+1) / 2N), SciPy's unnormalised DCT-II
	for k := range size {
		for n := range side {
			basis[k*side+n] = 2 * math.Cos(math.Pi*float64(k*(2*n+1))/float64(2*side))
		}
	}
	columns := make([]float64, size*side) // the transform down each column
	for k := range size {
		for y := range side {
			b := basis[k*side+y]
			for x, v := range pix[y*side:][:side] {
				columns[k*side+x] += b * float64(v)
			}
		}
	}
	low := make([]float64, 0, size*size)
	for k := range size {
		for l := range size {
			sum := 0.0
			for x, b := range basis[l*side:][:side] {
				sum += b * columns[k*side+x]
			}
			// What is zero but for rounding must not be above a median of zero, as in flat pictures.
			if math.Abs(sum) < 1e-7 {
				sum = 0
			}
			low = append(low, sum)
		}
	}
	return aboveMedian(low)
}

// aboveMedian sets a bit where a value is above the median of an even number of values.
func aboveMedian(values []float64) Hash {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	median := (sorted[n/2-1] + sorted[n/2]) / 2
	var h Hash
	for _, v := range values {
		h.push(v > median)
	}
	return h
}
