package config

import (
	"math"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// block is the attributes of one block while they are read, and their faults.
type block struct {
	attrs  hcl.Attributes
	blocks hcl.Blocks
	diags  hcl.Diagnostics
}

// attributes reads a body that may hold the named attributes; a name with + is a block. Unknown ones are faults.
func attributes(body hcl.Body, names ...string) (*block, hcl.Diagnostics) {
	s := &hcl.BodySchema{}
	for _, name := range names {
		if kind, ok := strings.CutPrefix(name, "+"); ok {
			s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: kind})
			continue
		}
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, diags := body.Content(s)
	return &block{attrs: content.Attributes, blocks: content.Blocks}, diags
}

func (b *block) fault(at hcl.Range, summary, format string, args ...any) {
	b.diags = append(b.diags, Fault(at, summary, format, args...))
}

func (b *block) missing(at hcl.Range, name, example string) {
	if _, wrong := b.attrs[name]; !wrong { // a wrong value has its own fault
		b.fault(at, "Missing attribute", "%s is required: %s.", name, example)
	}
}

// name checks a label: it becomes a folder's name and part of a URL.
func (b *block) name(at hcl.Range, name string) {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || name[0] == '.' || name[0] == '-' {
		b.fault(at, "Wrong name", "%q is no name: lower-case letters, digits, hyphens, underscores and dots, at most 64.", name)
	}
}

// block returns the body of the one block of a kind, nil without one.
func (b *block) block(kind string) hcl.Body {
	var first *hcl.Block
	for _, block := range b.blocks.OfType(kind) {
		if first != nil {
			b.fault(block.DefRange, "Declared twice", "a plugin has one %s block; the first is at %s.", kind, first.DefRange)
			continue
		}
		first = block
	}
	if first == nil {
		return nil
	}
	return first.Body
}

func (b *block) text(name string) (string, hcl.Range, bool) {
	attr, ok := b.attrs[name]
	if !ok {
		return "", hcl.Range{}, false
	}
	var text string
	diags := gohcl.DecodeExpression(attr.Expr, nil, &text)
	b.diags = append(b.diags, diags...)
	return text, attr.Expr.Range(), !diags.HasErrors()
}

// size reads bytes: "600MiB", or a number of bytes.
func (b *block) size(name string) (int64, hcl.Range, bool) {
	text, at, ok := b.text(name)
	if !ok {
		return 0, at, false
	}
	n, err := ParseSize(text)
	if err != nil {
		b.fault(at, "Wrong size", "%s is %q: a size such as \"600MiB\" or \"6GiB\".", name, text)
		return 0, at, false
	}
	return n, at, true
}

func (b *block) keepAlive(name string) (time.Duration, bool) {
	if text, _, ok := b.peek(name); ok && text == "-1" {
		return Pinned, true
	}
	d, _, ok := b.duration(name)
	return d, ok
}

// peek reads a text without reporting what is wrong with it.
func (b *block) peek(name string) (string, hcl.Range, bool) {
	before := b.diags
	text, at, ok := b.text(name)
	b.diags = before
	return text, at, ok
}

func (b *block) duration(name string) (time.Duration, hcl.Range, bool) {
	text, at, ok := b.text(name)
	if !ok {
		return 0, at, false
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		hint := ""
		if name == "keep_alive" {
			hint = ", or \"-1\" to keep it for ever"
		}
		b.fault(at, "Wrong duration", "%s is %q: a duration such as \"5m\" or \"10ms\"%s.", name, text, hint)
		return 0, at, false
	}
	return d, at, true
}

// whole reads an integer within bounds.
func (b *block) whole(name string, low, high int) (int, bool) {
	attr, ok := b.attrs[name]
	if !ok {
		return 0, false
	}
	f, ok := b.float(attr)
	if ok && f == math.Trunc(f) && f >= float64(low) && f <= float64(high) {
		return int(f), true
	}
	b.fault(attr.Expr.Range(), "Wrong number", "%s must be a whole number from %d to %d.", name, low, high)
	return 0, false
}

// number reads a number within bounds.
func (b *block) number(name string, low, high float64) (float64, bool) {
	attr, ok := b.attrs[name]
	if !ok {
		return 0, false
	}
	f, ok := b.float(attr)
	if ok && f >= low && f <= high {
		return f, true
	}
	b.fault(attr.Expr.Range(), "Wrong number", "%s must be a number from %g to %g.", name, low, high)
	return 0, false
}

func (b *block) float(attr *hcl.Attribute) (float64, bool) {
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return 0, false
	}
	number, err := convert.Convert(value, cty.Number)
	if err != nil || number.IsNull() || !number.IsKnown() {
		return 0, false
	}
	f, _ := number.AsBigFloat().Float64()
	return f, true
}
