package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of the search for links in model folders: the largest repositories of diffusion models have some hundred files in four levels.
const (
	maxModelEntries = 10_000
	maxModelDepth   = 8
)

// modelPaths are the paths and the targets of the links inside them: models share files with one another, and the cache of Hugging Face
// consists of links. A link may lead to a neighbour of its model folder and into the cache's store. Another is an error: a model comes from
// a stranger, and one with a link to a wallet must not open it to its plugin.
func modelPaths(paths []string) ([]string, error) {
	w := modelWalk{left: maxModelEntries, seen: map[string]bool{}}
	return w.all(paths)
}

func (w *modelWalk) all(paths []string) ([]string, error) {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("the sandbox's readable path %q must be absolute", path)
		}
		real, err := filepath.EvalSymlinks(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the plugin says it better, with the parameter's name
		} else if err != nil {
			return nil, fmt.Errorf("the sandbox's readable path %s: %w", path, err)
		}
		w.given = append(w.given, real)
	}
	for _, root := range w.given {
		if err := w.add(root, root, 0); err != nil {
			return nil, err
		}
	}
	return w.found, nil
}

type modelWalk struct {
	given []string // what the operator named, without links
	found []string
	seen  map[string]bool
	left  int
}

// add allows a real path and walks it.
func (w *modelWalk) add(root, path string, depth int) error {
	if w.seen[path] {
		return nil
	}
	w.seen[path] = true
	w.found = append(w.found, path)
	return w.walk(root, path, depth)
}

// walk looks for links below path. root is the given path by which it came here.
func (w *modelWalk) walk(root, path string, depth int) error {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return nil
	}
	if depth > maxModelDepth {
		return fmt.Errorf("the model folder %s has more than %d levels of folders: name the one that the plugin needs", root, maxModelDepth)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("look for links in the model folder %s: %w", root, err)
	}
	for _, e := range entries {
		if w.left--; w.left < 0 {
			return fmt.Errorf("the model folder %s has more entries than the %d in which links are looked for: "+
				"name the one that the plugin needs", root, maxModelEntries)
		}
		name := filepath.Join(path, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			err = w.link(root, name, depth)
		} else if e.IsDir() {
			err = w.walk(root, name, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *modelWalk) link(root, name string, depth int) error {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil // it leads nowhere
	}
	for _, given := range w.given {
		if within(target, given) {
			return nil // readable already, and walked from there
		}
	}
	for _, dir := range shared(root) {
		if within(target, dir) && target != dir && !holdsHome(target) && !hidden(dir, target) {
			return w.add(root, target, depth+1)
		}
	}
	return fmt.Errorf("in the model folder %s, %s is a link to %s, outside of the folder and its neighbours: "+
		"add that path to read in the plugin's sandbox block if the plugin may read it", root, name, target)
}

// hidden reports whether a name between dir and path begins with a dot: keys and wallets lie there, models do not.
func hidden(dir, path string) bool {
	rel, _ := filepath.Rel(dir, path)
	return strings.HasPrefix(rel, ".") || strings.Contains(rel, "/.")
}

// shared are the folders into which a model's links may lead: the one where the model lies, and for a snapshot in Hugging Face's cache the
// repository's blobs. A model that lies in the home folder itself has no neighbours.
func shared(root string) []string {
	parent := filepath.Dir(root)
	var out []string
	if !holdsHome(parent) {
		out = append(out, parent)
	}
	if filepath.Base(parent) == "snapshots" {
		out = append(out, filepath.Join(filepath.Dir(parent), "blobs"))
	}
	return out
}
