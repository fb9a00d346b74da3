package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// maxScans bounds a JPEG's scans: encoders write up to about 20, and each costs a pass over all pixels however few bytes it has.
const maxScans = 100

// layout is what a walk over a file's chunks finds beside its pixels.
type layout struct {
	exif        []byte // a TIFF structure, or nil
	orientation int    // 1 to 8, EXIF tag 0x0112
	video       bool   // YCbCr in video range (16 to 235), as VP8 has it; else JFIF's full range
	opaque      bool   // a lossless WebP that declares its alpha unused
}

// variant is what is right in a file and not read.
type variant string

func (v variant) Error() string { return string(v) }

const animated = variant("it is animated")

var errShort = errors.New("it ends early")

// tail checks what follows a picture's end. Zeros are padding; 16 bytes are too few for any format that a reader would open
// (an empty ZIP archive has 22).
func tail(rest []byte) error {
	if n := len(bytes.TrimRight(rest, "\x00")); n > 16 {
		return fmt.Errorf("%d bytes of something else follow the picture", n)
	}
	return nil
}

// walkPNG follows the chunks of a PNG. Checksums are left to the decoder.
func walkPNG(data []byte) (layout, error) {
	var l layout
	for rest := data[len(pngSignature):]; ; {
		kind, body, next, err := nextChunk(rest)
		if err != nil {
			return l, err
		}
		switch kind {
		case "acTL":
			return l, animated
		case "eXIf":
			l.exif = body
		case "IEND":
			return l, tail(next)
		}
		rest = next
	}
}

// nextChunk takes a chunk off, as PNG (third edition) 5.3 has it: length, type, data, CRC.
func nextChunk(rest []byte) (kind string, body, next []byte, err error) {
	if len(rest) < 12 {
		return "", nil, nil, errShort
	}
	n := binary.BigEndian.Uint32(rest)
	kind = string(rest[4:8])
	if uint64(n)+12 > uint64(len(rest)) {
		return "", nil, nil, fmt.Errorf("chunk %q says %d bytes, and %d are left: %w", kind, n, len(rest)-12, errShort)
	}
	return kind, rest[8 : 8+n], rest[12+n:], nil
}

// walkJPEG follows ITU-T T.81 B.1: markers, most with a length, and entropy-coded data behind each start of scan. Where an APP2
// segment declares further pictures (CIPA DC-007, multi-picture format: phones store previews and gain maps so), a JPEG may follow.
func walkJPEG(data []byte) (layout, error) {
	var l layout
	multi, scans := false, 0
	for rest := data[2:]; ; {
		if len(rest) < 2 {
			return l, errShort
		}
		if rest[0] != 0xff {
			return l, fmt.Errorf("no marker where one is due, at byte %d", len(data)-len(rest))
		}
		marker := rest[1]
		switch {
		case marker == 0xff: // fill
			rest = rest[1:]
			continue
		case marker == 0xd9: // EOI
			after := bytes.TrimLeft(rest[2:], "\x00")
			if multi && bytes.HasPrefix(after, []byte("\xff\xd8\xff")) {
				return l, nil
			}
			return l, tail(rest[2:])
		case marker >= 0xd0 && marker <= 0xd7: // a restart behind the last interval stands alone
			rest = rest[2:]
			continue
		}
		if len(rest) < 4 {
			return l, errShort
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if n < 2 || n+2 > len(rest) {
			return l, fmt.Errorf("segment %#x says %d bytes, and %d are left: %w", marker, n, len(rest)-2, errShort)
		}
		body := rest[4 : n+2]
		rest = rest[n+2:]
		switch {
		case marker == 0xe1 && l.exif == nil && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			l.exif = body
		case marker == 0xe2 && bytes.HasPrefix(body, []byte("MPF\x00")):
			multi = true
		case marker == 0xda:
			if scans++; scans > maxScans {
				return l, fmt.Errorf("more than %d scans", maxScans)
			}
			rest = rest[entropyCoded(rest):]
		}
	}
}

// entropyCoded counts the bytes up to the next marker that is neither a stuffed zero nor a restart.
func entropyCoded(b []byte) int {
	for i := 0; ; {
		at := bytes.IndexByte(b[i:], 0xff)
		if at < 0 || i+at+1 >= len(b) {
			return len(b)
		}
		i += at
		if m := b[i+1]; m != 0 && (m < 0xd0 || m > 0xd7) {
			return i
		}
		i += 2
	}
}

// walkWebP follows RFC 9649 2.3 to 2.7: RIFF chunks, each padded to an even length.
func walkWebP(data []byte) (layout, error) {
	l := layout{video: true}
	size := uint64(binary.LittleEndian.Uint32(data[4:]))
	if size < 4 || size+8 > uint64(len(data)) {
		return l, fmt.Errorf("it says %d bytes, and %d are left: %w", size, len(data)-8, errShort)
	}
	for rest := data[12 : size+8]; len(rest) > 0; {
		if len(rest) < 8 {
			return l, errShort
		}
		kind, n := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		padded := n + n&1
		if padded+8 > uint64(len(rest)) {
			return l, fmt.Errorf("chunk %q says %d bytes, and %d are left: %w", kind, n, len(rest)-8, errShort)
		}
		body := rest[8 : 8+n]
		switch kind {
		case "ANIM", "ANMF":
			return l, animated
		case "VP8X":
			if n > 0 && body[0]&2 != 0 {
				return l, animated
			}
		case "VP8L":
			l.opaque = n >= 5 && body[4]&0x10 == 0 // RFC 9649 3.4: bit 28 behind the signature byte, alpha_is_used
		case "EXIF":
			l.exif = body
		}
		rest = rest[8+padded:]
	}
	return l, tail(data[size+8:])
}
