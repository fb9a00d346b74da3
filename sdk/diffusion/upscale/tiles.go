package upscale

import (
	"context"

	"github.com/vision19/vision/sdk/imaging"
)

// Two neighbouring tiles share overlap px of the input or more. Of those, the ones within margin of a tile's cut are not used: there the
// network sees that something is missing. Over the others one tile fades into the other, so that no seam shows even where a network sees
// further. Real-ESRGAN's own tiling drops 10 px and does not fade.
const (
	overlap = 24
	margin  = 8
)

// span is one tile's part of an axis, in px of the input.
type span struct {
	from, to int
	fadeIn   int // px at its beginning that it shares with the one before
	fadeOut  int // px at its end that it shares with the one after
}

// spans cuts n px into pieces of at most tile px, evenly, each overlapping its neighbours by overlap px at least.
func spans(n, tile int) []span {
	if n <= tile {
		return []span{{to: n}}
	}
	count := (n - overlap + tile - overlap - 1) / (tile - overlap)
	out := make([]span, count)
	for i := range out {
		from := i * (n - tile) / (count - 1)
		out[i] = span{from: from, to: from + tile}
		if i > 0 {
			shared := out[i-1].to - from
			out[i].fadeIn, out[i-1].fadeOut = shared, shared
		}
	}
	return out
}

// weight is how much of an output pixel is this tile's, x px into it at the scale: the weights of all tiles there add up to 1.
func (s span) weight(x, scale int) float32 {
	at, length := float32(x)+0.5, float32((s.to-s.from)*scale)
	return ramp(at, s.fadeIn*scale, margin*scale) * ramp(length-at, s.fadeOut*scale, margin*scale)
}

// ramp rises from 0 to 1 over the middle of what is shared, at samples from the tile's cut.
func ramp(at float32, shared, unused int) float32 {
	if shared == 0 {
		return 1
	}
	return min(max((at-float32(unused))/float32(shared-2*unused), 0), 1)
}

// enlarge enlarges a picture of three channels, tile by tile; step is told of each.
func (n network) enlarge(ctx context.Context, p imaging.Pixels, tile int, step func(done, total int)) (imaging.Pixels, error) {
	if n.side > 0 {
		tile = n.side
	}
	width, height := p.Width*n.scale, p.Height*n.scale
	sum := make([]float32, 3*width*height)
	columns, rows := spans(p.Width, tile), spans(p.Height, tile)
	for i, row := range rows {
		for k, column := range columns {
			piece := p.Crop(column.from, row.from, column.to-column.from, row.to-row.from)
			out, err := n.run(ctx, piece)
			if err != nil {
				return imaging.Pixels{}, err
			}
			n.add(sum, width, out, column, row)
			step(i*len(columns)+k+1, len(rows)*len(columns))
		}
	}
	large := imaging.Pixels{Width: width, Height: height, Channels: 3, Pix: make([]byte, len(sum))}
	for i, v := range sum {
		large.Pix[i] = byte(min(max(v*255+0.5, 0), 255))
	}
	return large, nil
}

// add adds a tile's output, [3, H, W], to the sum, whose channels are interleaved.
func (n network) add(sum []float32, width int, out []float32, column, row span) {
	w, h := (column.to-column.from)*n.scale, (row.to-row.from)*n.scale
	across := make([]float32, w)
	for x := range across {
		across[x] = column.weight(x, n.scale)
	}
	for y := range h {
		down := row.weight(y, n.scale)
		to := 3 * ((row.from*n.scale+y)*width + column.from*n.scale)
		for k := range 3 {
			for x, v := range out[(k*h+y)*w:][:w] {
				sum[to+3*x+k] += v * across[x] * down
			}
		}
	}
}
