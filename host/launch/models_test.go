package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes files, and links where the text begins with "->".
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if target, isLink := strings.CutPrefix(text, "->"); isLink {
			err = os.Symlink(strings.ReplaceAll(target, "ROOT", root), path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestModelPaths_follow_links_to_neighbours_and_no_further(t *testing.T) {
	wallet := tree(t, map[string]string{"hotkey": "mnemonic"})
	for name, c := range map[string]struct {
		files map[string]string
		home  string
		paths []string
		want  []string // beside the paths
		fault string
	}{
		"no links":     {files: map[string]string{"m/a/b.onnx": ""}, paths: []string{"m"}, want: []string{"m"}},
		"a file":       {files: map[string]string{"m/b.onnx": ""}, paths: []string{"m/b.onnx"}, want: []string{"m/b.onnx"}},
		"missing":      {paths: []string{"m"}},
		"inside":       {files: map[string]string{"m/a": "", "m/b": "->a"}, paths: []string{"m"}, want: []string{"m"}},
		"a neighbour":  {files: map[string]string{"tiny/vae/x": "", "m/vae": "->../tiny/vae", "m/v2": "->../tiny/vae"}, paths: []string{"m"}, want: []string{"m", "tiny/vae"}},
		"on and on":    {files: map[string]string{"a/x": "", "b/x": "->../a/x", "m/b": "->../b"}, paths: []string{"m"}, want: []string{"m", "b", "a/x"}},
		"in a circle":  {files: map[string]string{"a/m": "->../m", "m/a": "->../a"}, paths: []string{"m"}, want: []string{"m", "a"}},
		"the path":     {files: map[string]string{"real/x": "", "m": "->real"}, paths: []string{"m"}, want: []string{"real"}},
		"to nowhere":   {files: map[string]string{"m/x": "->../gone"}, paths: []string{"m"}, want: []string{"m"}},
		"another path": {files: map[string]string{"far/away/x": "", "m/n/x": "->../../far/away/x"}, paths: []string{"m/n", "far/away"}, want: []string{"m/n", "far/away"}},
		"hugging face": {
			files: map[string]string{"hub/r/blobs/1f": "", "hub/r/snapshots/main/unet/model.onnx": "->../../../blobs/1f"},
			paths: []string{"hub/r/snapshots/main"}, want: []string{"hub/r/snapshots/main", "hub/r/blobs/1f"},
		},
		"a wallet":           {files: map[string]string{"m/x": "->" + wallet + "/hotkey"}, paths: []string{"m"}, fault: wallet + "/hotkey"},
		"a wallet's folder":  {files: map[string]string{"m/x": "->" + wallet}, paths: []string{"m"}, fault: wallet},
		"everything":         {files: map[string]string{"m/x": "->/"}, paths: []string{"m"}, fault: "a link to /,"},
		"the parent":         {files: map[string]string{"m/x": "->.."}, paths: []string{"m"}, fault: "m/x is a link"},
		"a hidden neighbour": {files: map[string]string{".ssh/id": "", "m/x": "->../.ssh/id"}, paths: []string{"m"}, fault: ".ssh/id"},
		"hidden below":       {files: map[string]string{"u/.ssh/id": "", "m/x": "->../u/.ssh/id"}, paths: []string{"m"}, fault: ".ssh/id"},
		"in the home folder": {files: map[string]string{"h/keys/id": "", "h/m/x": "->../keys/id"}, home: "h", paths: []string{"h/m"}, fault: "keys/id"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, c.files)
			if c.home != "" {
				t.Setenv("HOME", filepath.Join(root, c.home))
			}
			in := func(names []string) (paths []string) {
				for _, n := range names {
					paths = append(paths, filepath.Join(root, n))
				}
				return paths
			}
			got, err := modelPaths(in(c.paths))
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "sandbox") {
					t.Errorf("%q, %v, want %q", got, err, c.fault)
				}
				return
			}
			if err != nil || !slices.Equal(got, in(c.want)) {
				t.Errorf("%q, %v, want %q", got, err, in(c.want))
			}
		})
	}
}

func TestModelPaths_search_is_bounded_and_of_absolute_paths(t *testing.T) {
	if _, err := modelPaths([]string{"models/tiny"}); err == nil || !strings.Contains(err.Error(), "must be absolute") {
		t.Error(err)
	}
	root := tree(t, map[string]string{"wide/a/1": "", "wide/b": "", "wide/c": "", "deep/1/2/3/4/5/6/7/8/9/x": ""})
	for left, ok := range map[int]bool{4: true, 3: false} {
		w := modelWalk{left: left, seen: map[string]bool{}}
		if _, err := w.all([]string{filepath.Join(root, "wide")}); ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "entries") {
			t.Errorf("%d entries: %v", left, err)
		}
	}
	if _, err := modelPaths([]string{filepath.Join(root, "deep")}); err == nil || !strings.Contains(err.Error(), "more than 8 levels") {
		t.Error(err)
	}
}

func TestRules_do_not_open_the_home_folder_or_what_holds_it(t *testing.T) {
	root := tree(t, map[string]string{"u/plugin": "", "u/lib/onnx.so": "", "u/bin/plugin": ""})
	home := filepath.Join(root, "u")
	t.Setenv("HOME", home)
	for _, c := range []struct{ binary, source string }{{"u/plugin", "u"}, {"u/plugin", ""}, {"u/bin/plugin", "u"}} {
		s := Spec{Binary: filepath.Join(root, c.binary), ScratchDir: "/scratch"}
		if c.source != "" {
			s.Source = filepath.Join(root, c.source)
		}
		rules, err := s.rules("/socket", []string{"ONNXRUNTIME_LIB=" + home + "/lib/onnx.so", "LD_LIBRARY_PATH=:lib:/opt/lib"})
		if err != nil {
			t.Fatal(err)
		}
		granted := map[string]access{}
		for _, r := range rules {
			if within(home, r.Path) || !filepath.IsAbs(r.Path) {
				t.Errorf("%+v: %+v", c, r)
			}
			granted[r.Path] = r.Access
		}
		for path, want := range map[string]access{s.Binary: read, home + "/lib": read, "/opt/lib": read, "/scratch": write, "/socket": write, "/dev/null": device} {
			if granted[path] != want {
				t.Errorf("%+v: %s is %q, want %q", c, path, granted[path], want)
			}
		}
	}
}
