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

// weights are how much of each output sample along an axis is each tile's: they add up to 1.
func weights(spans []span, n, scale int) [][]float32 {
	sum := make([]float32, n*scale)
	out := make([][]float32, len(spans))
	for i, s := range spans {
		length := (s.to - s.from) * scale
		out[i] = make([]float32, length)
		for x := range length {
			at := float32(x) + 0.5
			out[i][x] = ramp(at, s.fadeIn*scale, margin*scale) * ramp(float32(length)-at, s.fadeOut*scale, margin*scale)
			sum[s.from*scale+x] += out[i][x]
		}
	}
	for i, s := range spans {
		for x := range out[i] {
			out[i][x] /= sum[s.from*scale+x]
		}
	}
	return out
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
	across, down := weights(columns, p.Width, n.scale), weights(rows, p.Height, n.scale)
	for i, row := range rows {
		for k, column := range columns {
			piece := p.Crop(column.from, row.from, column.to-column.from, row.to-row.from)
			out, err := n.run(ctx, piece)
			if err != nil {
				return imaging.Pixels{}, err
			}
			add(sum[3*(row.from*n.scale*width+column.from*n.scale):], width, out, across[k], down[i])
			step(i*len(columns)+k+1, len(rows)*len(columns))
		}
	}
	large := imaging.Pixels{Width: width, Height: height, Channels: 3, Pix: make([]byte, len(sum))}
	for i, v := range sum {
		large.Pix[i] = byte(min(max(v*255+0.5, 0), 255))
	}
	return large, nil
}

// add adds a tile's output, [3, H, W], to a sum of interleaved channels, width samples a row.
func add(sum []float32, width int, out []float32, across, down []float32) {
	w, h := len(across), len(down)
	for y := range h {
		for k := range 3 {
			for x, v := range out[(k*h+y)*w:][:w] {
				sum[3*(y*width+x)+k] += v * across[x] * down[y]
			}
		}
	}
}
