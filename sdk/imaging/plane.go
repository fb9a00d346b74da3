package imaging

// plane is one channel in 16 bits, 257 times the byte: what is blurred keeps finer steps. All its arithmetic is in integers, so that results are
// the same on every machine.
type plane struct {
	width, height int
	values        []int32
}

func newPlane(p Pixels, channel int) plane {
	out := plane{p.Width, p.Height, make([]int32, p.Width*p.Height)}
	for i := range out.values {
		out.values[i] = 257 * int32(p.Pix[i*p.Channels+channel])
	}
	return out
}

// blur averages over boxes three times along the rows and three times down the columns (P. Kovesi, Fast almost-Gaussian filtering, 2010, with
// boxes of whole px). The boxes' reaches add up to reach; beyond the sides the last values go on.
func (p plane) blur(reach int) plane {
	return p.blurRows(reach).transposed().blurRows(reach).transposed()
}

func (p plane) blurRows(reach int) plane {
	out := plane{p.width, p.height, make([]int32, len(p.values))}
	line := make([]int32, p.width)
	for y := range p.height {
		row := out.values[y*p.width:][:p.width]
		copy(row, p.values[y*p.width:])
		for i := range 3 {
			box(line, row, (reach+i)/3)
			copy(row, line)
		}
	}
	return out
}

// box is the mean of the 2*reach+1 values around each, rounded to nearest.
func box(out, in []int32, reach int) {
	last := len(in) - 1
	n := int64(2*reach + 1)
	sum := int64(0)
	for i := -reach; i <= reach; i++ {
		sum += int64(in[min(max(i, 0), last)])
	}
	for i := range out {
		out[i] = int32((sum + n/2) / n)
		sum += int64(in[min(i+reach+1, last)]) - int64(in[max(i-reach, 0)])
	}
}

func (p plane) transposed() plane {
	out := plane{p.height, p.width, make([]int32, len(p.values))}
	for y := range p.height {
		for x, v := range p.values[y*p.width:][:p.width] {
			out.values[x*p.height+y] = v
		}
	}
	return out
}
