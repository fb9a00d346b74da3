// Package imaging reads, writes and works on pictures within bounds. It is pure Go and knows PNG, JPEG and WebP, recognised by their
// first bytes; what a caller says of the format is not asked. Where Pillow has the same operation the results are equal to its bytes,
// so that models see in Go what they saw in training.
package imaging

// Pixels is a picture of 8-bit samples: rows from the top, pixels from the left, channels interleaved. Channels is 1 (gray), 3 (RGB) or
// 4 (RGBA, alpha not multiplied in), and len(Pix) is Width*Height*Channels. Its methods leave it as it is; where nothing is to change
// the result shares its Pix. Pixels without an area are empty, and so is all that is made of them.
type Pixels struct {
	Width, Height int // px
	Channels      int
	Pix           []byte
}

// Flat is a picture of one colour; the channels are as many as the values.
func Flat(width, height int, values ...byte) Pixels {
	if width < 1 || height < 1 {
		return Pixels{}
	}
	p := Pixels{Width: width, Height: height, Channels: len(values), Pix: make([]byte, 0, width*height*len(values))}
	for range width * height {
		p.Pix = append(p.Pix, values...)
	}
	return p
}

// RGB drops alpha, whatever colour transparent pixels have, and repeats gray three times: Pillow's convert("RGB").
func (p Pixels) RGB() Pixels {
	switch p.Channels {
	case 1:
		return p.pick(p.Pix, p.Width, 1, 0, 0, 0)
	case 4:
		return p.pick(p.Pix, p.Width*4, 4, 0, 1, 2)
	}
	return p
}

// Gray is ITU-R BT.601 luma in 16-bit fixed point, (19595 R + 38470 G + 7471 B + 32768) / 65536: Pillow's convert("L"). Alpha is dropped.
func (p Pixels) Gray() Pixels {
	if p.Channels == 1 {
		return p
	}
	out := Pixels{Width: p.Width, Height: p.Height, Channels: 1, Pix: make([]byte, p.Width*p.Height)}
	at := 0
	for i := range out.Pix {
		c := p.Pix[at : at+3]
		at += p.Channels
		out.Pix[i] = byte((19595*uint32(c[0]) + 38470*uint32(c[1]) + 7471*uint32(c[2]) + 1<<15) >> 16)
	}
	return out
}

// Crop copies the part of the rectangle at (x, y) that lies within the picture.
func (p Pixels) Crop(x, y, width, height int) Pixels {
	left, top := max(x, 0), max(y, 0)
	right, bottom := min(x+width, p.Width), min(y+height, p.Height)
	if left >= right || top >= bottom {
		return Pixels{}
	}
	out := Pixels{Width: right - left, Height: bottom - top, Channels: p.Channels}
	out.Pix = make([]byte, 0, out.Width*out.Height*p.Channels)
	for row := top; row < bottom; row++ {
		at := (row*p.Width + left) * p.Channels
		out.Pix = append(out.Pix, p.Pix[at:at+out.Width*p.Channels]...)
	}
	return out
}

// PadReflect adds a border of so many px a side, mirrored at the edge pixels without repeating them: numpy.pad with mode="reflect". A
// border wider than the picture is mirrored again and again; a side of 1 px is repeated. Negative amounts count as 0.
func (p Pixels) PadReflect(left, top, right, bottom int) Pixels {
	if p.Width < 1 || p.Height < 1 {
		return Pixels{}
	}
	columns := mirrored(p.Width, max(left, 0), max(right, 0))
	rows := mirrored(p.Height, max(top, 0), max(bottom, 0))
	c := p.Channels
	out := Pixels{Width: len(columns), Height: len(rows), Channels: c, Pix: make([]byte, 0, len(columns)*len(rows)*c)}
	for _, y := range rows {
		row := p.Pix[y*p.Width*c:][:p.Width*c]
		for _, x := range columns {
			out.Pix = append(out.Pix, row[x*c:x*c+c]...)
		}
	}
	return out
}

// mirrored lists the source index of each position: n-1 steps forth, n-1 back, and so on.
func mirrored(n, before, after int) []int {
	at := make([]int, before+n+after)
	if n == 1 {
		return at
	}
	period := 2 * (n - 1)
	for i := range at {
		k := ((i-before)%period + period) % period
		at[i] = min(k, period-k)
	}
	return at
}

// PNG encodes the picture; it fails if the picture is empty, has a side above MaxSide or channels other than 1, 3 and 4.
func (p Pixels) PNG() ([]byte, error) { return EncodePNG(p.Pix, p.Width, p.Height, p.Channels) }
