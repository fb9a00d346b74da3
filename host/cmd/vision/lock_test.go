package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program writes an executable file into the user's folder and returns its digest.
func (u *user) program(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(u.dir, name)
	u.write(t, name, text)
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (u *user) read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(u.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// block declares a plugin with a binary.
func block(name, binary string) string {
	return fmt.Sprintf("plugin %q { # of a test\n  binary = %q\n}\n", name, binary)
}

// pinnedBlock is block after `vision lock`.
func pinnedBlock(name, binary, digest string) string {
	return fmt.Sprintf("plugin %q { # of a test\n  binary = %q\n  sha256 = %q\n}\n", name, binary, digest)
}

func TestLock_pins_what_the_files_declare(t *testing.T) {
	u := newUser(t, block("a", "one")+block("b", "two"))
	u.write(t, "more.hcl", block("c", "one")) // shares a binary
	one, two := u.program(t, "one", "1"), u.program(t, "two", "2")
	got := u.works(t, "lock", "plugins.hcl", "more.hcl")
	if want := fmt.Sprintf("a: pinned %s\nb: pinned %s\nc: pinned %s\n", one, two, one); got.stdout != want || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	if text := u.read(t, "plugins.hcl"); text != pinnedBlock("a", "one", one)+pinnedBlock("b", "two", two) {
		t.Error(text)
	}
	if text := u.read(t, "more.hcl"); text != pinnedBlock("c", "one", one) {
		t.Error(text)
	}
	changed := u.program(t, "one", "another")
	got = u.works(t, "lock", "--config", "plugins.hcl")
	if want := fmt.Sprintf("a: %s -> %s\nb: unchanged %s\n", one, changed, two); got.stdout != want {
		t.Errorf("%+v", got)
	}
	if text := u.read(t, "plugins.hcl"); text != pinnedBlock("a", "one", changed)+pinnedBlock("b", "two", two) {
		t.Error(text)
	}
	if entries, err := os.ReadDir(u.dir); err != nil || len(entries) != 4 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestLock_check_fails_and_writes_nothing(t *testing.T) {
	u := newUser(t, block("a", "one"))
	u.program(t, "one", "1")
	check := func(code int, unpinned string) {
		t.Helper()
		before := u.read(t, "plugins.hcl")
		got := u.vision(t, "lock", "--check")
		if got.code != code || !strings.Contains(got.stdout, unpinned) || (code == 1) != strings.Contains(got.stderr, "`vision lock`") {
			t.Errorf("%+v", got)
		}
		if text := u.read(t, "plugins.hcl"); text != before {
			t.Errorf("written:\n%s", text)
		}
	}
	check(1, "a: not pinned, its binary has ")
	u.works(t, "lock")
	check(0, "a: unchanged ")
	u.program(t, "one", "another")
	check(1, " -> ")
}

func TestLock_writes_all_files_or_none(t *testing.T) {
	u := newUser(t, block("a", "one"))
	u.write(t, "more.hcl", "\n"+block("c", "missing"))
	u.write(t, "wrong.hcl", block("d", "one")+"queue = 5\n")
	u.write(t, "mine.hcl", "plugin \"e\" {\n  binary = \"one\"\n  dev_override = \"two\"\n}\n")
	u.program(t, "one", "1")
	for file, wants := range map[string][]string{
		"more.hcl":    {"more.hcl:3:12: error: No plugin binary", "missing does not exist"},
		"wrong.hcl":   {"wrong.hcl:4:1: error"},
		"mine.hcl":    {"mine.hcl:1:1: error: A plugin under development", "e runs ", "dev_override"},
		"nowhere.hcl": {"nowhere.hcl"},
	} {
		for _, flags := range [][]string{nil, {"--check"}, {"--json"}} {
			got := u.vision(t, append([]string{"lock", "plugins.hcl", file}, flags...)...)
			for _, want := range wants {
				if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, want) {
					t.Errorf("%s: %+v, want %q", file, got, want)
				}
			}
		}
		if text := u.read(t, "plugins.hcl"); text != block("a", "one") {
			t.Errorf("%s: written:\n%s", file, text)
		}
	}
}

func TestLock_keeps_mode_and_link_of_a_file(t *testing.T) {
	u := newUser(t, "")
	digest := u.program(t, "one", "1")
	u.write(t, "real.hcl", block("a", "one"))
	path, link := filepath.Join(u.dir, "real.hcl"), filepath.Join(u.dir, "link.hcl")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.hcl", link); err != nil {
		t.Fatal(err)
	}
	u.works(t, "lock", "link.hcl")
	if target, err := os.Readlink(link); err != nil || target != "real.hcl" || u.read(t, "real.hcl") != pinnedBlock("a", "one", digest) {
		t.Errorf("%s, %v, %s", target, err, u.read(t, "real.hcl"))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestLock_says_that_a_script_is_only_a_part(t *testing.T) {
	u := newUser(t, block("a", "one")+block("b", "empty"))
	u.program(t, "one", "#!/usr/bin/python3\n")
	u.program(t, "empty", "")
	got := u.works(t, "lock")
	if strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, filepath.Join(u.dir, "one")+" is a script") {
		t.Errorf("%q", got.stderr)
	}
}

func TestLock_renews_a_pin_that_is_no_digest(t *testing.T) {
	u := newUser(t, pinnedBlock("a", "one", "..."))
	digest := u.program(t, "one", "1")
	u.works(t, "lock")
	if text := u.read(t, "plugins.hcl"); text != pinnedBlock("a", "one", digest) {
		t.Error(text)
	}
}

func TestLock_json_is_one_document(t *testing.T) {
	u := newUser(t, block("a", "one"))
	digest := u.program(t, "one", "1")
	for _, old := range []string{"", digest} {
		got := first(t, object(t, u.works(t, "lock", "--json").stdout)["plugins"])
		if keys(t, got) != "binary name new old" || got["old"] != old || got["new"] != digest || got["binary"] != filepath.Join(u.dir, "one") {
			t.Errorf("%v", got)
		}
	}
}

func TestLock_makes_run_and_validate_refuse_another_binary(t *testing.T) {
	u := newUser(t, "")
	source := strings.Split(echo(t, ""), "\"echo\" {\n  binary = ")
	binary, rest, _ := strings.Cut(source[1], "\n")
	program, err := os.ReadFile(strings.Trim(binary, `"`))
	if err != nil {
		t.Fatal(err)
	}
	digest := u.program(t, "plugin", string(program))
	u.write(t, "plugins.hcl", source[0]+"\"echo\" {\n  binary = \"plugin\"\n"+rest)
	u.works(t, "lock")
	u.works(t, "validate")
	changed := u.program(t, "plugin", string(program)+"\n")
	for _, command := range []string{"validate", "run"} {
		got := u.vision(t, command)
		for _, want := range []string{"plugins.hcl:10:12: error: Another binary", digest, changed, "`vision lock` pins this one"} {
			if got.code != 2 || !strings.Contains(got.stderr, want) {
				t.Errorf("%s: %+v, want %q", command, got, want)
			}
		}
	}
	u.works(t, "lock")
	u.works(t, "validate")
}
