package imaging

import "math"

// Filter is how Resize weights the source pixels of a target pixel; each equals Pillow's filter of that name.
type Filter int

// The filters, from the fastest to the sharpest.
const (
	Nearest  Filter = iota
	Box             // the mean of an area
	Bilinear        // a triangle
	Bicubic         // Keys 1981 with a = -0.5
	Lanczos         // sinc windowed by sinc, three lobes
)

// support is each kernel's half width, in source px when enlarging.
var support = [...]float64{Box: 0.5, Bilinear: 1, Bicubic: 2, Lanczos: 3}

func (f Filter) weight(x float64) float64 {
	switch a := math.Abs(x); {
	case f == Box && x > -0.5 && x <= 0.5:
		return 1
	case f == Bilinear && a < 1:
		return 1 - a
	case f == Bicubic && a < 1:
		return (1.5*a-2.5)*a*a + 1
	case f == Bicubic && a < 2:
		return (((a-5)*a+8)*a - 4) * -0.5
	case f == Lanczos && x >= -3 && x < 3:
		return sinc(x) * sinc(x/3)
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(x*math.Pi) / (x * math.Pi)
}

// Resize scales to width x height px, bit-equal to Pillow's Image.resize (libImaging Resample.c and Geometry.c): when shrinking, the kernel
// is stretched by the scale (antialiasing); weights are rounded to 22 binary places; columns are done before rows, with 8 bits in between.
// With any filter but Nearest, RGBA is multiplied by its alpha before and divided after, so that transparent colours do not bleed.
func (p Pixels) Resize(width, height int, f Filter) Pixels {
	switch {
	case width < 1 || height < 1 || p.Width < 1 || p.Height < 1 || f < Nearest || f > Lanczos:
		return Pixels{}
	case width == p.Width && height == p.Height:
		return p
	case f == Nearest:
		return p.nearest(width, height)
	case p.Channels == 4:
		return p.premultiply().resample(width, height, f).unpremultiply()
	}
	return p.resample(width, height, f)
}

func (p Pixels) resample(width, height int, f Filter) Pixels {
	columns := kernels(p.Width, width, f)
	rows := columns
	if p.Width != p.Height || width != height {
		rows = kernels(p.Height, height, f)
	}
	switch {
	case width == p.Width:
	case p.Channels == 1:
		p = p.resampleGrayColumns(columns)
	default:
		p = p.resampleColumns(columns)
	}
	if height != p.Height {
		p = p.resampleRows(rows)
	}
	return p
}

// kernel is what one target row or column takes: len(weights) source ones from first on.
type kernel struct {
	first   int
	weights []int32 // in units of 2^-fixedBits
}

// fixedBits leaves 8 bits for the sample and 2 for overshoot in an int32.
const fixedBits = 32 - 8 - 2

func kernels(from, to int, f Filter) []kernel {
	scale := float64(from) / float64(to)
	stretch := max(scale, 1)
	reach := support[f] * stretch
	out := make([]kernel, to)
	real := make([]float64, 0, 2*int(math.Ceil(reach))+1)
	for i := range out {
		center := (float64(i) + 0.5) * scale
		first := max(int(center-reach+0.5), 0)
		end := min(int(center+reach+0.5), from)
		real = real[:0]
		sum := 0.0
		for j := first; j < end; j++ {
			w := f.weight((float64(j) - center + 0.5) * (1 / stretch))
			real = append(real, w)
			sum += w
		}
		k := kernel{first: first, weights: make([]int32, len(real))}
		for j, w := range real {
			if sum != 0 {
				w /= sum
			}
			k.weights[j] = int32(math.Copysign(0.5, w) + w*(1<<fixedBits))
		}
		out[i] = k
	}
	return out
}

// sample turns a sum of weighted samples, which began at one half, into a byte.
func sample(sum int32) byte { return byte(min(max(sum>>fixedBits, 0), 255)) }

const half = 1 << (fixedBits - 1)

func (p Pixels) resampleColumns(ks []kernel) Pixels {
	c := p.Channels
	out := Pixels{Width: len(ks), Height: p.Height, Channels: c, Pix: make([]byte, len(ks)*p.Height*c)}
	i := 0
	for y := range p.Height {
		row := p.Pix[y*p.Width*c:][:p.Width*c]
		for _, k := range ks {
			in := row[k.first*c:][:len(k.weights)*c]
			switch c {
			case 3:
				r, g, b := int32(half), int32(half), int32(half)
				for _, w := range k.weights {
					r += int32(in[0]) * w
					g += int32(in[1]) * w
					b += int32(in[2]) * w
					in = in[3:]
				}
				out.Pix[i], out.Pix[i+1], out.Pix[i+2] = sample(r), sample(g), sample(b)
			case 4:
				r, g, b, a := int32(half), int32(half), int32(half), int32(half)
				for _, w := range k.weights {
					r += int32(in[0]) * w
					g += int32(in[1]) * w
					b += int32(in[2]) * w
					a += int32(in[3]) * w
					in = in[4:]
				}
				out.Pix[i], out.Pix[i+1], out.Pix[i+2], out.Pix[i+3] = sample(r), sample(g), sample(b), sample(a)
			}
			i += c
		}
	}
	return out
}

// resampleGrayColumns takes two rows at once, which saves half of the multiplications: the upper 32 bits of each word are the second row's,
// and so are those of its products' sum, but for what the first row's sum borrows when it is negative.
func (p Pixels) resampleGrayColumns(ks []kernel) Pixels {
	out := Pixels{Width: len(ks), Height: p.Height, Channels: 1, Pix: make([]byte, len(ks)*p.Height)}
	pairs := make([]int64, p.Width)
	for y := 0; y < p.Height; y += 2 {
		next := min(y+1, p.Height-1)
		first, second := p.Pix[y*p.Width:][:p.Width], p.Pix[next*p.Width:][:p.Width]
		for x, v := range first {
			pairs[x] = int64(v) | int64(second[x])<<32
		}
		for i, k := range ks {
			in := pairs[k.first:][:len(k.weights)]
			sum := int64(half)<<32 + half
			w := k.weights
			for len(w) >= 4 && len(in) >= 4 {
				sum += in[0]*int64(w[0]) + in[1]*int64(w[1]) + in[2]*int64(w[2]) + in[3]*int64(w[3])
				in, w = in[4:], w[4:]
			}
			for j, v := range in {
				sum += v * int64(w[j])
			}
			low := int32(sum)
			out.Pix[y*len(ks)+i], out.Pix[next*len(ks)+i] = sample(low), sample(int32((sum-int64(low))>>32))
		}
	}
	return out
}

func (p Pixels) resampleRows(ks []kernel) Pixels {
	stride := p.Width * p.Channels
	out := Pixels{Width: p.Width, Height: len(ks), Channels: p.Channels, Pix: make([]byte, len(ks)*stride)}
	sums := make([]int32, stride)
	for y, k := range ks {
		for i := range sums {
			sums[i] = half
		}
		for j, w := range k.weights {
			for i, v := range p.Pix[(k.first+j)*stride:][:stride] {
				sums[i] += int32(v) * w
			}
		}
		row := out.Pix[y*stride:][:stride]
		for i, s := range sums {
			row[i] = sample(s)
		}
	}
	return out
}

func (p Pixels) nearest(width, height int) Pixels {
	columns, rows := centers(p.Width, width), centers(p.Height, height)
	c := p.Channels
	out := Pixels{Width: width, Height: height, Channels: c, Pix: make([]byte, 0, width*height*c)}
	for _, y := range rows {
		row := p.Pix[y*p.Width*c:][:p.Width*c]
		for _, x := range columns {
			out.Pix = append(out.Pix, row[x*c:x*c+c]...)
		}
	}
	return out
}

// centers lists the source index below each target center. The step is added up, as Pillow does: a product would round otherwise.
func centers(from, to int) []int {
	step := float64(from) / float64(to)
	at := step * 0.5
	out := make([]int, to)
	for i := range out {
		out[i] = min(int(at), from-1)
		at += step
	}
	return out
}

func (p Pixels) premultiply() Pixels {
	out := Pixels{Width: p.Width, Height: p.Height, Channels: 4, Pix: make([]byte, len(p.Pix))}
	for i := 0; i < len(p.Pix); i += 4 {
		a := uint32(p.Pix[i+3])
		for j := i; j < i+3; j++ {
			out.Pix[j] = byte(div255(uint32(p.Pix[j]) * a))
		}
		out.Pix[i+3] = byte(a)
	}
	return out
}

// unpremultiply works in place: its receiver is an intermediate result.
func (p Pixels) unpremultiply() Pixels {
	for i := 0; i < len(p.Pix); i += 4 {
		if a := uint32(p.Pix[i+3]); a != 0 && a != 255 {
			for j := i; j < i+3; j++ {
				p.Pix[j] = byte(min(uint32(p.Pix[j])*255/a, 255))
			}
		}
	}
	return p
}
