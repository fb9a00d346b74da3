package compare

import "math"

// Cosine of two vectors of one length, -1 to 1; 0 when either is zero or not finite, or their lengths differ.
func Cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot += x * y
		aa += x * x
		bb += y * y
	}
	c := dot / math.Sqrt(aa*bb)
	if math.IsNaN(c) { // zero vectors, and what miners may send besides
		return 0
	}
	return max(-1, min(1, c))
}

// Embeddings compares the vectors of two answers in their order: the least of their cosines. The answers are the same from the description's
// Output.Cosine on. Different numbers of vectors, or none, have 0.
func Embeddings(a, b [][]float32) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 0
	}
	least := 1.0
	for i := range a {
		least = min(least, Cosine(a[i], b[i]))
	}
	return least
}
