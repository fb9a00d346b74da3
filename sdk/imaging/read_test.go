package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/jpeg"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func pngOf(t testing.TB, p Pixels) []byte {
	t.Helper()
	data, err := p.PNG()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, image.NewRGBA(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// vector is a copy of a file of the golden vectors.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	for _, c := range readGolden().Read {
		if c.Name == name {
			return slices.Clone(c.Data)
		}
	}
	t.Fatalf("no vector %q", name)
	return nil
}

func pngChunk(kind, data string) []byte {
	var out bytes.Buffer
	chunk(&out, kind, []byte(data))
	return out.Bytes()
}

// segment is a JPEG segment.
func segment(marker byte, body string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
}

// insert puts more into a copy of data.
func insert(data []byte, at int, more []byte) []byte {
	return slices.Concat(data[:at], more, data[at:])
}

// sized is a PNG whose header claims another size, with a right checksum.
func sized(data []byte, w, h uint32) []byte {
	out := slices.Clone(data)
	binary.BigEndian.PutUint32(out[16:], w)
	binary.BigEndian.PutUint32(out[20:], h)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

const behindIHDR = 8 + 25

// allocated is all memory that was ever taken from the heap, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestRead_bounds_the_size_before_it_decodes(t *testing.T) {
	flat := pngOf(t, Flat(30, 20, 1, 2, 3))
	turned := vector(t, "jpeg orientation 6 II") // stored as 23 x 17
	huge := vector(t, "webp lossless")
	copy(huge[21:], "\xff\xff\xff\x0f") // width and height less one, 14 bits each
	for _, c := range []struct {
		name  string
		data  []byte
		limit int
		want  error
		says  string
	}{
		{"fits", flat, 600, nil, ""},
		{"fits, turned", turned, 23 * 17, nil, ""},
		{"one above", flat, 599, ErrTooLarge, "30 x 20 px; at most 599 px"},
		{"one above, turned", turned, 23*17 - 1, ErrTooLarge, "17 x 23 px"},
		{"nothing allowed", flat, 0, ErrTooLarge, "at most 0 px"},
		{"PNG bomb", sized(flat, MaxSide, MaxSide), 1 << 20, ErrTooLarge, "16384 x 16384 px"},
		{"WebP bomb", huge, 1 << 20, ErrTooLarge, "16384 x 16384 px"},
		{"too wide", sized(flat, MaxSide+1, 1), 1 << 20, ErrTooLarge, "from 1 to 16384 px"},
		{"widest", sized(flat, 1<<31-1, 1), 1 << 20, ErrTooLarge, "from 1 to 16384 px"},
		{"no width", sized(flat, 0, 5), 1 << 20, ErrBroken, ""},
	} {
		before := allocated()
		if _, err := Read(c.data, c.limit); !errors.Is(err, c.want) || (err != nil && !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v; want %v with %q", c.name, err, c.want, c.says)
		}
		if took := allocated() - before; took > 1<<20 {
			t.Errorf("%s: took %d bytes", c.name, took)
		}
	}
}

func TestRead_names_what_it_does_not_read(t *testing.T) {
	arithmetic := jpegOf(t, 8, 8)
	arithmetic[bytes.Index(arithmetic, []byte("\xff\xc0"))+1] = 0xc9
	for name, data := range map[string][]byte{
		"empty":                nil,
		"text":                 []byte("hello"),
		"GIF":                  []byte("GIF89a\x01\x00\x01\x00"),
		"WAVE":                 []byte("RIFF\x10\x00\x00\x00WAVEfmt \x00\x00\x00\x00"),
		"animated PNG":         readGolden().Animated["PNG"],
		"animated WebP":        readGolden().Animated["WEBP"],
		"arithmetic-coded":     arithmetic,
		"PNG of unknown depth": sizedDepth(pngOf(t, Flat(2, 2, 1)), 3),
	} {
		if _, err := Read(data, 1<<20); !errors.Is(err, ErrFormat) || errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "PNG") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sizedDepth is a PNG whose header claims another bit depth.
func sizedDepth(data []byte, depth byte) []byte {
	out := slices.Clone(data)
	out[24] = depth
	return sized(out, binary.BigEndian.Uint32(out[16:]), binary.BigEndian.Uint32(out[20:]))
}

func TestRead_refuses_every_truncation(t *testing.T) {
	for _, name := range []string{"png rgba", "jpeg gray", "webp lossless alpha", "webp lossy alpha", "webp lossy (1, 1) q30"} {
		data := vector(t, name)
		for n := range data {
			if _, err := Read(data[:n], 1<<20); !errors.Is(err, ErrBroken) && (n > 13 || !errors.Is(err, ErrFormat)) {
				t.Errorf("%s, first %d bytes of %d: %v", name, n, len(data), err)
			}
		}
	}
}

func TestRead_refuses_damage(t *testing.T) {
	p, j, w := pngOf(t, Flat(9, 9, 7)), jpegOf(t, 8, 8), vector(t, "webp lossy alpha")
	edit := func(data []byte, at int, bytes string) []byte {
		out := slices.Clone(data)
		copy(out[at:], bytes)
		return out
	}
	var scans []byte
	for range maxScans {
		scans = append(scans, segment(0xda, "")...)
	}
	for name, data := range map[string][]byte{
		"PNG chunk longer than the file":   insert(p, behindIHDR, []byte("\xff\xff\xff\xfftEXt")),
		"PNG chunk that swallows the end":  insert(p, behindIHDR, []byte("\x00\x00\x00\x20tEXt")),
		"PNG checksum":                     edit(p, len(p)-20, "????"),
		"PNG metadata checksum":            edit(insert(p, behindIHDR, pngChunk("tEXt", "a\x00b")), behindIHDR+9, "?"),
		"two PNG headers":                  insert(p, behindIHDR, p[8:behindIHDR]),
		"no PNG data":                      slices.Concat(p[:behindIHDR], pngChunk("IEND", "")),
		"JPEG segment shorter than itself": insert(j, 2, []byte("\xff\xe1\x00\x01")),
		"JPEG segment longer than all":     insert(j, 2, []byte("\xff\xe1\xff\xff")),
		"no JPEG marker":                   insert(j, bytes.Index(j, []byte("\xff\xc0")), []byte("hello")),
		"many JPEG scans":                  insert(j, len(j)-2, scans),
		"RIFF longer than the file":        edit(w, 4, string(binary.LittleEndian.AppendUint32(nil, uint32(len(w))))),
		"RIFF shorter than its name":       edit(w, 4, "\x03\x00\x00\x00"),
		"WebP chunk longer than the RIFF":  edit(w, 16, "\xff\xff"),
		"WebP that contradicts its canvas": edit(w, 24, "\x17\x00\x00"),
	} {
		if _, err := Read(data, 1<<20); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "send the whole file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRead_refuses_another_file_behind_the_picture(t *testing.T) {
	archive := []byte("PK\x05\x06" + strings.Repeat("\x00", 17) + "!") // an empty ZIP with a comment's length
	mpf := segment(0xe2, "MPF\x00")
	j := jpegOf(t, 8, 8)
	for name, base := range map[string][]byte{"PNG": pngOf(t, Flat(9, 9, 7)), "JPEG": j, "WebP": vector(t, "webp lossless")} {
		for tail, c := range map[string]struct {
			bytes []byte
			ok    bool
		}{
			"nothing": {nil, true},
			"newline": {[]byte("\r\n"), true},
			"padding": {make([]byte, 5000), true},
			"16":      {[]byte("0123456789abcdef"), true},
			"17":      {[]byte("0123456789abcdefg"), false},
			"archive": {archive, false},
			"late":    {append(make([]byte, 5000), archive...), false},
			"picture": {base, false},
		} {
			if _, err := Read(slices.Concat(base, c.bytes), 1<<20); (err == nil) != c.ok || (err != nil && !errors.Is(err, ErrBroken)) {
				t.Errorf("%s with %s: %v", name, tail, err)
			}
		}
	}
	if _, err := Read(slices.Concat(insert(j, 2, mpf), j), 1<<20); err != nil {
		t.Errorf("a phone's second picture: %v", err)
	}
	if _, err := Read(slices.Concat(insert(j, 2, mpf), archive), 1<<20); !errors.Is(err, ErrBroken) {
		t.Errorf("a declared second picture that is an archive: %v", err)
	}
}

func TestRead_ignores_metadata_that_makes_no_sense(t *testing.T) {
	want := Flat(3, 2, 1, 2, 3)
	base := pngOf(t, want)
	entry := "\x12\x01\x03\x00\x01\x00\x00\x00"
	for name, exif := range map[string]string{
		"empty":                "",
		"no TIFF":              "hello, world",
		"header only":          "II*\x00",
		"directory beyond":     "II*\x00\xff\xff\xff\xff",
		"directory at the end": "II*\x00\x08\x00\x00\x00",
		"entries beyond":       "II*\x00\x08\x00\x00\x00\xff\xff" + entry[:5],
		"orientation 0":        "II*\x00\x08\x00\x00\x00\x01\x00" + entry + "\x00\x00\x00\x00",
		"orientation 9":        "II*\x00\x08\x00\x00\x00\x01\x00" + entry + "\x09\x00\x00\x00",
		"orientation as text":  "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x01\x00\x00\x00\x06\x00\x00\x00",
	} {
		p, err := Read(insert(base, behindIHDR, pngChunk("eXIf", exif)), 100)
		if err != nil || p.Width != 3 || !bytes.Equal(p.Pix, want.Pix) {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
	p, err := Read(insert(base, behindIHDR, pngChunk("eXIf", "II*\x00\x08\x00\x00\x00\x01\x00"+entry+"\x06\x00\x00\x00")), 100)
	if err != nil || p.Width != 2 {
		t.Errorf("the orientation that makes sense: %+v %v", p, err)
	}
}

func TestInspect_tells_the_format_and_the_upright_size(t *testing.T) {
	for name, want := range map[string]Header{
		"png rgb":                   {"image/png", 23, 17},
		"jpeg gray":                 {"image/jpeg", 23, 17},
		"jpeg orientation 8 MM":     {"image/jpeg", 17, 23},
		"webp lossless":             {"image/webp", 23, 17},
		"webp lossy alpha":          {"image/webp", 23, 17},
		"webp orientation 5 MM":     {"image/webp", 17, 23},
		"png orientation 7 II":      {"image/png", 17, 23},
		"webp lossy (1, 2) q30":     {"image/webp", 1, 2},
		"jpeg 420 (31, 40, 3)":      {"image/jpeg", 40, 31},
		"webp lossy, saturated":     {"image/webp", 40, 31},
		"png 16 bit, colour type 6": {"image/png", 23, 17},
	} {
		if h, err := Inspect(vector(t, name)); err != nil || h != want {
			t.Errorf("%s: %+v %v, want %+v", name, h, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range readGolden().Read {
		f.Add(c.Data)
	}
	for _, data := range readGolden().Animated {
		f.Add(data)
	}
	// A lossless WebP's tables take up to 44 MiB however small it is (1 << 14 groups of 2.7 KiB); the rest is small beside it.
	const limit, memory = 1 << 14, 96 << 20
	f.Fuzz(func(t *testing.T, data []byte) {
		before := allocated()
		p, err := Read(data, limit)
		if took := allocated() - before; took > memory+8*uint64(len(data)) {
			t.Errorf("took %d bytes for %d", took, len(data))
		}
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrBroken) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if fast, ok := readPlainPNG(data); bytes.HasPrefix(data, []byte(pngSignature)) && ok {
			if slow := decodedPNG(t, data); fast.Channels != slow.Channels || !bytes.Equal(fast.Pix, slow.Pix) {
				t.Error("image/png reads another picture")
			}
		}
		h, err := Inspect(data)
		if err != nil || h.Width != p.Width || h.Height != p.Height {
			t.Errorf("header %+v %v of %d x %d px", h, err, p.Width, p.Height)
		}
		if p.Width*p.Height > limit || len(p.Pix) != p.Width*p.Height*p.Channels {
			t.Errorf("%d x %d x %d in %d bytes", p.Width, p.Height, p.Channels, len(p.Pix))
		}
		again, err := Read(pngOf(t, p), limit)
		if err != nil || !bytes.Equal(again.Pix, p.Pix) {
			t.Errorf("its PNG is another picture: %v", err)
		}
	})
}
