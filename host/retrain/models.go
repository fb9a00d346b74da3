package retrain

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/gbdt"
)

// ShippedName is the name of the models that this version brings along.
const ShippedName = "shipped"

// Kinds are those of models that can be trained.
var Kinds = []compare.Kind{compare.Image, compare.Strict}

// The bounds of what is read and kept.
const (
	maxModels  = 500     // a folder each; one a day for more than a year
	maxCard    = 1 << 20 // bytes; a card has some kilobytes
	maxCurrent = 4 << 10 // bytes; it names two models
)

// ErrName is a name that no model of the store has.
var ErrName = errors.New("no such reward model")

// named is how models of the store are named: by their kind, and counted.
var named = regexp.MustCompile(`^(image|strict)-([1-9][0-9]{0,8})$`)

// Model is one of the store, or a shipped one.
type Model struct {
	Name  string       `json:"name"`
	InUse bool         `json:"in_use"`
	Card  compare.Card `json:"card"`
}

// Models lists the shipped models and those of the store, by kind and age.
func (s *Store) Models() ([]Model, error) {
	current, err := s.current()
	if err != nil {
		return nil, err
	}
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var out []Model
	for _, kind := range Kinds {
		for _, name := range append([]string{ShippedName}, names[kind]...) {
			m, err := s.Load(kind, name)
			if err != nil {
				return nil, err
			}
			out = append(out, Model{Name: name, InUse: name == current[kind], Card: m.Card()})
		}
	}
	return out, nil
}

// names lists the models of the store by kind, the oldest first.
func (s *Store) names() (map[compare.Kind][]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "models"))
	if err != nil {
		return nil, fmt.Errorf("list the reward models: %w", err)
	}
	out := map[compare.Kind][]string{}
	for _, e := range entries {
		if kind, err := KindOf(e.Name()); err == nil {
			out[kind] = append(out[kind], e.Name())
		}
	}
	for _, names := range out {
		slices.SortFunc(names, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	}
	return out, nil
}

// KindOf tells a kind by the name of a model of the store. The error is ErrName.
func KindOf(name string) (compare.Kind, error) {
	m := named.FindStringSubmatch(name)
	if m == nil {
		return "", fmt.Errorf("%w: %q; `vision reward models` lists them", ErrName, name)
	}
	return compare.Kind(m[1]), nil
}

// number is that in a model's name.
func number(name string) int {
	m := named.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[2]) // nine digits
	return n
}

// Load loads a model by kind and name. The error is ErrName, or says what is wrong with its files.
func (s *Store) Load(kind compare.Kind, name string) (*compare.Model, error) {
	if name == ShippedName {
		return compare.Shipped(kind)
	}
	if of, err := KindOf(name); err != nil {
		return nil, err
	} else if of != kind {
		return nil, fmt.Errorf("%w: %s of the kind %s; `vision reward models` lists them", ErrName, name, kind)
	}
	fail := func(err error) (*compare.Model, error) {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrName, err)
		}
		return nil, fmt.Errorf("the reward model %s: %w", name, err)
	}
	dir := filepath.Join(s.dir, "models", name)
	about, err := readAtMost(filepath.Join(dir, "card.json"), maxCard)
	if err != nil {
		return fail(err)
	}
	var card compare.Card
	if err := json.Unmarshal(about, &card); err != nil {
		return fail(fmt.Errorf("%w: %w", compare.ErrCard, err))
	}
	trees, err := readAtMost(filepath.Join(dir, "xgboost.json"), gbdt.MaxBytes)
	if err != nil {
		return fail(err)
	}
	model, err := compare.NewModel(trees, card)
	if err != nil {
		return fail(err)
	}
	return model, nil
}

// Current loads the model in use.
func (s *Store) Current(kind compare.Kind) (*compare.Model, string, error) {
	current, err := s.current()
	if err != nil {
		return nil, "", err
	}
	name := current[kind]
	m, err := s.Load(kind, name)
	if err != nil && name != ShippedName {
		err = fmt.Errorf("%w; `vision reward use %s --kind %s` goes back to the one that this version brings along", err, ShippedName, kind)
	}
	return m, name, err
}

// current is what current.json says, for every kind.
func (s *Store) current() (map[compare.Kind]string, error) {
	path := filepath.Join(s.dir, "current.json")
	var chosen map[compare.Kind]string
	text, err := readAtMost(path, maxCurrent)
	if err == nil {
		err = json.Unmarshal(text, &chosen)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w; without the file the shipped models are in use", path, err)
	}
	names := map[compare.Kind]string{}
	for _, k := range Kinds {
		names[k] = cmp.Or(chosen[k], ShippedName)
	}
	return names, nil
}

// Use puts a model that exists in use. Whatever fails, the one before stays.
func (s *Store) Use(kind compare.Kind, name string) error {
	if _, err := s.Load(kind, name); err != nil {
		return err
	}
	current, err := s.current()
	if err != nil {
		return err
	}
	current[kind] = name
	text, err := json.MarshalIndent(current, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, "current.json")
	temporary := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	err = writeFile(temporary, append(text, '\n'))
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("use the reward model %s: %w", name, errors.Join(err, os.Remove(temporary)))
	}
	return syncFolder(s.dir)
}

// save keeps a model under the next free name of its kind.
func (s *Store) save(trees []byte, card compare.Card) (name string, err error) {
	dir := filepath.Join(s.dir, "models")
	defer func() {
		if err != nil {
			err = fmt.Errorf("save a reward model: %w", err)
		}
	}()
	names, err := s.names()
	if err != nil {
		return "", err
	}
	mine := names[card.Kind]
	if len(mine) >= maxModels {
		return "", fmt.Errorf("%w: %s has %d models of the kind %s; remove folders of old ones", ErrFull, dir, len(mine), card.Kind)
	}
	next := 1
	if len(mine) > 0 {
		next += number(mine[len(mine)-1])
	}
	card.Name = fmt.Sprintf("%s-%d", card.Kind, next)
	about, err := json.MarshalIndent(card, "", "  ")
	if err != nil {
		return "", err
	}
	sweep(dir)
	temporary, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return "", err
	}
	err = errors.Join(writeFile(filepath.Join(temporary, "xgboost.json"), trees), writeFile(filepath.Join(temporary, "card.json"), append(about, '\n')),
		os.Chmod(temporary, 0o755), syncFolder(temporary))
	if err == nil {
		err = os.Rename(temporary, filepath.Join(dir, card.Name))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(temporary))
	}
	return card.Name, syncFolder(dir)
}

// sweep removes what a crash has left half made. What is younger than a day may be another process's.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, ".new-*"))
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(path)
		}
	}
}
