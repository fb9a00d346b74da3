package sdktest

import (
	"math"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// edges are the outermost values that a parameter takes.
func edges(p schema.Parameter) []any {
	switch {
	case len(p.Allowed) > 0:
		return p.Allowed
	case p.Type == schema.Bool:
		return []any{false, true}
	case p.Type == schema.String && p.Format == "":
		return []any{"", strings.Repeat("é", maxLength(p))}
	}
	var out []any
	if p.Min != nil {
		out = append(out, onStep(p, *p.Min, math.Ceil))
	}
	if p.Max != nil {
		out = append(out, onStep(p, *p.Max, math.Floor))
	}
	return out
}

func maxLength(p schema.Parameter) int {
	if p.MaxLength > 0 {
		return p.MaxLength
	}
	return schema.DefaultMaxLength
}

// outside are values that a parameter does not take: beyond its bounds, off its step, of another type, not among those allowed.
func outside(p schema.Parameter) []any {
	out := map[schema.Type][]any{
		schema.Bool:   {"yes", int64(1)},
		schema.Int:    {"many", true, 0.5},
		schema.Float:  {"many", true, math.NaN(), math.Inf(1)},
		schema.String: {int64(5), strings.Repeat("x", maxLength(p)+1)},
	}[p.Type]
	if len(p.Allowed) > 0 {
		if p.Type == schema.String {
			return append(out, "none of these")
		}
		largest := int64(0)
		for _, a := range p.Allowed {
			if x, ok := a.(int64); ok {
				largest = max(largest, x)
			}
		}
		return append(out, number(p, float64(largest+1)))
	}
	step := max(p.MultipleOf, 1)
	if p.Min != nil {
		out = append(out, number(p, *p.Min-step))
	}
	if p.Max != nil {
		out = append(out, number(p, *p.Max+step))
	}
	if p.MultipleOf > 1 && p.Min != nil {
		out = append(out, number(p, p.MultipleOf*math.Ceil(*p.Min/p.MultipleOf)+p.MultipleOf/2))
	}
	return out
}

// odd are pictures that a description allows and that plugins stumble over.
func odd(d sdk.Description, base draft) []draft {
	side := generator{d}.side()
	var out []draft
	add := func(what string, width, height int, picture func(mask bool) sdk.Image) {
		if width*height <= side*side {
			out = append(out, base.withImages(what, picture, d))
		}
	}
	png := func(width, height, channels int) func(bool) sdk.Image {
		return func(mask bool) sdk.Image { return picture(width, height, channels, mask) }
	}
	if len(base.request.Images) == 0 {
		return nil
	}
	add("a picture of 1 x 1 px", 1, 1, png(1, 1, 3))
	add("a picture of 7 x 13 px", 7, 13, png(7, 13, 3))
	add("a picture of 200 x 9 px", 200, 9, png(200, 9, 3))
	add("a gray picture", 40, 40, png(40, 40, 1))
	add("a picture with transparency", 40, 40, png(40, 40, 4))
	add("a JPEG", 40, 40, func(bool) sdk.Image { return photo(40, 40) })
	return out
}
