package imaging

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zlib"
)

// readPlainPNG decodes what most PNGs are: 8-bit gray, RGB or RGBA, neither interlaced nor with a palette or a transparent colour. It is about
// twice as fast as image/png, and accepts nothing that image/png refuses. All else, and all that is wrong, is not ok: image/png reads it
// then, or says what is wrong with it.
func readPlainPNG(data []byte) (p Pixels, ok bool) {
	p, packed := plainPNG(data)
	if len(packed) == 0 {
		return Pixels{}, false
	}
	from := bytes.NewReader(packed)
	z, err := zlib.NewReader(from)
	if err != nil {
		return Pixels{}, false
	}
	stride := p.Width * p.Channels
	p.Pix = make([]byte, p.Height*stride)
	above, filter := make([]byte, stride), make([]byte, 1)
	for y := range p.Height {
		row := p.Pix[y*stride:][:stride]
		if _, err := io.ReadFull(z, filter); err != nil {
			return Pixels{}, false
		}
		if _, err := io.ReadFull(z, row); err != nil || !unfilter(row, above, filter[0], p.Channels) {
			return Pixels{}, false
		}
		above = row
	}
	// At the end of its data zlib checks their sum.
	if n, err := z.Read(filter); n != 0 || err != io.EOF || from.Len() > 0 {
		return Pixels{}, false
	}
	return p, true
}

// plainPNG walks the chunks of a PNG, with their checksums, and returns the size and the packed pixels; none of what readPlainPNG does not read.
func plainPNG(data []byte) (p Pixels, packed []byte) {
	last := ""
	for rest := data[len(pngSignature):]; last != "IEND"; {
		kind, body, next, err := nextChunk(rest)
		if err != nil || binary.BigEndian.Uint32(rest[8+len(body):]) != crc32.ChecksumIEEE(rest[4:8+len(body)]) {
			return Pixels{}, nil
		}
		switch {
		case kind == "IHDR" && last == "" && len(body) == 13:
			// 8 bits, and 0 for the only compression, the only set of filters, and no interlacing; PNG (third edition) 11.2.1
			if body[8] != 8 || body[10] != 0 || body[11] != 0 || body[12] != 0 {
				return Pixels{}, nil
			}
			p.Width, p.Height = int(binary.BigEndian.Uint32(body)), int(binary.BigEndian.Uint32(body[4:]))
			p.Channels = map[byte]int{0: 1, 2: 3, 6: 4}[body[9]]
			if p.Channels == 0 || p.Width < 1 || p.Height < 1 || p.Width > MaxSide || p.Height > MaxSide {
				return Pixels{}, nil
			}
		case kind == "IDAT" && last == "IDAT":
			packed = append(packed, body...)
		case kind == "IDAT" && last != "" && packed == nil:
			packed = body[:len(body):len(body)]
		case kind == "IEND" && len(body) == 0:
		case kind[0] >= 'a' && kind[0] <= 'z' && kind != "tRNS" && last != "": // ancillary
		default:
			return Pixels{}, nil
		}
		last, rest = kind, next
	}
	return p, packed
}

// unfilter undoes a row's filter in place (PNG, third edition, 9.2); of an unknown one it returns false.
func unfilter(row, above []byte, filter byte, channels int) bool {
	above = above[:len(row)]
	switch filter {
	case 0: // None
	case 1: // Sub
		for i := channels; i < len(row); i++ {
			row[i] += row[i-channels]
		}
	case 2: // Up
		addBytes(row, above)
	case 3: // Average
		for i := range channels {
			row[i] += above[i] / 2
		}
		for i := channels; i < len(row); i++ {
			row[i] += byte((int(row[i-channels]) + int(above[i])) / 2)
		}
	case 4: // Paeth
		for first := range channels {
			left, corner := 0, 0
			for i := first; i < len(row); i += channels {
				up := int(above[i])
				row[i] += byte(paeth(left, up, corner))
				left, corner = int(row[i]), up
			}
		}
	default:
		return false
	}
	return true
}

// paeth is the one of the three that is next to left + up - corner; of several the first.
func paeth(left, up, corner int) int {
	toLeft, toUp := up-corner, left-corner
	toCorner := toLeft + toUp
	toLeft, toUp, toCorner = max(toLeft, -toLeft), max(toUp, -toUp), max(toCorner, -toCorner)
	switch {
	case toLeft <= toUp && toLeft <= toCorner:
		return left
	case toUp <= toCorner:
		return up
	}
	return corner
}

// addBytes adds each byte of b to that of a, eight at a time: their highest bits are added apart, so that none carries into the next byte.
func addBytes(a, b []byte) {
	const high = 0x8080808080808080
	for len(a) >= 8 && len(b) >= 8 {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(a, (x&^high+y&^high)^(x^y)&high)
		a, b = a[8:], b[8:]
	}
	for i := range a {
		a[i] += b[i]
	}
}
