package compare

import (
	"errors"
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
	"clip",      // 1 - cosine of the CLIP embeddings, 0 to 2
}

// Names are the features' names in the order in which models take them.
func Names() []string { return slices.Clone(features) }

// ErrSize says that two pictures cannot come from the same parameters, because one is larger.
var ErrSize = errors.New("the pictures differ in size")

// Features compares two pictures: a value for each of Names, NaN where one of the two lacks what it takes. Pictures of different sizes are ErrSize.
func Features(a, b *Picture) ([]float64, error) {
	out := make([]float64, len(features))
	for i := range out {
		out[i] = math.NaN()
	}
	out[0] = float64(a.hashes.Perceptual.Distance(b.hashes.Perceptual))
	out[1] = float64(a.hashes.Average.Distance(b.hashes.Average))
	out[2] = float64(a.hashes.Difference.Distance(b.hashes.Difference))
	out[3] = float64(a.hashes.Color.Distance(b.hashes.Color))
	if len(a.embedding) > 0 && len(a.embedding) == len(b.embedding) {
		out[19] = 1 - Cosine(a.embedding, b.embedding)
	}
	if !a.shown() || !b.shown() {
		return out, nil
	}
	if a.rgba.Width != b.rgba.Width || a.rgba.Height != b.rgba.Height {
		return nil, ErrSize
	}
	out[4] = float64(a.wavelet.Distance(b.wavelet))
	out[5] = float64(a.fine.Distance(b.fine))
	out[6], out[7], out[8], out[9] = samples(a.rgba.Pix, b.rgba.Pix)
	out[10], out[11], out[12], out[18] = areas(a.rgba, b.rgba)
	out[13] = 1 - correlation(a.gray, b.gray)
	out[14] = 1 - slopes(a.gray, b.gray)
	out[15], out[16] = structure(a.gray, b.gray)
	out[17] = math.Abs(math.Log(a.sharpness+sharpnessFloor) - math.Log(b.sharpness+sharpnessFloor))
	return out, nil
}

// sharpnessFloor keeps flat pictures comparable: it is what a single step in a small picture comes to.
const sharpnessFloor = 0.01

// samples are the mean, the root mean square, the 99th percentile and the largest of the samples' differences. Alpha counts as a sample only
// where there is transparency, else every picture would seem more alike.
func samples(a, b []byte) (mean, rms, p99, most float64) {
	var count [256]int
	n := 0
	for i := 0; i < len(a); i += 4 {
		for c := range 3 {
			d := int(a[i+c]) - int(b[i+c])
			count[max(d, -d)]++
		}
		n += 3
		if a[i+3] != 255 || b[i+3] != 255 {
			d := int(a[i+3]) - int(b[i+3])
			count[max(d, -d)]++
			n++
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

// block is the side of an area whose mean is compared, in px; grid is how many areas the coarse look has a side.
const (
	block = 8
	grid  = 4
)

// areas compares the means of areas: the largest and the root mean square over blocks, the largest over the grid, and over the whole picture.
func areas(a, b imaging.Pixels) (blockMax, blockRMS, gridMax, shift float64) {
	across, down := (a.Width+block-1)/block, (a.Height+block-1)/block
	blocks, cells := newMeans(across*down), newMeans(grid*grid)
	var whole means
	whole = newMeans(1)
	for y := range a.Height {
		for x := range a.Width {
			i := 4 * (y*a.Width + x)
			k, g := y/block*across+x/block, y*grid/a.Height*grid+x*grid/a.Width
			for c := range 4 {
				d := int64(a.Pix[i+c]) - int64(b.Pix[i+c])
				blocks.sum[k][c] += d
				cells.sum[g][c] += d
				whole.sum[0][c] += d
			}
			blocks.n[k]++
			cells.n[g]++
			whole.n[0]++
		}
	}
	blockMax, blockRMS = blocks.extremes()
	gridMax, _ = cells.extremes()
	shift, _ = whole.extremes()
	return blockMax, blockRMS, gridMax, shift
}

// means are sums of differences by area and channel.
type means struct {
	sum [][4]int64
	n   []int64
}

func newMeans(n int) means { return means{make([][4]int64, n), make([]int64, n)} }

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

// moments are the sums that correlations are made of.
type moments struct{ n, a, b, aa, bb, ab int64 }

func (m *moments) add(a, b int64) {
	m.n++
	m.a += a
	m.b += b
	m.aa += a * a
	m.bb += b * b
	m.ab += a * b
}

// correlation is Pearson's; 1 when neither varies, 0 when one alone does not.
func (m moments) correlation() float64 {
	n := float64(m.n)
	va, vb := float64(m.aa)-float64(m.a)*float64(m.a)/n, float64(m.bb)-float64(m.b)*float64(m.b)/n
	if va <= 0 && vb <= 0 {
		return 1
	}
	if va <= 0 || vb <= 0 {
		return 0
	}
	return max(-1, min(1, (float64(m.ab)-float64(m.a)*float64(m.b)/n)/math.Sqrt(va*vb)))
}

func correlation(a, b imaging.Pixels) float64 {
	var m moments
	for i := range a.Pix {
		m.add(int64(a.Pix[i]), int64(b.Pix[i]))
	}
	return m.correlation()
}

// slopes correlates the differences of neighbours, across and down: edges that lie elsewhere lower it, a change of colour does not.
func slopes(a, b imaging.Pixels) float64 {
	m := moments{}
	w := a.Width
	for y := range a.Height {
		for x := range w {
			i := y*w + x
			if x+1 < w {
				m.add(int64(a.Pix[i+1])-int64(a.Pix[i]), int64(b.Pix[i+1])-int64(b.Pix[i]))
			}
			if y+1 < a.Height {
				m.add(int64(a.Pix[i+w])-int64(a.Pix[i]), int64(b.Pix[i+w])-int64(b.Pix[i]))
			}
		}
	}
	if m.n == 0 {
		return 1
	}
	return m.correlation()
}
