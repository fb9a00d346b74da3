package main_test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sdkSource is the tree under test.
func sdkSource(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// offline is an environment where the go command takes modules from its cache or fails.
func (u *user) offline() []string {
	return append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off", "VISION_STATE="+u.state, "XDG_RUNTIME_DIR="+u.runtime)
}

// inFolder runs a program in a folder of the user, offline.
func (u *user) inFolder(t testing.TB, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = filepath.Join(u.dir, folder), u.offline(), time.Second
	began := time.Now()
	out, err := cmd.CombinedOutput()
	t.Logf("%s %.40q: %s", name, args, time.Since(began).Round(time.Millisecond))
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestPluginNew_writes_a_module_whose_tests_pass_and_prints_commands_that_work(t *testing.T) {
	u := newUser(t, "")
	next := u.works(t, "plugin", "new", "sky-painter", "--sdk", sdkSource(t)).stdout
	files, err := filepath.Glob(filepath.Join(u.dir, "sky-painter", "*.go"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d Go files, %v", len(files), err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if formatted, err := format.Source(text); err != nil || string(formatted) != string(text) {
			t.Errorf("%s is not formatted, %v", path, err)
		}
		if place := regexp.MustCompile(`\{\{\w+\}\}`).Find(text); place != nil {
			t.Errorf("%s: %s was not filled in", path, place)
		}
	}
	u.inFolder(t, "sky-painter", "go", "vet", "./...")
	if out := u.inFolder(t, ".", "sh", "-e", "-c", next); !strings.Contains(out, "ok  \texample.com/sky-painter") {
		t.Errorf("%s", out)
	}
	picture, err := os.ReadFile(filepath.Join(u.dir, "sky-painter", "morning.png"))
	if err != nil {
		t.Fatal(err)
	}
	if b := decodePNG(t, picture).Bounds(); b.Dx() != 256 || b.Dy() != 256 {
		t.Errorf("the picture has %v", b)
	}
	if out := u.works(t, "fmt", "--check", "sky-painter/plugins.hcl").stdout; out != "" {
		t.Errorf("not formatted: %s", out)
	}
}

func TestPluginNew_honours_its_flags(t *testing.T) {
	u := newUser(t, "")
	if err := os.Mkdir(filepath.Join(u.dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args              []string
		dir, module, next string
	}{
		{[]string{"a1"}, "a1", "example.com/a1", "/a1\n"},
		{[]string{"a2", "--dir", "my plugins/one"}, "my plugins/one", "example.com/a2", "/my plugins/one'\n"},
		{[]string{"a3", "--dir", "empty", "--module", "git.example.org/me/a3/v2"}, "empty", "git.example.org/me/a3/v2", "/empty\n"},
	} {
		r := u.works(t, append([]string{"plugin", "new", "--sdk", sdkSource(t)}, c.args...)...)
		mod, err := os.ReadFile(filepath.Join(u.dir, c.dir, "go.mod"))
		if err != nil || !strings.HasPrefix(string(mod), "module "+c.module+"\n") {
			t.Errorf("%v: %v\n%s", c.args, err, mod)
		}
		if !strings.Contains(r.stdout, c.next) {
			t.Errorf("%v: %s", c.args, r.stdout)
		}
	}
}

func TestPluginNew_refuses_what_cannot_work_and_writes_nothing(t *testing.T) {
	u := newUser(t, "")
	u.write(t, "file", "")
	sdk := sdkSource(t)
	for _, c := range []struct {
		name   string
		args   []string
		stderr string
	}{
		{"no name", nil, "NAME [--dir DIR] [--module PATH] [--sdk DIR]"},
		{"capitals", []string{"Sky", "--sdk", sdk}, "lower-case letters, digits and hyphens"},
		{"a path", []string{"../sky", "--sdk", sdk}, "such as sky-painter"},
		{"a device of Windows", []string{"con", "--sdk", sdk}, "device of Windows"},
		{"a long name", []string{strings.Repeat("x", 65), "--sdk", sdk}, "1 to 64"},
		{"a folder that is not empty", []string{"sky", "--dir", ".", "--sdk", sdk}, "is not empty: name another folder with --dir"},
		{"a file", []string{"sky", "--dir", "file", "--sdk", sdk}, "cannot write to"},
		{"no module path", []string{"sky", "--module", "my plugin", "--sdk", sdk}, "such as example.com/sky"},
		{"our own module path", []string{"sky", "--module", "github.com/vision19/vision", "--sdk", sdk}, "--module"},
		{"no SDK", []string{"sky"}, "name its folder with --sdk DIR"},
		{"no module there", []string{"sky", "--sdk", "."}, "no source of github.com/vision19/vision"},
		{"another module there", []string{"sky", "--sdk", filepath.Join(sdk, "examples/go-plugin")}, "holds the module example.com/palette"},
	} {
		r := u.vision(t, append([]string{"plugin", "new"}, c.args...)...)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("%s: exit code %d, want 2 with %q\n%s%s", c.name, r.code, c.stderr, r.stdout, r.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(u.dir, "sky")); err == nil {
		t.Error("a folder was written")
	}
}
