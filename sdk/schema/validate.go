package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fault says what is wrong with one parameter and what would be right.
type Fault struct {
	Param   string `json:"param"`
	Message string `json:"message"`
}

// Faults is every fault of one set of values, in the schema's order; unknown names come last.
type Faults []Fault

// Error joins the faults on one line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Param + " " + fault.Message
	}
	return strings.Join(lines, "; ")
}

// Validate checks raw values, converts them to the types that Values holds and fills in defaults. Numbers may come as any
// Go integer or float type or as json.Number, an Int also as a Float without a fraction. Random parameters that are absent stay absent.
func (s Schema) Validate(raw map[string]any) (Values, Faults) {
	values, faults, given := make(Values, len(s)), Faults(nil), 0
	for _, p := range s {
		value, ok := raw[p.Name]
		if ok {
			given++
		}
		switch {
		case ok && value != nil:
			v, message := p.value(value)
			if message != "" {
				faults = append(faults, Fault{p.Name, message})
				continue
			}
			values[p.Name] = v
		case p.Default != nil:
			values[p.Name] = p.Default
		case p.Required:
			faults = append(faults, Fault{p.Name, "is required: " + p.Expectation()})
		}
	}
	if given < len(raw) {
		faults = append(faults, s.unknown(raw)...)
	}
	return values, faults
}

// unknown reports the values that no parameter has.
func (s Schema) unknown(raw map[string]any) (faults Faults) {
	known := "this takes no parameters"
	if len(s) > 0 {
		known = "known are " + strings.Join(s.Names(), ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if _, ok := s.Lookup(name); !ok {
			faults = append(faults, Fault{name, "is not known; " + known})
		}
	}
	return faults
}

// Parse reads a value of the parameter's type from text, as a command line or a form gives it. What is not of the type stays the
// text that it is, for Validate to report beside the other faults.
func (p Parameter) Parse(text string) any {
	var v any
	err := strconv.ErrSyntax
	switch p.Type {
	case Bool:
		v, err = strconv.ParseBool(text)
	case Int:
		v, err = strconv.ParseInt(text, 10, 64)
	case Float:
		v, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		return text
	}
	return v
}

// Expectation says in words what the parameter takes, such as "an int from 1 to 50".
func (p Parameter) Expectation() string {
	if len(p.Allowed) > 0 {
		words := make([]string, len(p.Allowed))
		for i, a := range p.Allowed {
			words[i] = fmt.Sprint(a)
		}
		return "one of " + strings.Join(words, ", ")
	}
	text := map[Type]string{Bool: "true or false", Int: "an int", Float: "a number", String: "a text"}[p.Type]
	switch {
	case p.Min != nil && p.Max != nil:
		text += " from " + number(*p.Min) + " to " + number(*p.Max)
	case p.Min != nil:
		text += " of at least " + number(*p.Min)
	case p.Max != nil:
		text += " of at most " + number(*p.Max)
	}
	if p.MultipleOf != 0 && p.MultipleOf != 1 {
		text += ", a multiple of " + number(p.MultipleOf)
	}
	if p.Type == String {
		text += fmt.Sprintf(" of at most %d characters", p.maxLength())
	}
	return text
}

// value converts and checks one value; message is empty when it is right.
func (p Parameter) value(raw any) (v any, message string) {
	v, message = p.convert(raw)
	if message != "" {
		return nil, message
	}
	if len(p.Allowed) > 0 && !slices.Contains(p.Allowed, v) {
		return nil, fmt.Sprintf("is %v: %s", show(v), p.Expectation())
	}
	switch x := v.(type) {
	case int64:
		message = p.bounds(float64(x))
		if message == "" && (p.Max != nil && beyond(x, *p.Max) > 0 || p.Min != nil && beyond(x, *p.Min) < 0) {
			message = fmt.Sprintf("is %d: %s", x, p.Expectation())
		}
	case float64:
		message = p.bounds(x)
	case string:
		if n := utf8.RuneCountInString(x); n > p.maxLength() {
			message = fmt.Sprintf("has %d characters: %s", n, p.Expectation())
		}
	}
	return v, message
}

// beyond compares an integer with a bound exactly, where a float64 no longer names every integer.
func beyond(x int64, bound float64) int {
	return new(big.Float).SetInt64(x).Cmp(new(big.Float).SetFloat64(bound))
}

func (p Parameter) bounds(x float64) string {
	low, high := p.Min != nil && x < *p.Min, p.Max != nil && x > *p.Max
	steps := x / p.MultipleOf
	// Decimal steps are not exact in binary: the quotient of a large multiple is off by its own rounding.
	step := p.MultipleOf != 0 && math.Abs(steps-math.Round(steps)) > max(1e-9, 1e-15*math.Abs(steps))
	if low || high || step {
		return fmt.Sprintf("is %s: %s", number(x), p.Expectation())
	}
	return ""
}

// convert turns raw into the Go type of p.Type.
func (p Parameter) convert(raw any) (any, string) {
	wrong := func() (any, string) { return nil, fmt.Sprintf("is %s: %s", show(raw), p.Expectation()) }
	switch p.Type {
	case Bool:
		if b, ok := raw.(bool); ok {
			return b, ""
		}
	case String:
		if s, ok := raw.(string); ok {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				return nil, "is not valid UTF-8 text"
			}
			return s, ""
		}
	case Int:
		if i, ok := integer(raw); ok {
			return i, ""
		}
	case Float:
		if f, ok := float(raw); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, ""
		}
	}
	return wrong()
}

func integer(raw any) (int64, bool) {
	switch x := raw.(type) {
	case int:
		return int64(x), true
	case int64:
		return x, true
	case int8, int16, int32:
		return reflect.ValueOf(raw).Int(), true
	case uint, uint8, uint16, uint32, uint64:
		u := reflect.ValueOf(raw).Uint()
		return int64(u), u <= math.MaxInt64
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i, true
		}
	}
	f, ok := float(raw)
	// 2^53: above it a float64 no longer names one integer.
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func float(raw any) (float64, bool) {
	switch x := raw.(type) {
	case float64:
		return x, true
	case float32:
		return float64(x), true
	case int, int8, int16, int32, int64:
		return float64(reflect.ValueOf(raw).Int()), true
	case uint, uint8, uint16, uint32, uint64:
		return float64(reflect.ValueOf(raw).Uint()), true
	case json.Number:
		f, err := x.Float64()
		return f, err == nil
	}
	return 0, false
}

func (p Parameter) maxLength() int {
	if p.MaxLength > 0 {
		return p.MaxLength
	}
	return DefaultMaxLength
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// show prints a wrong value, shortened: it goes into an error that a log keeps.
func show(raw any) string {
	text := fmt.Sprint(raw)
	if s, ok := raw.(string); ok {
		text = strconv.Quote(s)
	}
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:57], "") + "..."
	}
	return text
}
