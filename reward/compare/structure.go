package compare

import (
	"math"

	"github.com/vision19/vision/sdk/imaging"
)

// The constants of SSIM for 8-bit samples: (0.01 * 255)^2 and (0.03 * 255)^2.
const (
	ssimC1 = 6.5025
	ssimC2 = 58.5225
)

// cell is a quarter of a window of SSIM, in px a side: windows of 8 px every 4 px are made of 2 x 2 cells.
const cell = 4

// moments are the sums that correlations are made of.
type moments struct{ n, a, b, aa, bb, ab int64 }

// correlation is Pearson's; 1 when neither varies, 0 when one alone does not.
func (m moments) correlation() float64 {
	if m.n == 0 {
		return 1
	}
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

// add takes in pairs of samples.
func (m *moments) add(a, b []byte) {
	var sa, sb, saa, sbb, sab uint32 // of a few samples
	for i := range min(len(a), len(b)) {
		p, q := uint32(a[i]), uint32(b[i])
		sa += p
		sb += q
		saa += p * p
		sbb += q * q
		sab += p * q
	}
	m.join(moments{int64(len(a)), int64(sa), int64(sb), int64(saa), int64(sbb), int64(sab)})
}

// slopes are the moments of the differences of neighbours, across and down: edges that lie elsewhere lower their correlation, a change of colour
// does not.
func slopes(a, b imaging.Pixels) moments {
	w, h := a.Width, a.Height
	m := moments{n: int64((w-1)*h + w*(h-1))}
	for y := range h {
		at := y * w
		m.slope(a.Pix[at:at+w-1], a.Pix[at+1:at+w], b.Pix[at:at+w-1], b.Pix[at+1:at+w])
		if y+1 < h {
			m.slope(a.Pix[at:at+w], a.Pix[at+w:at+2*w], b.Pix[at:at+w], b.Pix[at+w:at+2*w])
		}
	}
	return m
}

// slope takes in what lies between a0 and a1, and between b0 and b1, of one length; the caller counts.
func (m *moments) slope(a0, a1, b0, b1 []byte) {
	sums := moments{}
	a1, b0, b1 = a1[:len(a0)], b0[:len(a0)], b1[:len(a0)]
	for i, v := range a0 {
		p, q := int64(a1[i])-int64(v), int64(b1[i])-int64(b0[i])
		sums.a += p
		sums.b += q
		sums.aa += p * p
		sums.bb += q * q
		sums.ab += p * q
	}
	m.join(sums)
}

// structure is 1 - SSIM (Z. Wang et al., Image quality assessment: from error visibility to structural similarity, 2004), with flat windows of
// 8 x 8 px every 4 px: the mean and the worst. Of a picture smaller than a window it is that of the whole picture, whose moments are returned too.
func structure(a, b imaging.Pixels) (whole moments, mean, worst float64) {
	across := (a.Width + cell - 1) / cell // the last cell of a row or column may be smaller: it is in no window
	above, row := make([]moments, across), make([]moments, across)
	sum, windows := 0.0, 0
	for y := range a.Height {
		p, q := a.Pix[y*a.Width:][:a.Width], b.Pix[y*a.Width:][:a.Width]
		for k := range row {
			n := min(cell, len(p))
			row[k].add(p[:n], q[:n])
			p, q = p[n:], q[n:]
		}
		if y%cell < cell-1 && y < a.Height-1 {
			continue
		}
		for k, m := range row {
			whole.join(m)
			if y < 2*cell-1 || y%cell < cell-1 || k == 0 || k == a.Width/cell {
				continue
			}
			m.join(row[k-1])
			m.join(above[k-1])
			m.join(above[k])
			s := 1 - m.ssim()
			sum += s
			worst = max(worst, s)
			windows++
		}
		above, row = row, above
		clear(row)
	}
	if windows == 0 {
		s := 1 - whole.ssim()
		return whole, s, s
	}
	return whole, sum / float64(windows), worst
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
