package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vision19/vision/sdk/imaging"
)

// features are what a comparison is made of, in the order in which models take them. The first four are the original's.
var features = []string{
	"phash", "ahash", "dhash", "colorhash", // Hamming distances, 0 to 64 bits, colorhash to 42 (Python's ImageHash)
	"whash", "phash256", // Hamming distances, 0 to 64 and to 256
	"mae", "rmse", "p99", "max", // of the samples' differences, 0 to 255
	"block_max", "block_rms", // of the differences of the means of 8 x 8 px, which is one latent cell of Stable Diffusion's VAE; 0 to 255
	"grid_max",        // of the differences of the means of a 4 x 4 grid, 0 to 255
	"ncc", "gradient", // 1 - correlation of the gray, and of its slopes; 0 to 2
	"ssim", "ssim_worst", // 1 - SSIM (Wang et al. 2004, windows of 8 x 8 px every 4 px), mean and worst; 0 to 2
	"sharpness", // |ln| of the ratio of the mean Laplacians
	"shift",     // the largest of the channels' mean differences, 0 to 255
	"painted",   // no difference: the share of the picture that the request leaves to be painted, 0 to 1. In a smaller part less noise is honest
	"clip",      // 1 - cosine of the CLIP embeddings, 0 to 2
}

// Names are the features' names in the order in which models take them.
func Names() []string { return slices.Clone(features) }

// The places of the features that have no picture to take.
var paintedAt, clipAt = len(features) - 2, len(features) - 1

// Errors of Features.
var (
	ErrSize    = errors.New("the pictures differ in size") // and cannot come from the same parameters
	ErrPainted = errors.New("the share that is painted must lie between 0 and 1")
)

// Features compares two answers to a request of which a share is painted (Painted): a value for each of Names, NaN where one of the two lacks what it
// takes. The errors are ErrSize and ErrPainted.
func Features(a, b *Picture, painted float64) ([]float64, error) {
	if !(painted >= 0 && painted <= 1) {
		return nil, fmt.Errorf("%w: it is %g", ErrPainted, painted)
	}
	out := make([]float64, len(features))
	for i := range out {
		out[i] = math.NaN()
	}
	out[0] = float64(a.hashes.Perceptual.Distance(b.hashes.Perceptual))
	out[1] = float64(a.hashes.Average.Distance(b.hashes.Average))
	out[2] = float64(a.hashes.Difference.Distance(b.hashes.Difference))
	out[3] = float64(a.hashes.Color.Distance(b.hashes.Color))
	out[paintedAt] = painted
	if len(a.embedding) > 0 && len(a.embedding) == len(b.embedding) {
		out[clipAt] = 1 - Cosine(a.embedding, b.embedding)
	}
	if !a.shown() || !b.shown() {
		return out, nil
	}
	if a.gray.Width != b.gray.Width || a.gray.Height != b.gray.Height {
		return nil, ErrSize
	}
	out[4] = float64(a.wavelet.Distance(b.wavelet))
	out[5] = float64(a.fine.Distance(b.fine))
	d := differ(a.pixels, b.pixels)
	out[6], out[7], out[8], out[9] = d.samples()
	out[10], out[11] = d.blocks.extremes()
	out[12], _ = d.cells.extremes()
	out[18], _ = d.cells.whole().extremes()
	whole, mean, worst := structure(a.gray, b.gray)
	out[13] = 1 - whole.correlation()
	out[14] = 1 - slopes(a.gray, b.gray).correlation()
	out[15], out[16] = mean, worst
	out[17] = math.Abs(math.Log(a.sharpness+sharpnessFloor) - math.Log(b.sharpness+sharpnessFloor))
	return out, nil
}

// sharpnessFloor keeps flat pictures comparable: it is what a single step in a small picture comes to.
const sharpnessFloor = 0.01

// block is the side of an area whose mean is compared, in px; grid is how many areas the coarse look has a side.
const (
	block = 8
	grid  = 4
)

// differences are those of two pictures' samples, counted by channel and value, and summed up over areas.
type differences struct {
	count         [4][512]int // at the difference + 255; apart by channel, since counting one value again and again is slow
	blocks, cells means
}

// differ compares the colours, and alpha where one of the two has it.
func differ(a, b imaging.Pixels) *differences {
	if a.Channels != b.Channels {
		a, b = rgba(a), rgba(b)
	}
	w, h, c := a.Width, a.Height, a.Channels
	across, down := (w+block-1)/block, (h+block-1)/block
	d := &differences{blocks: newMeans(across * down), cells: newMeans(grid * grid)}
	row := spans(w)
	for y := range h {
		for _, s := range row {
			from, to := (y*w+s.from)*c, (y*w+s.to)*c
			sum := d.add(a.Pix[from:to], b.Pix[from:to], c)
			d.blocks.add(y/block*across+s.block, s.to-s.from, sum)
			d.cells.add(y*grid/h*grid+s.cell, s.to-s.from, sum)
		}
	}
	return d
}

// span is a part of a row that lies in one block and in one cell of the grid.
type span struct{ from, to, block, cell int }

// spans are those of a row.
func spans(width int) []span {
	var out []span
	for x := range width {
		if b, c := x/block, x*grid/width; len(out) == 0 || out[len(out)-1].block != b || out[len(out)-1].cell != c {
			out = append(out, span{x, x, b, c})
		}
		out[len(out)-1].to++
	}
	return out
}

// add counts a span's differences and returns their sums by channel. Alpha is counted only where there is transparency, else every picture would
// seem more alike.
func (d *differences) add(a, b []byte, channels int) (sum [4]int64) {
	red, green, blue := 0, 0, 0
	for i := 0; i+2 < len(a) && i+2 < len(b); i += channels {
		r, g, l := int(a[i])-int(b[i]), int(a[i+1])-int(b[i+1]), int(a[i+2])-int(b[i+2])
		d.count[0][(r+255)&511]++
		d.count[1][(g+255)&511]++
		d.count[2][(l+255)&511]++
		red, green, blue = red+r, green+g, blue+l
	}
	sum = [4]int64{int64(red), int64(green), int64(blue)}
	if channels == 4 {
		for i := 3; i < len(a); i += 4 {
			if a[i] != 255 || b[i] != 255 {
				v := int(a[i]) - int(b[i])
				d.count[3][v+255]++
				sum[3] += int64(v)
			}
		}
	}
	return sum
}

// samples are the mean, the root mean square, the 99th percentile and the largest of the samples' differences.
func (d *differences) samples() (mean, rms, p99, most float64) {
	var count [256]int
	n := 0
	for c := range d.count {
		for i, k := range d.count[c][:511] {
			count[max(i-255, 255-i)] += k
			n += k
		}
	}
	sum, squares, seen, rank := 0, 0, 0, n-n/100
	for d, k := range count {
		sum += d * k
		squares += d * d * k
		if seen < rank && seen+k >= rank {
			p99 = float64(d)
		}
		if seen += k; k > 0 {
			most = float64(d)
		}
	}
	return float64(sum) / float64(n), math.Sqrt(float64(squares) / float64(n)), p99, most
}

// means are sums of differences by area and channel.
type means struct {
	sum [][4]int64
	n   []int64
}

func newMeans(n int) means { return means{make([][4]int64, n), make([]int64, n)} }

// add adds the sums of n px to an area.
func (m means) add(area, n int, sum [4]int64) {
	for c, v := range sum {
		m.sum[area][c] += v
	}
	m.n[area] += int64(n)
}

// whole is one area of all.
func (m means) whole() means {
	out := newMeans(1)
	for k, n := range m.n {
		out.add(0, int(n), m.sum[k])
	}
	return out
}

// extremes are the largest of the areas' mean differences, and their root mean square over the colour channels.
func (m means) extremes() (most, rms float64) {
	areas := 0
	for k, n := range m.n {
		if n == 0 { // a picture smaller than the grid
			continue
		}
		areas++
		for c, sum := range m.sum[k] {
			d := math.Abs(float64(sum) / float64(n))
			most = max(most, d)
			if c < 3 {
				rms += float64(d * d) // the conversion keeps it from being fused, which would round otherwise
			}
		}
	}
	return most, math.Sqrt(rms / float64(3*areas))
}
