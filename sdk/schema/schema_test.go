package schema_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vision19/vision/sdk/schema"
)

var picture = schema.Schema{
	{Name: "width", Type: schema.Int, Min: schema.Bound(8), Max: schema.Bound(64), MultipleOf: 8, Required: true, Doc: "Width in px."},
	{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(50), Default: int64(8)},
	{Name: "strength", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(1), MultipleOf: 0.1},
	{Name: "style", Type: schema.String, Allowed: []any{"photo", "drawing"}, Default: "photo"},
	{Name: "title", Type: schema.String, MaxLength: 5},
	{Name: "fast", Type: schema.Bool, Default: false},
	{Name: "level", Type: schema.Int, Allowed: []any{int64(1), int64(4)}},
	{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true, Doc: "Seed."},
	{Name: "offset", Type: schema.Float},
}

// with is what Validate gives for the values, defaults filled in.
func with(values schema.Values) schema.Values {
	out := schema.Values{"width": int64(8), "steps": int64(8), "style": "photo", "fast": false}
	for name, v := range values {
		out[name] = v
	}
	return out
}

func TestValidate_converts_and_fills_in_defaults(t *testing.T) {
	for name, c := range map[string]struct {
		raw  map[string]any
		want schema.Values
	}{
		"defaults":                {nil, nil},
		"null is absent":          {map[string]any{"steps": nil, "title": nil}, nil},
		"an int as a float":       {map[string]any{"steps": 12.0}, schema.Values{"steps": int64(12)}},
		"an int as a JSON number": {map[string]any{"steps": json.Number("12")}, schema.Values{"steps": int64(12)}},
		"an int with an exponent": {map[string]any{"steps": json.Number("1.2e1")}, schema.Values{"steps": int64(12)}},
		"a float as an int":       {map[string]any{"offset": 3}, schema.Values{"offset": 3.0}},
		"a float as a JSON number": {
			map[string]any{"offset": json.Number("-2.5")}, schema.Values{"offset": -2.5},
		},
		"both bounds are in":      {map[string]any{"steps": 50, "strength": 0.0}, schema.Values{"steps": int64(50), "strength": 0.0}},
		"the multiples of a step": {map[string]any{"strength": 0.1 * 3}, schema.Values{"strength": 0.1 * 3}},
		"an allowed value":        {map[string]any{"style": "drawing", "level": 4.0}, schema.Values{"style": "drawing", "level": int64(4)}},
		"characters, not bytes":   {map[string]any{"title": "ééééé"}, schema.Values{"title": "ééééé"}},
		"the largest seed":        {map[string]any{"seed": json.Number("4294967295")}, schema.Values{"seed": int64(4294967295)}},
		"true":                    {map[string]any{"fast": true}, schema.Values{"fast": true}},
		"an empty text":           {map[string]any{"title": ""}, schema.Values{"title": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := map[string]any{"width": 8}
			for k, v := range c.raw {
				raw[k] = v
			}
			got, faults := picture.Validate(raw)
			if faults != nil {
				t.Fatal(faults)
			}
			if want := with(c.want); !reflect.DeepEqual(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func TestValidate_takes_every_go_number(t *testing.T) {
	s := schema.Schema{{Name: "i", Type: schema.Int}, {Name: "f", Type: schema.Float}}
	for _, v := range []any{
		int(7), int8(7), int16(7), int32(7), int64(7), uint(7), uint8(7), uint16(7), uint32(7), uint64(7), float32(7), float64(7), json.Number("7"),
	} {
		got, faults := s.Validate(map[string]any{"i": v, "f": v})
		if faults != nil || got.Int("i") != 7 || got.Float("f") != 7 {
			t.Errorf("%T: %v, %v", v, got, faults)
		}
	}
}

func TestValidate_names_what_is_wrong_and_what_is_right(t *testing.T) {
	for name, c := range map[string]struct {
		param string
		value any
		want  string
	}{
		"below":              {"steps", 0, "is 0: an int from 1 to 50"},
		"above":              {"steps", 51, "is 51: an int from 1 to 50"},
		"between the steps":  {"width", 12, "is 12: an int from 8 to 64, a multiple of 8"},
		"a broken step":      {"strength", 0.55, "is 0.55: a number from 0 to 1, a multiple of 0.1"},
		"no whole number":    {"steps", 1.5, "is 1.5: an int from 1 to 50"},
		"beyond an int":      {"seed", json.Number("9223372036854775808"), "is 9223372036854775808: an int from 0 to 4294967295"},
		"a text for an int":  {"steps", "8", `is "8": an int from 1 to 50`},
		"a text for a float": {"offset", "1", `is "1": a number`},
		"NaN":                {"offset", math.NaN(), "is NaN: a number"},
		"infinity":           {"offset", math.Inf(1), "is +Inf: a number"},
		"beyond a float":     {"offset", json.Number("1e400"), "is 1e400: a number"},
		"not allowed":        {"style", "oil", `is "oil": one of photo, drawing`},
		"not allowed number": {"level", 2, "is 2: one of 1, 4"},
		"too long":           {"title", "abcdef", "has 6 characters: a text of at most 5 characters"},
		"a number for text":  {"title", 5, "is 5: a text of at most 5 characters"},
		"broken UTF-8":       {"title", "\xff", "is not valid UTF-8 text"},
		"a zero byte":        {"title", "\x00", "is not valid UTF-8 text"},
		"a text for a bool":  {"fast", "true", `is "true": true or false`},
		"a list":             {"steps", []any{1.0}, "is [1]: an int from 1 to 50"},
		"an object":          {"steps", map[string]any{"a": 1.0}, "is map[a:1]: an int from 1 to 50"},
		"unknown":            {"hight", 8, "is not known; known are width, steps, strength, style, title, fast, level, seed, offset"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := map[string]any{"width": 8, c.param: c.value}
			values, faults := picture.Validate(raw)
			if want := (schema.Faults{{Param: c.param, Message: c.want}}); !reflect.DeepEqual(faults, want) {
				t.Errorf("%v, want %v", faults, want)
			}
			if _, ok := values[c.param]; ok {
				t.Errorf("the wrong value is kept: %v", values)
			}
		})
	}
}

func TestValidate_reports_everything_at_once_in_order(t *testing.T) {
	_, faults := picture.Validate(map[string]any{"zoom": 1, "seed": -1, "steps": 99, "angle": nil, "title": "too long"})
	var got []string
	for _, f := range faults {
		got = append(got, f.Param)
	}
	if want := []string{"width", "steps", "title", "seed", "angle", "zoom"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if want := "width is required: an int from 8 to 64, a multiple of 8; steps is 99: an int from 1 to 50"; !strings.HasPrefix(faults.Error(), want) {
		t.Errorf("%q does not begin with %q", faults.Error(), want)
	}
}

func TestValidate_shortens_a_wrong_value_to_valid_text(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 5000), strings.Repeat("é", 5000), "x" + strings.Repeat("é", 5000), strings.Repeat("日", 5000)} {
		_, faults := picture.Validate(map[string]any{"width": long})
		if len(faults) != 1 {
			t.Fatal(faults)
		}
		if m := faults[0].Message; len(m) > 200 || !utf8.ValidString(m) {
			t.Errorf("%q", m)
		}
	}
}

// A float64 holds 2^53 and 2^53+2 but not the number between them.
func TestValidate_bounds_large_ints_exactly(t *testing.T) {
	s := schema.Schema{{Name: "n", Type: schema.Int, Min: schema.Bound(-1 << 53), Max: schema.Bound(1 << 53)}}
	for v, good := range map[int64]bool{1 << 53: true, 1<<53 + 1: false, -1 << 53: true, -1<<53 - 1: false, 1<<53 - 1: true, math.MaxInt64: false} {
		if _, faults := s.Validate(map[string]any{"n": v}); (faults == nil) != good {
			t.Errorf("%d: %v", v, faults)
		}
	}
}

// 0.1 has no exact float64, so the quotient of a large multiple misses its integer by more than a fixed tolerance.
func TestValidate_takes_the_large_multiples_of_a_decimal_step(t *testing.T) {
	s := schema.Schema{{Name: "x", Type: schema.Float, MultipleOf: 0.1}}
	for k := 1; k < 1e9; k = k*3 + 1 {
		x := float64(k) / 10
		if _, faults := s.Validate(map[string]any{"x": x}); faults != nil {
			t.Errorf("%v", faults)
		}
		if _, faults := s.Validate(map[string]any{"x": x + 0.05}); faults == nil {
			t.Errorf("%v is accepted", x+0.05)
		}
	}
}

func TestValidate_default_is_taken_as_it_is(t *testing.T) {
	s := schema.Schema{{Name: "a", Type: schema.Int, Default: int64(0)}, {Name: "b", Type: schema.String, Default: ""}, {Name: "c", Type: schema.Float, Default: 0.0}}
	got, faults := s.Validate(nil)
	if want := (schema.Values{"a": int64(0), "b": "", "c": 0.0}); faults != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, faults)
	}
}

func TestValues_answer_zero_for_what_is_absent_or_of_another_type(t *testing.T) {
	v := schema.Values{"b": true, "i": int64(3), "f": 1.5, "s": "x"}
	if !v.Bool("b") || v.Int("i") != 3 || v.Float("f") != 1.5 || v.String("s") != "x" {
		t.Error("a value is not found")
	}
	if v.Bool("i") || v.Int("f") != 0 || v.Float("i") != 0 || v.String("b") != "" || v.Int("none") != 0 {
		t.Error("a value of another type is found")
	}
}

func TestCheck_accepts_what_is_sound(t *testing.T) {
	sound := append(slices.Clone(picture),
		schema.Parameter{Name: "model", Type: schema.String, Format: schema.FormatPath, Required: true},
		schema.Parameter{Name: "guidance", Type: schema.Float, Min: schema.Bound(0), Sampling: &schema.Sampling{Min: schema.Bound(1), Max: schema.Bound(7.5)}},
		schema.Parameter{Name: "kind", Type: schema.String, Sampling: &schema.Sampling{Values: []any{"a", "b"}}},
	)
	if faults := sound.Check(); faults != nil {
		t.Error(faults)
	}
}

func TestCheck_names_what_is_wrong_with_a_parameter(t *testing.T) {
	between := func(p schema.Parameter) schema.Parameter {
		p.Name, p.Type, p.Min, p.Max = "p", schema.Int, schema.Bound(1), schema.Bound(9)
		return p
	}
	for name, c := range map[string]struct {
		p    schema.Parameter
		want string
	}{
		"no name":               {schema.Parameter{Type: schema.Int}, "lower-case identifier"},
		"upper case":            {schema.Parameter{Name: "Width", Type: schema.Int}, "lower-case identifier"},
		"digit first":           {schema.Parameter{Name: "2x", Type: schema.Int}, "lower-case identifier"},
		"hyphen":                {schema.Parameter{Name: "a-b", Type: schema.Int}, "lower-case identifier"},
		"long name":             {schema.Parameter{Name: strings.Repeat("a", 65), Type: schema.Int}, "lower-case identifier"},
		"unknown type":          {schema.Parameter{Name: "p", Type: "list"}, `unknown type "list"; the types are bool, int, float, string`},
		"bounds of a bool":      {schema.Parameter{Name: "p", Type: schema.Bool, Min: schema.Bound(0)}, "a bool has no min, max or multiple"},
		"multiple of a text":    {schema.Parameter{Name: "p", Type: schema.String, MultipleOf: 2}, "a string has no min, max or multiple"},
		"empty range":           {schema.Parameter{Name: "p", Type: schema.Int, Min: schema.Bound(2), Max: schema.Bound(1)}, "min 2 is above max 1"},
		"negative multiple":     {schema.Parameter{Name: "p", Type: schema.Int, MultipleOf: -8}, "multiple must be a positive number"},
		"NaN multiple":          {schema.Parameter{Name: "p", Type: schema.Float, MultipleOf: math.NaN()}, "multiple must be a positive number"},
		"random float":          {schema.Parameter{Name: "p", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(1), Random: true}, "a random value must be an int"},
		"random without bounds": {schema.Parameter{Name: "p", Type: schema.Int, Random: true}, "a random value must be an int with min and max"},
		"random with default":   {between(schema.Parameter{Random: true, Default: int64(1)}), "neither required nor with a default"},
		"random and required":   {between(schema.Parameter{Random: true, Required: true}), "neither required nor with a default"},
		"required with default": {between(schema.Parameter{Required: true, Default: int64(1)}), "a required value has no default"},
		"unknown format":        {schema.Parameter{Name: "p", Type: schema.String, Format: "url"}, `unknown format "url"`},
		"path of an int":        {schema.Parameter{Name: "p", Type: schema.Int, Format: schema.FormatPath}, `unknown format "path" for int`},
		"allowed of other type": {schema.Parameter{Name: "p", Type: schema.Int, Allowed: []any{"x"}}, "the allowed value x is no int"},
		"allowed go int":        {schema.Parameter{Name: "p", Type: schema.Int, Allowed: []any{1}}, "the allowed value 1 is no int"},
		"default out of range":  {between(schema.Parameter{Default: int64(10)}), "the default is 10: an int from 1 to 9"},
		"default not allowed":   {schema.Parameter{Name: "p", Type: schema.String, Allowed: []any{"a"}, Default: "b"}, `the default is "b": one of a`},
		"default go int":        {between(schema.Parameter{Default: 3}), "the default is a int, not what a int holds"},
		"sampled out of range":  {between(schema.Parameter{Sampling: &schema.Sampling{Values: []any{int64(10)}}}), "the sampled value 10 is 10"},
		"sampling bound":        {between(schema.Parameter{Sampling: &schema.Sampling{Max: schema.Bound(10)}}), "the sampling bound is 10"},
		"empty sampling":        {between(schema.Parameter{Sampling: &schema.Sampling{Min: schema.Bound(5), Max: schema.Bound(4)}}), "the sampling range is empty"},
		"sampling bound of a text": {
			schema.Parameter{Name: "p", Type: schema.String, Sampling: &schema.Sampling{Min: schema.Bound(5)}}, "a string is sampled by values",
		},
	} {
		t.Run(name, func(t *testing.T) {
			faults := schema.Schema{c.p}.Check()
			if len(faults) != 1 || faults[0].Param != c.p.Name || !strings.Contains(faults[0].Message, c.want) {
				t.Errorf("%v, want %q", faults, c.want)
			}
		})
	}
}

// Bounds that are no numbers bound nothing, and encoding/json refuses the JSON Schema that holds them.
func TestCheck_refuses_bounds_that_are_no_numbers(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for name, p := range map[string]schema.Parameter{
			"min":          {Name: "p", Type: schema.Float, Min: &x},
			"max":          {Name: "p", Type: schema.Int, Max: &x},
			"sampling min": {Name: "p", Type: schema.Float, Sampling: &schema.Sampling{Min: &x}},
			"sampling max": {Name: "p", Type: schema.Float, Sampling: &schema.Sampling{Max: &x}},
		} {
			if faults := (schema.Schema{p}).Check(); len(faults) == 0 {
				t.Errorf("%s %g is accepted", name, x)
			}
		}
	}
}

func TestCheck_reports_everything_at_once(t *testing.T) {
	faults := schema.Schema{
		{Name: "A", Type: "x"}, {Name: "b", Type: schema.Int, Default: "x", MultipleOf: -1}, {Name: "b", Type: schema.Int},
	}.Check()
	var got []string
	for _, f := range faults {
		got = append(got, f.Param)
	}
	if want := []string{"A", "A", "b", "b", "b"}; !slices.Equal(got, want) {
		t.Errorf("%v", faults)
	}
	if !strings.Contains(faults.Error(), "b declared twice") {
		t.Errorf("%v", faults)
	}
}

func TestParse_reads_what_is_of_the_type_and_keeps_the_rest(t *testing.T) {
	for _, c := range []struct {
		kind schema.Type
		text string
		want any
	}{
		{schema.Bool, "true", true}, {schema.Bool, "0", false}, {schema.Bool, "yes", "yes"},
		{schema.Int, "-12", int64(-12)}, {schema.Int, "1.5", "1.5"}, {schema.Int, "", ""}, {schema.Int, "9223372036854775808", "9223372036854775808"},
		{schema.Float, "1.5", 1.5}, {schema.Float, "1e3", 1000.0}, {schema.Float, "x", "x"},
		{schema.String, "12", "12"}, {"", "12", "12"},
	} {
		if got := (schema.Parameter{Type: c.kind}).Parse(c.text); got != c.want {
			t.Errorf("%s %q: %#v, want %#v", c.kind, c.text, got, c.want)
		}
	}
}

func TestExpectation_says_what_the_parameter_takes(t *testing.T) {
	for want, p := range map[string]schema.Parameter{
		"true or false":                        {Type: schema.Bool},
		"an int":                               {Type: schema.Int},
		"an int from 1 to 50":                  {Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(50)},
		"an int of at least 1":                 {Type: schema.Int, Min: schema.Bound(1)},
		"a number of at most 0.5":              {Type: schema.Float, Max: schema.Bound(0.5)},
		"an int, a multiple of 8":              {Type: schema.Int, MultipleOf: 8},
		"an int from 0 to 1000000":             {Type: schema.Int, MultipleOf: 1, Min: schema.Bound(0), Max: schema.Bound(1e6)},
		"a text of at most 4096 characters":    {Type: schema.String},
		"a text of at most 7 characters":       {Type: schema.String, MaxLength: 7},
		"one of 1, 2":                          {Type: schema.Int, Allowed: []any{int64(1), int64(2)}, Min: schema.Bound(0)},
		"a number from -1 to 1":                {Type: schema.Float, Min: schema.Bound(-1), Max: schema.Bound(1)},
		"an int from 8 to 64, a multiple of 8": picture[0],
	} {
		if got := p.Expectation(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLookup_and_Names_follow_the_order(t *testing.T) {
	if p, ok := picture.Lookup("steps"); !ok || p.Name != "steps" || p.Default != int64(8) {
		t.Errorf("%v %t", p, ok)
	}
	if _, ok := picture.Lookup("none"); ok {
		t.Error("found")
	}
	if got := picture[:3].Names(); !slices.Equal(got, []string{"width", "steps", "strength"}) {
		t.Error(got)
	}
}

func TestJSONSchema_is_what_OpenAPI_reads(t *testing.T) {
	const want = `{
		"type": "object", "additionalProperties": false, "required": ["width"],
		"properties": {
			"width": {"type": "integer", "minimum": 8, "maximum": 64, "multipleOf": 8, "description": "Width in px."},
			"steps": {"type": "integer", "minimum": 1, "maximum": 50, "default": 8},
			"strength": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.1},
			"style": {"type": "string", "enum": ["photo", "drawing"], "default": "photo", "maxLength": 4096},
			"title": {"type": "string", "maxLength": 5},
			"fast": {"type": "boolean", "default": false},
			"level": {"type": "integer", "enum": [1, 4]},
			"seed": {"type": "integer", "minimum": 0, "maximum": 4294967295, "description": "Seed. Random unless given."},
			"offset": {"type": "number"}
		}
	}`
	data, err := json.Marshal(picture.JSONSchema())
	if err != nil {
		t.Fatal(err)
	}
	var got, expected any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("%s", data)
	}
	if data, err = json.Marshal(schema.Schema(nil).JSONSchema()); err != nil || string(data) != `{"additionalProperties":false,"properties":{},"type":"object"}` {
		t.Errorf("%s %v", data, err)
	}
}

func TestSpec_decodes_a_block_into_raw_values(t *testing.T) {
	const text = `
		width    = 16
		steps    = "12"
		strength = 0.5
		style    = "drawing"
		fast     = true
		title    = null
		offset   = 2
	`
	file, diags := hclsyntax.ParseConfig([]byte(text), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	object, diags := hcldec.Decode(file.Body, picture.Spec(), nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	raw := picture.FromCty(object)
	if want := (map[string]any{"width": int64(16), "steps": int64(12), "strength": 0.5, "style": "drawing", "fast": true, "offset": int64(2)}); !reflect.DeepEqual(raw, want) {
		t.Errorf("%v, want %v", raw, want)
	}
	got, faults := picture.Validate(raw)
	want := schema.Values{"width": int64(16), "steps": int64(12), "strength": 0.5, "style": "drawing", "fast": true, "offset": 2.0}
	if faults != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, faults)
	}
}

func TestFromCty_leaves_out_what_it_cannot_read(t *testing.T) {
	for name, v := range map[string]cty.Value{
		"no object": cty.StringVal("x"),
		"unknown":   cty.DynamicVal,
		"null and unknown attributes": cty.ObjectVal(map[string]cty.Value{
			"width": cty.NullVal(cty.Number), "steps": cty.UnknownVal(cty.Number), "style": cty.DynamicVal, "other": cty.True,
		}),
	} {
		if got := picture.FromCty(v); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	// No float64 and no int64 holds it: Validate must say so, not a conversion.
	object := cty.ObjectVal(map[string]cty.Value{"offset": cty.MustParseNumberVal("1e400"), "width": cty.NumberIntVal(8)})
	if _, faults := picture.Validate(picture.FromCty(object)); len(faults) != 1 || faults[0].Param != "offset" {
		t.Error(faults)
	}
}

func FuzzValidate(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"width": 8}`, `{"width": 8.0, "steps": 1e1, "strength": 0.3, "style": "photo", "title": "x", "fast": true, "seed": 1, "offset": -1e300}`,
		`{"width": [1, {"a": null}], "steps": "x", "style": 1, "zoom": {}}`, `{"offset": 1e999}`, `{"seed": 9007199254740993}`, `{"title": "\u0000\ud800"}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, useNumber bool) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		if useNumber {
			decoder.UseNumber()
		}
		var raw map[string]any
		if decoder.Decode(&raw) != nil {
			return
		}
		values, faults := picture.Validate(raw)
		for _, fault := range faults {
			if !strings.Contains(faults.Error(), fault.Message) {
				t.Errorf("%q is not in %q", fault.Message, faults.Error())
			}
			if _, kept := values[fault.Param]; kept {
				t.Errorf("%s is wrong and kept", fault.Param)
			}
		}
		for name := range raw {
			if _, ok := picture.Lookup(name); !ok && !slices.ContainsFunc(faults, func(f schema.Fault) bool { return f.Param == name }) {
				t.Errorf("%q is unknown and accepted", name)
			}
		}
		for name, v := range values {
			p, ok := picture.Lookup(name)
			if !ok {
				t.Fatalf("%q comes from nowhere", name)
			}
			obeys(t, p, v)
		}
	})
}

// obeys is the parameter's description, read independently of Validate.
func obeys(t *testing.T, p schema.Parameter, v any) {
	t.Helper()
	x := 0.0
	switch v := v.(type) {
	case bool:
		if p.Type != schema.Bool {
			t.Errorf("%s holds %#v", p.Name, v)
		}
		return
	case string:
		if p.Type != schema.String || !utf8.ValidString(v) || p.MaxLength > 0 && utf8.RuneCountInString(v) > p.MaxLength {
			t.Errorf("%s holds %#v", p.Name, v)
		}
		if len(p.Allowed) > 0 && !slices.Contains(p.Allowed, any(v)) {
			t.Errorf("%s holds %q", p.Name, v)
		}
		return
	case int64:
		if x = float64(v); p.Type != schema.Int || len(p.Allowed) > 0 && !slices.Contains(p.Allowed, any(v)) {
			t.Errorf("%s holds %#v", p.Name, v)
		}
	case float64:
		if x = v; p.Type != schema.Float {
			t.Errorf("%s holds %#v", p.Name, v)
		}
	default:
		t.Errorf("%s holds a %T", p.Name, v)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) || p.Min != nil && x < *p.Min || p.Max != nil && x > *p.Max {
		t.Errorf("%s is %g", p.Name, x)
	}
	if m := p.MultipleOf; m != 0 && math.Abs(math.Remainder(x, m)) > m*1e-6 {
		t.Errorf("%s is %g", p.Name, x)
	}
}
