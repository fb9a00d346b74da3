package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk/schema"
)

// write makes a file and returns its path.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugins.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// marked takes the markers out of a text: each ‹ is the place of a fault, in the order in which they are expected.
func marked(text string) (clean string, places []string) {
	const marker = "‹"
	var out strings.Builder
	for i, part := range strings.Split(text, marker) {
		if i > 0 {
			line := strings.Count(out.String(), "\n") + 1
			column := out.Len() - strings.LastIndex(out.String(), "\n")
			places = append(places, config.Place(hcl.Range{Filename: "plugins.hcl", Start: hcl.Pos{Line: line, Column: column}}))
		}
		out.WriteString(part)
	}
	return out.String(), places
}

// placesOf is where the diagnostics are, with the file's base name.
func placesOf(diags hcl.Diagnostics) []string {
	var places []string
	for _, d := range diags {
		if d.Subject == nil {
			places = append(places, "nowhere")
			continue
		}
		at := *d.Subject
		at.Filename = filepath.Base(at.Filename)
		places = append(places, config.Place(at))
	}
	return places
}

func text(diags hcl.Diagnostics) string {
	var out strings.Builder
	for _, d := range diags {
		out.WriteString(d.Summary + ": " + d.Detail + "\n")
	}
	return out.String()
}

// load writes and loads one file.
func load(t testing.TB, source string) (*config.Config, hcl.Diagnostics) {
	t.Helper()
	return config.Load(write(t, source))
}

const whole = `
host {
  listen = "0.0.0.0:9000"
}

device "cpu0" {
  kind   = "cpu"
  memory = "6GiB"
}

device "gpu0" {
  kind   = "cuda"
  uuid   = "GPU-5b7c"
  memory = "80GB"
}

plugin "sd-turbo" {
  binary     = "bin/text-to-image"
  sha256     = "` + digest + `"
  device     = "gpu0"
  memory     = "1.5GiB"
  keep_alive = "90s"
  queue      = 7
  config {
    model = "models/turbo"
  }
}

plugin "clip" {
  binary = "/opt/clip"
}

plugin "pinned" {
  binary     = "../x"
  keep_alive = "-1"
}
`

const digest = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"

func TestLoad_decodes_everything_that_a_file_declares(t *testing.T) {
	path := write(t, whole)
	dir := filepath.Dir(path)
	c, diags := config.Load(path)
	if len(diags) > 0 {
		t.Fatal(text(diags))
	}
	if want := (config.Host{Listen: "0.0.0.0:9000"}); c.Host != want {
		t.Errorf("%+v, want %+v", c.Host, want)
	}
	for i := range c.Devices {
		c.Devices[i].Range = hcl.Range{}
	}
	if want := []config.Device{
		{Name: "cpu0", Kind: "cpu", Index: -1, Memory: 6 << 30}, {Name: "gpu0", Kind: "cuda", UUID: "GPU-5b7c", Index: -1, Memory: 80e9},
	}; !reflect.DeepEqual(c.Devices, want) {
		t.Errorf("%+v, want %+v", c.Devices, want)
	}
	type plugin struct {
		name, binary, sha256, device string
		memory                       int64
		keepAlive                    time.Duration
		queue                        int
	}
	var got []plugin
	for _, p := range c.Plugins {
		got = append(got, plugin{p.Name, p.Binary, p.SHA256, p.Device, p.Memory, p.KeepAlive, p.Queue})
	}
	if want := []plugin{
		{"sd-turbo", filepath.Join(dir, "bin/text-to-image"), strings.ToLower(digest), "gpu0", 3 << 29, 90 * time.Second, 7},
		{"clip", "/opt/clip", "", config.AutoDevice, 0, config.DefaultKeepAlive, config.DefaultQueue},
		{"pinned", filepath.Join(filepath.Dir(dir), "x"), "", config.AutoDevice, 0, config.Pinned, config.DefaultQueue},
	}; !slices.Equal(got, want) {
		t.Errorf("\n%+v, want\n%+v", got, want)
	}
	if p, ok := c.Plugin("clip"); !ok || p.Name != "clip" {
		t.Errorf("%+v, %t", p, ok)
	}
	if _, ok := c.Plugin("none"); ok {
		t.Error("a plugin that is not declared is found")
	}
}

func TestLoad_of_an_empty_file_is_the_defaults(t *testing.T) {
	c, diags := load(t, "")
	if len(diags) > 0 || c.Host.Listen != config.DefaultListen || len(c.Devices)+len(c.Plugins) != 0 {
		t.Errorf("%+v, %s", c, text(diags))
	}
	if c, diags = load(t, `host { listen = "" }`); len(diags) > 0 || c.Host.Listen != "" {
		t.Errorf("%+v, %s", c, text(diags))
	}
}

func TestLoad_joins_files_and_resolves_paths_against_each(t *testing.T) {
	one, other := write(t, `plugin "a" { binary = "a" }`), write(t, "device \"cpu0\" {\n kind = \"cpu\"\n memory = 1024\n}\nplugin \"b\" { \n binary = \"b\" \n device = \"cpu0\" \n}")
	c, diags := config.Load(one, other)
	if len(diags) > 0 {
		t.Fatal(text(diags))
	}
	if c.Plugins[0].Binary != filepath.Join(filepath.Dir(one), "a") || c.Plugins[1].Binary != filepath.Join(filepath.Dir(other), "b") {
		t.Errorf("%s, %s", c.Plugins[0].Binary, c.Plugins[1].Binary)
	}
	if c.Devices[0].Memory != 1024 {
		t.Errorf("%d", c.Devices[0].Memory)
	}
	_, diags = config.Load(one, write(t, `plugin "a" { binary = "b" }`))
	if len(diags) != 1 || diags[0].Summary != "Declared twice" || !strings.Contains(diags[0].Detail, one) {
		t.Error(text(diags))
	}
}

func TestLoad_resolves_a_relative_path_of_the_file_itself(t *testing.T) {
	path := write(t, `plugin "a" { binary = "bin/a" }`)
	t.Chdir(filepath.Dir(path))
	c, diags := config.Load(config.DefaultFile)
	if len(diags) > 0 {
		t.Fatal(text(diags))
	}
	// The working directory may be a link to where the file is.
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "bin/a"); c.Plugins[0].Binary != want {
		t.Errorf("%s, want %s", c.Plugins[0].Binary, want)
	}
}

const cpu = "device \"d\" {\n  kind = \"cpu\"\n  memory = \"1GiB\"\n}\n"

func TestLoad_finds_each_fault_at_its_place(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"unknown block":        {"\n‹devices \"x\" {\n}\n", "Unsupported block type"},
		"unknown attribute":    {"host {\n  ‹port = 1\n}\n", `"port"`},
		"attribute of no kind": {"‹x = 1\n", "Unsupported argument"},
		"missing label":        {"plugin ‹{\n}\n", "Missing name for plugin"},
		"address":              {"host {\n  listen = ‹\"8080\"\n}\n", `listen is "8080"`},
		"address type":         {"host {\n  listen = ‹[1]\n}\n", "string required"},
		"two hosts":            {"host {}\n‹host {}\n", `"host" is already declared at`},
		"two devices":          {cpu + "‹device \"d\" {\n}\n", `"device d" is already declared at`},
		"device name":          {"device ‹\"GPU 0\" {\n kind = \"cpu\"\n memory = \"1B\"\n}\n", `"GPU 0" is no name`},
		"kind":                 {"device \"d\" {\n  kind = ‹\"tpu\"\n  memory = \"1GiB\"\n}\n", `kind is "tpu": cpu or cuda`},
		"no kind":              {"‹device \"d\" {\n  memory = \"1GiB\"\n}\n", "kind is required"},
		"no memory":            {"‹device \"d\" {\n  kind = \"cpu\"\n}\n", "memory is required"},
		"no uuid":              {"‹device \"d\" {\n  kind = \"cuda\"\n  memory = \"1GiB\"\n}\n", "uuid is required"},
		"a CPU's uuid":         {"device \"d\" {\n  kind = \"cpu\"\n  uuid = ‹\"GPU-1\"\n  memory = \"1GiB\"\n}\n", "leave it out"},
		"memory":               {"device \"d\" {\n  kind = \"cpu\"\n  memory = ‹\"much\"\n}\n", `memory is "much": a size`},
		"no memory at all":     {"device \"d\" {\n  kind = \"cpu\"\n  memory = ‹0\n}\n", `memory is "0": a size`},
		"plugin name":          {"plugin ‹\"../x\" {\n  binary = \"x\"\n}\n", `"../x" is no name`},
		"hidden name":          {"plugin ‹\".x\" {\n  binary = \"x\"\n}\n", `".x" is no name`},
		"two plugins":          {"plugin \"p\" {\n  binary = \"x\"\n}\n‹plugin \"p\" {\n  binary = \"x\"\n}\n", "already declared"},
		"no binary":            {"‹plugin \"p\" {\n}\n", "binary is required"},
		"digest":               {"plugin \"p\" {\n  binary = \"x\"\n  sha256 = ‹\"abc\"\n}\n", "64 hexadecimal digits"},
		"unknown device":       {cpu + "plugin \"p\" {\n  binary = \"x\"\n  device = ‹\"gpu9\"\n}\n", `no device "gpu9" is declared; the devices are auto, d`},
		"keep_alive":           {"plugin \"p\" {\n  binary = \"x\"\n  keep_alive = ‹\"5 minutes\"\n}\n", `keep_alive is "5 minutes": a duration`},
		"negative keep_alive":  {"plugin \"p\" {\n  binary = \"x\"\n  keep_alive = ‹\"-1s\"\n}\n", `keep_alive is "-1s"`},
		"queue of nothing":     {"plugin \"p\" {\n  binary = \"x\"\n  queue = ‹0\n}\n", "queue must be a whole number from 1 to 4096"},
		"queue too large":      {"plugin \"p\" {\n  binary = \"x\"\n  queue = ‹4097\n}\n", "queue must be a whole number"},
		"half a queue":         {"plugin \"p\" {\n  binary = \"x\"\n  queue = ‹1.5\n}\n", "queue must be a whole number"},
		"queue of text":        {"plugin \"p\" {\n  binary = \"x\"\n  queue = ‹\"many\"\n}\n", "queue must be a whole number"},
		"null queue":           {"plugin \"p\" {\n  binary = \"x\"\n  queue = ‹null\n}\n", "queue must be a whole number"},
		"a variable":           {"plugin \"p\" {\n  binary = ‹home\n}\n", "Variables not allowed"},
		"two configs":          {"plugin \"p\" {\n  binary = \"x\"\n  config {}\n  ‹config {}\n}\n", "one config block"},
		"label of config":      {"plugin \"p\" {\n  binary = \"x\"\n  config ‹\"a\" {}\n}\n", "labels"},
	} {
		t.Run(name, func(t *testing.T) { checkFault(t, c.source, c.want) })
	}
}

// checkFault loads a source and wants a fault at the place that is marked in it.
func checkFault(t *testing.T, marks, want string) {
	t.Helper()
	source, places := marked(marks)
	_, diags := load(t, source)
	// One fault may take two diagnostics, what is wrong and what follows from it.
	if got := slices.Compact(placesOf(diags)); !slices.Equal(got, places) || !diags.HasErrors() {
		t.Errorf("%v, want %v: %s", got, places, text(diags))
	}
	if !strings.Contains(text(diags), want) {
		t.Errorf("%q is not in %s", want, text(diags))
	}
}

// "auto" in a plugin block means the planner's choice, so that nothing could ever be pinned to a device of that name.
func TestLoad_refuses_a_device_that_no_plugin_can_name(t *testing.T) {
	source, places := marked("device ‹\"auto\" {\n  kind = \"cpu\"\n  memory = \"1GiB\"\n}\n")
	if _, diags := load(t, source); !slices.Equal(placesOf(diags), places) {
		t.Errorf("%v, want %v: %s", placesOf(diags), places, text(diags))
	}
}

func TestLoad_reports_every_fault_in_one_run(t *testing.T) {
	source, places := marked(`
host {
  listen = ‹"nowhere"
}
device "d" {
  kind   = ‹"tpu"
  memory = ‹"x"
}
plugin ‹"P" {
  binary     = "x"
  sha256     = ‹"y"
  memory     = ‹"z"
  keep_alive = ‹"soon"
  queue      = ‹-1
}
‹plugin "q" {
}
plugin "r" {
  binary = "x"
  device = ‹"none"
}
`)
	c, diags := load(t, source)
	if got := placesOf(diags); !slices.Equal(got, places) {
		t.Errorf("%v, want %v: %s", got, places, text(diags))
	}
	if len(c.Devices) != 1 || len(c.Plugins) != 3 {
		t.Errorf("%d devices and %d plugins could be decoded", len(c.Devices), len(c.Plugins))
	}
}

func TestLoad_reports_the_faults_of_every_file(t *testing.T) {
	one, other := write(t, "x = 1\n"), write(t, "host {\n")
	_, diags := config.Load(one, filepath.Join(t.TempDir(), "none.hcl"), other)
	if len(diags) != 3 {
		t.Fatal(text(diags))
	}
	if !strings.Contains(diags[1].Detail, "--config") || diags[1].Subject != nil {
		t.Errorf("%+v", diags[1])
	}
	if diags[0].Subject.Filename != one || diags[2].Subject.Filename != other {
		t.Errorf("%v, %v", diags[0].Subject, diags[2].Subject)
	}
}

func TestLoad_refuses_what_is_no_configuration_file(t *testing.T) {
	large := write(t, strings.Repeat("#", 1<<20+1))
	if _, diags := config.Load(large); len(diags) != 1 || !strings.Contains(diags[0].Summary, "too large") {
		t.Error(text(diags))
	}
	if _, diags := config.Load(t.TempDir()); !diags.HasErrors() {
		t.Error("a folder is a file")
	}
}

func TestParseSize_reads_binary_and_decimal_units(t *testing.T) {
	for text, want := range map[string]int64{
		"1024": 1024, "1B": 1, "600MiB": 600 << 20, "1.5GiB": 3 << 29, "80GB": 80e9, "2KiB": 2048, "3KB": 3000, "5MB": 5e6, "1TiB": 1 << 40, "1TB": 1e12,
		" 6 GiB ": 6 << 30, "0.5KiB": 512, "1e3": 1000,
	} {
		if got, err := config.ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "0", "-1GiB", "6 gib", "6GiBs", "NaN", "Inf", "1e300", "9223372036854775808", "ten"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// 0 means "what the description says", so that it cannot also mean a fraction of a byte.
func TestParseSize_never_rounds_to_nothing(t *testing.T) {
	for _, text := range []string{"0.5", "0.1B", "1e-9GiB"} {
		if got, err := config.ParseSize(text); err == nil && got <= 0 {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestFormatSize_is_read_back_by_ParseSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0B", 1: "1B", 1023: "1023B", 1024: "1KiB", 600 << 20: "600MiB", 3 << 29: "1.5GiB", 6 << 30: "6GiB", 5 << 40: "5TiB", 1<<30 - 1<<20: "1023MiB",
	} {
		text := config.FormatSize(n)
		if text != want {
			t.Errorf("%d is %q, want %q", n, text, want)
		}
		if got, err := config.ParseSize(text); n > 0 && (err != nil || got != n) {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}

var model = schema.Schema{
	{Name: "model", Type: schema.String, Required: true, Format: schema.FormatPath},
	{Name: "vae", Type: schema.String, Default: "", Format: schema.FormatPath},
	{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(50), Default: int64(8)},
	{Name: "scale", Type: schema.Float, Default: 1.5},
	{Name: "safety", Type: schema.Bool, Default: true},
}

// decode loads one plugin with that config block and decodes it.
func decode(t testing.TB, block string) (config.Plugin, schema.Values, hcl.Diagnostics) {
	t.Helper()
	c, diags := load(t, "plugin \"p\" {\n  binary = \"x\"\n"+block+"}\n")
	if len(diags) > 0 {
		t.Fatal(text(diags))
	}
	values, diags := c.Plugins[0].Decode(model)
	return c.Plugins[0], values, diags
}

func TestDecode_gives_typed_values_with_defaults_and_absolute_paths(t *testing.T) {
	p, got, diags := decode(t, "  config {\n    model = \"models/../turbo\"\n    steps = 4\n    scale = 2\n    safety = false\n  }\n")
	want := schema.Values{"model": filepath.Join(filepath.Dir(p.Binary), "turbo"), "vae": "", "steps": int64(4), "scale": 2.0, "safety": false}
	if len(diags) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v, %s", got, want, text(diags))
	}
	if _, got, diags = decode(t, "  config {\n    model = \"/models/x\"\n    vae = null\n  }\n"); len(diags) > 0 || got.String("model") != "/models/x" || got.Int("steps") != 8 {
		t.Errorf("%v, %s", got, text(diags))
	}
}

func TestDecode_finds_each_fault_at_its_place(t *testing.T) {
	for name, c := range map[string]struct {
		block string // after the line of binary
		want  []string
	}{
		"range":           {"  config {\n    model = \"m\"\n    steps = ‹51\n  }\n", []string{"steps is 51: an int from 1 to 50."}},
		"wrong type":      {"  config {\n    model = \"m\"\n    steps = ‹\"many\"\n  }\n", []string{"number is required"}},
		"no whole number": {"  config {\n    model = \"m\"\n    steps = ‹1.5\n  }\n", []string{"steps is 1.5: an int from 1 to 50."}},
		"unknown attribute": {
			"  config {\n    model = \"m\"\n    ‹stepz = 1\n  }\n", []string{`"stepz"`, "The plugin takes model, vae, steps, scale, safety."},
		},
		"a block":       {"  config {\n    model = \"m\"\n    ‹more {}\n  }\n", []string{"more"}},
		"a variable":    {"  config {\n    model = ‹home\n  }\n", []string{"Variables not allowed"}},
		"null required": {"  config {\n    model = ‹null\n  }\n", []string{"model is required: a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			block, places := marked("\n\n" + c.block)
			_, _, diags := decode(t, block[2:]) // two lines lie before the block
			if got := placesOf(diags); !slices.Equal(got, places) {
				t.Errorf("%v, want %v: %s", got, places, text(diags))
			}
			for _, want := range c.want {
				if !strings.Contains(text(diags), want) {
					t.Errorf("%q is not in %s", want, text(diags))
				}
			}
		})
	}
}

func TestDecode_finds_what_is_missing_at_the_block(t *testing.T) {
	_, _, diags := decode(t, "  config {\n    steps = 4\n  }\n")
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "model is required") {
		t.Fatal(text(diags))
	}
	if line := diags[0].Subject.Start.Line; line < 3 || line > 5 {
		t.Errorf("at line %d, the block is at lines 3 to 5", line)
	}
	p, _, diags := decode(t, "")
	if len(diags) != 1 || *diags[0].Subject != p.Range {
		t.Errorf("without a block: %s", text(diags))
	}
}

func TestDecode_reports_everything_at_once(t *testing.T) {
	block, places := marked("\n\n  config {\n    ‹size  = 1\n    scale = ‹\"x\"\n    steps = ‹0\n  }\n")
	_, _, diags := decode(t, block[2:])
	got := placesOf(diags)
	for _, place := range places {
		if !slices.Contains(got, place) {
			t.Errorf("%v, want %v: %s", got, places, text(diags))
		}
	}
	if len(got) != 4 || !strings.Contains(text(diags), "model is required") {
		t.Errorf("%v: %s", got, text(diags))
	}
}

func TestAt_is_where_a_value_is_set(t *testing.T) {
	p, _, _ := decode(t, "  config {\n    model = \"m\"\n  }\n")
	if at := p.At("model"); at.Start.Line != 4 || at.Start.Column != 13 {
		t.Errorf("%v", at)
	}
	if at := p.At("steps"); at.Start.Line < 3 || at.Start.Line > 5 {
		t.Errorf("%v", at)
	}
	p, _, _ = decode(t, "")
	if at := p.At("model"); at != p.Range {
		t.Errorf("%v", at)
	}
}

func TestWriteDiagnostics_prints_what_editors_find(t *testing.T) {
	path := write(t, "host {\n\tlisten = \"8080\"\n}\n")
	c, diags := config.Load(path)
	diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "No place", Detail: "one\ntwo"})
	var out bytes.Buffer
	if err := c.WriteDiagnostics(&out, diags); err != nil {
		t.Fatal(err)
	}
	want := path + ":2:11: error: Wrong address\n" +
		"  2 |  listen = \"8080\"\n" +
		"    |           ^^^^^^\n" +
		"  listen is \"8080\": an address such as \"127.0.0.1:8080\", with port 0 for any free one.\n\n" +
		"warning: No place\n  one\n  two\n\n"
	if out.String() != want {
		t.Errorf("\n%s, want\n%s", out.String(), want)
	}
	if err := c.WriteDiagnostics(failing{}, diags); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", whole, cpu, "plugin \"p\" {\n", "plugin p {\n binary = \"${x}\"\n}", "host {}\nhost {}", "\xef\xbb\xbfhost {}", "device \"\" { memory = 1e9 }",
		"plugin \"p\" { binary = null }", "plugin \"p\" {\n config {\n model = [1]\n steps = {}\n}\n}", "a = <<EOT\n", "\x00\xff",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "plugins.hcl")
	f.Fuzz(func(t *testing.T, source []byte) {
		if err := os.WriteFile(path, source, 0o600); err != nil {
			t.Fatal(err)
		}
		c, diags := config.Load(path)
		wrong := diags.HasErrors()
		for _, p := range c.Plugins {
			values, moreDiags := p.Decode(model)
			if _, ok := values["model"]; !ok && !wrong && !moreDiags.HasErrors() {
				t.Error("the required model is missing and not reported")
			}
			if !wrong && (!filepath.IsAbs(p.Binary) || p.Queue < 1 || p.Queue > config.MaxQueue || p.KeepAlive < config.Pinned || p.Memory < 0) {
				t.Errorf("accepted: %+v", p)
			}
			diags = append(diags, moreDiags...)
		}
		var out bytes.Buffer
		if err := c.WriteDiagnostics(&out, diags); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "error: "); n < len(diags.Errs()) {
			t.Errorf("%d of %d diagnostics are printed", n, len(diags.Errs()))
		}
	})
}
