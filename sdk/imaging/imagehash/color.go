package imagehash

import "github.com/vision19/vision/sdk/imaging"

// Color hashes which colours a picture has, 42 bits: 3 for each of 14 shares, which are black (luma below 32), gray (saturation below 85), and
// the coloured rest in six hues, faint (saturation below 170), then bright (above 170). The first two are shares of all pixels,
// the others of the coloured ones. It is ImageHash's colorhash with binbits 3.
func Color(p imaging.Pixels) Hash {
	pixels := p.Width * p.Height
	if pixels == 0 || p.Channels == 0 {
		return Hash{}
	}
	var black, gray int
	var faint, bright [6]int
	coloured := 0
	if p.Channels == 1 {
		p = p.RGB()
	}
	for i := 0; i+2 < len(p.Pix); i += p.Channels {
		r, g, b := int(p.Pix[i]), int(p.Pix[i+1]), int(p.Pix[i+2])
		if 19595*r+38470*g+7471*b+1<<15 < 32<<16 { // luma as Pixels.Gray has it
			black++
			continue
		}
		high := max(r, g, b)
		span := high - min(r, g, b)
		if 3*span < high {
			gray++
			continue
		}
		coloured++
		switch {
		case 3*span < 2*high:
			faint[band(r, g, b, high, span)]++
		case 85*span >= 57*high:
			bright[band(r, g, b, high, span)]++
		}
	}
	var h Hash
	h.share(black, pixels)
	h.share(gray, pixels)
	for _, counts := range [][6]int{faint, bright} {
		for _, n := range counts {
			h.share(n, max(coloured, 1))
		}
	}
	return h
}

// share appends eighths, at most 7, in ImageHash's code, whose middle bit says 2 or more.
func (h *Hash) share(n, of int) {
	v := min(n*8/of, 7)
	h.push(v >= 4)
	h.push(v >= 2)
	h.push(v%2 == 1)
}

// band is the hue in six bands of 42.5 out of 255, of a colour whose channels lie in a span > 0 below high: that of its highest channel, or
// one of the two before where the next channel is below the previous one. Hues are Pillow's, which are cut to whole numbers.
func band(r, g, b, high, span int) int {
	band, d := 4, r-g
	switch high {
	case r:
		band, d = 6, g-b
	case g:
		band, d = 2, b-r
	}
	if d < 0 {
		band--
		if 85*(span+d) < span {
			band--
		}
	}
	if band == 6 { // red on both sides
		return 0
	}
	return band
}
