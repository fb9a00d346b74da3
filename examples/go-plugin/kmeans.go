package main

import "math/rand/v2"

// colour is red, green and blue, 0 to 255.
type colour [3]float32

func distance(a, b colour) float32 {
	r, g, b2 := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return r*r + g*g + b2*b2
}

// palette is a few colours that stand for many samples, by k-means (Lloyd 1982).
type palette struct {
	samples []colour
	colours []colour
}

// newPalette chooses the first colours by k-means++ (Arthur and Vassilvitskii 2007): each is a sample, the likelier the farther it lies
// from those chosen before. There are fewer than k where the samples have fewer.
func newPalette(samples []colour, k int, seed uint64) *palette {
	random := rand.New(rand.NewPCG(seed, 0))
	p := &palette{samples: samples, colours: []colour{samples[random.IntN(len(samples))]}}
	far := make([]float32, len(samples)) // squared distance to the nearest colour
	for i, s := range samples {
		far[i] = distance(s, p.colours[0])
	}
	for len(p.colours) < k {
		sum := 0.0
		for _, d := range far {
			sum += float64(d)
		}
		if sum == 0 {
			break
		}
		at, rest := 0, random.Float64()*sum
		for i, d := range far {
			if d > 0 {
				at = i
				if rest -= float64(d); rest < 0 {
					break
				}
			}
		}
		next := samples[at]
		p.colours = append(p.colours, next)
		for i, s := range samples {
			far[i] = min(far[i], distance(s, next))
		}
	}
	return p
}

// nearest is the index of the colour that is nearest to c.
func (p *palette) nearest(c colour) int {
	best, least := 0, distance(c, p.colours[0])
	for i, other := range p.colours[1:] {
		if d := distance(c, other); d < least {
			best, least = i+1, d
		}
	}
	return best
}

// improve moves each colour to the mean of the samples that are nearest to it, and reports whether any colour has moved.
func (p *palette) improve() (moved bool) {
	sums, counts := make([][3]float64, len(p.colours)), make([]float64, len(p.colours))
	for _, s := range p.samples {
		i := p.nearest(s)
		counts[i]++
		for c := range s {
			sums[i][c] += float64(s[c])
		}
	}
	for i, n := range counts {
		if n == 0 { // a colour that two others have squeezed out stays where it is
			continue
		}
		mean := colour{float32(sums[i][0] / n), float32(sums[i][1] / n), float32(sums[i][2] / n)}
		moved = moved || mean != p.colours[i]
		p.colours[i] = mean
	}
	return moved
}
