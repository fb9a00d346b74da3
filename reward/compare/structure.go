package compare

import "github.com/vision19/vision/sdk/imaging"

// The constants of SSIM for 8-bit samples: (0.01 * 255)^2 and (0.03 * 255)^2.
const (
	ssimC1 = 6.5025
	ssimC2 = 58.5225
)

// cell is a quarter of a window of SSIM, in px a side: windows of 8 px every 4 px are made of 2 x 2 cells.
const cell = 4

// structure is 1 - SSIM (Z. Wang et al., Image quality assessment: from error visibility to structural similarity, 2004), with flat windows of
// 8 x 8 px every 4 px: the mean and the worst. Of a picture smaller than a window it is that of the whole picture.
func structure(a, b imaging.Pixels) (mean, worst float64) {
	across, down := a.Width/cell, a.Height/cell
	if across < 2 || down < 2 {
		var m moments
		for i := range a.Pix {
			m.add(int64(a.Pix[i]), int64(b.Pix[i]))
		}
		s := 1 - m.ssim()
		return s, s
	}
	cells := make([]moments, across*down)
	for y := range down * cell {
		for x := range across * cell {
			i := y*a.Width + x
			cells[y/cell*across+x/cell].add(int64(a.Pix[i]), int64(b.Pix[i]))
		}
	}
	sum := 0.0
	for y := range down - 1 {
		for x := range across - 1 {
			m := cells[y*across+x]
			m.join(cells[y*across+x+1])
			m.join(cells[(y+1)*across+x])
			m.join(cells[(y+1)*across+x+1])
			s := 1 - m.ssim()
			sum += s
			worst = max(worst, s)
		}
	}
	return sum / float64((across-1)*(down-1)), worst
}

func (m *moments) join(o moments) {
	m.n += o.n
	m.a += o.a
	m.b += o.b
	m.aa += o.aa
	m.bb += o.bb
	m.ab += o.ab
}

// ssim is that of one window, with the unbiased covariances of the paper's reference implementation.
func (m moments) ssim() float64 {
	squared, unbiased := float64(m.n*m.n), float64(m.n*max(m.n-1, 1))
	product, squares := float64(2*m.a*m.b)/squared, float64(m.a*m.a+m.b*m.b)/squared                                   // of the means
	covariance, variances := float64(2*(m.n*m.ab-m.a*m.b))/unbiased, float64(m.n*(m.aa+m.bb)-m.a*m.a-m.b*m.b)/unbiased // twice the one, both of the other
	return (product + ssimC1) * (covariance + ssimC2) / ((squares + ssimC1) * (variances + ssimC2))
}
