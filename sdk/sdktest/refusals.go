package sdktest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/wire"
)

func schemaRefuses(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	n, base := 0, s.cheapDraft()
	refused := func(f draft, param string) error {
		n++
		_, err := x.d.CheckRequest(f.request, f.raw)
		if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidInput || !strings.Contains(e.Error(), param) {
			return fmt.Errorf("%s: the description answers %v: it must be refused as wrong input that names %s", f.what, err, param)
		}
		return nil
	}
	for _, p := range x.d.Parameters {
		for _, value := range outside(p) {
			if err := refused(base.with(fmt.Sprintf("%s = %s", p.Name, clip(fmt.Sprint(value), 20)), p.Name, value), p.Name); err != nil {
				return "", err
			}
		}
	}
	if err := refused(base.with("an unknown parameter", "no_such_parameter", int64(1)), "no_such_parameter"); err != nil {
		return "", err
	}
	for _, f := range append(oversized(x.d, base), missing(x.d, base)...) {
		if err := refused(f, f.param); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d wrong requests", n), nil
}

// missing are requests without an input that they need.
func missing(d sdk.Description, base draft) []draft {
	var out []draft
	without := func(names ...string) {
		f := base
		f.what, f.param = "without "+strings.Join(names, " and "), names[0]
		f.request.Texts, f.request.Images = maps.Clone(base.request.Texts), maps.Clone(base.request.Images)
		for _, name := range names {
			delete(f.request.Texts, name)
			delete(f.request.Images, name)
		}
		out = append(out, f)
	}
	for _, in := range d.Inputs {
		if in.Required {
			without(in.Name)
		}
	}
	if len(d.OneOf) > 0 {
		without(d.OneOf...)
	}
	return out
}

// maxSent is how large the pictures are that are sent because they are too large, in px: they are made and sent for nothing.
const maxSent = 16 << 20

// oversized are requests with an input beyond its bounds.
func oversized(d sdk.Description, base draft) []draft {
	var out []draft
	for _, in := range d.Inputs {
		if in.Kind == sdk.TextInput {
			f := base.withTexts("a too long "+in.Name, in.Name, strings.Repeat("x", in.TextLimit()+1))
			f.param = in.Name
			out = append(out, f)
			f = base.withTexts("too many of "+in.Name, in.Name, repeat("x", in.Count()+1)...)
			f.param = in.Name
			out = append(out, f)
			continue
		}
		width, height := in.PixelLimit()/1024+1, 1024
		if width*height > maxSent || width > imaging.MaxSide {
			continue
		}
		f := base
		f.what, f.param, f.request.Images = "a too large "+in.Name, in.Name, maps.Clone(base.request.Images)
		flat := imaging.Flat(width, height, 128)
		data, err := flat.PNG()
		if err != nil {
			continue // the size is within imaging's own bounds
		}
		f.request.Images[in.Name] = []sdk.Image{{MediaType: sdk.PNG, Width: width, Height: height, Data: data}}
		out = append(out, f)
	}
	return out
}

// past sends what the host would not send, and takes an error or an answer; what must not happen is that the plugin ends, hangs, or answers wrongly
// from then on.
func (x *session) past(ctx context.Context, f draft) error {
	r := f.request
	r.Values = maps.Clone(f.raw)
	limited, cancel := context.WithTimeout(ctx, max(edgeTime, 5*x.suite.pace.usualCost))
	defer cancel()
	_, err := x.infer(limited, r, wire.Sink{})
	if !x.alive() {
		return x.explain(wrap(f.what, err))
	}
	if limited.Err() != nil {
		return x.settle(ctx)
	}
	return nil
}

// survives sends all of them past the host's check, and asks for a good answer at the end.
func (s *suite) survives(ctx context.Context, wrong func(d sdk.Description, base draft) []draft) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	drafts := wrong(x.d, s.cheapDraft())
	if len(drafts) == 0 {
		return "", skip("it has nothing of the kind")
	}
	for _, f := range drafts {
		if err := x.past(ctx, f); errors.Is(err, errBusy) {
			return "as far as it went: a request takes long and cannot be cancelled", nil
		} else if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d wrong requests", len(drafts)), x.lives(ctx, "wrong requests")
}

func survivesExcluded(ctx context.Context, s *suite) (string, error) {
	return s.survives(ctx, func(d sdk.Description, base draft) []draft {
		var out []draft
		for _, p := range d.Parameters {
			for _, value := range outside(p) {
				out = append(out, base.with(fmt.Sprintf("%s = %s", p.Name, clip(fmt.Sprint(value), 20)), p.Name, value))
			}
		}
		bare := base
		bare.what, bare.raw = "no values at all", nil
		return append(out, bare, base.with("an unknown parameter", "no_such_parameter", int64(1)))
	})
}

func survivesMissing(ctx context.Context, s *suite) (string, error) {
	return s.survives(ctx, func(d sdk.Description, base draft) []draft {
		out := missing(d, base)
		other := base.withTexts("an unknown text", "no_such_text", "x")
		other.request.Images = maps.Clone(base.request.Images)
		other.request.Images["no_such_picture"] = []sdk.Image{picture(8, 8, 3, false)}
		return append(out, other, draft{what: "nothing at all"})
	})
}

func survivesOversized(ctx context.Context, s *suite) (string, error) {
	return s.survives(ctx, oversized)
}

func refusesBrokenPictures(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	base, g, n, refused := s.cheapDraft(), generator{x.d}, 0, 0
	for _, in := range x.d.Inputs {
		if in.Kind == sdk.TextInput {
			continue
		}
		good := base
		good.request.Images = maps.Clone(base.request.Images)
		g.give(good, in, 1, smallSide)
		for what, data := range brokenFiles() {
			n++
			r := good.request
			r.Values = maps.Clone(good.raw)
			image := good.request.Images[in.Name][0]
			image.Data = data
			r.Images = maps.Clone(r.Images)
			r.Images[in.Name] = []sdk.Image{image}
			_, err := x.answer(ctx, r)
			if e := sdk.AsError(err); e != nil && (e.Code != sdk.CodeInvalidInput || e.Param != in.Name) {
				return "", fmt.Errorf("%s as %s: %w (%s of %q): it must be refused as %s of %q", what, in.Name, err, e.Code, e.Param, sdk.CodeInvalidInput, in.Name)
			} else if e != nil {
				refused++
			}
		}
	}
	if n == 0 {
		return "", skip("it takes no pictures")
	}
	return fmt.Sprintf("%d of %d refused", refused, n), x.lives(ctx, "broken pictures")
}

// brokenFiles are image files that are none, each by what is wrong with it.
func brokenFiles() map[string][]byte {
	png, jpeg := picture(smallSide, smallSide, 3, false).Data, photo(smallSide, smallSide).Data
	bomb := bytes.Clone(png)
	binary.BigEndian.PutUint32(bomb[16:], 65535)
	binary.BigEndian.PutUint32(bomb[20:], 65535)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29])) // PNG (third edition) 5.3
	return map[string][]byte{
		"a file of no bytes": {},
		"a file of text":     []byte(strings.Repeat("this is no picture\n", 10)),
		"half a PNG":         png[:len(png)/2],
		"half a JPEG":        jpeg[:len(jpeg)/2],
		"a PNG that says it has 65535 x 65535 px": bomb,
	}
}
