package imaging

import (
	"fmt"
	"image"
	"image/color"
)

// fromImage takes the pixels out of what the decoders return, without going through image.Image.At, which would multiply alpha in.
func fromImage(img image.Image, l layout) (Pixels, error) {
	b := img.Bounds()
	p := Pixels{Width: b.Dx(), Height: b.Dy(), Channels: 3}
	switch m := img.(type) {
	case *image.Gray:
		return p.pick(m.Pix, m.Stride, 1, 0), nil
	case *image.Gray16:
		return p.pick(m.Pix, m.Stride, 2, 0), nil
	case *image.RGBA: // the decoders use it for opaque pictures only
		return p.pick(m.Pix, m.Stride, 4, 0, 1, 2), nil
	case *image.RGBA64:
		return p.pick(m.Pix, m.Stride, 8, 0, 2, 4), nil
	case *image.NRGBA:
		if l.opaque {
			return p.pick(m.Pix, m.Stride, 4, 0, 1, 2), nil
		}
		return p.pick(m.Pix, m.Stride, 4, 0, 1, 2, 3), nil
	case *image.NRGBA64:
		return p.pick(m.Pix, m.Stride, 8, 0, 2, 4, 6), nil
	case *image.Paletted:
		return p.palette(m), nil
	case *image.CMYK:
		return p.cmyk(m), nil
	case *image.YCbCr:
		return p.ycbcr(m, l.video), nil
	case *image.NYCbCrA:
		rgb := p.ycbcr(&m.YCbCr, l.video)
		p.Channels = 4
		p.Pix = make([]byte, 4*p.Width*p.Height)
		for i := range p.Width * p.Height {
			copy(p.Pix[4*i:], rgb.Pix[3*i:3*i+3])
			p.Pix[4*i+3] = m.A[i/p.Width*m.AStride+i%p.Width]
		}
		return p, nil
	}
	return p, variant(fmt.Sprintf("pixels of type %T", img))
}

// pick takes the bytes at the offsets out of each pixel of step bytes.
func (p Pixels) pick(pix []byte, stride, step int, offsets ...int) Pixels {
	p.Channels = len(offsets)
	p.Pix = make([]byte, p.Width*p.Height*p.Channels)
	for y := range p.Height {
		row := pix[y*stride:][:p.Width*step]
		out := p.Pix[y*p.Width*p.Channels:][:p.Width*p.Channels]
		if step == p.Channels {
			copy(out, row)
			continue
		}
		for c, at := range offsets {
			for x := range p.Width {
				out[x*p.Channels+c] = row[x*step+at]
			}
		}
	}
	return p
}

func (p Pixels) palette(m *image.Paletted) Pixels {
	var colours [256][4]byte
	for i := range colours {
		colours[i][3] = 255 // an index behind the palette's end is black, as libpng reads it
	}
	for i, c := range m.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA) // exact: the decoder's palettes hold NRGBA and opaque RGBA
		colours[i] = [4]byte{n.R, n.G, n.B, n.A}
		if n.A != 255 {
			p.Channels = 4
		}
	}
	p.Pix = make([]byte, 0, p.Width*p.Height*p.Channels)
	for y := range p.Height {
		for _, i := range m.Pix[y*m.Stride:][:p.Width] {
			p.Pix = append(p.Pix, colours[i][:p.Channels]...)
		}
	}
	return p
}

func (p Pixels) cmyk(m *image.CMYK) Pixels {
	p.Pix = make([]byte, 0, p.Width*p.Height*3)
	for y := range p.Height {
		row := m.Pix[y*m.Stride:][:p.Width*4]
		for x := 0; x < len(row); x += 4 {
			light := uint32(255 - row[x+3])
			for _, ink := range row[x : x+3] {
				p.Pix = append(p.Pix, byte(light-div255(uint32(ink)*light)))
			}
		}
	}
	return p
}

// div255 is v/255 rounded to nearest, for v up to 255*255: the usual shift form, in Pillow as MULDIV255.
func div255(v uint32) uint32 {
	v += 128
	return (v + v>>8) >> 8
}

// ycbcr interpolates chroma that is stored at half resolution, and converts to RGB.
func (p Pixels) ycbcr(m *image.YCbCr, video bool) Pixels {
	p.Pix = make([]byte, p.Width*p.Height*3)
	toRGB := color.YCbCrToRGB
	if video {
		toRGB = videoRGB
	}
	sx, sy := chromaScale(m.SubsampleRatio)
	cw, ch := (p.Width+sx-1)/sx, (p.Height+sy-1)/sy
	cb, cr := make([]byte, p.Width), make([]byte, p.Width)
	for y := range p.Height {
		near, far := y/sy*m.CStride, neighbour(y, sy, ch)*m.CStride
		chromaRow(cb, m.Cb[near:][:cw], m.Cb[far:][:cw], sx)
		chromaRow(cr, m.Cr[near:][:cw], m.Cr[far:][:cw], sx)
		out := p.Pix[y*p.Width*3:][:p.Width*3]
		for x, luma := range m.Y[y*m.YStride:][:p.Width] {
			out[3*x], out[3*x+1], out[3*x+2] = toRGB(luma, cb[x], cr[x])
		}
	}
	return p
}

// chromaScale is how many px across and down share a chroma sample.
func chromaScale(ratio image.YCbCrSubsampleRatio) (x, y int) {
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// chromaRow weights the four samples around each pixel by 9, 3, 3 and 1 sixteenths: linear interpolation at half resolution, what libjpeg
// and libwebp call fancy upsampling. At other scales all four are the nearest.
func chromaRow(out, near, far []byte, scale int) {
	for x := range out {
		i, j := x/scale, neighbour(x, scale, len(near))
		out[x] = byte((9*int(near[i]) + 3*int(near[j]) + 3*int(far[i]) + int(far[j]) + 8) >> 4)
	}
}

// neighbour is the second nearest of n chroma samples to pixel i where they have half the resolution; else the nearest.
func neighbour(i, scale, n int) int {
	if scale != 2 {
		return i / scale
	}
	return min(max(i/2+2*(i%2)-1, 0), n-1)
}

// videoRGB is ITU-R BT.601 in video range (Y from 16 to 235), which RFC 6386 9.2 prescribes for VP8, in the 14-bit fixed point of libwebp:
// 19077 is 255/219, and the last terms hold the offsets and one half. color.YCbCrToRGB is for JPEG's full range.
func videoRGB(y, cb, cr byte) (r, g, b byte) {
	luma, u, v := int32(y)*19077>>8, int32(cb), int32(cr)
	return clip6(luma + v*26149>>8 - 14234), clip6(luma - u*6419>>8 - v*13320>>8 + 8708), clip6(luma + u*33050>>8 - 17685)
}

func clip6(v int32) byte { return byte(min(max(v>>6, 0), 255)) }
