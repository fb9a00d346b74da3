package imaging

import (
	"bytes"
	"encoding/binary"
)

// orientation finds tag 0x0112 in the first directory of a TIFF structure (EXIF 2.32, 4.5 and 4.6.4): 1 to 8, and 1 where there is none
// or it makes no sense, since a picture with broken metadata is still a picture.
func orientation(exif []byte) int {
	tiff := bytes.TrimPrefix(exif, []byte("Exif\x00\x00")) // JPEG has this prefix; some writers put it into PNG and WebP too
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(tiff) < 8 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		const short = 3
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == short {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// upright undoes an EXIF orientation (EXIF 2.32, 4.6.4): 2 is mirrored, 3 turned by 180 degrees, 4 upside down; 5 has rows and columns
// swapped, 6 needs a quarter turn clockwise, 7 is 5 turned by 180 degrees, 8 needs a quarter turn the other way.
func (p Pixels) upright(orientation int) Pixels {
	if orientation <= 1 {
		return p
	}
	out := Pixels{Width: p.Width, Height: p.Height, Channels: p.Channels, Pix: make([]byte, len(p.Pix))}
	// The source of (x, y) is start + x*right + y*down, in pixels.
	right, down := 1, p.Width
	if orientation >= 5 {
		out.Width, out.Height = p.Height, p.Width
		right, down = p.Width, 1
	}
	start := 0
	switch orientation {
	case 2, 3, 6, 7:
		start += (out.Width - 1) * right
		right = -right
	}
	switch orientation {
	case 3, 4, 7, 8:
		start += (out.Height - 1) * down
		down = -down
	}
	c := p.Channels
	i := 0
	for y := range out.Height {
		from := start + y*down
		for range out.Width {
			copy(out.Pix[i:i+c], p.Pix[from*c:])
			i += c
			from += right
		}
	}
	return out
}
